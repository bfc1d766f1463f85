"""The function through which a state machine uses tools, with real servers on this machine."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.mcpserver import MCPServer
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolRequestParams, CallToolResult, ListToolsResult, PaginatedRequestParams
from mcp_types import Tool as McpTool
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from common.tool_servers import Tool
from tests.workloads.local_http import serving
from tests.workloads.support import DEADLINE_SECONDS, WORKLOADS, free_port, running
from workloads.clock import server as clock
from workloads.functions import tools

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


LOGS = """
import logging, sys
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
import {module}
logging.getLogger("mcp.client").error("it is %s", "SECRET")
logging.getLogger("mcp.client").error("it is SECRET")
logging.getLogger("workload").info("it is %s", "fine")
"""


@pytest.mark.parametrize("module", ["tools", "authorizer"])
def test_lambdas_own_handler_fills_in_nothing_that_a_library_says(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOGS.format(module=module)],
        cwd=WORKLOADS / "functions",
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(WORKLOADS)},
        capture_output=True,
        check=True,
        text=True,
        timeout=DEADLINE_SECONDS,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["message"] for line in lines] == ["it is %s", "<string>:6", "it is fine"]


@dataclass(frozen=True)
class Context:
    """An invocation that Lambda ends in so many milliseconds."""

    milliseconds: int = 30_000

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


class Fleet:
    """The servers of the function."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, stack: ExitStack) -> None:
        self.monkeypatch = monkeypatch
        self.stack = stack
        self.urls: dict[str, str] = {}

    def add(self, name: str, app: Any) -> None:
        self.at(name, f"{self.stack.enter_context(serving(app))}/mcp")

    def at(self, name: str, url: str) -> None:
        self.urls[name] = url
        self.monkeypatch.setenv("MCP_SERVERS", json.dumps(self.urls))

    def absent(self, name: str) -> None:
        self.at(name, f"http://127.0.0.1:{free_port()}/mcp")


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    with ExitStack() as stack:
        yield Fleet(monkeypatch, stack)


def listed(context: Context = Context()) -> dict[str, Any]:
    result = tools.handle({"list": True}, context)
    assert json.loads(json.dumps(result)) == result
    return result


def called(server: str, tool: str, milliseconds: int = 30_000, **arguments: Any) -> dict[str, Any]:
    event = {"server": server, "tool": tool, "arguments": arguments}
    return tools.handle(event, Context(milliseconds))


async def one_tool(
    _ctx: ServerRequestContext[Any, Any], _params: PaginatedRequestParams | None
) -> ListToolsResult:
    return ListToolsResult(tools=[McpTool(name="any", input_schema={"type": "object"})])


def lowlevel(name: str, *, on_list_tools: Any = one_tool, on_call_tool: Any = None) -> Starlette:
    server: Server[Any] = Server(name, on_list_tools=on_list_tools, on_call_tool=on_call_tool)
    return server.streamable_http_app(stateless_http=True)


def server_of(*functions: Any) -> Starlette:
    server = MCPServer[Any]("made", subscriptions=False)
    for function in functions:
        server.add_tool(function)
    return server.streamable_http_app(stateless_http=True)


async def silent(scope: Scope, _receive: Receive, _send: Send) -> None:
    if scope["type"] == "http":
        await anyio.sleep_forever()


