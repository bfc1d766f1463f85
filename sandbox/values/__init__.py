"""Values: the engine's wire format, access by path, and JSON Schema."""
