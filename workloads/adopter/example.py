"""A small stdio MCP server, the example that the image adopts by default."""

from mcp.server.mcpserver import MCPServer
from pydantic import BaseModel


class Size(BaseModel):
    """The length of a text."""

    characters: int
    words: int
    lines: int


def measure(text: str) -> Size:
    """Count the characters, words and lines of a text."""
    return Size(characters=len(text), words=len(text.split()), lines=len(text.splitlines()))


def about() -> str:
    """What this server is."""
    return "An example of a server that speaks stdio, served over HTTP by the adopter."


def shorten(text: str) -> str:
    """Ask for a shorter text."""
    return f"Say this in half as many words:\n\n{text}"


def main() -> None:
    """Serve on stdin and stdout until stdin ends."""
    server = MCPServer("example", instructions="Measures texts.")
    server.add_tool(measure)
    server.resource("example://about")(about)
    server.prompt()(shorten)
    server.run("stdio")


if __name__ == "__main__":
    main()
