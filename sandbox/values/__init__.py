"""Values: the engine's wire format, and access by path."""
