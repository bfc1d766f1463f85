"""The assistant's WebSocket: one question at a time, each answered by one message."""

import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from types import SimpleNamespace

import anyio
import pytest
from pydantic_ai.models.function import FunctionModel
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK, InvalidStatus

from common.runtime import MAX_WEBSOCKET_BYTES
from sandbox.serve.http.proxy import serving
from tests.workloads.local_http import AUDIENCE, issuing
from tests.workloads.planner_model import planner
from workloads.assistant import agent, conversations
from workloads.assistant.conversations import MAX_QUESTION_BYTES

pytestmark = [pytest.mark.anyio, pytest.mark.allow_hosts(["127.0.0.1", "::1"])]


@asynccontextmanager
async def chat(
    model: FunctionModel | None = None, headers: dict[str, str] | None = None, **env: str
) -> AsyncGenerator[ClientConnection]:
    app = agent.build(env, model=model or planner())
    async with (
        serving(lambda _port: app) as port,
        connect(f"ws://127.0.0.1:{port}/chat", additional_headers=headers, proxy=None) as socket,
    ):
        yield socket


async def asked(socket: ClientConnection, message: str) -> dict[str, object]:
    await socket.send(message)
    return json.loads(await socket.recv())


async def test_each_question_is_answered_by_one_message() -> None:
    async with chat() as socket:
        first = await asked(socket, '{"question": "sleep"}')
        second = await asked(socket, '{"question": "dream"}')
    assert first["answer"] == "sleep: no tool fits this"
    assert second["answer"] == "dream: no tool fits this"
    assert second["complete"] is True


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ("hello", "body: Invalid JSON"),
        ("{}", "question: Field required"),
        (json.dumps({"question": "x" * 4001}), "question: String should have at most 4000"),
    ],
)
async def test_an_invalid_question_gets_an_error_and_the_connection_stays_open(
    message: str, error: str
) -> None:
    async with chat() as socket:
        told = await asked(socket, message)
        after = await asked(socket, '{"question": "sleep"}')
    assert list(told) == ["error"]
    assert str(told["error"]).startswith(error)
    assert after["complete"] is True


@pytest.mark.parametrize("excess", [0, 1])
async def test_a_message_that_is_too_long_ends_the_connection(excess: int) -> None:
    async with chat() as socket:
        await socket.send("x" * (MAX_QUESTION_BYTES + excess))
        if excess:
            with pytest.raises(ConnectionClosedError):
                await socket.recv()
            assert socket.close_code == 1009
        else:
            assert "error" in json.loads(await socket.recv())


async def test_a_message_that_is_no_text_ends_the_connection() -> None:
    async with chat() as socket:
        await socket.send(b'{"question": "sleep"}')
        with pytest.raises(ConnectionClosedError):
            await socket.recv()
    assert socket.close_code == 1003


async def test_a_silent_connection_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversations, "IDLE_SECONDS", 0.1)
    async with chat() as socket:
        with pytest.raises(ConnectionClosedOK):
            await socket.recv()
    assert socket.close_code == 1001


async def test_a_connection_is_not_silent_while_an_answer_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(conversations, "IDLE_SECONDS", 0.1)
    held = anyio.Event()

    async def slow(*_: object) -> AsyncGenerator[str]:
        await held.wait()
        yield "at last"

    async with chat(FunctionModel(stream_function=slow, model_name="slow")) as socket:
        await socket.send('{"question": "one"}')
        with anyio.move_on_after(3 * conversations.IDLE_SECONDS) as waited:
            await socket.recv()
        held.set()
        answer = json.loads(await socket.recv())
        with pytest.raises(ConnectionClosedOK):
            await socket.recv()
    assert waited.cancelled_caught
    assert answer["answer"] == "at last"


