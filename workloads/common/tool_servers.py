"""The MCP servers of an agent: their addresses, their tools, and calls of the tools."""

import hashlib
import re
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import anyio
import httpx2
from mcp.client import Client, Transport
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent
from pydantic import AnyHttpUrl, TypeAdapter

from .json_log import log
from .json_settings import json_object
from .settings import SettingError, needed

Connect = Callable[[str], Transport]
"""From a server's URL to a transport of the SDK's client."""

_URLS = TypeAdapter(dict[str, AnyHttpUrl])
_CONNECT_SECONDS = 30
# Eight times the SDK's limit. A result is truncated for the model, but must be received first.
_MAX_EVENT_BYTES = 8 * 1024 * 1024

# Amazon Bedrock API reference, ToolSpecification, `name`.
_MAX_NAME_CHARACTERS = 64
_NOT_IN_A_NAME = re.compile(r"[^a-zA-Z0-9_-]")
_HASH_CHARACTERS = 8

_CUT = "\n(cut here: the result is longer)"
_EMPTY = "(the result has no text)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Tool:
    """A tool as a server lists it; `schema` is the JSON schema of its arguments."""

    server: str
    name: str
    description: str
    schema: Mapping[str, Any]


def servers(env: Mapping[str, str]) -> dict[str, str]:
    """Read the servers from the environment.

    Args:
        env: `MCP_SERVERS`, a JSON object, server name to the URL of its `/mcp`.

    Returns:
        Name to URL.

    Raises:
        SettingError: If it is other JSON, or a URL is not http(s).
    """
    urls = json_object(env, "MCP_SERVERS", _URLS, "server name to http(s) URL")
    return {name: str(url) for name, url in urls.items()}


def connection(env: Mapping[str, str]) -> Connect:
    """Derive the transport to servers from the environment.

    Args:
        env: `MCP_SERVERS_AUTH`, `sigv4` to sign every request with this workload's AWS
            credentials, which needs `AWS_REGION`.

    Returns:
        A function that makes a transport. It has no timeout: the caller sets one.

    Raises:
        SettingError: If the environment is invalid.
    """
    scheme = env.get("MCP_SERVERS_AUTH", "")
    if scheme not in {"", "sigv4"}:
        raise SettingError(f"MCP_SERVERS_AUTH is {scheme!r}; it must be 'sigv4' or empty")
    auth = _signature(env) if scheme else None

    @asynccontextmanager
    async def connect(url: str) -> AsyncGenerator[Any]:
        timeout = httpx2.Timeout(_CONNECT_SECONDS, read=None)
        async with (
            httpx2.AsyncClient(auth=auth, timeout=timeout) as http,
            streamable_http_client(
                url, http_client=http, max_sse_event_size=_MAX_EVENT_BYTES
            ) as streams,
        ):
            yield streams

    return connect


def _signature(env: Mapping[str, str]) -> httpx2.Auth:
    from .signing import Signature  # noqa: PLC0415 - botocore would slow every other start

    return Signature(needed(env, "AWS_REGION", "MCP_SERVERS_AUTH"))


def reason(error: BaseException) -> str:
    """Describe the first error in nested exception groups by type and text."""
    error = first(error)
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def first(error: BaseException) -> BaseException:
    """Return the first error in nested exception groups."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error


async def _list_tools(name: str, url: str, connect: Connect) -> list[Tool]:
    async with Client(connect(url)) as client:
        page = await client.list_tools()
        listed = page.tools
        while page.next_cursor:
            page = await client.list_tools(cursor=page.next_cursor)
            listed = [*listed, *page.tools]
    return [
        Tool(
            server=name,
            name=tool.name,
            description=tool.description or "",
            schema=tool.input_schema,
        )
        for tool in listed
    ]


async def survey(
    urls: Mapping[str, str], connect: Connect, seconds: float
) -> tuple[dict[str, list[Tool]], dict[str, str]]:
    """List the tools of all servers concurrently.

    Args:
        urls: Server name to URL.
        connect: Makes the transport to a server.
        seconds: The timeout of one server.

    Returns:
        The tools of each server that answered, and the reason for each that did not, in the order
        of `urls`.
    """
    tools: dict[str, list[Tool]] = {}
    absent: dict[str, str] = {}

    async def ask(name: str, url: str) -> None:
        try:
            with anyio.fail_after(seconds):
                tools[name] = await _list_tools(name, url, connect)
        except Exception as error:
            absent[name] = reason(error)
            fields = {"server": name, "reason": type(first(error)).__name__}
            log.warning("server not reachable", extra={"fields": fields})

    async with anyio.create_task_group() as group:
        for name, url in urls.items():
            group.start_soon(ask, name, url)
    return (
        {name: tools[name] for name in urls if name in tools},
        {name: absent[name] for name in urls if name in absent},
    )


async def call(
    url: str, tool: str, arguments: Mapping[str, Any], connect: Connect
) -> CallToolResult:
    """Call a tool.

    Args:
        url: The URL of its server.
        tool: The tool's name.
        arguments: Its arguments.
        connect: Makes the transport to the server.

    Raises:
        Exception: If the server is unreachable or returns no result; `first` finds the cause.
    """
    async with Client(connect(url)) as client:
        return await client.call_tool(tool, dict(arguments))


def text(result: CallToolResult) -> str:
    """The texts of a result, one per line."""
    return "\n".join(part.text for part in result.content if isinstance(part, TextContent))


def names(tools: Iterable[Tool]) -> dict[str, Tool]:
    """Give each tool a unique name that is valid for Bedrock.

    Args:
        tools: The tools, without duplicates.

    Returns:
        The tools by name: `server__tool`; if that is too long, has other characters or is already
        used, its valid part and a hash.
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


MAX_RESULT_CHARACTERS = 16_000
"""The longest text of one result that a model is given."""


def bounded(whole: str, characters: int) -> str:
    """Return the text of a result for a model.

    Args:
        whole: The text.
        characters: The maximum number of characters.

    Returns:
        The text, truncated with a note if it is too long, or a note that it is empty.
    """
    if len(whole) <= characters:
        return whole or _EMPTY
    return whole[: characters - len(_CUT)] + _CUT
