"""Serves the tools of an MCP server that speaks stdio over HTTP, by a pool of its processes."""
