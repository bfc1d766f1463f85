"""Middleware of every application, for requests of gateways and Lambda."""

from collections import Counter
from collections.abc import Mapping

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

EVENTS_PATH = "/events"
"""Where Lambda Web Adapter posts what is no HTTP request to it (`AWS_LWA_PASS_THROUGH_PATH`)."""

# Lambda Web Adapter sets this header to the context of the gateway's request, also if a caller sent
# it, and to `null` for an event (aws-lambda-web-adapter 1.0.0, src/lib.rs). Without the check,
# every client that can send requests could also send events.
_CONTEXT_HEADER = "x-amzn-request-context"

# Headers with one value. With two, the gateway and the application may each use a different one.
_SINGLE = frozenset(
    {
        b"authorization",
        b"content-length",
        b"content-type",
        b"host",
        b"last-event-id",
        b"mcp-method",
        b"mcp-name",
        b"mcp-protocol-version",
        b"mcp-session-id",
        b"origin",
        b"traceparent",
        b"x-amzn-lambda-context",
        _CONTEXT_HEADER.encode(),
    }
)
_SINGLE_PREFIX = b"mcp-param-"

_EVENT_STREAM = b"text/event-stream"
_NO_CONTENT = 204
_OK = 200


def guarded(app: Starlette, env: Mapping[str, str]) -> Starlette:
    """Wrap an application in the middleware of this module.

    Args:
        app: The application.
        env: `AWS_LAMBDA_FUNCTION_NAME`, which Lambda sets.

    Returns:
        The same application.
    """
    if env.get("AWS_LAMBDA_FUNCTION_NAME"):
        app.add_middleware(NeverEmpty)
        app.router.routes.append(Route(EVENTS_PATH, refuse_event, methods=["POST"]))
    app.add_middleware(OneOfEach)
    return app


def is_event(request: Request) -> bool:
    """Whether Lambda Web Adapter posted this event, not a caller."""
    return request.headers.get(_CONTEXT_HEADER) == "null"


async def refuse_event(request: Request) -> Response:
    """Answer an event in a workload that accepts no events.

    Such an event is a request of the gateway that the adapter could not read, for example because
    a header value is not valid in Rust's `http`. Its caller gets the response.
    """
    if not is_event(request):
        return Response(status_code=404)
    return JSONResponse({"error": "the request cannot be read: a header is not valid"}, 400)


class OneOfEach:
    """ASGI middleware: 400 for a request that repeats a header with a single value."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it."""
        if scope["type"] == "lifespan" or not (name := _repeated(scope)):
            await self._app(scope, receive, send)
            return
        refused = JSONResponse({"error": f"more than one header {name}"}, 400)
        if scope["type"] == "websocket":
            await WebSocket(scope, receive, send).send_denial_response(refused)
        else:
            await refused(scope, receive, send)


def _repeated(scope: Scope) -> str | None:
    counts = Counter(name.lower() for name, _ in scope["headers"])
    for name, count in counts.items():
        if count > 1 and (name in _SINGLE or name.startswith(_SINGLE_PREFIX)):
            return name.decode("latin-1")
    return None


class NeverEmpty:
    """ASGI middleware: a response without a body gets the body `{}`.

    There are reports that API Gateway hangs on a streamed response of Lambda without a body. The
    status 204, which allows no body, becomes 200. A response to HEAD stays empty.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http" or scope["method"] == "HEAD":
            await self._app(scope, receive, send)
        else:
            await self._app(scope, receive, _Filled(send))


class _Filled:
    """Forwards a response. Its start is held until its body, except for an event stream."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None
        self._streams = False
        self._empty = True

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._streams = any(
                name.lower() == b"content-type" and value.startswith(_EVENT_STREAM)
                for name, value in message["headers"]
            )
            if self._streams:
                await self._send(message)
            else:
                self._start = message
            return
        if message["type"] == "http.response.body":
            self._empty = self._empty and not message.get("body")
            if self._empty and message.get("more_body"):
                return
            if self._empty:
                message = self._filled(message)
        if self._start is not None:
            start, self._start = self._start, None
            await self._send(start)
        await self._send(message)

    def _filled(self, body: Message) -> Message:
        self._empty = False
        if self._start is None:
            return {**body, "body": b": \r\n\r\n"}
        kept = [
            (name, value)
            for name, value in self._start["headers"]
            if name.lower() not in {b"content-length", b"content-type"}
        ]
        status = self._start["status"]
        self._start = {
            **self._start,
            "status": _OK if status == _NO_CONTENT else status,
            "headers": [
                *kept,
                (b"content-type", b"application/json"),
                (b"content-length", b"2"),
            ],
        }
        return {**body, "body": b"{}"}
