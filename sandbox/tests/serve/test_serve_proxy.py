"""The proxy, used by clients in processes with the environment of a workload."""

import asyncio
import base64
import json
import os
import socket
import ssl
import stat
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from websockets.asyncio.client import connect

from sandbox.serve.fleet import Process, Receive, Scope, Send, source
from sandbox.serve.http import certificates, proxy
from sandbox.serve.http.certificates import Authority, authority
from sandbox.serve.http.forwarding import answer
from sandbox.serve.http.proxy import Proxy, listening
from sandbox.serve.main import platform
from sandbox.tests.serve.fleets import fleet

Through = Callable[[Proxy, Authority], Awaitable[Any]]


async def told(scope: Scope, receive: Receive, send: Send) -> None:
    """Responds with the request that the application gets; a WebSocket sends it in a message."""
    headers = [[name.decode(), value.decode()] for name, value in scope["headers"]]
    seen = {
        "source": source(scope),
        "scheme": scope["scheme"],
        "host": dict(headers).get("host"),
        "path": scope["path"],
        "raw_path": scope["raw_path"].decode(),
        "query": scope["query_string"].decode(),
    }
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": json.dumps(seen)})
        await send({"type": "websocket.close", "code": 1000})
        return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message["body"], message["more_body"]
    await answer(send, 200, {**seen, "method": scope["method"], "body": body.decode()})


def through(home: Path, client: Through, application: Any = told) -> Any:
    """The result of a client that uses the proxy."""

    async def run() -> Any:
        trusted = authority(home)
        async with asyncio.timeout(60), listening(application, trusted) as opened:
            return await client(opened, trusted)

    return asyncio.run(run())


def environment(opened: Proxy, trusted: Authority, name: str) -> dict[str, str]:
    """The environment that the platform sets for a workload's process."""
    process = Process(name=name, image="x", kind="task")
    return {"PATH": os.environ["PATH"], **platform(fleet(), process, opened, trusted)}


def in_workload(home: Path, program: str, application: Any = told, name: str = "clock") -> Any:
    """The JSON that a program prints when it runs as a workload."""

    async def client(opened: Proxy, trusted: Authority) -> Any:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            program,
            env=environment(opened, trusted, name),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
        return json.loads(output)

    return through(home, client, application)


HTTPX = """
import httpx2, json
with httpx2.Client() as client:
    url = "{scheme}://notes.fleet.internal{port}/a%2Fb?x=1"
    # A second request goes the same way, on a connection that is kept.
    print(json.dumps([client.post(url, content=b"hi").json() for _ in range(2)]))
"""


@pytest.mark.parametrize(
    ("scheme", "port"), [("http", ""), ("http", ":8080"), ("https", ""), ("https", ":8443")]
)
def test_httpx_gets_through(tmp_path: Path, scheme: str, port: str) -> None:
    seen = {
        "source": "clock",
        "scheme": scheme,
        "host": f"notes.fleet.internal{port}",
        "path": "/a/b",
        "raw_path": "/a%2Fb",
        "query": "x=1",
        "method": "POST",
        "body": "hi",
    }
    assert in_workload(tmp_path, HTTPX.format(scheme=scheme, port=port)) == [seen, seen]


def test_an_address_of_the_loopback_interface_is_asked_through_the_proxy_too(
    tmp_path: Path,
) -> None:
    program = """
import httpx2
print(httpx2.get("http://127.0.0.1:9000/mcp").text)
"""
    seen = in_workload(tmp_path, program, name="assistant/notes")
    assert (seen["host"], seen["path"]) == ("127.0.0.1:9000", "/mcp")
    assert seen["source"] == "assistant/notes"


