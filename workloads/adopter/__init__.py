"""Serves the tools of a stdio MCP server over HTTP, with a pool of processes."""
