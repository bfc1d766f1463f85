"""The targets. Each has the same modules."""