async def test_a_waiting_client_gets_messages_about_the_answer_in_progress(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(conversations, "WORKING_SECONDS", 0.01)
    held = anyio.Event()

    async def slow(*_: object) -> AsyncGenerator[str]:
        await held.wait()
        yield "at last"

    async with chat(FunctionModel(stream_function=slow, model_name="slow")) as socket:
        assert await asked(socket, '{"question": "one"}') == {"working": True}
        held.set()
        answer = json.loads(await socket.recv())
        while answer == {"working": True}:
            answer = json.loads(await socket.recv())
    assert answer["answer"] == "at last"


@pytest.mark.parametrize("excess", [0, 1])
async def test_an_answer_is_no_longer_than_a_message_may_be_on_any_target(excess: int) -> None:
    async def long(*_: object) -> AsyncGenerator[str]:
        yield "x" * length

    length = 1
    async with chat(FunctionModel(stream_function=long, model_name="m")) as socket:
        await socket.send('{"question": "one"}')
        length += MAX_WEBSOCKET_BYTES - len(await socket.recv(decode=False)) + excess
        answer = await asked(socket, '{"question": "one"}')
    if excess:
        told = "the answer has 131073 bytes; a message can have 131072 at most"
        assert answer == {"error": told}
    else:
        assert answer["answer"] == "x" * length


async def test_a_second_question_does_not_wait_for_the_first() -> None:
    held = anyio.Event()

    async def slow(*_: object) -> AsyncGenerator[str]:
        await held.wait()
        yield "at last"

    async with chat(FunctionModel(stream_function=slow, model_name="slow")) as socket:
        await socket.send('{"question": "one"}')
        told = await asked(socket, '{"question": "two"}')
        held.set()
        answer = json.loads(await socket.recv())
    assert told == {"error": "the question before is not answered yet"}
    assert answer["answer"] == "at last"


async def test_a_disconnected_client_cancels_the_answer() -> None:
    begun, ended = anyio.Event(), anyio.Event()

    async def endless(*_: object) -> AsyncGenerator[str]:
        begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()
        yield ""

    async with chat(FunctionModel(stream_function=endless, model_name="endless")) as socket:
        await socket.send('{"question": "one"}')
        await begun.wait()
        await socket.close()
        with anyio.fail_after(10):
            await ended.wait()


@pytest.mark.parametrize(
    ("headers", "env", "status"),
    [
        ({"Origin": "https://evil.example"}, {}, 403),
        ({}, {"MCP_ALLOWED_HOSTS": "mcp.example.com"}, 421),
        (
            {},
            {"AUTH_ISSUER": "https://issuer.example", "AUTH_AUDIENCE": "https://mcp.example.com"},
            401,
        ),
    ],
    ids=["another origin", "another host", "no token"],
)
async def test_a_client_that_is_not_allowed_gets_no_connection(
    headers: dict[str, str], env: dict[str, str], status: int
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with chat(None, headers, **env):
            pass
    assert refused.value.response.status_code == status


@pytest.mark.parametrize(("seconds", "code"), [(59, None), (61, 1008)])
async def test_a_connection_lasts_no_longer_than_its_token(
    monkeypatch: pytest.MonkeyPatch, seconds: int, code: int | None
) -> None:
    with issuing() as (issuer, _):
        now = int(time.time())
        headers = {"Authorization": f"Bearer {issuer.token(exp=now + 60)}"}
        auth = {"AUTH_ISSUER": issuer.url, "AUTH_AUDIENCE": AUDIENCE}
        async with chat(None, headers, **auth) as socket:
            clock = SimpleNamespace(time=lambda: now + seconds)
            monkeypatch.setattr(conversations, "time", clock)
            if code is None:
                assert "answer" in await asked(socket, '{"question": "sleep"}')
                return
            with pytest.raises(ConnectionClosedError) as closed:
                await asked(socket, '{"question": "sleep"}')
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == code


async def test_an_unexpected_exception_is_an_error_and_the_connection_stays_open(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken(*_: object) -> AsyncGenerator[str]:
        raise ValueError("with a secret")
        yield ""

    async with chat(FunctionModel(stream_function=broken)) as socket:
        for _ in range(2):
            assert await asked(socket, '{"question": "now"}') == {"error": "internal error"}
    told = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert told == ["a question was not answered"] * 2


async def test_a_caller_without_a_token_gets_the_url_of_the_metadata() -> None:
    auth = {"AUTH_ISSUER": "https://issuer.example", "AUTH_AUDIENCE": "https://mcp.example.com"}
    with pytest.raises(InvalidStatus) as refused:
        async with chat(None, None, **auth):
            pass
    assert refused.value.response.headers["www-authenticate"] == (
        'Bearer resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource"'
    )
