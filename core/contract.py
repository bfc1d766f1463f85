"""The port and the paths that the container of every workload serves."""

from typing import Final

PORT: Final = 8080
"""The port that every workload listens on; the variable `PORT` has it."""

MCP_PATH: Final = "/mcp"
"""The path of the MCP endpoint of every server."""

HEALTH_PATH: Final = "/health"
"""The path that health checks request."""
