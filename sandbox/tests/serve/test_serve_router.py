"""The application of a host, and the request after the entry."""

import asyncio
from typing import Any

import httpx2
import pytest

from sandbox.serve.fleet import OPERATOR, Application, Receive, Scope, Send, source
from sandbox.serve.http.forwarding import answer
from sandbox.serve.http.proxy import serving
from sandbox.serve.http.router import ANONYMOUS, entry, host, router, unknown_host
from sandbox.tests.serve.fleets import asked, request


def saying(name: str) -> Application:
    """An application that responds with its name and the request."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        told = {
            "name": name,
            "scheme": scope["scheme"],
            "path": scope["path"],
            "raw_path": scope["raw_path"].decode(),
            "headers": [[key.decode(), value.decode()] for key, value in scope["headers"]],
            "source": source(scope),
        }
        await answer(send, 200, told)

    return application


@pytest.mark.parametrize(
    ("given", "scheme", "expected"),
    [
        ("mcp.example.com", "http", ("mcp.example.com", 80)),
        ("mcp.example.com", "https", ("mcp.example.com", 443)),
        ("mcp.example.com", "ws", ("mcp.example.com", 80)),
        ("mcp.example.com", "wss", ("mcp.example.com", 443)),
        ("mcp.example.com:8080", "https", ("mcp.example.com", 8080)),
        ("MCP.Example.com.:8080", "https", ("mcp.example.com", 8080)),
        ("127.0.0.1:9000", "http", ("127.0.0.1", 9000)),
        ("[::1]", "http", ("[::1]", 80)),
        ("[::1]:9000", "http", ("[::1]", 9000)),
        ("a:b", "http", ("a:b", 80)),
        ("a:123456", "http", ("a:123456", 80)),
        ("", "http", ("", 80)),
    ],
)
def test_a_host_is_a_name_and_a_port(given: str, scheme: str, expected: tuple[str, int]) -> None:
    assert host(request(given, scheme=scheme)) == expected


def test_a_request_without_a_host_has_no_name() -> None:
    assert host(request("", headers=[])) == ("", 80)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("a.example.com", "a"),
        ("A.Example.Com:8080", "a"),
        ("b.example.com", "b"),
        ("c.example.com", "other"),
        ("a.example.com.evil", "other"),
        ("", "other"),
    ],
)
def test_the_host_says_who_answers(given: str, name: str) -> None:
    hosts = {"a.example.com": saying("a"), "b.example.com": saying("b")}
    assert asked(router(hosts, saying("other")), request(given)).json["name"] == name


def test_a_host_that_nobody_answers_for_is_told_who_asked_for_it() -> None:
    scope = request("api.github.com", scheme="https", state={"source": "clock"})
    answered = asked(unknown_host, scope)
    assert answered.status == 502
    assert answered.json["error"].startswith(
        "clock requested api.github.com:443, which is not in the sandbox. It has "
    )


def entered(
    scope: Any, *, url: str = "https://mcp.example.com", port: int = 8800, signed: bool = True
) -> dict[str, Any]:
    """The request that the application behind the entry gets."""
    answered = asked(entry(saying("gateway"), url, port, signed=signed), scope)
    return {**answered.json, "host": dict(answered.json["headers"]).get("host")}


@pytest.mark.parametrize(
    "given", ["127.0.0.1:8800", "localhost:8800", "LocalHost:8800", "[::1]:8800"]
)
def test_whoever_names_the_entry_means_the_gateway(given: str) -> None:
    assert entered(request(given))["host"] == "mcp.example.com"


@pytest.mark.parametrize(
    "given",
    ["127.0.0.1", "localhost:8801", "evil.example.com", "127.0.0.1:88000", "x127.0.0.1:8800"],
)
def test_every_other_host_stays(given: str) -> None:
    assert entered(request(given))["host"] == given


@pytest.mark.parametrize("given", ["localhost", "localhost:80"])
def test_an_entry_at_the_port_of_http_is_named_without_it_too(given: str) -> None:
    assert entered(request(given), port=80)["host"] == "mcp.example.com"


@pytest.mark.parametrize(
    ("origin", "behind"),
    [
        ("http://127.0.0.1:8800", "https://mcp.example.com"),
        ("http://localhost:8800", "https://mcp.example.com"),
        ("https://localhost:8800", "https://localhost:8800"),
        ("http://localhost:8801", "http://localhost:8801"),
        ("http://localhost:8800.evil.example.com", "http://localhost:8800.evil.example.com"),
        ("https://evil.example.com", "https://evil.example.com"),
        ("null", "null"),
    ],
)
def test_an_origin_that_names_the_entry_is_the_gateways(origin: str, behind: str) -> None:
    headers = [(b"host", b"localhost:8800"), (b"origin", origin.encode())]
    assert entered(request("", headers=headers))["headers"] == [
        ["host", "mcp.example.com"],
        ["origin", behind],
    ]


@pytest.mark.parametrize(
    ("url", "given", "behind"),
    [
        ("https://mcp.example.com", "http", "https"),
        ("https://mcp.example.com", "ws", "wss"),
        ("http://alb.example.com", "http", "http"),
        ("http://alb.example.com", "ws", "ws"),
    ],
)
def test_the_scheme_is_the_gateways(url: str, given: str, behind: str) -> None:
    assert entered(request("localhost:8800", scheme=given), url=url)["scheme"] == behind


def test_the_gateways_path_comes_before_that_of_the_request() -> None:
    url = "https://id.execute-api.us-east-1.amazonaws.com/live"
    scope = request("localhost:8800", "/servers/a/b", raw_path=b"/servers/a%2Fb")
    made = entered(scope, url=url)
    assert (made["host"], made["path"], made["raw_path"]) == (
        "id.execute-api.us-east-1.amazonaws.com",
        "/live/servers/a/b",
        "/live/servers/a%2Fb",
    )
    assert entered(request("other.example.com", "/x"), url=url)["path"] == "/x"


def test_callers_have_the_operators_credentials_unless_they_are_not_to() -> None:
    assert entered(request("localhost:8800"))["source"] == OPERATOR
    assert entered(request("localhost:8800"), signed=False)["source"] == ANONYMOUS
    # The entry overwrites the caller in the state of a request.
    scope = request("localhost:8800", state={"source": OPERATOR})
    assert entered(scope, signed=False)["source"] == ANONYMOUS


def test_a_websocket_is_refused_with_an_answer_too() -> None:
    async def run() -> tuple[int, Any]:
        application = router({}, unknown_host)
        async with serving(lambda _port: application) as port, httpx2.AsyncClient() as client:
            response = await client.get(
                f"http://127.0.0.1:{port}/chat",
                headers={
                    "Connection": "Upgrade",
                    "Upgrade": "websocket",
                    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
                    "Sec-WebSocket-Version": "13",
                    "Host": "nowhere.example.com",
                },
            )
            return response.status_code, response.json()

    status, told = asyncio.run(run())
    assert status == 502
    assert told["error"].startswith("operator requested nowhere.example.com:80, ")
