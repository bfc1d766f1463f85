"""Forwards requests and WebSockets to a process, streaming in both directions."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from weakref import WeakKeyDictionary

import httpx2
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.http11 import Response
from websockets.typing import Subprotocol

from sandbox.serve.fleet import Receive, Scope, Send

Headers = Sequence[tuple[bytes, bytes]]

_CONNECT_SECONDS = 10
_BAD_GATEWAY, _GATEWAY_TIMEOUT = 502, 504
# RFC 9110, section 7.6.1: these headers apply to a single connection and are not forwarded.
_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
# RFC 6455, section 4.1: the client of the next connection sets these.
_HANDSHAKE = frozenset(
    {
        b"sec-websocket-accept",
        b"sec-websocket-extensions",
        b"sec-websocket-key",
        b"sec-websocket-protocol",
        b"sec-websocket-version",
    }
)
_NORMAL_CLOSURE, _GOING_AWAY, _INTERNAL_ERROR = 1000, 1001, 1011
# RFC 6455, section 7.4.1: these codes are never sent.
_NO_STATUS, _ABNORMAL = 1005, 1006

_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx2.AsyncClient] = WeakKeyDictionary()


class _GoneError(Exception):
    """The client disconnected before its request was complete."""


async def forward(
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    base_url: str,
    path: str | None = None,
    query: bytes | None = None,
    headers: Headers | None = None,
    timeout_seconds: float | None = None,
) -> None:
    """Forwards a request and returns its response.

    A client that disconnects cancels the forwarded request. An incomplete response is aborted.

    Args:
        scope: The request's.
        receive: The ASGI receive function.
        send: The ASGI send function: 502 if the connection is refused, 504 after a timeout.
        base_url: The destination, such as `http://127.0.0.1:40123`.
        path: The path at the destination, not decoded, or None for that of the request.
        query: The query at the destination, or None for that of the request.
        headers: The headers to forward, or None for all headers of the client.
        timeout_seconds: The idle timeout of the destination, or None; for a WebSocket, the idle
            timeout of both sides.
    """
    target = _target(scope, path, query)
    sent = _end_to_end(scope["headers"] if headers is None else headers)
    if scope["type"] == "websocket":
        await _forward_websocket(scope, receive, send, base_url, target, sent, timeout_seconds)
        return
    read = asyncio.Event()
    exchange = asyncio.create_task(
        _exchange(scope, _body(receive, read), send, base_url, target, sent, timeout_seconds)
    )
    gone = asyncio.create_task(_gone(receive, read))
    try:
        await asyncio.wait({exchange, gone}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        exchange.cancel()
        gone.cancel()
        with suppress(asyncio.CancelledError, _GoneError):
            await exchange


async def answer(
    send: Send, status: int, body: object, headers: Headers = ((b"cache-control", b"no-store"),)
) -> None:
    """Sends a complete JSON response.

    Args:
        send: The ASGI send function.
        status: The status.
        body: The body, plain JSON.
        headers: The headers besides type and length.
    """
    data = json.dumps(body).encode()
    own = [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*own, *headers]})
    await send({"type": "http.response.body", "body": data})


def _target(scope: Scope, path: str | None, query: bytes | None) -> bytes:
    """The target of the request line, not decoded, because %2F is not /."""
    raw = scope.get("raw_path") or str(scope["path"]).encode()
    own: bytes = raw.partition(b"?")[0] if path is None else path.encode("latin-1")
    search: bytes = scope.get("query_string", b"") if query is None else query
    return own + (b"?" + search if search else b"")


def _client() -> httpx2.AsyncClient:
    """The HTTP client of this event loop.

    It does not reuse connections: a process that ends closes its idle connections, and a request on
    one of them would get a 502.
    """
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        _clients[loop] = httpx2.AsyncClient(
            trust_env=False,
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0),
        )
    return _clients[loop]


def _end_to_end(headers: Headers) -> list[tuple[bytes, bytes]]:
    named = [value for name, value in headers if name.lower() == b"connection"]
    own = {token.strip().lower() for token in b",".join(named).split(b",")} | _HOP_BY_HOP
    return [(name.lower(), value) for name, value in headers if name.lower() not in own]


async def _body(receive: Receive, read: asyncio.Event) -> AsyncGenerator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _GoneError
        more = message.get("more_body", False)
        if not more:
            # The reader may stop after the last chunk.
            read.set()
        yield message.get("body", b"")


async def _gone(receive: Receive, read: asyncio.Event) -> None:
    """Waits until the client disconnects."""
    await read.wait()
    if (await receive())["type"] != "http.disconnect":
        await asyncio.Event().wait()


async def _exchange(
    scope: Scope,
    body: AsyncGenerator[bytes],
    send: Send,
    base_url: str,
    target: bytes,
    headers: Headers,
    timeout_seconds: float | None,
) -> None:
    names = {name.lower() for name, _ in scope["headers"]}
    has_body = bool(names & {b"content-length", b"transfer-encoding"})
    if not has_body:
        async for _ in body:
            pass
    limits = httpx2.Timeout(timeout_seconds, connect=_CONNECT_SECONDS, pool=None)
    # A request that the client builds would get default headers.
    request = httpx2.Request(
        scope["method"],
        base_url,
        headers=list(headers),
        content=body if has_body else None,
        extensions={"target": target, "timeout": limits.as_dict()},
    )
    begun = False
    try:
        response = await _client().send(request, stream=True)
        try:
            await send(
                {
                    "type": "http.response.start",
                    "status": response.status_code,
                    "headers": _end_to_end(response.headers.raw),
                }
            )
            begun = True
            async for chunk in response.aiter_raw():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body"})
        finally:
            await response.aclose()
    except httpx2.TransportError as error:
        # A response that has begun is aborted: the server aborts an incomplete one.
        if begun:
            return
        if isinstance(error, httpx2.TimeoutException):
            told = f"no response within {timeout_seconds} s"
            await answer(send, _GATEWAY_TIMEOUT, {"error": told})
        else:
            await answer(send, _BAD_GATEWAY, {"error": f"the process does not respond: {error}"})


class _Connect(connect):
    """A client connection that leaves redirects to the caller."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def _forward_websocket(
    scope: Scope,
    receive: Receive,
    send: Send,
    base_url: str,
    target: bytes,
    headers: Headers,
    timeout_seconds: float | None,
) -> None:
    await receive()  # websocket.connect
    wanted = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
    there = httpx2.URL(base_url)
    host = next((value for name, value in wanted if name == "host"), there.netloc.decode())
    own = {b"host", *_HANDSHAKE}
    try:
        connection = await _Connect(
            f"ws://{host}{target.decode('latin-1')}",
            host=there.host,
            port=there.port,
            additional_headers=[one for one in wanted if one[0].encode("latin-1") not in own],
            subprotocols=[Subprotocol(each) for each in scope.get("subprotocols", [])] or None,
            user_agent_header=None,
            compression=None,
            open_timeout=min(timeout_seconds or _CONNECT_SECONDS, _CONNECT_SECONDS),
            ping_interval=None,
            max_size=None,
            proxy=None,
        )
    except InvalidStatus as error:
        refused = error.response
        start = {"status": refused.status_code, "headers": _given(refused)}
        await send({"type": "http.response.start", **start})
        await send({"type": "http.response.body", "body": bytes(refused.body or b"")})
    except TimeoutError:
        await answer(send, _GATEWAY_TIMEOUT, {"error": "the process does not respond in time"})
    except (OSError, WebSocketException) as error:
        await answer(send, _BAD_GATEWAY, {"error": f"the process does not respond: {error}"})
    else:
        given = _given(connection.response) if connection.response else []
        accepted = [one for one in given if one[0] not in _HANDSHAKE]
        await send(
            {
                "type": "websocket.accept",
                "subprotocol": connection.subprotocol,
                "headers": accepted,
            }
        )
        await _converse(receive, send, connection, timeout_seconds)


