"""Chat over a WebSocket API whose management endpoint listens on this machine."""

import json
import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import anyio
import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from common import runtime
from common.settings import SettingError
from tests.workloads.local_http import Answer, Asked, Local, answering
from tests.workloads.planner_model import planner
from tests.workloads.support import DEADLINE_SECONDS, http_client
from workloads.assistant import agent, chat, conversations
from workloads.assistant.answering import NoServersError, Tell
from workloads.assistant.conversations import Reply
from workloads.assistant.models import ModelFailedError

pytestmark = [pytest.mark.anyio, pytest.mark.allow_hosts(["127.0.0.1"])]

CONNECTION = "L0SM9cOFvHcCIhw="
NO_HTTP = {"x-amzn-request-context": "null"}


@contextmanager
def gateway(
    monkeypatch: pytest.MonkeyPatch, answer: Answer = (200, {})
) -> Generator[tuple[Local, dict[str, str]]]:
    """The WebSocket API's endpoint, and the environment that names it."""

    def answered(_asked: Asked) -> Answer:
        return answer

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-key")
    with answering(answered) as local:
        yield local, {"CHAT_ENDPOINT": f"{local.url}/live", "AWS_REGION": "us-east-1"}


async def sent(app: Starlette, event: Any, **headers: str) -> httpx2.Response:
    async with http_client(app) as client:
        return await client.post("/events", json=event, headers={**NO_HTTP, **headers})


def receiving(env: dict[str, str], reply: Reply) -> Starlette:
    return Starlette(routes=[Route("/events", chat.receiver(env, reply), methods=["POST"])])


def event(body: str, connection_id: str = CONNECTION) -> dict[str, str]:
    return {"connection_id": connection_id, "body": body}


async def test_a_question_is_answered_on_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    with gateway(monkeypatch) as (local, env):
        response = await sent(agent.build(env, model=planner()), event('{"question": "now"}'))
    assert (response.status_code, response.json()) == (200, {})
    (asked,) = local.asked
    assert asked.path == "/live/@connections/L0SM9cOFvHcCIhw%3D"
    assert "/us-east-1/execute-api/aws4_request" in asked.headers["authorization"]
    answer = json.loads(asked.body)
    assert answer["answer"] == "now: no tool fits this"
    assert answer["steps"] == []


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("hello", "body: Invalid JSON"),
        ("{}", "question: Field required"),
        ('{"question": ""}', "question: String should have at least 1 character"),
        (json.dumps({"question": "x" * 4001}), "question: String should have at most 4000"),
        ('{"question": " \\n"}', "question: String should match pattern"),
        (
            json.dumps({"question": "x" * 100_000}),
            "100016 bytes; a question can have 65536",
        ),
        ('{"question": "now", "connection_id": "x"}', "connection_id: Extra inputs"),
    ],
    ids=["no JSON", "none", "empty", "too long", "blank", "longer than a request may be", "more"],
)
async def test_a_request_without_a_question_gets_the_reason(
    monkeypatch: pytest.MonkeyPatch, body: str, error: str
) -> None:
    with gateway(monkeypatch) as (local, env):
        response = await sent(agent.build(env, model=planner()), event(body))
    assert response.status_code == 200
    told = json.loads(local.asked[0].body)
    assert set(told) == {"error"}
    assert told["error"].startswith(error)


@pytest.mark.parametrize("excess", [0, 1])
async def test_an_answer_that_is_too_long_for_a_message_becomes_an_error(
    monkeypatch: pytest.MonkeyPatch, excess: int
) -> None:
    # An é has two bytes in a message, and 14 bytes are around the text.
    text = "é" * ((runtime.MAX_WEBSOCKET_BYTES - 14) // 2) + "x" * excess

    async def reply(_question: str, _tell: Tell) -> dict[str, Any]:
        return {"answer": text}

    with gateway(monkeypatch) as (local, env):
        await sent(receiving(env, reply), event('{"question": "x"}'))
    told = json.loads(local.asked[0].body)
    if excess:
        assert told == {"error": "the answer has 131073 bytes; a message can have 131072 at most"}
    else:
        assert told == {"answer": text}
        assert len(local.asked[0].body) == 131_072


async def test_an_answer_for_a_closed_connection_is_logged_and_no_failure(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "workload")
    gone: Answer = (410, {}, {"x-amzn-ErrorType": "GoneException"})
    with gateway(monkeypatch, gone) as (local, env):
        response = await sent(agent.build(env, model=planner()), event('{"question": "now"}'))
    assert (response.status_code, response.json()) == (200, {})
    assert len(local.asked) == 1
    assert (caplog.records[-1].levelname, caplog.records[-1].message) == (
        "INFO",
        "the client disconnected before the answer",
    )


# 599 is what Lambda Web Adapter makes a function error of.


async def test_an_answer_that_may_not_be_sent_is_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    denied: Answer = (403, {}, {"x-amzn-ErrorType": "ForbiddenException"})
    with gateway(monkeypatch, denied) as (_, env):
        response = await sent(agent.build(env, model=planner()), event('{"question": "now"}'))
    assert response.status_code == 599


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ModelFailedError("the model x: ThrottlingException"), "the model x: ThrottlingException"),
        (NoServersError("no server is reachable"), "no server is reachable"),
        (ValueError("unforeseen"), "internal error"),
    ],
    ids=["model", "servers", "unforeseen"],
)
async def test_an_agent_that_cannot_answer_says_so_and_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, error: Exception, told: str
) -> None:
    async def reply(_question: str, _tell: Tell) -> dict[str, Any]:
        raise error

    with gateway(monkeypatch) as (local, env):
        response = await sent(receiving(env, reply), event('{"question": "x"}'))
    assert response.status_code == 599
    assert json.loads(local.asked[0].body) == {"error": told}


