"""The adopter: serves a stdio MCP server over HTTP.

Tools, resources and prompts pass through unchanged in both directions. The processes of the pool
must be interchangeable: a server that keeps state between calls needs a pool of one.
"""

import os
import re
import shlex
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import mcp_types
from mcp.client.session import ClientSession, IncomingMessage, MessageHandlerFnT
from mcp.client.stdio import StdioServerParameters
from mcp.server import Server
from mcp.server.caching import CacheableMethod, CacheHint
from mcp.server.context import ServerRequestContext
from mcp.shared.dispatcher import ProgressFnT
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    CallToolRequestParams,
    CallToolResult,
    CompleteRequestParams,
    GetPromptRequestParams,
    Implementation,
    PaginatedRequestParams,
    PromptListChangedNotification,
    ReadResourceRequestParams,
    RequestParams,
    ResourceListChangedNotification,
    ServerCapabilities,
    TextContent,
    ToolListChangedNotification,
)
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from common.ending import ending, unless_set
from common.json_log import log
from common.json_settings import faults
from common.runtime import start
from common.serving import VERSION, low_level_application
from common.settings import SettingError, needed, whole_number

from .pool import END_SECONDS, NotStartedError, Pool, PoolError

# The adopted tools may accept arguments of any length, so the limit is that of the SDK.
_MAX_BODY_BYTES = 4 * 1024 * 1024
_MOST_PAGES = 100
_MOST_PROCESSES = 64
_SIZE = re.compile(r"([0-9]{1,2})(?:-([0-9]{1,2}))?")

_WORDS = TypeAdapter(list[str])

# The protocol's own entries in `_meta` are valid for one connection only.
_PROTOCOL_META = "io.modelcontextprotocol/"

_CACHEABLE: tuple[CacheableMethod, ...] = (
    "tools/list",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "prompts/list",
)
_CHANGED: dict[type, tuple[str, ...]] = {
    ToolListChangedNotification: ("tools/list",),
    ResourceListChangedNotification: ("resources/list", "resources/templates/list"),
    PromptListChangedNotification: ("prompts/list",),
}


class _Answer(BaseModel, extra="allow"):
    """A result of a process, unvalidated."""


async def _send(
    session: ClientSession,
    method: str,
    params: dict[str, Any],
    on_progress: ProgressFnT | None = None,
) -> dict[str, Any]:
    request = mcp_types.Request[dict[str, Any], str](method=method, params=params)
    answer = await session.send_request(request, _Answer, progress_callback=on_progress)
    # Results of 2026-07-28 state that they are complete; earlier results always are.
    return {**(answer.model_extra or {}), "resultType": "complete"}


def _command(env: Mapping[str, str]) -> StdioServerParameters:
    text = needed(env, "STDIO_COMMAND", "the adopter").strip()
    try:
        words = _WORDS.validate_json(text) if text.startswith("[") else shlex.split(text)
    except ValidationError as error:
        raise SettingError(
            f"STDIO_COMMAND must be words of a shell or a JSON array of texts: {faults(error)}"
        ) from error
    except ValueError as error:
        raise SettingError(f"STDIO_COMMAND is not a valid command: {error}") from error
    if not words or not words[0]:
        raise SettingError("STDIO_COMMAND names no program")
    program, *arguments = words
    passed = environment_names(env)
    absent = [name for name in passed if not env.get(name)]
    if absent:
        raise SettingError(f"STDIO_ENVIRONMENT names {', '.join(absent)}, which are not set")
    return StdioServerParameters(
        # The Python of the image.
        command=sys.executable if program == "python" else program,
        args=arguments,
        env={name: env[name] for name in passed},
        cwd=env.get("STDIO_FOLDER") or None,
    )


def environment_names(env: Mapping[str, str]) -> list[str]:
    """The variables of the processes: those of `STDIO_ENVIRONMENT`, comma-separated."""
    names = env.get("STDIO_ENVIRONMENT", "").split(",")
    return [name.strip() for name in names if name.strip()]


