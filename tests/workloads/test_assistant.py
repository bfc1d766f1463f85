import json
from collections.abc import AsyncGenerator, Mapping
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
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from common.settings import SettingError
from core import timeouts
from tests.workloads.support import http_client
from workloads.assistant import agent
from workloads.clock import server as clock
from workloads.notes import server as notes

pytestmark = pytest.mark.anyio


def absent(_request: httpx2.Request) -> httpx2.Response:
    raise httpx2.ConnectError("nobody is there")


@asynccontextmanager
async def assistant(servers: Mapping[str, Any], **env: str) -> AsyncGenerator[httpx2.AsyncClient]:
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
        app = agent.build(env, lambda url: streamable_http_client(url, http_client=http))
        yield await stack.enter_async_context(http_client(app))


async def ask(client: httpx2.AsyncClient, question: str) -> dict[str, Any]:
    response = await client.post("/ask", json={"question": question})
    assert response.status_code == 200, response.text
    return response.json()


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


async def test_it_says_that_no_model_is_called(fleet: dict[str, Starlette]) -> None:
    async with assistant(fleet, MODELS="model-a:0, model-b") as client:
        answer = await ask(client, "now")
    assert answer["model"]["name"] == "offline-planner"
    assert answer["model"]["allowed"] == ["model-a:0", "model-b"]
    assert "no model is called" in answer["model"]["note"]


async def test_an_absent_server_is_reported_and_the_others_still_answer(
    fleet: dict[str, Any],
) -> None:
    async with assistant({**fleet, "notes": None}) as client:
        answer = await ask(client, "now; list notes")
    assert answer["servers"]["notes"] == {
        "error": "cannot list its tools: ConnectError: nobody is there"
    }
    assert [("text" in step, step.get("error")) for step in answer["steps"]] == [
        (True, None),
        (False, "no tool fits this"),
    ]
    assert answer["complete"] is False


async def test_a_server_that_refuses_the_agent_is_reported() -> None:
    async with assistant({"clock": clock.build({"MCP_ALLOWED_HOSTS": "other"})}) as client:
        answer = await ask(client, "now")
    assert answer["servers"]["clock"] == {
        "error": "cannot list its tools: MCPError: Server returned an error response"
    }


async def test_a_tool_s_error_is_part_of_the_answer(fleet: dict[str, Starlette]) -> None:
    async with assistant(fleet) as client:
        answer = await ask(client, "read note name=missing")
    assert "there is no note 'missing'" in answer["steps"][0]["error"]
    assert "there is no note 'missing'" in answer["answer"]
    assert answer["complete"] is False


async def test_a_faulty_step_calls_nothing(fleet: dict[str, Starlette]) -> None:
    async with assistant(fleet) as client:
        answer = await ask(client, "add note name=a")
    assert "text is missing" in answer["steps"][0]["error"]


@pytest.mark.parametrize("before", ["", "read note name=missing; "])
async def test_previous_stands_for_nothing_when_no_step_before_gave_a_text(
    fleet: dict[str, Starlette], tmp_path: Path, before: str
) -> None:
    async with assistant(fleet) as client:
        answer = await ask(client, before + "add note name=a text=$previous")
    assert answer["steps"][-1]["error"] == (
        "$previous stands for nothing: no step before gave a text"
    )
    assert list(tmp_path.iterdir()) == []


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
        answer = await ask(client, "nothing")
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


async def test_it_stops_at_the_time_limit_and_keeps_what_it_has() -> None:
    server = MCPServer[Any]("slow", subscriptions=False)

    def quick() -> str:
        return "done"

    async def endless() -> None:
        await anyio.sleep_forever()

    server.add_tool(quick)
    server.add_tool(endless)
    app = server.streamable_http_app(stateless_http=True, host="slow")
    async with assistant({"slow": app}, MAX_REQUEST_SECONDS="1") as client:
        answer = await ask(client, "quick; endless; quick")
    assert answer["stopped"] == "time limit of 1 s reached"
    assert [step["text"] for step in answer["steps"]] == ["done"]


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
def test_servers_that_are_no_urls_are_told_at_the_start(servers: str, fault: str) -> None:
    with pytest.raises(SettingError, match=fault):
        agent.build({"MCP_SERVERS": servers})


@pytest.mark.parametrize(
    ("name", "lowest", "highest"), [("MAX_TURNS", 1, 100), ("MAX_REQUEST_SECONDS", 1, 3970)]
)
def test_limits_outside_of_their_range_are_told_at_the_start(
    name: str, lowest: int, highest: int
) -> None:
    for value in (lowest, highest):
        assert agent.build({name: str(value)})
    for value in (lowest - 1, highest + 1):
        with pytest.raises(SettingError, match=f"{name} is '{value}'; .* {lowest} to {highest}"):
            agent.build({name: str(value)})


def test_it_may_answer_for_as_long_as_the_platform_lets_a_request_take() -> None:
    assert agent.build({"MAX_REQUEST_SECONDS": str(timeouts.MAX_REQUEST_SECONDS)})
    with pytest.raises(SettingError):
        agent.build({"MAX_REQUEST_SECONDS": str(timeouts.MAX_REQUEST_SECONDS + 1)})
