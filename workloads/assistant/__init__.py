"""An agent that answers questions with the tools of the MCP servers that it may use."""
