"""The requests that `forward` forwards, and the responses that it sends."""

import asyncio
import gzip
import json
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from sandbox.serve.fleet import Application, Receive, Scope, Send
from sandbox.serve.http.forwarding import answer, forward
from sandbox.serve.http.proxy import serving

Client = Callable[[str], Awaitable[Any]]


def with_process(process: Application, client: Client, **options: Any) -> Any:
    """The result of a client that uses a gateway in front of a process, at the gateway's URL."""

    async def run() -> Any:
        async with asyncio.timeout(30), serving(lambda _port: process) as port:
            return await with_gateway(client, base_url=f"http://127.0.0.1:{port}", **options)

    return asyncio.run(run())


async def with_gateway(client: Client, **options: Any) -> Any:
    async def gateway(scope: Scope, receive: Receive, send: Send) -> None:
        await forward(scope, receive, send, **options)

    async with serving(lambda _port: gateway) as port:
        return await client(f"http://127.0.0.1:{port}")


async def whole(receive: Receive) -> bytes:
    data = b""
    while True:
        message = await receive()
        data += message.get("body", b"")
        if not message.get("more_body"):
            return data


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Responds with the request."""
    told = {
        "method": scope["method"],
        "path": scope["raw_path"].decode(),
        "query": scope["query_string"].decode(),
        "headers": [[name.decode(), value.decode()] for name, value in scope["headers"]],
        "body": (await whole(receive)).decode(),
    }
    await answer(send, 200, told, [(b"x-own", b"1"), (b"x-own", b"2")])


async def said(url: str, request: bytes) -> bytes:
    """The response of a server to bytes, on a connection that ends after the response."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    writer.write(request)
    try:
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


def sent_by(request: bytes, **options: Any) -> dict[str, Any]:
    """The request that the process gets for the bytes of a request."""
    raw = with_process(echo, lambda url: said(url, request), **options)
    return json.loads(raw.partition(b"\r\n\r\n")[2])


PLAIN = b"GET /a%2Fb/%7Ec?x=1&y=%20 HTTP/1.1\r\nHost: mcp.example.com\r\nConnection: close\r\n\r\n"


def test_a_request_arrives_as_it_was_sent_and_nothing_is_added() -> None:
    assert sent_by(PLAIN) == {
        "method": "GET",
        "path": "/a%2Fb/%7Ec",
        "query": "x=1&y=%20",
        "headers": [["host", "mcp.example.com"]],
        "body": "",
    }


def test_headers_of_the_connection_stay_with_it() -> None:
    request = (
        b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close, X-Mine\r\nX-Mine: 1\r\nX-Kept: 2\r\n"
        b"Keep-Alive: timeout=5\r\nTE: trailers\r\nProxy-Authorization: Basic eDp5\r\n"
        b"Upgrade: h2c\r\nContent-Length: 2\r\n\r\nhi"
    )
    made = sent_by(request)
    assert made["headers"] == [["host", "a"], ["x-kept", "2"], ["content-length", "2"]]
    assert made["body"] == "hi"


def test_a_body_of_unknown_length_arrives_in_chunks() -> None:
    request = (
        b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"2\r\nhi\r\n0\r\n\r\n"
    )
    made = sent_by(request)
    assert made["headers"] == [["host", "a"], ["transfer-encoding", "chunked"]]
    assert made["body"] == "hi"


def test_path_query_and_headers_may_be_others_there() -> None:
    made = sent_by(PLAIN, path="/x%2Fy", query=b"z", headers=[(b"host", b"b"), (b"x-a", b"1")])
    assert (made["path"], made["query"]) == ("/x%2Fy", "z")
    assert made["headers"] == [["host", "b"], ["x-a", "1"]]


def test_a_query_may_be_taken_away() -> None:
    assert sent_by(PLAIN, query=b"")["query"] == ""


