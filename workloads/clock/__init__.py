"""An MCP server that tells and converts the time."""
