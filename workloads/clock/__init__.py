"""An MCP server that returns and converts times."""