@pytest.mark.parametrize("marker", ["httpMethod", "requestContext"])
async def test_a_request_that_the_adapter_could_not_read_is_no_message_and_no_failure(
    monkeypatch: pytest.MonkeyPatch, marker: str
) -> None:
    request = {marker: "POST", "body": '{"question": "now"}', "connection_id": CONNECTION}
    with gateway(monkeypatch) as (local, env):
        response = await sent(agent.build(env, model=planner()), request)
    assert response.status_code == 400
    assert response.json() == {"error": "the request cannot be read: a header is not valid"}
    assert local.asked == []


async def test_the_connection_hears_something_while_an_answer_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(conversations, "WORKING_SECONDS", 0.01)

    async def reply(_question: str, _tell: Tell) -> dict[str, Any]:
        with anyio.fail_after(DEADLINE_SECONDS):
            while len(local.asked) < 2:
                await anyio.sleep(0.01)  # a poll, as the endpoint is in another thread
        return {"answer": "at last"}

    with gateway(monkeypatch) as (local, env):
        response = await sent(receiving(env, reply), event('{"question": "x"}'))
    assert response.status_code == 200
    *before, answer = (json.loads(asked.body) for asked in local.asked)
    assert before == [{"working": True}] * len(before)
    assert answer == {"answer": "at last"}


def test_what_the_connection_hears_comes_twice_in_the_time_it_may_be_silent() -> None:
    assert 2 * conversations.WORKING_SECONDS < conversations.IDLE_SECONDS


@pytest.mark.parametrize(
    ("status", "error", "whole"),
    [(410, "GoneException", False), (429, "LimitExceededException", True)],
    ids=["gone", "too many"],
)
async def test_an_answer_for_a_disconnected_client_is_cancelled(
    monkeypatch: pytest.MonkeyPatch, status: int, error: str, whole: bool
) -> None:
    monkeypatch.setattr(conversations, "WORKING_SECONDS", 0.01)
    made = anyio.Event()

    async def reply(_question: str, _tell: Tell) -> dict[str, Any]:
        with anyio.move_on_after(0.5 if whole else DEADLINE_SECONDS):
            await anyio.sleep_forever()
        made.set()
        return {"answer": "at last"}

    refusal: Answer = (status, {}, {"x-amzn-ErrorType": error})
    with gateway(monkeypatch, refusal) as (_, env):
        response = await sent(receiving(env, reply), event('{"question": "x"}'))
    assert made.is_set() is whole
    assert response.status_code == (599 if whole else 200)


@pytest.mark.parametrize("connection_id", ["a", "a" * 128, "AZaz09_=-"])
async def test_a_connection_of_every_form_is_answered(
    monkeypatch: pytest.MonkeyPatch, connection_id: str
) -> None:
    with gateway(monkeypatch) as (local, env):
        response = await sent(agent.build(env, model=planner()), event("x", connection_id))
    assert (response.status_code, len(local.asked)) == (200, 1)


@pytest.mark.parametrize(
    "bad",
    [
        [],
        {},
        {"connection_id": CONNECTION},
        {"body": "x"},
        {"connection_id": CONNECTION, "body": 1},
        {"connection_id": CONNECTION, "body": "x", "endpoint": "https://evil.example"},
        *[
            event("x", connection_id)
            for connection_id in ("", "a" * 129, "../x", "a/b", "a b", "a%2F", "é", "a\n")
        ],
    ],
    ids=str,
)
async def test_an_event_that_is_no_message_is_refused_and_nothing_sent(
    monkeypatch: pytest.MonkeyPatch, bad: Any
) -> None:
    with gateway(monkeypatch) as (local, env):
        response = await sent(agent.build(env, model=planner()), bad)
    assert response.status_code == 599
    assert local.asked == []


@pytest.mark.parametrize("context", ['{"accountId":"123456789012"}', "", "NULL"])
async def test_a_caller_of_the_gateway_cannot_write_on_a_connection(
    monkeypatch: pytest.MonkeyPatch, context: str
) -> None:
    with gateway(monkeypatch) as (local, env):
        headers = {"x-amzn-request-context": context}
        response = await sent(
            agent.build(env, model=planner()), event('{"question": "now"}'), **headers
        )
        async with http_client(agent.build(env, model=planner())) as client:
            bare = await client.post("/events", json=event('{"question": "now"}'))
    assert (response.status_code, bare.status_code) == (404, 404)
    assert local.asked == []


async def test_an_agent_without_chat_has_no_such_path() -> None:
    for env in ({}, {"CHAT_ENDPOINT": ""}):
        assert (
            await sent(agent.build(env, model=planner()), event('{"question": "now"}'))
        ).status_code == 404


@pytest.mark.parametrize("endpoint", ["http://a1b2.example/live", "wss://a1b2.example/live", "x"])
def test_an_endpoint_that_is_not_https_fails_the_start(endpoint: str) -> None:
    with pytest.raises(SettingError, match=r"^CHAT_ENDPOINT is '.*'; it must be an https URL$"):
        agent.build({"CHAT_ENDPOINT": endpoint, "AWS_REGION": "us-east-1"}, model=planner())


def test_an_endpoint_without_a_region_fails_the_start() -> None:
    with pytest.raises(SettingError, match=r"^AWS_REGION is not set; CHAT_ENDPOINT needs it$"):
        agent.build({"CHAT_ENDPOINT": "https://a1b2.example/live"}, model=planner())