def test_an_answer_comes_back_as_it_was_given_and_nothing_is_added() -> None:
    packed = gzip.compress(b"hello")

    async def process(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [
            (b"content-encoding", b"gzip"),
            (b"content-length", str(len(packed)).encode()),
            (b"set-cookie", b"a=1"),
            (b"set-cookie", b"b=2"),
            (b"keep-alive", b"timeout=5"),
        ]
        await send({"type": "http.response.start", "status": 418, "headers": headers})
        await send({"type": "http.response.body", "body": packed})

    head, _, body = with_process(process, lambda url: said(url, PLAIN)).partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"HTTP/1.1 418 I'm a Teapot",
        b"content-encoding: gzip",
        b"content-length: %d" % len(packed),
        b"set-cookie: a=1",
        b"set-cookie: b=2",
        b"Connection: close",
    ]
    assert body == packed


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_an_answer_without_a_body_has_none(method: str, status: int) -> None:
    async def process(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body"})

    async def client(url: str) -> httpx2.Response:
        async with httpx2.AsyncClient() as http:
            return await http.request(method, url)

    response = with_process(process, client)
    assert (response.status_code, response.content) == (status, b"")


def test_a_body_is_passed_on_while_it_is_being_sent() -> None:
    async def run() -> bytes:
        got: asyncio.Queue[bytes] = asyncio.Queue()

        async def process(scope: Scope, receive: Receive, send: Send) -> None:
            more = True
            while more:
                message = await receive()
                more = message["more_body"]
                await got.put(message["body"])
            await answer(send, 200, {})

        async def client(url: str) -> bytes:
            async def content() -> AsyncGenerator[bytes]:
                # The second chunk is sent after the first one has arrived.
                yield b"one"
                assert await got.get() == b"one"
                yield b"two"

            async with httpx2.AsyncClient() as http:
                response = await http.post(url, content=content())
            assert response.status_code == 200
            return await got.get()

        async with serving(lambda _port: process) as port:
            return await with_gateway(client, base_url=f"http://127.0.0.1:{port}")

    assert asyncio.run(run()) == b"two"


def test_an_answer_is_passed_back_while_it_is_being_given() -> None:
    async def run() -> list[bytes]:
        read = asyncio.Event()

        async def process(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"one", "more_body": True})
            await read.wait()
            await send({"type": "http.response.body", "body": b"two"})

        async def client(url: str) -> list[bytes]:
            got: list[bytes] = []
            async with httpx2.AsyncClient() as http, http.stream("GET", url) as response:
                async for piece in response.aiter_raw():
                    got.append(piece)
                    read.set()
            return got

        async with serving(lambda _port: process) as port:
            return await with_gateway(client, base_url=f"http://127.0.0.1:{port}")

    assert asyncio.run(run()) == [b"one", b"two"]


@pytest.mark.parametrize(
    "request_",
    [
        PLAIN,
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhi",
    ],
    ids=["without a body", "after its body", "within its body"],
)
def test_a_client_who_goes_away_ends_the_request_behind(request_: bytes) -> None:
    async def run() -> str:
        begun, ended = asyncio.Event(), asyncio.get_running_loop().create_future()

        async def process(scope: Scope, receive: Receive, send: Send) -> None:
            begun.set()
            while (message := await receive())["type"] != "http.disconnect":
                pass
            ended.set_result(message["type"])

        async def client(url: str) -> str:
            port = int(url.rpartition(":")[2])
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request_)
            await begun.wait()
            writer.close()
            return await ended

        async with serving(lambda _port: process) as port:
            return await with_gateway(client, base_url=f"http://127.0.0.1:{port}")

    assert asyncio.run(run()) == "http.disconnect"


async def got(url: str) -> httpx2.Response:
    async with httpx2.AsyncClient() as http:
        return await http.get(url)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def test_where_nobody_listens_the_answer_is_502() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    response = asyncio.run(with_gateway(got, base_url=url))
    assert response.status_code == 502
    assert response.json()["error"].startswith("the process does not respond: ")


