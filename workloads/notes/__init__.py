"""An MCP server that stores notes in files."""