def _given(response: Response) -> list[tuple[bytes, bytes]]:
    """The headers of the response to a handshake."""
    items = response.headers.raw_items()
    return _end_to_end([(name.encode("latin-1"), value.encode("latin-1")) for name, value in items])


async def _converse(
    receive: Receive, send: Send, connection: ClientConnection, timeout_seconds: float | None
) -> None:
    """Forwards messages until one end closes or both reach the idle timeout."""
    loop = asyncio.get_running_loop()

    def next_limit() -> float | None:
        return None if timeout_seconds is None else loop.time() + timeout_seconds

    limit = asyncio.timeout_at(next_limit())
    gone = False

    async def to_process() -> None:
        nonlocal gone
        while (message := await receive())["type"] != "websocket.disconnect":
            limit.reschedule(next_limit())
            text = message.get("text")
            await connection.send(message["bytes"] if text is None else text)
        gone = True
        await connection.close(_on_the_wire(message.get("code"), _GOING_AWAY))

    async def to_client() -> None:
        async for data in connection:
            limit.reschedule(next_limit())
            key = "text" if isinstance(data, str) else "bytes"
            await send({"type": "websocket.send", key: data})

    tasks = {asyncio.create_task(to_process()), asyncio.create_task(to_client())}
    try:
        async with limit:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    except TimeoutError:
        await connection.close(_GOING_AWAY)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await connection.close()
    if not gone:
        code = _on_the_wire(connection.close_code, _INTERNAL_ERROR)
        with suppress(OSError):
            await send(
                {"type": "websocket.close", "code": code, "reason": connection.close_reason or ""}
            )


def _on_the_wire(code: int | None, abnormal: int) -> int:
    """The close code to send to the other end."""
    return {_NO_STATUS: _NORMAL_CLOSURE, _ABNORMAL: abnormal}.get(code or _NO_STATUS, code or 0)
