"""The fleet model and everything that follows from it, in pure Python: no pulumi, no AWS."""
