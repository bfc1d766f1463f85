"""The engine's wire format, access to values by path, and JSON Schema."""
