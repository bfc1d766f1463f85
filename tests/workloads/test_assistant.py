import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp.client.streamable_http import streamable_http_client
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.mcpserver import MCPServer
from mcp_types import ListToolsResult, PaginatedRequestParams
from mcp_types import Tool as McpTool
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelMessage
from pydantic_ai.models import Model
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from common.settings import SettingError
from core import timeouts
from sandbox.serve.http.proxy import serving
from tests.workloads.planner_model import planner
from tests.workloads.support import MODEL, http_client
from workloads.assistant import agent, answering, conversations, models
from workloads.clock import server as clock
from workloads.notes import server as notes

pytestmark = pytest.mark.anyio


def absent(_request: httpx2.Request) -> httpx2.Response:
    raise httpx2.ConnectError("nobody is there")


@asynccontextmanager
async def assistant(
    servers: Mapping[str, Any], model: Model | None = None, **env: str
) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of an assistant whose servers are applications of this process (None: absent)."""
    env["MCP_SERVERS"] = json.dumps({name: f"http://{name}/mcp" for name in servers})
    mounts: dict[str, httpx2.AsyncBaseTransport | None] = {
        f"http://{name}": httpx2.ASGITransport(app=app) if app else httpx2.MockTransport(absent)
        for name, app in servers.items()
    }
    async with AsyncExitStack() as stack:
        for app in servers.values():
            if isinstance(app, Starlette):
                await stack.enter_async_context(app.router.lifespan_context(app))
        http = await stack.enter_async_context(httpx2.AsyncClient(mounts=mounts))
        app = agent.build(
            env, lambda url: streamable_http_client(url, http_client=http), model or planner()
        )
        yield await stack.enter_async_context(http_client(app))


async def ask(client: httpx2.AsyncClient, question: str) -> dict[str, Any]:
    response = await client.post("/ask", json={"question": question})
    assert response.status_code == 200, response.text
    return response.json()


@asynccontextmanager
async def streaming(model: Model) -> AsyncGenerator[httpx2.Response]:
    """The stream of an answer, from a server on this machine: what is left really is."""
    app = agent.build({}, model=model)
    async with (
        serving(lambda _port: app) as port,
        httpx2.AsyncClient(trust_env=False) as client,
        client.stream(
            "POST",
            f"http://127.0.0.1:{port}/ask",
            json={"question": "now"},
            headers={"Accept": "text/event-stream"},
        ) as response,
    ):
        yield response


@pytest.mark.allow_hosts(["127.0.0.1", "::1"])
async def test_an_unexpected_exception_is_the_streams_last_event() -> None:
    async def broken(*_: object) -> AsyncGenerator[str]:
        yield "so "
        raise ValueError("with a secret")

    async with streaming(FunctionModel(stream_function=broken)) as response:
        text = (await response.aread()).decode()
    assert text.rstrip().endswith('event: error\r\ndata: {"error": "internal error"}')
    assert "secret" not in text


@pytest.fixture
def fleet(tmp_path: Path) -> dict[str, Starlette]:
    return {
        "clock": clock.build({"MCP_ALLOWED_HOSTS": "clock"}),
        "notes": notes.build({"MCP_ALLOWED_HOSTS": "notes", "FILES_DIR": str(tmp_path)}),
    }


async def test_it_answers_through_clock_and_notes(
    fleet: dict[str, Starlette], tmp_path: Path
) -> None:
    async with assistant(fleet) as client:
        answer = await ask(
            client,
            "convert time=2026-01-01T00:00 to_timezone=Asia/Tokyo; "
            "then add a note name=stamp text=$previous; then read note name=stamp",
        )
    called = [(step["server"], step["tool"]) for step in answer["steps"]]
    assert called == [("clock", "convert"), ("notes", "add_note"), ("notes", "read_note")]
    assert answer["complete"] is True
    assert answer["stopped"] is None
    assert "2026-01-01T09:00:00+09:00" in json.loads((tmp_path / "stamp.json").read_text())["text"]
    assert "2026-01-01T09:00:00+09:00" in answer["steps"][-1]["text"]
    assert answer["answer"] == "\n".join(step["text"] for step in answer["steps"])
    assert answer["servers"] == {
        "clock": {"tools": ["convert", "difference", "now"]},
        "notes": {"tools": ["add_note", "delete_note", "list_notes", "read_note", "search_notes"]},
    }


async def test_it_says_which_model_answered(fleet: dict[str, Starlette]) -> None:
    async with assistant(fleet) as client:
        answer = await ask(client, "now")
    assert answer["model"] == "planner"


async def test_an_absent_server_is_reported_and_the_others_still_answer(
    fleet: dict[str, Any],
) -> None:
    async with assistant({**fleet, "notes": None}) as client:
        answer = await ask(client, "now; list notes")
    assert answer["servers"]["notes"] == {
        "error": "cannot list its tools: ConnectError: nobody is there"
    }
    assert [step["tool"] for step in answer["steps"]] == ["now"]
    assert answer["answer"].endswith("list notes: no tool fits this")


async def test_when_no_server_answers_each_is_named_with_its_reason() -> None:
    refusing = clock.build({"MCP_ALLOWED_HOSTS": "other"})
    async with assistant({"clock": refusing, "notes": None}) as client:
        response = await client.post("/ask", json={"question": "now"})
    assert response.status_code == 503
    assert response.json() == {
        "error": "no server is reachable: "
        "clock: MCPError: Server returned an error response; "
        "notes: ConnectError: nobody is there"
    }


async def test_a_tool_s_error_is_part_of_the_answer(fleet: dict[str, Starlette]) -> None:
    async with assistant(fleet) as client:
        answer = await ask(client, "read note name=missing")
    assert "there is no note 'missing'" in answer["steps"][0]["error"]
    assert "there is no note 'missing'" in answer["answer"]
    assert answer["complete"] is False


async def test_after_a_tool_s_error_the_model_goes_on(fleet: dict[str, Starlette]) -> None:
    async with assistant(fleet) as client:
        answer = await ask(client, "read note name=missing; now timezone=Asia/Tokyo")
    assert [("error" in step, step["tool"]) for step in answer["steps"]] == [
        (True, "read_note"),
        (False, "now"),
    ]


async def test_a_server_that_becomes_unreachable_is_reported_to_the_model(
    fleet: dict[str, Any],
) -> None:
    calls = 0

    async def leaving(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal calls
        headers = dict(scope["headers"])
        if headers.get(b"mcp-method") == b"tools/call":
            calls += 1
            raise httpx2.ConnectError("it has gone")
        await fleet["clock"](scope, receive, send)

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(fleet["clock"].router.lifespan_context(fleet["clock"]))
        client = await stack.enter_async_context(assistant({"clock": leaving}))
        answer = await ask(client, "now timezone=Asia/Tokyo")
    assert calls == 1
    assert answer["steps"][0]["error"] == "the call failed: ConnectError: it has gone"
    assert "it has gone" in answer["answer"]
    assert answer["complete"] is False


@pytest.mark.parametrize("excess", [0, 1])
async def test_a_result_that_is_too_long_is_cut(excess: int) -> None:
    server = MCPServer[Any]("long", subscriptions=False)

    def tell_all() -> str:
        return "x" * (answering.MAX_RESULT_CHARACTERS + excess)

    server.add_tool(tell_all)
    app = server.streamable_http_app(stateless_http=True, host="long")
    async with assistant({"long": app}) as client:
        answer = await ask(client, "tell all")
    (step,) = answer["steps"]
    assert len(step["text"]) == answering.MAX_RESULT_CHARACTERS
    assert step["text"].endswith("(cut here: the result is longer)") is bool(excess)


async def test_all_results_together_are_bounded() -> None:
    server = MCPServer[Any]("long", subscriptions=False)

    def tell_all() -> str:
        return "x" * answering.MAX_RESULT_CHARACTERS

    server.add_tool(tell_all)
    app = server.streamable_http_app(stateless_http=True, host="long")
    async with assistant({"long": app}, MAX_TURNS="100") as client:
        answer = await ask(client, "tell all")
    (step,) = answer["steps"]
    assert len(step["text"]) == answering.MAX_HISTORY_CHARACTERS // 100


async def test_a_model_failure_is_reported_only_by_its_kind(
    fleet: dict[str, Starlette],
) -> None:
    async def fail(_messages: Any, _info: AgentInfo) -> AsyncIterator[str]:
        raise ModelHTTPError(403, "planner", {"message": "the conversation"})
        yield ""

    model = FunctionModel(stream_function=fail, model_name="planner")
    async with assistant(fleet, model) as client:
        response = await client.post("/ask", json={"question": "now"})
    assert response.status_code == 502
    assert response.json()["error"].startswith("the model planner: ")
    assert "conversation" not in response.text


async def test_when_every_model_fails_each_failure_is_reported_by_its_kind() -> None:
    async def fail(_messages: Any, _info: AgentInfo) -> AsyncIterator[str]:
        raise ModelHTTPError(403, "planner", {"message": "the conversation"})
        yield ""

    one, two = (FunctionModel(stream_function=fail, model_name=name) for name in ("one", "two"))
    async with assistant({}, FallbackModel(one, two)) as client:
        response = await client.post("/ask", json={"question": "now"})
    assert response.status_code == 502
    error = response.json()["error"]
    assert error == "the model fallback:one,two: ModelHTTPError, ModelHTTPError"


async def test_the_next_model_answers_when_one_fails() -> None:
    async def fail(_messages: Any, _info: AgentInfo) -> AsyncIterator[str]:
        raise ModelHTTPError(503, "one")
        yield ""

    failing = FunctionModel(stream_function=fail, model_name="one")
    async with assistant({}, FallbackModel(failing, planner())) as client:
        answer = await ask(client, "now")
    assert (answer["model"], answer["complete"]) == ("planner", True)


async def test_an_agent_without_credentials_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "none")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    async with http_client(agent.build(MODEL)) as client:
        response = await client.post("/ask", json={"question": "now"})
    assert response.status_code == 502
    assert response.json() == {"error": f"the model {MODEL['MODELS']}: NoCredentialsError"}


async def test_a_missing_aws_profile_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "absent")
    async with http_client(agent.build(MODEL)) as client:
        response = await client.post("/ask", json={"question": "now"})
    assert response.status_code == 502
    assert response.json() == {"error": f"the model {MODEL['MODELS']}: ProfileNotFound"}


def _events(text: str) -> list[tuple[str, dict[str, Any]]]:
    pairs = [
        dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        for block in text.replace("\r\n", "\n").strip().split("\n\n")
    ]
    return [(pair["event"], json.loads(pair["data"])) for pair in pairs if pair]


async def test_an_answer_is_streamed_as_it_is_made(fleet: dict[str, Starlette]) -> None:
    async with assistant(fleet) as client:
        response = await client.post(
            "/ask",
            json={"question": "now timezone=Asia/Tokyo; add note name=a text=$previous"},
            headers={"Accept": "text/event-stream"},
        )
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    events = _events(response.text)
    assert [event for event, _ in events] == ["tool", "tool", "text", "done"]
    assert [data["tool"] for event, data in events if event == "tool"] == ["now", "add_note"]
    done = events[-1][1]
    assert done["answer"] == "".join(data["text"] for event, data in events if event == "text")
    assert done["complete"] is True
    assert [step["tool"] for step in done["steps"]] == ["now", "add_note"]


async def test_a_stream_ends_with_the_error() -> None:
    async with assistant({"notes": None}) as client:
        response = await client.post(
            "/ask", json={"question": "now"}, headers={"Accept": "text/event-stream"}
        )
    ((event, data),) = _events(response.text)
    assert event == "error"
    assert data == {"error": "no server is reachable: notes: ConnectError: nobody is there"}


@pytest.mark.allow_hosts(["127.0.0.1"])
async def test_a_client_that_leaves_a_stream_cancels_the_answer() -> None:
    begun, ended = anyio.Event(), anyio.Event()

    async def endless(*_: object) -> AsyncIterator[str]:
        begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()
        yield ""

    model = FunctionModel(stream_function=endless, model_name="endless")
    async with streaming(model):
        await begun.wait()
        assert not ended.is_set()
    with anyio.fail_after(10):
        await ended.wait()


@pytest.mark.allow_hosts(["127.0.0.1"])
async def test_a_stream_on_which_nothing_happens_is_kept_alive_by_comments(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(conversations, "PING_SECONDS", 0.05)
    held = anyio.Event()

    async def slow(*_: object) -> AsyncIterator[str]:
        await held.wait()
        yield "at last"

    seen: list[str] = []
    async with streaming(FunctionModel(stream_function=slow, model_name="slow")) as response:
        async for line in response.aiter_lines():
            if line.startswith(":"):
                held.set()
            elif line.startswith("event: "):
                seen.append(line)
    assert held.is_set()
    assert seen == ["event: text", "event: done"]


async def test_words_come_before_the_answer_is_whole() -> None:
    async def speak(*_: object) -> AsyncIterator[str]:
        for word in ("One ", "after ", "the other."):
            yield word

    async with assistant({}, FunctionModel(stream_function=speak, model_name="m")) as client:
        response = await client.post(
            "/ask", json={"question": "go"}, headers={"Accept": "text/event-stream"}
        )
    *words, (last, done) = _events(response.text)
    assert words == [("text", {"text": word}) for word in ("One ", "after ", "the other.")]
    assert (last, done["answer"]) == ("done", "One after the other.")


async def test_a_malformed_question_is_refused_before_anything_is_streamed() -> None:
    async with assistant({}) as client:
        response = await client.post(
            "/ask", json={"question": ""}, headers={"Accept": "text/event-stream"}
        )
    assert response.status_code == 400


async def test_tools_that_a_server_lists_by_pages_are_all_found() -> None:
    async def by_one(
        _ctx: ServerRequestContext[Any, Any], params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        names = ["first", "second", "third"]
        at = int(params.cursor) if params and params.cursor else 0
        return ListToolsResult(
            tools=[McpTool(name=names[at], input_schema={"type": "object"})],
            next_cursor=str(at + 1) if at + 1 < len(names) else None,
        )

    server: Server[Any] = Server("paged", on_list_tools=by_one)
    app = server.streamable_http_app(stateless_http=True, host="paged")
    async with assistant({"paged": app}) as client:
        answer = await ask(client, "sleep")
    assert answer["servers"] == {"paged": {"tools": ["first", "second", "third"]}}


async def test_without_servers_it_says_so(fleet: dict[str, Starlette]) -> None:
    async with assistant({}) as client:
        answer = await ask(client, "now")
    assert answer["servers"] == {}
    assert answer["answer"] == "now: no tool fits this"


@pytest.mark.parametrize(("clauses", "stopped"), [(2, None), (3, "turn limit of 2 reached")])
async def test_it_stops_at_the_turn_limit(
    fleet: dict[str, Starlette], clauses: int, stopped: str | None
) -> None:
    async with assistant(fleet, MAX_TURNS="2") as client:
        answer = await ask(client, "; ".join(["now"] * clauses))
    assert len(answer["steps"]) == 2
    assert answer["stopped"] == stopped
    assert answer["complete"] is (stopped is None)


def slow_server() -> Starlette:
    server = MCPServer[Any]("slow", subscriptions=False)

    def quick() -> str:
        return "done"

    async def endless() -> None:
        await anyio.sleep_forever()

    server.add_tool(quick)
    server.add_tool(endless)
    return server.streamable_http_app(stateless_http=True, host="slow")


async def test_it_stops_at_the_time_limit_and_keeps_what_it_has() -> None:
    async def hesitate(messages: list[ModelMessage], _info: AgentInfo) -> AsyncIterator[Any]:
        if len(messages) == 1:
            yield {0: DeltaToolCall(name="slow__quick", json_args="{}", tool_call_id="1")}
        else:
            yield "As far as I know, "
            await anyio.sleep_forever()

    model = FunctionModel(stream_function=hesitate, model_name="slow")
    async with assistant({"slow": slow_server()}, model, MAX_REQUEST_SECONDS="1") as client:
        answer = await ask(client, "Is it done?")
    assert answer["stopped"] == "time limit of 1 s reached"
    assert answer["complete"] is False
    assert answer["answer"] == "As far as I know, "
    assert answer["steps"] == [{"server": "slow", "tool": "quick", "arguments": {}, "text": "done"}]


async def test_a_call_that_times_out_is_reported_to_the_model() -> None:
    async with assistant({"slow": slow_server()}, MAX_REQUEST_SECONDS="2") as client:
        answer = await ask(client, "quick; endless")
    assert answer["stopped"] is None
    assert answer["complete"] is False
    told = "no result in time; the tool may have done its work"
    assert [step.get("error") for step in answer["steps"]] == [None, told]
    assert answer["answer"] == f"done\nendless: {told}"


async def test_a_server_that_never_answers_does_not_take_the_others_time(
    fleet: dict[str, Any],
) -> None:
    async def silent(_scope: Scope, _receive: Receive, _send: Send) -> None:
        await anyio.sleep_forever()

    servers = {"clock": fleet["clock"], "silent": silent}
    async with assistant(servers, MAX_REQUEST_SECONDS="2") as client:
        answer = await ask(client, "now")
    assert "TimeoutError" in answer["servers"]["silent"]["error"]
    assert answer["complete"] is True


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", "body: Invalid JSON"),
        (b"[]", "body: Input should be an object"),
        (b"{}", "question: Field required"),
        (b'{"question": ""}', "question: String should have at least 1 character"),
        (b'{"question": "now", "more": 1}', "more: Extra inputs are not permitted"),
    ],
)
async def test_a_malformed_question_is_answered_400_with_the_fault(body: bytes, error: str) -> None:
    async with assistant({}) as client:
        headers = {"Content-Type": "application/json"}
        response = await client.post("/ask", content=body, headers=headers)
    assert response.status_code == 400
    assert error in response.json()["error"]


@pytest.mark.parametrize(("length", "status"), [(4000, 200), (4001, 400)])
async def test_a_question_has_at_most_4000_characters(length: int, status: int) -> None:
    async with assistant({}) as client:
        response = await client.post("/ask", json={"question": "x" * length})
    assert response.status_code == status


@pytest.mark.parametrize(
    ("servers", "fault"),
    [
        ("not json", "MCP_SERVERS must be a JSON object"),
        ('["http://clock/mcp"]', "MCP_SERVERS must be a JSON object"),
        ('{"clock": "clock/mcp"}', "clock: "),
        ('{"clock": "file:///etc/passwd"}', "clock: "),
    ],
)
def test_servers_that_are_not_urls_fail_the_start(servers: str, fault: str) -> None:
    with pytest.raises(SettingError, match=fault):
        agent.build({"MCP_SERVERS": servers}, model=planner())


@pytest.mark.parametrize(
    ("name", "lowest", "highest"), [("MAX_TURNS", 1, 100), ("MAX_REQUEST_SECONDS", 1, 3970)]
)
def test_limits_outside_of_their_range_fail_the_start(name: str, lowest: int, highest: int) -> None:
    for value in (lowest, highest):
        assert agent.build({name: str(value)}, model=planner())
    for value in (lowest - 1, highest + 1):
        with pytest.raises(SettingError, match=f"{name} is '{value}'; .* {lowest} to {highest}"):
            agent.build({name: str(value)}, model=planner())


def test_it_may_answer_for_as_long_as_the_platform_lets_a_request_take() -> None:
    assert agent.build({"MAX_REQUEST_SECONDS": str(timeouts.MAX_REQUEST_SECONDS)}, model=planner())
    with pytest.raises(SettingError):
        agent.build({"MAX_REQUEST_SECONDS": str(timeouts.MAX_REQUEST_SECONDS + 1)}, model=planner())


@pytest.mark.parametrize(
    ("env", "fault"),
    [
        ({}, "MODELS must name the Bedrock model"),
        ({"MODELS": " , "}, "MODELS must name the Bedrock model"),
        ({"MODELS": "amazon.nova-lite-v1:0"}, "AWS_REGION is not set; MODELS needs it"),
    ],
)
def test_an_agent_without_a_model_or_its_region_does_not_start(
    env: dict[str, str], fault: str
) -> None:
    with pytest.raises(SettingError, match=fault):
        agent.build(env)


def test_the_first_model_is_asked_and_the_others_if_it_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-key")
    one, two = (
        models.bedrock({"MODELS": names, "AWS_REGION": "us-east-1"})()
        for names in ("amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0, amazon.nova-pro-v1:0")
    )
    assert one.model_name == "amazon.nova-lite-v1:0"
    assert two.model_name == "fallback:amazon.nova-lite-v1:0,amazon.nova-pro-v1:0"


async def test_no_line_of_the_log_holds_what_was_asked_called_or_answered(
    fleet: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with assistant({**fleet, "gone": None}) as client:
        answer = await ask(client, "add note name=hush text=hush; read note name=hushed")
        await client.post("/ask", content=b'{"hush": "hush"}')
    lines = [
        # Of other loggers, the formatter keeps the template alone (test_workload_processes.py).
        (record.getMessage() if record.name == "workload" else record.msg, record.__dict__)
        for record in caplog.records
    ]
    told = [(message, fields.get("fields")) for message, fields in lines]
    assert ("question answered", {"complete": False, "steps": 2}) in told
    assert "hush" in str(answer["steps"])
    assert "hush" not in str(told)
