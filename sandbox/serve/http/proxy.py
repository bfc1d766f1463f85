"""The proxy through which all requests of the processes go: it knows the client by its credentials.

A process is told the proxy by `HTTP_PROXY` and `HTTPS_PROXY`, with a name and a secret in them. The
proxy only tells connections apart; what is asked for is answered by the application behind it, in
plain or inside TLS.
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
"""Who asks behind the proxy, but did not come through it."""

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
        port: Where it listens.
        sources: Who asks on a connection behind it, by that connection's own port.
    """

    port: int
    _secrets: dict[str, str] = field(default_factory=dict[str, str])
    sources: dict[int, str] = field(default_factory=dict[int, str])

    def url(self, name: str) -> str:
        """What the process of a name is told; the secret in it is made when first asked for."""
        secret = self._secrets.setdefault(name, secrets.token_urlsafe(16))
        return f"http://{name.replace('/', '.')}:{secret}@127.0.0.1:{self.port}"

    def who(self, head: bytes) -> str | None:
        """Whose credentials a request's head shows, or None."""
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
        application: What answers; it finds who asks in the scope's state.
        authority: Who vouches for the hosts that processes ask by https.

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
        application: Makes the application for the port that it has.
        port: The port, or 0 for a free one.
        authority: Who vouches for it, or None for plain HTTP.

    Yields:
        The port, until the block ends.

    Raises:
        OSError: the port is taken.
    """
    listener = socket.create_server(("127.0.0.1", port))
    # asyncio does so for sockets that it makes itself, and connections inherit it. Without, an
    # answer in two writes waits 40 ms for the client's delayed acknowledgement of the first.
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
    """A request to a proxy names the whole URL; behind it, the path alone (RFC 9112, 3.2)."""
    found = _ABSOLUTE.match(scope["raw_path"])
    if found is None:
        return scope
    raw = scope["raw_path"][found.end() :] or b"/"
    # RFC 9112, section 3.2.2: the URL counts, whatever Host says.
    others = [one for one in scope["headers"] if one[0] != b"host"]
    return {
        **scope,
        "raw_path": raw,
        "path": unquote(raw.decode("latin-1")),
        "headers": [(b"host", found[1]), *others],
    }


def _uniform(application: Application) -> Application:
    """Makes WebSockets look like requests, as far as they can.

    Their headers have names in small letters, and they may be refused with an answer.
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
    """Joins a connection to one of the application's, whose own port says from then on who asks."""
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
