"""Serves an MCP server over streamable HTTP, configured by the environment."""

import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from mcp.server import Server
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver import MCPServer
from mcp.server.request_state import RequestStateSecurity
from mcp.shared.exceptions import MCPError
from mcp_types import METHOD_NOT_FOUND
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from . import telemetry
from .front import guarded
from .json_log import log
from .security import authentication, transport_security
from .settings import SettingError

VERSION = "1.0.0"
"""What the reference servers say of themselves."""

# The minimum of the SDK (mcp 2.3.0, AESGCMRequestStateCodec).
_LEAST_KEY_BYTES = 32
# Method and tool names come from the caller; others than such names are not logged.
_NAME = re.compile(r"[A-Za-z0-9_./-]{1,64}")

Health = Callable[[Request], Awaitable[Response]]
"""Answers `GET /health`."""


def _name(value: object) -> str:
    text = str(value)
    return text if _NAME.fullmatch(text) else "(not a name)"


async def log_calls(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Log and count a request: method, tool, outcome and duration; never its arguments.

    Middleware of a server; `mcp_server` adds it to its servers.
    """
    fields: dict[str, Any] = {"method": _name(ctx.method), "outcome": "error"}
    if ctx.method == "tools/call" and ctx.params:
        fields["tool"] = _name(ctx.params.get("name"))
    started = time.monotonic()
    try:
        result = await call_next(ctx)
        failed = isinstance(result, dict) and result.get("isError") is True
        fields["outcome"] = "tool error" if failed else "ok"
        return result
    finally:
        seconds = time.monotonic() - started
        telemetry.count(fields, seconds)
        fields["milliseconds"] = round(seconds * 1000)
        log.info("request", extra={"fields": fields})


async def refuse_subscriptions(
    ctx: ServerRequestContext[Any, Any], call_next: CallNext
) -> HandlerResult:
    """Answer `subscriptions/listen` with the protocol's error for an unknown method.

    The servers send no notifications of changes, and a stream without an end would delay the stop,
    and keep a function running until its timeout. This is middleware, so that it also applies to a
    server that implements the method.
    """
    if ctx.method == "subscriptions/listen":
        raise MCPError(METHOD_NOT_FOUND, "Method not found", ctx.method)
    return await call_next(ctx)


def _request_state(env: Mapping[str, str]) -> RequestStateSecurity | None:
    key = env.get("REQUEST_STATE_KEY", "")
    if not key:
        return None  # the SDK then generates a key, which is valid for one replica only
    if len(key.encode()) < _LEAST_KEY_BYTES:
        raise SettingError(f"REQUEST_STATE_KEY must be at least {_LEAST_KEY_BYTES} bytes long")
    return RequestStateSecurity(keys=[key])


def mcp_server(name: str, instructions: str, env: Mapping[str, str]) -> MCPServer[Any]:
    """Make a server without tools.

    Args:
        name: The server's name; it must be the same in all replicas, because it is the audience of
            the sealed request state.
        instructions: The description of the server for models.
        env: `REQUEST_STATE_KEY`, a secret of 32 bytes or more that all replicas share, and the
            variables of `security.authentication`.

    Returns:
        The server, which verifies tokens if the environment requires it.

    Raises:
        SettingError: If the environment is invalid.
    """
    auth = authentication(env)
    return MCPServer(
        name,
        version=VERSION,
        instructions=instructions,
        subscriptions=False,
        middleware=[log_calls],
        request_state_security=_request_state(env),
        token_verifier=auth[0] if auth else None,
        auth=auth[1] if auth else None,
    )


def application(server: MCPServer[Any], env: Mapping[str, str], max_body_bytes: int) -> Starlette:
    """Serve a server at `/mcp`, statelessly, and its health at `/health`.

    Args:
        server: The server with its tools.
        env: The variables of `security.transport_security`.
        max_body_bytes: The longest request body; a longer one gets 413.

    Returns:
        The ASGI application.
    """

    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "ok", "server": server.name})

    server.middleware.append(refuse_subscriptions)
    server.custom_route("/health", methods=["GET"])(health)
    app = server.streamable_http_app(
        stateless_http=True,
        max_request_body_size=max_body_bytes,
        transport_security=transport_security(env),
    )
    return _finished(app, env)


def low_level_application(
    server: Server[Any], env: Mapping[str, str], max_body_bytes: int, health: Health
) -> Starlette:
    """Serve a low-level server of the SDK, like `application`.

    Args:
        server: The server with its handlers.
        env: The variables of `security.transport_security` and `security.authentication`.
        max_body_bytes: The longest request body; a longer one gets 413.
        health: Answers `GET /health`.

    Returns:
        The ASGI application, which verifies tokens if the environment requires it.

    Raises:
        SettingError: If the environment is invalid.
    """
    auth = authentication(env)
    server.middleware += [log_calls, refuse_subscriptions]
    app = server.streamable_http_app(
        stateless_http=True,
        max_request_body_size=max_body_bytes,
        transport_security=transport_security(env),
        token_verifier=auth[0] if auth else None,
        auth=auth[1] if auth else None,
        custom_starlette_routes=[Route("/health", health, methods=["GET"])],
    )
    return _finished(app, env)


def _finished(app: Starlette, env: Mapping[str, str]) -> Starlette:
    # A stateless server has no messages for a separate stream, but the SDK would keep the stream
    # open (and Lambda would bill for it), and it has no session to end. The protocol requires 405
    # (MCP 2026-07-28, streamable HTTP).
    app.router.routes.insert(0, Route("/mcp", _post_only, methods=["GET", "DELETE"]))
    app.add_middleware(telemetry.TraceHeaders)
    return guarded(app, env)


async def _post_only(_request: Request) -> Response:
    return Response(status_code=405, headers={"Allow": "POST"})