def _size(env: Mapping[str, str]) -> tuple[int, int]:
    text = env.get("POOL_SIZE") or "1-4"
    read = _SIZE.fullmatch(text)
    least, most = (int(read[1]), int(read[2] or read[1])) if read else (0, 0)
    if not 1 <= least <= most <= _MOST_PROCESSES:
        raise SettingError(
            f"POOL_SIZE is {text!r}; it must be a number from 1 to {_MOST_PROCESSES}, or two of "
            "them, least and most, such as '1-4'"
        )
    return least, most


class Adopted:
    """The server of the processes, as a low-level server of the SDK.

    Args:
        server: The server; its handlers are added after the first response of a process.
        pool: Makes the pool; its argument is called with the notifications of the processes.
    """

    def __init__(
        self,
        server: Server[Any],
        pool: Callable[[MessageHandlerFnT], Pool],
    ) -> None:
        self.server = server
        self.pool = pool(self._heard)
        self._lists: dict[str, dict[str, Any]] = {}
        self._changes = 0

    async def adopt(self) -> None:
        """Get the name and the capabilities of a process, and announce the same."""

        async def ask(session: ClientSession) -> tuple[Implementation | None, str | None, Any]:
            return session.server_info, session.instructions, session.server_capabilities

        told, instructions, capabilities = await self.pool.call(ask)
        if told is not None:
            self.server.name, self.server.version = told.name, told.version
            self.server.title, self.server.description = told.title, told.description
            self.server.website_url, self.server.icons = told.website_url, told.icons
        self.server.instructions = instructions
        self._register(capabilities or ServerCapabilities())

    def _register(self, offered: ServerCapabilities) -> None:
        add = self.server.add_request_handler
        if offered.tools:
            add("tools/list", PaginatedRequestParams, self._list)
            add("tools/call", CallToolRequestParams, self._call_tool)
        if offered.resources:
            add("resources/list", PaginatedRequestParams, self._list)
            add("resources/templates/list", PaginatedRequestParams, self._list)
            add("resources/read", ReadResourceRequestParams, self._pass)
        if offered.prompts:
            add("prompts/list", PaginatedRequestParams, self._list)
            add("prompts/get", GetPromptRequestParams, self._pass)
        if offered.completions:
            add("completion/complete", CompleteRequestParams, self._pass)

    async def _heard(self, message: IncomingMessage) -> None:
        for changed in _CHANGED.get(type(message), ()):
            self._lists.pop(changed, None)
            self._changes += 1

    async def _list(self, ctx: ServerRequestContext[Any], _params: RequestParams) -> dict[str, Any]:
        """The complete list, of all pages, as a process last returned it."""
        method = ctx.method
        if method in self._lists:
            return self._lists[method]
        changes = self._changes
        listed = await self._asked(lambda session: _pages(session, method))
        if changes == self._changes:
            self._lists[method] = listed
        return listed

    async def _call_tool(
        self, ctx: ServerRequestContext[Any], _params: RequestParams
    ) -> dict[str, Any] | CallToolResult:
        try:
            return await self.pool.call(lambda session: _forwarded(session, ctx))
        except PoolError as error:
            return CallToolResult(content=[TextContent(text=str(error))], is_error=True)

    async def _pass(self, ctx: ServerRequestContext[Any], _params: RequestParams) -> dict[str, Any]:
        return await self._asked(lambda session: _forwarded(session, ctx))

    async def _asked(self, ask: Callable[[ClientSession], Any]) -> dict[str, Any]:
        try:
            return await self.pool.call(ask)
        except PoolError as error:
            raise MCPError(INTERNAL_ERROR, str(error)) from None


