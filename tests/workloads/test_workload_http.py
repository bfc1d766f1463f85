"""The HTTP behaviour that all workloads share, tested for each."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.server.mcpserver import Context, MCPServer
from mcp_types import InputRequiredResult
from starlette.applications import Starlette

from common import runtime, security, serving
from common.settings import SettingError
from tests.workloads.planner_model import planner
from tests.workloads.support import (
    NAMES,
    SERVERS,
    WORKLOADS,
    call_body,
    call_headers,
    http_client,
    mcp_client,
)
from workloads.adopter import server as adopter
from workloads.assistant import agent
from workloads.clock import server
from workloads.notes import server as notes

pytestmark = pytest.mark.anyio

LONGEST = {"adopter": 4_194_304, "assistant": 65_536, "clock": 65_536, "notes": 401_408}


def build(name: str, folder: Path, env: Mapping[str, str]) -> Starlette:
    adopted = {"STDIO_COMMAND": "python -m adopter.example", "STDIO_FOLDER": str(WORKLOADS)}
    env = {**env, **adopted, "FILES_DIR": str(folder)}
    builds: dict[str, Callable[[Mapping[str, str]], Starlette]] = {
        "adopter": adopter.build,
        "assistant": lambda env: agent.build(env, model=planner()),
        "clock": server.build,
        "notes": notes.build,
    }
    return builds[name](env)


async def work(client: httpx2.AsyncClient, name: str, **headers: str) -> httpx2.Response:
    """Ask a workload for something that it does: a tool call, or a question."""
    if name == "assistant":
        return await client.post("/ask", json={"question": "x"}, headers=headers)
    tool = {"adopter": "measure", "clock": "now", "notes": "list_notes"}[name]
    arguments = {"text": "x"} if name == "adopter" else {}
    return await client.post(
        "/mcp", json=call_body(tool, arguments), headers={**call_headers(tool), **headers}
    )


@pytest.mark.parametrize("name", NAMES)
async def test_health_answers_200_for_any_host(name: str, tmp_path: Path) -> None:
    async with http_client(build(name, tmp_path, {})) as client:
        response = await client.get("/health", headers={"Host": "10.0.0.1:8080"})
    assert response.status_code == 200
    assert response.json()["status"] == "ok"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("allowed", "host", "status"),
    [
        ("", "localhost", 200),
        ("", "127.0.0.1:8080", 200),
        ("", "evil.example", 421),
        ("mcp.example.com", "mcp.example.com", 200),
        ("mcp.example.com", "mcp.example.com:8443", 200),
        ("mcp.example.com", "mcp.example.com.evil.example", 421),
        ("mcp.example.com", "localhost", 421),
        ("a.example, b.example:8080", "b.example:8080", 200),
        ("a.example, b.example:8080", "b.example:9090", 421),
    ],
)
async def test_a_host_that_is_not_allowed_is_misdirected(
    name: str, allowed: str, host: str, status: int, tmp_path: Path
) -> None:
    async with http_client(build(name, tmp_path, {"MCP_ALLOWED_HOSTS": allowed})) as client:
        response = await work(client, name, Host=host)
    assert response.status_code == status


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("allowed", "origin", "status"),
    [
        ("", "http://localhost:6274", 200),
        ("", "https://evil.example", 403),
        ("https://app.example", "https://app.example", 200),
        ("https://app.example", "https://app.example:8443", 200),
        ("https://app.example", "http://app.example", 403),
        ("https://app.example", "null", 403),
    ],
)
async def test_an_origin_that_is_not_allowed_is_forbidden(
    name: str, allowed: str, origin: str, status: int, tmp_path: Path
) -> None:
    async with http_client(build(name, tmp_path, {"MCP_ALLOWED_ORIGINS": allowed})) as client:
        response = await work(client, name, Origin=origin)
    assert response.status_code == status


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("excess", [0, 1])
async def test_a_body_that_is_too_long_is_refused_unread(
    name: str, excess: int, tmp_path: Path
) -> None:
    async with http_client(build(name, tmp_path, {})) as client:
        response = await client.post(
            "/ask" if name == "assistant" else "/mcp",
            content=b"x" * (LONGEST[name] + excess),
            headers={**call_headers("now"), "Content-Type": "application/json"},
        )
    assert response.status_code == (413 if excess else 400)


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
async def test_a_server_has_no_stream_of_its_own_and_no_session_to_end(
    name: str, method: str, version: str, tmp_path: Path
) -> None:
    headers = {"Accept": "text/event-stream", "MCP-Protocol-Version": version}
    async with http_client(build(name, tmp_path, {})) as client:
        response = await client.request(method, "/mcp", headers=headers)
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")


LISTEN = {"notifications": {"toolsListChanged": True}}


async def listening(client: httpx2.AsyncClient, version: str) -> httpx2.Response:
    body = call_body("now", {})
    body["method"] = "subscriptions/listen"
    body["params"] = {**LISTEN, "_meta": body["params"]["_meta"]}
    headers = {**call_headers("now"), "MCP-Protocol-Version": version, "Mcp-Method": body["method"]}
    del headers["Mcp-Name"]
    return await client.post("/mcp", json=body, headers=headers)


@pytest.mark.parametrize("name", SERVERS)
async def test_a_stream_of_subscriptions_is_refused_at_once(name: str, tmp_path: Path) -> None:
    async with http_client(build(name, tmp_path, {})) as client:
        response = await listening(client, "2026-07-28")
    # MCP 2026-07-28: an unknown method is answered 404 with -32601.
    assert (response.status_code, response.json()["id"]) == (404, 1)
    assert response.json()["error"]["code"] == -32601


@pytest.mark.parametrize(("version", "status"), [("2026-07-28", 404), ("2025-11-25", 200)])
async def test_a_server_that_would_serve_subscriptions_refuses_them_behind_the_platform_s_door(
    version: str, status: int
) -> None:
    async with http_client(serving.application(MCPServer("own"), {}, 4096)) as client:
        response = await listening(client, version)
    assert response.status_code == status
    assert "-32601" in response.text


@pytest.mark.parametrize(
    ("listed", "read"),
    [
        ("", []),
        (" , ", []),
        ("h", ["h", "h:*"]),
        ("h,i", ["h", "h:*", "i", "i:*"]),
        ("h:80", ["h:80"]),
        ("h:*", ["h:*"]),
        ("[::1]", ["[::1]", "[::1]:*"]),
        ("https://h", ["https://h", "https://h:*"]),
        ("https://h:443", ["https://h:443"]),
    ],
)
def test_a_host_without_a_port_is_allowed_on_every_port(listed: str, read: list[str]) -> None:
    assert security.with_any_port(listed) == read


async def replies(key: str, request_state: str | None) -> dict[str, Any]:
    """The result or error of one replica whose tool asks once for its state to be sent back."""

    def resume(ctx: Context[Any]) -> str | InputRequiredResult:
        if ctx.request_state is None:
            return InputRequiredResult(request_state="half way")
        return f"resumed {ctx.request_state}"

    replica = serving.mcp_server("clock", "", {"REQUEST_STATE_KEY": key})
    replica.add_tool(resume)
    body = call_body("resume", {})
    if request_state is not None:
        body["params"]["requestState"] = request_state
    async with http_client(serving.application(replica, {}, 4096)) as client:
        return (await client.post("/mcp", json=body, headers=call_headers("resume"))).json()


async def test_a_replica_with_the_same_key_takes_over_a_call_of_another() -> None:
    first = await replies("k" * 32, None)
    sealed = first["result"]["requestState"]
    assert "half way" not in sealed
    second = await replies("k" * 32, sealed)
    assert second["result"]["content"][0]["text"] == "resumed half way"
    stranger = await replies("x" * 32, sealed)
    assert stranger["error"]["code"] == -32602


@pytest.mark.parametrize("length", [31, 32])
def test_a_request_state_key_has_at_least_32_bytes(length: int) -> None:
    env = {"REQUEST_STATE_KEY": "k" * length}
    if length < 32:
        with pytest.raises(SettingError, match="must be at least 32 bytes long"):
            server.build(env)
    else:
        server.build(env)


def test_a_request_state_key_that_is_too_short_is_not_repeated_in_the_message() -> None:
    with pytest.raises(SettingError) as caught:
        server.build({"REQUEST_STATE_KEY": "hunter2"})
    assert "hunter2" not in str(caught.value)


def test_uvicorn_s_options_follow_the_environment() -> None:
    env = {"PORT": "9000", "KEEP_ALIVE_SECONDS": "305", "STOP_TIMEOUT_SECONDS": "120"}
    assert runtime.server_options(env) == {
        "host": "0.0.0.0",  # noqa: S104 - what is expected
        "port": 9000,
        "timeout_keep_alive": 305,
        "timeout_graceful_shutdown": 118,
        "ws_max_size": 131072,
        "log_config": None,
        "access_log": False,
        "server_header": False,
    }


def test_the_defaults_are_port_8080_an_idle_minute_and_the_stop_time_of_ecs() -> None:
    options = runtime.server_options({"PORT": ""})
    assert (options["port"], options["timeout_keep_alive"]) == (8080, 65)
    assert options["timeout_graceful_shutdown"] == 28


@pytest.mark.parametrize(
    ("name", "lowest", "highest"),
    [
        ("PORT", 1, 65535),
        ("KEEP_ALIVE_SECONDS", 1, 4005),
        ("STOP_TIMEOUT_SECONDS", 2, 3600),
    ],
)
def test_every_number_has_two_edges(name: str, lowest: int, highest: int) -> None:
    for value in (lowest, highest):
        assert runtime.server_options({name: str(value)})
    for value in (str(lowest - 1), str(highest + 1), "-1", "1.5", "²", "ten"):
        with pytest.raises(SettingError, match=f"{name} is .* from {lowest} to {highest}"):
            runtime.server_options({name: value})


def test_the_drain_ends_before_the_shortest_stop_time_does() -> None:
    assert runtime.server_options({"STOP_TIMEOUT_SECONDS": "2"})["timeout_graceful_shutdown"] == 1


async def test_a_tool_call_is_logged_without_its_arguments(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "workload")
    async with mcp_client(build("notes", tmp_path, {}), mode="2026-07-28") as client:
        await client.call_tool("add_note", {"name": "plan", "text": "top secret"})
        await client.call_tool("read_note", {"name": "missing"})
    lines: list[dict[str, Any]] = [
        record.__dict__["fields"] for record in caplog.records if record.name == "workload"
    ]
    outcomes = [(line.get("tool"), line["outcome"]) for line in lines if "tool" in line]
    assert outcomes == [("add_note", "ok"), ("read_note", "tool error")]
    assert set(lines[-1]) == {"method", "tool", "outcome", "milliseconds"}


async def test_a_string_that_is_no_tool_name_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "workload")
    async with mcp_client(server.build({}), mode="legacy") as client:
        result = await client.call_tool("no such tool: top secret", {})
    assert result.is_error
    assert caplog.records[-1].__dict__["fields"]["tool"] == "(not a name)"
