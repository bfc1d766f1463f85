"""The proxy for all requests of the processes; it identifies a client by its credentials.

A process gets the proxy in `HTTP_PROXY` and `HTTPS_PROXY`, with a name and a secret in them. The
proxy only authenticates connections; the application behind it answers the requests, over plain
HTTP or TLS.
"""

import asyncio
import base64
import binascii
import re
import secrets
import socket
from collections.abc import AsyncGenerator, Callable, Generator, MutableMapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import unquote

import uvicorn

from sandbox.serve.fleet import Application, Receive, Scope, Send
from sandbox.serve.http.certificates import Authority

UNKNOWN = "unknown"
"""The caller of a request that did not come through the proxy."""

_HEAD_BYTES = 64 * 1024
_HEAD_SECONDS = 30
_CHUNK_BYTES = 64 * 1024
_AUTHORIZATION = re.compile(rb"\r\nproxy-authorization: *basic +([^\r\n]+)", re.IGNORECASE)
_ABSOLUTE = re.compile(rb"(?:http|ws)s?://([^/?]*)")
_CONNECT = b"CONNECT "
_HANDSHAKE = b"\x16"  # RFC 8446, section 5.1: the type of the first record of TLS
_UNKNOWN = (
    b"HTTP/1.1 407 Proxy Authentication Required\r\n"
    b'Proxy-Authenticate: Basic realm="sandbox"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'
)
_ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


@dataclass(kw_only=True)
class Proxy:
    """A proxy on the loopback interface.

    Attributes:
        port: Its port.
        sources: The caller of a connection to the application, by that connection's port.
    """

    port: int
    _secrets: dict[str, str] = field(default_factory=dict[str, str])
    sources: dict[int, str] = field(default_factory=dict[int, str])

    def url(self, name: str) -> str:
        """The proxy URL for a process; its secret is created on first use."""
        secret = self._secrets.setdefault(name, secrets.token_urlsafe(16))
        return f"http://{name.replace('/', '.')}:{secret}@127.0.0.1:{self.port}"

    def who(self, head: bytes) -> str | None:
        """The process whose credentials are in a request's head, or None."""
        shown = _AUTHORIZATION.search(head)
        try:
            text = base64.b64decode(shown[1], validate=True).decode() if shown else ""
        except (binascii.Error, UnicodeDecodeError):
            return None
        given = text.partition(":")[2]
        for name, secret in self._secrets.items():
            if secrets.compare_digest(given.encode(), secret.encode()):
                return name
        return None


@asynccontextmanager
async def listening(application: Application, authority: Authority) -> AsyncGenerator[Proxy]:
    """Opens the proxy.

    Args:
        application: The application; the caller is in the scope's state.
        authority: The certificate authority for requests with HTTPS.

    Yields:
        The proxy, until the block ends.
    """
    proxy = Proxy(port=0)

    async def known(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in {"http", "websocket"}:
            client = scope.get("client") or ("", 0)
            name = proxy.sources.get(client[1], UNKNOWN)
            scope = _origin_form({**scope, "state": {"source": name}})
        await application(scope, receive, send)

    async with (
        serving(lambda _port: known) as plain,
        serving(lambda _port: known, authority=authority) as secure,
    ):
        server = await asyncio.start_server(
            lambda reader, writer: _connection(proxy, plain, secure, reader, writer),
            "127.0.0.1",
            0,
            limit=_HEAD_BYTES,
        )
        proxy.port = server.sockets[0].getsockname()[1]
        try:
            yield proxy
        finally:
            server.close()


@asynccontextmanager
async def serving(
    application: Callable[[int], Application],
    *,
    port: int = 0,
    authority: Authority | None = None,
) -> AsyncGenerator[int]:
    """Serves an application on the loopback interface.

    Args:
        application: Makes the application for its port.
        port: The port, or 0 for a free one.
        authority: The certificate authority, or None for plain HTTP.

    Yields:
        The port, until the block ends.

    Raises:
        OSError: the port is in use.
    """
    listener = socket.create_server(("127.0.0.1", port))
    # asyncio sets this for sockets that it creates, and connections inherit it. Without it, a
    # response in two writes waits 40 ms for the client's delayed acknowledgement of the first.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    config = uvicorn.Config(
        cast("Any", _uniform(application(listener.getsockname()[1]))),
        http="h11",
        ws="websockets-sansio",
        ws_max_size=2**31,
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )
    config.load()
    if authority:
        config.ssl = authority.context()
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await task


class _Server(uvicorn.Server):
    """A server that does not handle the signals of the process."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def _origin_form(scope: Scope) -> Scope:
    """Replaces the absolute URL of a request to a proxy by the path (RFC 9112, 3.2)."""
    found = _ABSOLUTE.match(scope["raw_path"])
    if found is None:
        return scope
    raw = scope["raw_path"][found.end() :] or b"/"
    # RFC 9112, section 3.2.2: the URL takes precedence over Host.
    others = [one for one in scope["headers"] if one[0] != b"host"]
    return {
        **scope,
        "raw_path": raw,
        "path": unquote(raw.decode("latin-1")),
        "headers": [(b"host", found[1]), *others],
    }


def _uniform(application: Application) -> Application:
    """Aligns WebSocket scopes with those of HTTP requests.

    Their header names are lowercase, and a handshake can be refused with a response.
    """

    async def uniform(scope: Scope, receive: Receive, send: Send) -> None:
        async def denied(message: MutableMapping[str, Any]) -> None:
            type_ = message["type"]
            if type_.startswith("http."):
                message = {"body": b"", **message, "type": f"websocket.{type_}"}
            await send(message)

        if scope["type"] == "websocket":
            names = [(name.lower(), value) for name, value in scope["headers"]]
            await application({**scope, "headers": names}, receive, denied)
        else:
            await application(scope, receive, send)

    return uniform


async def _connection(
    proxy: Proxy,
    plain: int,
    secure: int,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
        async with asyncio.timeout(_HEAD_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
        source = proxy.who(head)
        if source is None:
            writer.write(_UNKNOWN)
            await writer.drain()
        elif head.startswith(_CONNECT):
            writer.write(_ESTABLISHED)
            first = await reader.read(_CHUNK_BYTES)
            tls = first.startswith(_HANDSHAKE)
            await _tunnel(proxy, source, secure if tls else plain, reader, writer, first)
        else:
            await _tunnel(proxy, source, plain, reader, writer, head)
    writer.close()


async def _tunnel(
    proxy: Proxy,
    source: str,
    port: int,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    first: bytes,
) -> None:
    """Connects a client to the application; the port of that connection identifies the caller."""
    there, back = await asyncio.open_connection("127.0.0.1", port)
    own = back.get_extra_info("sockname")[1]
    proxy.sources[own] = source
    back.write(first)
    tasks = {asyncio.create_task(_pump(reader, back)), asyncio.create_task(_pump(there, writer))}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        back.close()
        del proxy.sources[own]


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(_CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
