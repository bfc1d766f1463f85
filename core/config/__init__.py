"""The configuration: its model, how it is parsed, its rules and errors."""
