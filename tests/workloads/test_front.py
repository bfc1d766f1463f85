"""How every workload handles requests of gateways and Lambda Web Adapter."""

import json
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from common.front import guarded
from sandbox.serve.http.proxy import serving
from tests.workloads.planner_model import planner
from tests.workloads.support import NAMES, SERVERS, http_client
from tests.workloads.test_workload_http import build, work
from workloads.assistant import agent

pytestmark = [pytest.mark.anyio, pytest.mark.allow_hosts(["127.0.0.1", "::1"])]

ON_LAMBDA = {"AWS_LAMBDA_FUNCTION_NAME": "clock"}
EVENT = {"x-amzn-request-context": "null"}

SINGLE = [
    "Authorization",
    "Host",
    "Last-Event-ID",
    "Mcp-Method",
    "Mcp-Name",
    "Mcp-Param-Region",
    "MCP-Protocol-Version",
    "Mcp-Session-Id",
    "Origin",
    "traceparent",
    "x-amzn-request-context",
]


# Repeated headers.


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("header", SINGLE)
async def test_a_request_with_two_of_a_header_that_has_one_value_is_refused(
    name: str, header: str, tmp_path: Path
) -> None:
    twice = [(header, "http://localhost"), (header.upper(), "http://localhost")]
    async with http_client(build(name, tmp_path, {})) as client:
        response = await client.post("/mcp", content=b"", headers=httpx2.Headers(twice))
    assert response.status_code == 400
    assert response.json() == {"error": f"more than one header {header.lower()}"}


@pytest.mark.parametrize("name", NAMES)
async def test_a_header_that_is_a_list_may_come_in_parts(name: str, tmp_path: Path) -> None:
    async with http_client(build(name, tmp_path, {})) as client:
        client.headers = httpx2.Headers([("Accept-Language", "de"), ("Accept-Language", "en")])
        response = await work(client, name)
    assert response.status_code == 200


async def test_a_chat_with_two_tokens_is_not_opened() -> None:
    app = agent.build({}, model=planner())
    twice = [("Authorization", "Bearer a"), ("Authorization", "Bearer b")]
    async with serving(lambda _port: app) as port:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://127.0.0.1:{port}/chat", additional_headers=twice, proxy=None)
    assert refused.value.response.status_code == 400


# Answers without a body.


async def answered(
    response: Response, env: dict[str, str], method: str = "POST"
) -> httpx2.Response:
    async def answer(_request: Request) -> Response:
        return response

    app = guarded(Starlette(routes=[Route("/", answer, methods=["GET", "POST"])]), env)
    async with http_client(app) as client:
        return await client.request(method, "/")


@pytest.mark.parametrize("status", [200, 202, 204, 307, 401, 405, 406, 500])
async def test_on_lambda_an_answer_has_a_body(status: int) -> None:
    response = await answered(Response(status_code=status, headers={"Allow": "POST"}), ON_LAMBDA)
    assert response.status_code == (200 if status == 204 else status)
    assert response.json() == {}
    assert response.headers["content-type"] == "application/json"
    assert response.headers["content-length"] == "2"
    assert response.headers["allow"] == "POST"


async def test_elsewhere_an_answer_stays_as_it_is() -> None:
    response = await answered(Response(status_code=204), {})
    assert (response.status_code, response.content) == (204, b"")
    assert "content-type" not in response.headers


async def test_on_lambda_a_body_stays_as_it_is() -> None:
    response = await answered(Response(b"x", 201, {"X-A": "b"}, "text/plain"), ON_LAMBDA)
    assert (response.status_code, response.content) == (201, b"x")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("parts", "body"), [([], b"{}"), ([b"", b""], b"{}"), ([b"", b"a", b"b"], b"ab")]
)
async def test_on_lambda_an_answer_in_parts_is_filled_only_if_all_are_empty(
    parts: list[bytes], body: bytes
) -> None:
    response = await answered(StreamingResponse(iter(parts)), ON_LAMBDA)
    assert response.content == body


@pytest.mark.parametrize(
    ("parts", "body"), [([], b": \r\n\r\n"), ([b"data: x\n\n"], b"data: x\n\n")]
)
async def test_on_lambda_an_empty_stream_of_events_gets_a_comment(
    parts: list[bytes], body: bytes
) -> None:
    stream = StreamingResponse(iter(parts), media_type="text/event-stream")
    response = await answered(stream, ON_LAMBDA)
    assert response.content == body
    assert response.headers["content-type"].startswith("text/event-stream")


async def test_on_lambda_head_stays_without_a_body() -> None:
    response = await answered(RedirectResponse("/x"), ON_LAMBDA, "HEAD")
    assert (response.status_code, response.content) == (307, b"")


@pytest.mark.parametrize("name", NAMES)
async def test_on_lambda_no_answer_of_a_workload_is_empty(name: str, tmp_path: Path) -> None:
    notification = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    accept = {"Accept": "application/json, text/event-stream"}
    path = "/ask" if name == "assistant" else "/mcp"
    async with http_client(build(name, tmp_path, ON_LAMBDA)) as client:
        answers = [
            await client.get(path),
            await client.delete(path),
            await client.post(path, json=notification, headers=accept),
            await client.post(path, json=notification, headers={"Accept": "image/png"}),
            await client.post(f"{path}/", json={}),
            await client.get("/nothing"),
            await client.get("/health"),
        ]
    assert [len(answer.content) > 0 for answer in answers] == [True] * len(answers)
    if name != "assistant":
        assert [answer.status_code for answer in answers[:3]] == [405, 405, 202]


# What the adapter cannot read as a request of the gateway.


@pytest.mark.parametrize("name", NAMES)
async def test_a_request_that_arrives_as_an_event_is_a_bad_request(
    name: str, tmp_path: Path
) -> None:
    event = {"httpMethod": "POST", "path": "/ask", "body": json.dumps({"question": "x"})}
    async with http_client(build(name, tmp_path, ON_LAMBDA)) as client:
        arrived = await client.post("/events", json=event, headers=EVENT)
        sent = await client.post("/events", json=event)
    assert arrived.status_code == 400
    assert arrived.json() == {"error": "the request cannot be read: a header is not valid"}
    assert sent.status_code == 404


@pytest.mark.parametrize("name", SERVERS)
async def test_elsewhere_there_are_no_events(name: str, tmp_path: Path) -> None:
    async with http_client(build(name, tmp_path, {})) as client:
        response = await client.post("/events", json={}, headers=EVENT)
    assert response.status_code == 404