def test_botocore_gets_through(tmp_path: Path) -> None:
    async def secrets_manager(scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        name = headers[b"x-amz-target"].decode()
        text = f"{source(scope)} {scope['scheme']} {headers[b'host'].decode()} {name}"
        await answer(send, 200, {"SecretString": text})

    program = """
import boto3, json
client = boto3.client("secretsmanager")
print(json.dumps(client.get_secret_value(SecretId="x")["SecretString"]))
"""
    assert in_workload(tmp_path, program, secrets_manager) == (
        "clock https secretsmanager.us-east-1.amazonaws.com secretsmanager.GetSecretValue"
    )


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_urllib_gets_through(tmp_path: Path, scheme: str) -> None:
    program = f"""
from urllib.request import urlopen
print(urlopen("{scheme}://login.example.com/.well-known/jwks.json").read().decode())
"""
    seen = in_workload(tmp_path, program)
    assert (seen["source"], seen["scheme"]) == ("clock", scheme)
    assert (seen["host"], seen["path"]) == ("login.example.com", "/.well-known/jwks.json")


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_a_websocket_gets_through(tmp_path: Path, scheme: str) -> None:
    async def client(opened: Proxy, trusted: Authority) -> Any:
        secure = ssl.create_default_context(cafile=str(trusted.bundle)) if scheme == "wss" else None
        async with connect(
            f"{scheme}://chat.example.com/a%2Fb?x=1", proxy=opened.url("clock"), ssl=secure
        ) as connection:
            return json.loads(await connection.recv())

    assert through(tmp_path, client) == {
        "source": "clock",
        "scheme": scheme,
        "host": "chat.example.com",
        "path": "/a/b",
        "raw_path": "/a%2Fb",
        "query": "x=1",
    }


def test_an_answer_is_read_while_it_is_being_given(tmp_path: Path) -> None:
    async def told_on(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        # The second chunk is sent after another request has confirmed the first one.
        if scope["path"] == "/stream":
            await read.wait()
        else:
            read.set()
        await send({"type": "http.response.body", "body": b"two"})

    read = asyncio.Event()
    program = """
import httpx2, json
with httpx2.Client() as client, client.stream("GET", "https://notes/stream") as response:
    pieces = response.iter_raw()
    got = [next(pieces).decode()]
    client.get("https://notes/go-on")
    print(json.dumps(got + [piece.decode() for piece in pieces]))
"""
    assert in_workload(tmp_path, program, told_on) == ["one", "two"]


def raw(request: bytes) -> Through:
    """Sends bytes to the proxy, and reads until it closes the connection."""

    async def client(opened: Proxy, trusted: Authority) -> bytes:
        # The secret is created when a process gets its environment.
        opened.url("clock")
        reader, writer = await asyncio.open_connection("127.0.0.1", opened.port)
        writer.write(request)
        try:
            return await reader.read()
        finally:
            writer.close()
            await writer.wait_closed()

    return client


@pytest.mark.parametrize(
    "authorization",
    ["", "Proxy-Authorization: Basic Y2xvY2s6bm9wZQ==\r\n", "Proxy-Authorization: Basic ?\r\n",
     "Proxy-Authorization: Basic /w==\r\n", "Proxy-Authorization: Basic Y2xvY2s=\r\n",
     "Proxy-Authorization: Basic Y2xvY2s6\r\n", "Proxy-Authorization: Bearer Y2xvY2s6bm9wZQ==\r\n"],
    ids=["none", "another secret", "no base64", "no text", "no secret", "empty", "a token"],
)  # fmt: skip
@pytest.mark.parametrize("request_line", ["GET http://x/ HTTP/1.1", "CONNECT a:443 HTTP/1.1"])
def test_whoever_shows_no_good_credentials_is_not_let_through(
    tmp_path: Path, request_line: str, authorization: str
) -> None:
    request = f"{request_line}\r\nHost: notes:8080\r\n{authorization}\r\n"
    said = through(tmp_path, raw(request.encode()))
    assert said.startswith(b"HTTP/1.1 407 Proxy Authentication Required\r\n")
    assert b'Proxy-Authenticate: Basic realm="sandbox"\r\n' in said


def test_a_head_without_an_end_is_not_read_forever(tmp_path: Path) -> None:
    assert through(tmp_path, raw(b"GET http://notes/ HTTP/1.1\r\nX: " + b"x" * 70_000)) == b""


def test_the_url_counts_whatever_host_says(tmp_path: Path) -> None:
    async def client(opened: Proxy, trusted: Authority) -> Any:
        request = (
            f"GET http://notes:8080?x=1 HTTP/1.1\r\nHost: clock\r\nConnection: close\r\n"
            f"Proxy-Authorization: Basic {credentials(opened, 'clock')}\r\n\r\n"
        )
        said = await raw(request.encode())(opened, trusted)
        return json.loads(said.partition(b"\r\n\r\n")[2])

    seen = through(tmp_path, client)
    assert (seen["host"], seen["path"], seen["query"]) == ("notes:8080", "/", "x=1")


def credentials(opened: Proxy, name: str) -> str:
    url = urlsplit(opened.url(name))
    return base64.b64encode(f"{url.username}:{url.password}".encode()).decode()


def test_each_process_is_told_apart_by_a_secret_of_its_own(tmp_path: Path) -> None:
    async def client(opened: Proxy, trusted: Authority) -> list[str]:
        assert opened.url("clock") == opened.url("clock")
        names: list[str] = []
        for name in ("clock", "notes", "clock"):
            request = (
                "GET http://x/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                f"Proxy-Authorization: Basic {credentials(opened, name)}\r\n\r\n"
            )
            said = await raw(request.encode())(opened, trusted)
            names.append(json.loads(said.partition(b"\r\n\r\n")[2])["source"])
        return names

    assert through(tmp_path, client) == ["clock", "notes", "clock"]


def test_a_connection_leaves_nothing_behind(tmp_path: Path) -> None:
    async def client(opened: Proxy, trusted: Authority) -> dict[int, str]:
        request = (
            "GET http://x/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            f"Proxy-Authorization: Basic {credentials(opened, 'clock')}\r\n\r\n"
        )
        await raw(request.encode())(opened, trusted)
        return opened.sources

    assert through(tmp_path, client) == {}


def test_whoever_asks_behind_the_proxy_is_nobody(tmp_path: Path) -> None:
    async def run() -> Any:
        ports: list[int] = []

        async def told_with_port(scope: Scope, receive: Receive, send: Send) -> None:
            ports.append(scope["server"][1])
            await told(scope, receive, send)

        async with listening(told_with_port, authority(tmp_path)) as opened:
            async with httpx2.AsyncClient(proxy=opened.url("clock")) as client:
                await client.get("http://x/")
            async with httpx2.AsyncClient() as client:
                return (await client.get(f"http://127.0.0.1:{ports[0]}/")).json()

    assert asyncio.run(run())["source"] == proxy.UNKNOWN


def test_the_authority_is_made_once_and_its_key_is_its_owners(tmp_path: Path) -> None:
    first, again = authority(tmp_path), authority(tmp_path)
    assert first.bundle.read_bytes() == again.bundle.read_bytes()
    (key,) = [one for one in first.bundle.parent.iterdir() if one != first.bundle]
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert b"PRIVATE KEY" not in first.bundle.read_bytes()


def test_a_process_that_trusts_another_authority_does_not_get_through(tmp_path: Path) -> None:
    other = certificates.authority(tmp_path / "other")

    async def client(opened: Proxy, trusted: Authority) -> None:
        secure = ssl.create_default_context(cafile=str(other.bundle))
        await connect("wss://chat.example.com", proxy=opened.url("clock"), ssl=secure)

    with pytest.raises(ssl.SSLCertVerificationError):
        through(tmp_path, client)


@pytest.mark.parametrize(
    "name", ["notes", "a" * 63 + ".example.com", "*.example.com", "xn--bcher-kva.de"]
)
def test_the_authority_vouches_for_every_host(tmp_path: Path, name: str) -> None:
    assert handshake(authority(tmp_path), name) == {name}


def handshake(trusted: Authority, name: str) -> set[str]:
    """The names in the certificate for a server name."""
    secure = ssl.create_default_context(cafile=str(trusted.bundle))
    secure.check_hostname = False
    ends = [ssl.MemoryBIO(), ssl.MemoryBIO()]
    client = secure.wrap_bio(ends[0], ends[1], server_hostname=name)
    server = trusted.context().wrap_bio(ends[1], ends[0], server_side=True)
    for end in (client, server):
        with suppress(ssl.SSLError):  # One waits for the other, or has rejected it.
            end.do_handshake()
    client.do_handshake()
    certificate = client.getpeercert()
    assert certificate
    return {str(value) for _, value in certificate["subjectAltName"]}


def test_what_is_no_name_of_a_host_is_refused_in_the_handshake(tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
        handshake(authority(tmp_path), "a_b.example.com")


def test_small_writes_are_sent_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[socket.socket] = []
    create = socket.create_server

    def kept(address: tuple[str, int]) -> socket.socket:
        made.append(create(address))
        return made[-1]

    async def run() -> int:
        async with proxy.serving(lambda _port: told):
            # Connections inherit the options of the listener.
            return made[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    monkeypatch.setattr(socket, "create_server", kept)
    assert asyncio.run(run()) != 0
