"""The targets: for each the same modules."""