def test_it_lists_and_calls_the_tools_of_the_reference_servers(
    fleet: Fleet, tmp_path: Path
) -> None:
    with (
        running("clock", tmp_path / "clock.log") as one,
        running("notes", tmp_path / "notes.log", FILES_DIR=str(tmp_path / "notes")) as two,
    ):
        fleet.at("clock", f"{one.url}/mcp")
        fleet.at("notes", f"{two.url}/mcp")
        found = listed()
        added = called("notes", "add_note", name="a", text="x")
        missing = called("notes", "read_note", name="b")
    assert found["absent"] == []
    assert [(tool["Name"], tool["Server"], tool["Tool"]) for tool in found["tools"]] == [
        ("clock__now", "clock", "now"),
        ("clock__convert", "clock", "convert"),
        ("clock__difference", "clock", "difference"),
        ("notes__add_note", "notes", "add_note"),
        ("notes__list_notes", "notes", "list_notes"),
        ("notes__read_note", "notes", "read_note"),
        ("notes__search_notes", "notes", "search_notes"),
        ("notes__delete_note", "notes", "delete_note"),
    ]
    now = found["tools"][0]
    assert set(now) == {"Name", "Server", "Tool", "Description", "InputSchema"}
    assert now["Description"] == "Tell the current date and time in a time zone."
    assert now["InputSchema"]["properties"]["timezone"]["default"] == "UTC"
    assert added == {"text": "kept note a", "error": False}
    assert missing["error"] is True
    assert "there is no note 'b'" in missing["text"]