async def _pages(session: ClientSession, method: str) -> dict[str, Any]:
    """All pages of a list as one; the other fields are those of the first page."""
    whole: dict[str, Any] = {}
    params: dict[str, Any] = {}
    for _ in range(_MOST_PAGES):
        page = await _send(session, method, params)
        cursor = page.pop("nextCursor", None)
        for name, value in page.items():
            if isinstance(value, list) and name in whole:
                whole[name] = [*whole[name], *value]
            else:
                whole.setdefault(name, value)
        if cursor is None:
            return whole
        params = {"cursor": cursor}
    raise PoolError(f"{method} of the server has more than {_MOST_PAGES} pages")


async def _forwarded(session: ClientSession, ctx: ServerRequestContext[Any]) -> dict[str, Any]:
    """Forward the request of a client to a process."""
    given = dict(ctx.params or {})
    meta: Mapping[str, Any] = given.pop("_meta", None) or {}
    kept = {
        name: value
        for name, value in meta.items()
        if not name.startswith(_PROTOCOL_META) and name != "progressToken"
    }
    if kept:
        given["_meta"] = kept
    on_progress = ctx.session.report_progress if "progressToken" in meta else None
    return await _send(session, ctx.method, given, on_progress)


def build(env: Mapping[str, str]) -> Starlette:
    """Make the adopter's ASGI application.

    Args:
        env: The variables of the workload contract, and `STDIO_COMMAND`, the server's command as a
            JSON array or as shell words; `STDIO_FOLDER`, its working folder (that of the adopter if
            unset); `STDIO_ENVIRONMENT`, the variables that it gets in addition to `PATH`, `HOME`,
            `LOGNAME`, `SHELL`, `TERM` and `USER`; `STDIO_START_SECONDS` (30), its start timeout;
            `STDIO_LOG`, `1` to log its stderr; `POOL_SIZE` (`1-4`), the minimum and maximum number
            of processes; `MAX_REQUEST_SECONDS` (60), the timeout of a call, with the wait for a
            free process (at most 3970: see `assistant.agent.build`).

    Returns:
        The application, which serves `/mcp` and `/health`. `/health` returns 503 while no process
        runs. The start waits for the first process, and fails if it cannot be started.

    Raises:
        SettingError: If the environment is invalid.
    """
    least, most = _size(env)
    if env.get("STDIO_LOG", "") not in {"", "0", "1"}:
        raise SettingError(f"STDIO_LOG is {env['STDIO_LOG']!r}; it must be '0' or '1'")
    command = _command(env)
    call_seconds = whole_number(env, "MAX_REQUEST_SECONDS", 60, 1, 3970)
    start_seconds = whole_number(env, "STDIO_START_SECONDS", 30, 1, 600)
    adopted = Adopted(
        # Clients are not notified of a change, so they must not cache the list.
        Server[Any]("adopter", version=VERSION, cache_hints=dict.fromkeys(_CACHEABLE, CacheHint())),
        lambda on_message: Pool(
            command,
            least=least,
            most=most,
            call_seconds=call_seconds,
            start_seconds=start_seconds,
            show_stderr=env.get("STDIO_LOG") == "1",
            on_message=on_message,
        ),
    )

    async def health(_request: Request) -> Response:
        processes = adopted.pool.alive
        told = {"status": "ok" if processes else "no process", "server": adopted.server.name}
        return JSONResponse({**told, "processes": processes}, 200 if processes else 503)

    app = low_level_application(adopted.server, env, _MAX_BODY_BYTES, health)
    served = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[Any]:
        told = ending(app)
        try:
            async with adopted.pool.running(told):
                await unless_set(told, adopted.adopt)
                async with served(app) as state:
                    yield state
        except NotStartedError as error:
            log.critical("cannot start: the server of STDIO_COMMAND did not start: %s", error)
            raise

    app.router.lifespan_context = lifespan
    return app


def main() -> int:
    """Serve the adopted server; see `runtime.start` for the exit status."""
    return start(build, "adopter", secrets=environment_names(os.environ), end_seconds=END_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
