"""Lists and calls the tools of an agent's MCP servers, for an agent that is a state machine."""

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import anyio

from common.tool_servers import Tool, call, connection, first, servers, survey, text

MAX_RESULT_CHARACTERS = 16_000
"""The longest text of a result: with others like it, it travels in a state machine's state, which
is 256 KiB at most (AWS Step Functions Developer Guide, "Service quotas")."""

MAX_LISTING_SECONDS = 10
"""The longest time for listing the tools of one server."""

# Amazon Bedrock API reference, ToolSpecification, `name`.
_MAX_NAME_CHARACTERS = 64
_NOT_IN_A_NAME = re.compile(r"[^a-zA-Z0-9_-]")
_HASH_CHARACTERS = 8

_MARGIN_SECONDS = 1  # to say that time is up, before Lambda ends the function
_CUT = "\n(cut here: the result is longer)"
_EMPTY = "(the result has no text)"


class ServerUnavailable(Exception):  # noqa: N818 - the state machine tries again by this name
    """A server is unknown, is not reached or breaks the protocol; trying again may help."""


class ToolTimeoutError(Exception):
    """A tool was still at work when the function's time was up; it may have done its work."""


class Context(Protocol):
    """What Lambda tells about an invocation."""

    def get_remaining_time_in_millis(self) -> int:
        """The time until Lambda ends the function."""
        ...


def handle(event: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """List all tools, or call one.

    Reads `MCP_SERVERS` and `MCP_SERVERS_AUTH`; see `common.tool_servers`.

    Args:
        event: `{"list": true}`, or `{"server": …, "tool": …, "arguments": {…}}`.
        context: The invocation's.

    Returns:
        For a list, `tools`, each with a `Name` that is unique and fit for Bedrock, `Server`,
        `Tool`, `Description` and `InputSchema`, and `absent`, each a `server` with the `reason` why
        it listed none. For a call, its `text`, at most `MAX_RESULT_CHARACTERS` long, and `error`,
        whether the tool calls it one.

    Raises:
        ServerUnavailable: If the tool cannot be called.
        ToolTimeoutError: If the call takes longer than the function may.
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


def names(tools: Iterable[Tool]) -> dict[str, Tool]:
    """Give each tool a name that Bedrock takes and that no other has.

    Args:
        tools: The tools, no two of them alike.

    Returns:
        The tools by name: `server__tool`; if that is too long, has other characters or is taken
        already, what is left of it and a hash.
    """
    named: dict[str, Tool] = {}
    for tool in tools:
        plain = f"{tool.server}__{tool.name}"
        name = _NOT_IN_A_NAME.sub("_", plain)
        salt = 0
        while name in named or len(name) > _MAX_NAME_CHARACTERS or (name != plain and salt == 0):
            salt += 1
            digest = hashlib.sha256(f"{tool.server}\n{tool.name}\n{salt}".encode()).hexdigest()
            kept = _NOT_IN_A_NAME.sub("_", plain)[: _MAX_NAME_CHARACTERS - _HASH_CHARACTERS - 1]
            name = f"{kept}_{digest[:_HASH_CHARACTERS]}"
        named[name] = tool
    return named


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
        raise ToolTimeoutError(f"{server} gave no result within {seconds:.0f} s") from None
    except Exception as error:
        # Lambda logs it, so its text, which may quote an argument, is left out.
        raise ServerUnavailable(f"{server}: {type(first(error)).__name__}") from None
    return {"text": _bounded(text(result)), "error": bool(result.is_error)}


def _bounded(whole: str) -> str:
    if len(whole) <= MAX_RESULT_CHARACTERS:
        return whole or _EMPTY
    return whole[: MAX_RESULT_CHARACTERS - len(_CUT)] + _CUT
