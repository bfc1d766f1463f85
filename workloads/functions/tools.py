"""Lists and calls the tools of an agent's MCP servers, for an agent that is a state machine."""

import os
from collections.abc import Mapping
from typing import Any, Protocol

import anyio

from common.json_log import have_json_lines_logged
from common.tool_servers import (
    MAX_RESULT_CHARACTERS,
    bounded,
    call,
    connection,
    first,
    names,
    servers,
    survey,
    text,
)

MAX_LISTING_SECONDS = 10
"""The longest time for listing the tools of one server."""

# Lambda's own handler would insert the arguments of libraries' messages, which may be a caller's.
have_json_lines_logged()

_MARGIN_SECONDS = 1  # to report the timeout before Lambda stops the function


class ServerUnavailable(Exception):  # noqa: N818 - the state machine retries by this name
    """A server is unknown, unreachable or violates the protocol; a retry may help."""


class ToolTimeoutError(Exception):
    """A call was in progress at the function's timeout; the tool may have completed its work."""


class Context(Protocol):
    """The context of an invocation."""

    def get_remaining_time_in_millis(self) -> int:
        """The time until Lambda stops the function."""
        ...


def handle(event: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """List all tools, or call one.

    Reads `MCP_SERVERS` and `MCP_SERVERS_AUTH`; see `common.tool_servers`.

    Args:
        event: `{"list": true}`, or `{"server": …, "tool": …, "arguments": {…}}`.
        context: The invocation's.

    Returns:
        For a list, `tools`, each with a `Name` that is unique and valid for Bedrock, `Server`,
        `Tool`, `Description` and `InputSchema`, and `absent`, each a `server` with the `reason` why
        it listed no tools. For a call, its `text` of at most `MAX_RESULT_CHARACTERS`, and `error`,
        whether the tool reports an error.

    Raises:
        ServerUnavailable: If the tool cannot be called.
        ToolTimeoutError: If the call takes longer than the function's timeout allows.
    """
    seconds = context.get_remaining_time_in_millis() / 1000 - _MARGIN_SECONDS
    if event.get("list") is True:
        return anyio.run(_list, min(MAX_LISTING_SECONDS, seconds))
    return anyio.run(_call, event["server"], event["tool"], event["arguments"], seconds)


async def _list(seconds: float) -> dict[str, Any]:
    found, absent = await survey(servers(os.environ), connection(os.environ), seconds)
    tools = {(tool.server, tool.name): tool for listed in found.values() for tool in listed}
    return {
        "tools": [
            {
                "Name": name,
                "Server": tool.server,
                "Tool": tool.name,
                "Description": tool.description,
                "InputSchema": tool.schema,
            }
            for name, tool in names(tools.values()).items()
        ],
        "absent": [{"server": server, "reason": why} for server, why in absent.items()],
    }


async def _call(
    server: str, tool: str, arguments: Mapping[str, Any], seconds: float
) -> dict[str, Any]:
    urls = servers(os.environ)
    if server not in urls:
        raise ServerUnavailable(f"{server!r} is not one of {', '.join(urls) or 'no servers'}")
    connect = connection(os.environ)
    try:
        with anyio.fail_after(seconds):
            result = await call(urls[server], tool, arguments, connect)
    except TimeoutError:
        raise ToolTimeoutError(f"{server} returned no result within {seconds:.0f} s") from None
    except Exception as error:
        # Lambda logs it, so its text, which may quote an argument, is left out.
        raise ServerUnavailable(f"{server}: {type(first(error)).__name__}") from None
    return {"text": bounded(text(result), MAX_RESULT_CHARACTERS), "error": bool(result.is_error)}