def test_tools_that_a_server_lists_by_pages_are_all_found(fleet: Fleet) -> None:
    async def by_one(
        _ctx: ServerRequestContext[Any, Any], params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        names = ["first", "second", "third"]
        at = int(params.cursor) if params and params.cursor else 0
        return ListToolsResult(
            tools=[McpTool(name=names[at], input_schema={"type": "object"})],
            next_cursor=str(at + 1) if at + 1 < len(names) else None,
        )

    fleet.add("paged", lowlevel("paged", on_list_tools=by_one))
    assert [tool["Tool"] for tool in listed()["tools"]] == ["first", "second", "third"]


def test_a_tool_that_a_server_lists_twice_is_listed_once(fleet: Fleet) -> None:
    async def twice(
        _ctx: ServerRequestContext[Any, Any], _params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        return ListToolsResult(tools=[McpTool(name="x", input_schema={"type": "object"})] * 2)

    fleet.add("double", lowlevel("double", on_list_tools=twice))
    assert [tool["Name"] for tool in listed()["tools"]] == ["double__x"]


def test_servers_that_list_nothing_are_absent_with_the_reason_and_the_others_are_there(
    fleet: Fleet,
) -> None:
    fleet.add("silent", silent)
    fleet.add("clock", clock.build({}))
    fleet.absent("gone")
    fleet.add("closed", clock.build({"MCP_ALLOWED_HOSTS": "other"}))
    found = listed(Context(2_500))
    assert {tool["Server"] for tool in found["tools"]} == {"clock"}
    reasons = {absent["server"]: absent["reason"] for absent in found["absent"]}
    assert list(reasons) == ["silent", "gone", "closed"]
    assert reasons["silent"] == "TimeoutError"
    assert reasons["gone"].startswith("ConnectError: ")
    assert reasons["closed"] == "MCPError: Server returned an error response"


def test_without_servers_nothing_is_listed_and_nothing_can_be_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("MCP_SERVERS", raising=False)
    assert listed() == {"tools": [], "absent": []}
    with pytest.raises(tools.ServerUnavailable, match=r"^'clock' is not one of no servers$"):
        called("clock", "now")


def test_a_call_of_an_unknown_server_names_those_that_there_are(fleet: Fleet) -> None:
    fleet.absent("clock")
    fleet.absent("notes")
    with pytest.raises(tools.ServerUnavailable, match=r"^'other' is not one of clock, notes$"):
        called("other", "now")


def test_a_call_of_an_absent_server_is_an_error_that_is_worth_another_try(fleet: Fleet) -> None:
    fleet.absent("clock")
    with pytest.raises(tools.ServerUnavailable, match=r"^clock: ConnectError$") as caught:
        called("clock", "now")
    assert type(caught.value).__name__ == "ServerUnavailable"  # what the state machine looks for


def test_a_protocol_error_is_reported_without_the_sent_data(fleet: Fleet) -> None:
    seen: list[Any] = []

    async def fail(
        _ctx: ServerRequestContext[Any, Any], params: CallToolRequestParams
    ) -> CallToolResult:
        seen.append(params.arguments)
        raise MCPError(-32603, f"failed on {params.arguments}")

    fleet.add("broken", lowlevel("broken", on_call_tool=fail))
    with pytest.raises(tools.ServerUnavailable, match=r"^broken: MCPError$") as caught:
        called("broken", "any", text="top secret")
    assert seen == [{"text": "top secret"}]
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_tool_that_takes_too_long_is_given_up_before_lambda_gives_up_the_function(
    fleet: Fleet,
) -> None:
    async def endless() -> None:
        await anyio.sleep_forever()

    fleet.add("slow", server_of(endless))
    with pytest.raises(tools.ToolTimeoutError, match=r"^slow returned no result within 1 s$"):
        called("slow", "endless", milliseconds=2_000)


def test_what_a_tool_raises_is_its_error_and_no_failure(fleet: Fleet) -> None:
    def fail() -> str:
        raise ValueError("no such thing")

    fleet.add("made", server_of(fail))
    result = called("made", "fail")
    assert result["error"] is True
    assert "fail" in result["text"]


@pytest.mark.parametrize("excess", [0, 1])
def test_a_long_text_is_cut_and_says_so(fleet: Fleet, excess: int) -> None:
    def write(length: int) -> str:
        return "é" * length

    fleet.add("made", server_of(write))
    text = called("made", "write", length=tools.MAX_RESULT_CHARACTERS + excess)["text"]
    assert len(text) == tools.MAX_RESULT_CHARACTERS == 16_000
    note = "\n(cut here: the result is longer)"
    assert text == ("é" * (16_000 - len(note)) + note if excess else "é" * 16_000)


def test_a_result_without_a_text_says_so(fleet: Fleet) -> None:
    async def nothing(
        _ctx: ServerRequestContext[Any, Any], _params: CallToolRequestParams
    ) -> CallToolResult:
        return CallToolResult(content=[])

    fleet.add("mute", lowlevel("mute", on_call_tool=nothing))
    assert called("mute", "any") == {"text": "(the result has no text)", "error": False}


def tool(server: str, name: str) -> Tool:
    return Tool(server=server, name=name, description="", schema={})


@pytest.mark.parametrize("excess", [0, 1])
def test_a_name_of_64_characters_is_kept_and_a_longer_one_is_cut_to_64(excess: int) -> None:
    (name,) = tools.names([tool("s", "t" * (61 + excess))])
    assert len(name) == 64
    assert (name == "s__" + "t" * 61) is (excess == 0)
    assert name.startswith("s__" + "t" * 52)


@pytest.mark.parametrize(
    ("server", "name"), [("s", "a.b"), ("s", "a/b"), ("s t", "a"), ("s", "é"), ("s", "a\n")]
)
def test_a_name_with_other_characters_is_rewritten_with_a_hash(server: str, name: str) -> None:
    (made,) = tools.names([tool(server, name)])
    assert re.fullmatch(r"s[a-zA-Z0-9_-]{3,}_[0-9a-f]{8}", made)


def test_tools_whose_names_would_be_equal_get_different_stable_names() -> None:
    alike = [tool("a__b", "c"), tool("a", "b__c"), tool("a", "x.y"), tool("a", "x/y")]
    named = tools.names(alike)
    assert list(named.values()) == alike
    assert next(iter(named)) == "a__b__c"
    assert tools.names(alike) == named


def test_a_name_that_looks_like_the_hashed_name_of_another_tool_takes_nothing_from_it() -> None:
    (hashed,) = tools.names([tool("a", "x.y")])
    named = tools.names([tool("a", hashed.removeprefix("a__")), tool("a", "x.y")])
    assert [named[name].name for name in named] == [hashed.removeprefix("a__"), "x.y"]


@given(st.lists(st.tuples(st.text("ab_.", max_size=40), st.text("ab_.", max_size=40)), unique=True))
def test_every_tool_has_a_name_of_its_own_that_bedrock_takes(pairs: list[tuple[str, str]]) -> None:
    given_tools = [tool(*pair) for pair in pairs]
    named = tools.names(given_tools)
    assert list(named.values()) == given_tools
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in named)