@asynccontextmanager
async def speaking(data: bytes) -> AsyncGenerator[str]:
    """A server that reads the head of a request, sends bytes and closes the connection."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 200", b"nonsense\r\n\r\n"])
def test_a_process_that_ends_without_an_answer_is_answered_502(data: bytes) -> None:
    async def run() -> httpx2.Response:
        async with speaking(data) as url:
            return await with_gateway(got, base_url=url)

    assert asyncio.run(run()).status_code == 502


def test_an_answer_that_breaks_off_is_cut() -> None:
    async def run() -> None:
        async with speaking(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf") as url:
            await with_gateway(got, base_url=url)

    with pytest.raises(httpx2.RemoteProtocolError):
        asyncio.run(run())


async def silent(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def test_a_process_that_is_silent_for_too_long_is_answered_504() -> None:
    response = with_process(silent, got, timeout_seconds=0.05)
    assert (response.status_code, response.json()) == (504, {"error": "no response within 0.05 s"})


def test_whoever_never_says_that_the_client_is_gone_holds_nothing_up() -> None:
    async def run() -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"hi", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"host", b"a"), (b"content-length", b"2")]
        scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
        async with serving(lambda _port: echo) as port:
            await forward(scope, receive, send, base_url=f"http://127.0.0.1:{port}")
        return sent

    sent = asyncio.run(run())
    assert sent[0]["status"] == 200
    assert json.loads(b"".join(one.get("body", b"") for one in sent[1:]))["body"] == "hi"


def test_a_limit_from_outside_ends_the_request_behind() -> None:
    async def run() -> str:
        loop = asyncio.get_running_loop()
        ended = loop.create_future()
        limit = asyncio.timeout(None)

        async def process(scope: Scope, receive: Receive, send: Send) -> None:
            limit.reschedule(loop.time())
            await silent(scope, receive, send)
            ended.set_result("ended")

        async with serving(lambda _port: process) as behind:

            async def gateway(scope: Scope, receive: Receive, send: Send) -> None:
                try:
                    async with limit:
                        await forward(scope, receive, send, base_url=f"http://127.0.0.1:{behind}")
                except TimeoutError:
                    await answer(send, 504, {"error": "the gateway's own"})

            async with serving(lambda _port: gateway) as port:
                response = await got(f"http://127.0.0.1:{port}")
            assert (response.status_code, response.json()) == (504, {"error": "the gateway's own"})
            return await ended

    assert asyncio.run(run()) == "ended"


async def parrot(scope: Scope, receive: Receive, send: Send) -> None:
    """A WebSocket that sends its request, then echoes messages, and closes on `close`."""
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept", "subprotocol": next(iter(scope["subprotocols"]), None)})
    headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
    told = {
        "path": scope["raw_path"].decode(),
        "query": scope["query_string"].decode(),
        "host": headers["host"],
        "cookie": headers.get("cookie"),
    }
    await send({"type": "websocket.send", "text": json.dumps(told)})
    while (message := await receive())["type"] == "websocket.receive":
        if message.get("text") == "close":
            await send({"type": "websocket.close", "code": 4321, "reason": "as asked"})
            return
        await send({**message, "type": "websocket.send"})


def websocket(url: str, **options: Any) -> connect:
    return connect(url.replace("http", "ws"), proxy=None, **options)


def test_a_websocket_passes_both_ways() -> None:
    async def client(url: str) -> None:
        async with websocket(
            f"{url}/a%2Fb?x=1",
            subprotocols=[Subprotocol("chat"), Subprotocol("other")],
            additional_headers={"Cookie": "a=1"},
        ) as connection:
            assert connection.subprotocol == "chat"
            assert json.loads(await connection.recv()) == {
                "path": "/a%2Fb",
                "query": "x=1",
                "host": url.removeprefix("http://"),
                "cookie": "a=1",
            }
            for data in ("text", b"bytes", "", b""):
                await connection.send(data)
                assert await connection.recv() == data

    with_process(parrot, client)


def test_a_websocket_keeps_the_host_that_the_client_asked() -> None:
    async def client(url: str) -> None:
        port = int(url.rpartition(":")[2])
        async with connect(
            "ws://mcp.example.com/", host="127.0.0.1", port=port, proxy=None
        ) as connection:
            assert json.loads(await connection.recv())["host"] == "mcp.example.com"

    with_process(parrot, client)


def test_a_closure_by_the_process_is_told_the_client() -> None:
    async def client(url: str) -> tuple[int | None, str | None]:
        async with websocket(url) as connection:
            await connection.recv()
            await connection.send("close")
            with pytest.raises(ConnectionClosed):
                await connection.recv()
            return connection.close_code, connection.close_reason

    assert with_process(parrot, client) == (4321, "as asked")


@pytest.mark.parametrize(("code", "told"), [(4000, 4000), (1000, 1000), (None, 1000)])
def test_a_closure_by_the_client_is_told_the_process(code: int | None, told: int) -> None:
    async def run() -> int:
        ended = asyncio.get_running_loop().create_future()

        async def process(scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            await send({"type": "websocket.accept"})
            ended.set_result((await receive())["code"])

        async def client(url: str) -> int:
            connection = await websocket(url)
            if code is None:
                connection.transport.abort()
            else:
                await connection.close(code)
            return await ended

        async with serving(lambda _port: process) as port:
            return await with_gateway(client, base_url=f"http://127.0.0.1:{port}")

    assert asyncio.run(run()) == told


def test_a_process_that_dies_is_told_the_client_as_an_error() -> None:
    async def run() -> int | None:
        connections: list[asyncio.StreamWriter] = []

        async with serving(lambda _port: parrot) as behind:

            async def between(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                # A process whose connections can be broken.
                there, back = await asyncio.open_connection("127.0.0.1", behind)
                connections.extend([writer, back])
                back.write(await reader.readuntil(b"\r\n\r\n"))
                while data := await there.read(1000):
                    writer.write(data)

            async def client(url: str) -> int | None:
                async with websocket(url) as connection:
                    await connection.recv()
                    for each in connections:
                        each.transport.abort()
                    with pytest.raises(ConnectionClosed):
                        await connection.recv()
                    return connection.close_code

            async with await asyncio.start_server(between, "127.0.0.1", 0) as server:
                port = server.sockets[0].getsockname()[1]
                return await with_gateway(client, base_url=f"http://127.0.0.1:{port}")

    assert asyncio.run(run()) == 1011


def test_a_websocket_that_is_silent_for_too_long_is_closed() -> None:
    async def client(url: str) -> int | None:
        async with websocket(url) as connection:
            await connection.recv()
            with pytest.raises(ConnectionClosed):
                await connection.recv()
            return connection.close_code

    assert with_process(parrot, client, timeout_seconds=1) == 1001


@pytest.mark.parametrize("status", [401, 307])
def test_a_websocket_that_the_process_refuses_is_refused_with_its_answer(status: int) -> None:
    async def process(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"www-authenticate", b"Bearer"), (b"location", b"/elsewhere")]
        await answer(send, status, {"path": scope["path"]}, headers)

    async def client(url: str) -> InvalidStatus:
        with pytest.raises(InvalidStatus) as refused:
            # The library follows redirects; here it stops at the first one.
            await _Once(f"{url.replace('http', 'ws')}/asked", proxy=None)
        return refused.value

    response = with_process(process, client).response
    assert response.status_code == status
    assert (response.headers["www-authenticate"], response.headers["location"]) == (
        "Bearer",
        "/elsewhere",
    )
    assert json.loads(response.body or b"") == {"path": "/asked"}


def test_what_a_process_says_when_it_takes_a_websocket_is_told_the_client() -> None:
    async def process(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        headers = [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"keep-alive", b"timeout=5")]
        await send({"type": "websocket.accept", "headers": headers})
        await receive()

    async def client(url: str) -> list[tuple[str, str]]:
        async with websocket(url, compression=None) as connection:
            assert connection.response
            return [
                (name.lower(), value) for name, value in connection.response.headers.raw_items()
            ]

    given = with_process(process, client)
    assert [value for name, value in given if name == "set-cookie"] == ["a=1", "b=2"]
    names = [name for name, _ in given if name != "set-cookie"]
    assert sorted(names) == ["connection", "sec-websocket-accept", "upgrade"]


class _Once(connect):
    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


def test_a_websocket_where_nobody_listens_is_refused_with_502() -> None:
    async def client(url: str) -> int:
        with pytest.raises(InvalidStatus) as refused:
            await websocket(url)
        return refused.value.response.status_code

    url = f"http://127.0.0.1:{free_port()}"
    assert asyncio.run(with_gateway(client, base_url=url)) == 502


def test_a_process_that_does_not_answer_a_handshake_in_time_is_answered_504() -> None:
    async def run() -> int:
        async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        async def client(url: str) -> int:
            with pytest.raises(InvalidStatus) as refused:
                await websocket(url)
            return refused.value.response.status_code

        async with await asyncio.start_server(mute, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            url = f"http://127.0.0.1:{port}"
            return await with_gateway(client, base_url=url, timeout_seconds=0.05)

    assert asyncio.run(run()) == 504
