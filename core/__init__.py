"""The model of a fleet and all values that are derived from it. Pure Python: no pulumi, no AWS."""
