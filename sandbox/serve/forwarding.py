"""Passes requests on to a process: both ways as a stream, WebSockets too."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

import httpx2
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from sandbox.serve.plan import Receive, Scope, Send

Headers = Sequence[tuple[bytes, bytes]]

_CONNECT_SECONDS = 10
_BAD_GATEWAY, _GATEWAY_TIMEOUT = 502, 504
# RFC 9110, section 7.6.1: what a header of a connection says is of that connection alone.
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
# RFC 6455, section 4.1: the client of the next connection makes these itself.
_HANDSHAKE = frozenset(
    {
        b"sec-websocket-accept",
        b"sec-websocket-extensions",
        b"sec-websocket-key",
        b"sec-websocket-protocol",
        b"sec-websocket-version",
    }
)
_NORMAL_CLOSURE, _INTERNAL_ERROR = 1000, 1011

_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx2.AsyncClient] = WeakKeyDictionary()


class _GoneError(Exception):
    """The client went away before its request was complete."""


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
    """Passes a request on, and its answer back.

    A client that goes away ends the request behind, too.

    Args:
        scope: The request's.
        receive: Gives its body.
        send: Takes its answer: 502 if nobody listens, 504 if nothing came for too long.
        base_url: Where to, such as `http://127.0.0.1:40123`.
        path: The path there, or None for that of the request.
        query: The query there, or None for that of the request.
        headers: What is sent on, or None for all that the client sent.
        timeout_seconds: How long the other side may be silent, or None for as long as it likes.
    """
    target = path if path is not None else scope["path"]
    search = scope.get("query_string", b"") if query is None else query
    url = httpx2.URL(base_url).copy_with(path=target, query=search or None)
    sent = _end_to_end(scope["headers"] if headers is None else headers)
    if scope["type"] == "websocket":
        await _forward_websocket(scope, receive, send, url, sent, timeout_seconds)
        return
    read = asyncio.Event()
    exchange = asyncio.create_task(
        _exchange(scope, _body(receive, read), send, url, sent, timeout_seconds)
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
    """Sends a whole answer in JSON.

    Args:
        send: Where to.
        status: The status.
        body: What is sent, plain JSON.
        headers: The headers besides type and length.
    """
    data = json.dumps(body).encode()
    own = [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*own, *headers]})
    await send({"type": "http.response.body", "body": data})


def _client() -> httpx2.AsyncClient:
    """The client of this event loop: processes keep their connections, and so does it."""
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        _clients[loop] = httpx2.AsyncClient(
            trust_env=False,
            follow_redirects=False,
            limits=httpx2.Limits(max_connections=None, keepalive_expiry=5),
        )
    return _clients[loop]


def _end_to_end(headers: Headers) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in headers if name.lower() not in _HOP_BY_HOP]


async def _body(receive: Receive, read: asyncio.Event) -> AsyncGenerator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _GoneError
        more = message.get("more_body", False)
        yield message.get("body", b"")
    read.set()


async def _gone(receive: Receive, read: asyncio.Event) -> None:
    await read.wait()
    while (await receive())["type"] != "http.disconnect":
        pass


async def _exchange(
    scope: Scope,
    body: AsyncGenerator[bytes],
    send: Send,
    url: httpx2.URL,
    headers: Headers,
    timeout_seconds: float | None,
) -> None:
    names = {name.lower() for name, _ in scope["headers"]}
    has_body = bool(names & {b"content-length", b"transfer-encoding"})
    if not has_body:
        async for _ in body:
            pass
    request = _client().build_request(
        scope["method"],
        url,
        headers=list(headers),
        content=body if has_body else None,
        timeout=httpx2.Timeout(timeout_seconds, connect=_CONNECT_SECONDS, pool=None),
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
    except httpx2.TimeoutException:
        if begun:
            raise
        told = f"no answer within {timeout_seconds} s"
        await answer(send, _GATEWAY_TIMEOUT, {"error": told})
    except httpx2.TransportError as error:
        if begun:
            raise
        await answer(send, _BAD_GATEWAY, {"error": f"the process does not answer: {error}"})


async def _forward_websocket(
    scope: Scope,
    receive: Receive,
    send: Send,
    url: httpx2.URL,
    headers: Headers,
    timeout_seconds: float | None,
) -> None:
    await receive()  # websocket.connect
    wanted = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in headers]
    own = {b"host", *_HANDSHAKE}
    host = next((value for name, value in wanted if name.lower() == "host"), url.netloc.decode())
    try:
        connection = await connect(
            str(url.copy_with(scheme="ws")),
            additional_headers=[
                (name, value) for name, value in wanted if name.lower().encode() not in own
            ],
            subprotocols=[Subprotocol(each) for each in scope.get("subprotocols", [])] or None,
            open_timeout=_CONNECT_SECONDS,
            ping_interval=None,
            max_size=None,
            proxy=None,
            process_exception=lambda error: error,
            create_connection=_with_host(host),
        )
    except InvalidStatus as error:
        await _refuse(send, error.response.status_code, bytes(error.response.body or b""))
        return
    except (OSError, TimeoutError, WebSocketException):
        await _refuse(send, _BAD_GATEWAY, b'{"error": "the process does not answer"}')
        return
    await send({"type": "websocket.accept", "subprotocol": connection.subprotocol})
    there = asyncio.create_task(_to_process(receive, connection))
    back = asyncio.create_task(_to_client(connection, send, timeout_seconds))
    try:
        await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        there.cancel()
        back.cancel()
        await connection.close()


def _with_host(host: str) -> type[ClientConnection]:
    """A connection whose handshake names another host than the one that it goes to."""

    class Connection(ClientConnection):
        async def handshake(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
            own = self.protocol.connect

            def connect_with_host() -> Any:  # noqa: ANN401
                request = own()
                del request.headers["Host"]
                request.headers["Host"] = host
                return request

            self.protocol.connect = connect_with_host
            await super().handshake(*args, **kwargs)

    return Connection


async def _refuse(send: Send, status: int, body: bytes) -> None:
    await send({"type": "websocket.http.response.start", "status": status, "headers": []})
    await send({"type": "websocket.http.response.body", "body": body})


async def _to_process(receive: Receive, connection: ClientConnection) -> None:
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            await connection.close(message.get("code") or _NORMAL_CLOSURE)
            return
        text = message.get("text")
        with suppress(ConnectionClosed):
            await connection.send(message["bytes"] if text is None else text)


async def _to_client(
    connection: ClientConnection, send: Send, timeout_seconds: float | None
) -> None:
    try:
        while True:
            async with asyncio.timeout(timeout_seconds):
                data = await connection.recv()
            key = "text" if isinstance(data, str) else "bytes"
            await send({"type": "websocket.send", key: data})
    except TimeoutError:
        await send({"type": "websocket.close", "code": _INTERNAL_ERROR})
    except ConnectionClosed:
        code = connection.close_code or _NORMAL_CLOSURE
        await send({"type": "websocket.close", "code": code, "reason": connection.close_reason})
