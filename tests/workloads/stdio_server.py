"""A stdio server whose tools test the adopter, as a process."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
from mcp.server import Server
from mcp.server.context import ServerRequestContext
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ImageContent,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
)

SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "value": {"anyOf": [{"type": "null"}, {"type": "string", "x-unit": "m"}]},
        "region": {"type": "string", "x-mcp-header": "Region"},
    },
    "additionalProperties": True,
}
NAMES = [
    *("echo", "fail", "refuse", "process", "hang", "block"),
    *("die", "grow", "write", "progress", "wait", "leave", "long"),
]

grown: list[str] = []
blocking = False


async def list_tools(
    _ctx: ServerRequestContext[Any], params: PaginatedRequestParams | None
) -> ListToolsResult:
    """Two pages."""
    names = [*NAMES, *grown]
    shown = names[5:] if params and params.cursor == "second" else names[:5]
    tools = [
        Tool(name=name, description=f"To {name}.", input_schema=SCHEMA, output_schema=None)
        for name in shown
    ]
    return ListToolsResult(tools=tools, next_cursor="second" if shown == names[:5] else None)


def text(said: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=said)])


def note(arguments: dict[str, Any], line: str) -> None:
    with Path(arguments["file"]).open("a") as file:
        file.write(f"{line}\n")


async def let(arguments: dict[str, Any]) -> CallToolResult:
    """Wait for a file."""
    note(arguments, f"started {os.getpid()}")
    while not Path(arguments["let"]).exists():
        await anyio.sleep(0.01)  # a poll, as the test is another process
    return text("let")


def leave() -> CallToolResult:
    """Start a process that outlives this one."""
    left = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True
    )
    return CallToolResult(content=[], structured_content={"pid": left.pid})


async def hang(arguments: dict[str, Any]) -> CallToolResult:
    note(arguments, f"started {os.getpid()}")
    try:
        await anyio.sleep_forever()
    finally:
        note(arguments, f"cancelled {os.getpid()}")
    return text("not reached")


async def call_tool(  # noqa: C901, PLR0911, PLR0912 - one line per tool
    ctx: ServerRequestContext[Any], params: CallToolRequestParams
) -> CallToolResult:
    arguments = params.arguments or {}
    match params.name:
        case "echo":
            return CallToolResult(
                content=[
                    TextContent(text="said", _meta={"k": "v"}),
                    ImageContent(data="AAAA", mime_type="image/png"),
                ],
                structured_content=arguments,
                _meta={"example.com/got": dict(params.meta or {})},
            )
        case "fail":
            return CallToolResult(content=[TextContent(text="no")], is_error=True)
        case "refuse":
            raise MCPError(-32050, "refused", {"why": "because"})
        case "process":
            return CallToolResult(
                content=[],
                structured_content={
                    "pid": os.getpid(),
                    "folder": str(Path.cwd()),
                    "environment": dict(os.environ),
                },
            )
        case "hang":
            return await hang(arguments)
        case "block":
            note(arguments, f"started {os.getpid()}")
            signal.pause()
            return text("not reached")
        case "die":
            os._exit(1)
        case "grow":
            grown.append(arguments["value"])
            await ctx.session.send_tool_list_changed()
            return text("grown")
        case "write":
            sys.stderr.write(f"{arguments['value']}\n")
            sys.stderr.flush()
            return text("written")
        case "progress":
            await ctx.session.report_progress(1, 2, "half")
            return text("done")
        case "wait":
            return await let(arguments)
        case "leave":
            return leave()
        case "long":
            return text("x" * arguments["length"])
        case _:
            raise MCPError(-32602, f"no tool {params.name}")


async def main() -> None:
    if len(sys.argv) > 1 and sys.argv[1] == "mute":
        await anyio.sleep_forever()
    if len(sys.argv) > 1 and sys.argv[1] == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    server = Server[Any](
        "nasty",
        version="7",
        instructions="Take care.",
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


if __name__ == "__main__":
    asyncio.run(main())
