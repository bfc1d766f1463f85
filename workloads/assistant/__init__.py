"""An agent that answers questions with the tools of its MCP servers."""
