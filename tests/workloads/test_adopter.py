"""The adopter, with processes of a test server."""

import gc
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import anyio
import httpx2
import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult

from common.settings import SettingError
from common.tool_servers import connection
from tests.workloads.local_http import serving
from tests.workloads.stdio_server import NAMES, SCHEMA
from tests.workloads.support import (
    DEADLINE_SECONDS,
    WORKLOADS,
    call_body,
    call_headers,
    http_client,
    mcp_client,
    running,
    structured,
    text,
)
from workloads.adopter import server

pytestmark = [pytest.mark.anyio, pytest.mark.allow_hosts(["127.0.0.1"])]

PROGRAM = str(Path(__file__).with_name("stdio_server.py"))
COMMAND = json.dumps([sys.executable, PROGRAM])
EXAMPLE = {"STDIO_COMMAND": "python -m adopter.example", "STDIO_FOLDER": str(WORKLOADS)}


@asynccontextmanager
async def adopted(mode: str = "2026-07-28", **env: str) -> AsyncGenerator[Client]:
    app = server.build({"STDIO_COMMAND": COMMAND, "POOL_SIZE": "1", **env})
    async with mcp_client(app, mode=mode) as client:
        yield client


@asynccontextmanager
async def calling(client: Client, tool: str, file: Path, count: int = 1) -> AsyncGenerator[None]:
    """Concurrent calls that end with this context: their client disconnects."""
    async with anyio.create_task_group() as tasks:
        for _ in range(count):
            tasks.start_soon(client.call_tool, tool, {"file": str(file)})
        yield
        tasks.cancel_scope.cancel()


async def pid(client: Client) -> int:
    return structured(await client.call_tool("process"))["pid"]


async def lines(file: Path, count: int) -> list[list[str]]:
    """The words of the lines of a file, once it has that many."""
    with anyio.fail_after(DEADLINE_SECONDS):
        while not file.exists() or file.read_text().count("\n") < count:
            await anyio.sleep(0.01)  # a poll, until another process has written
    return [line.split() for line in file.read_text().splitlines()]


async def gone(process: int) -> None:
    with anyio.fail_after(DEADLINE_SECONDS):
        while Path(f"/proc/{process}").exists():
            await anyio.sleep(0.01)  # a poll, until another process has ended


# What passes through.


@pytest.mark.parametrize("mode", ["2026-07-28", "legacy"])
async def test_clients_of_both_eras_find_all_tools_of_all_pages_with_their_schemas(
    mode: str,
) -> None:
    async with adopted(mode) as client:
        listed = await client.list_tools()
    assert [tool.name for tool in listed.tools] == NAMES
    assert [tool.input_schema for tool in listed.tools] == [SCHEMA] * len(NAMES)
    assert listed.tools[0].description == "To echo."
    assert listed.next_cursor is None


@pytest.mark.parametrize(("header", "status"), [("us", 200), ("eu", 400)])
async def test_a_header_is_held_to_its_argument_from_the_first_call_on(
    header: str, status: int
) -> None:
    app = server.build({"STDIO_COMMAND": COMMAND, "POOL_SIZE": "1"})
    headers = call_headers("echo") | {"Mcp-Param-Region": header}
    async with http_client(app) as client:
        body = call_body("echo", {"region": "us"})
        response = await client.post("/mcp", json=body, headers=headers)
    assert response.status_code == status
    # MCP 2026-07-28, streamable HTTP, HeaderMismatch.
    assert response.json().get("error", {}).get("code") == (-32020 if status == 400 else None)


async def test_the_server_says_of_itself_what_the_adopted_one_says() -> None:
    async with adopted("auto") as client:
        assert client.server_info is not None
        assert (client.server_info.name, client.server_info.version) == ("nasty", "7")
        assert client.instructions == "Take care."
        assert client.server_capabilities.tools is not None
        assert client.server_capabilities.resources is None
        assert client.server_capabilities.prompts is None


@pytest.mark.parametrize("mode", ["2026-07-28", "legacy"])
async def test_a_result_passes_through_whole(mode: str) -> None:
    arguments = {"value": None, "list": [1, {"a": None}], "text": "ü"}
    async with adopted(mode) as client:
        result = await client.call_tool("echo", arguments)
    assert result.structured_content == arguments
    assert not result.is_error
    assert [part.type for part in result.content] == ["text", "image"]
    said, image = (part.model_dump(by_alias=True, exclude_none=True) for part in result.content)
    assert said == {"type": "text", "text": "said", "_meta": {"k": "v"}}
    assert image == {"type": "image", "data": "AAAA", "mimeType": "image/png"}


@pytest.mark.parametrize("length", [1_040_000, 1_100_000, 8_000_000])
async def test_a_result_of_any_length_passes_through_to_an_agent(length: int) -> None:
    with serving(server.build({"STDIO_COMMAND": COMMAND, "POOL_SIZE": "1"})) as url:
        async with Client(connection({})(f"{url}/mcp"), mode="legacy") as client:
            result = await client.call_tool("long", {"length": length})
    assert len(text(result)) == length


async def test_a_longer_result_than_the_official_client_takes_in_a_stream_is_its_error() -> None:
    async with adopted("legacy") as client:
        with pytest.raises(MCPError, match="1048576 byte limit"):
            await client.call_tool("long", {"length": 1_100_000})
        assert await pid(client)


async def test_only_entries_of_meta_that_are_not_of_a_connection_are_passed_on() -> None:
    given = {"example.com/id": "7", "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
    async with adopted() as client:
        result = await client.call_tool("echo", {}, meta=cast("Any", given))
    assert result.meta is not None
    got = result.meta["example.com/got"]
    assert got["example.com/id"] == "7"
    assert got["traceparent"].startswith(f"00-{'a' * 32}-")
    assert set(got) == set(given)


async def test_an_error_of_a_tool_stays_one_of_the_tool() -> None:
    async with adopted() as client:
        result = await client.call_tool("fail", {})
    assert (result.is_error, text(result)) == (True, "no")


async def test_an_error_of_the_protocol_stays_one_of_the_protocol() -> None:
    async with adopted() as client:
        with pytest.raises(MCPError) as caught:
            await client.call_tool("refuse", {})
        assert await pid(client)
    assert (caught.value.code, caught.value.error.message) == (-32050, "refused")
    assert caught.value.error.data == {"why": "because"}


async def test_progress_is_passed_on_to_a_client_that_requests_it() -> None:
    heard: list[tuple[float, float | None, str | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, total, message))

    async with adopted() as client:
        await client.call_tool("progress", {}, progress_callback=hear)
        await client.call_tool("progress", {})
    assert heard == [(1, 2, "half")]


async def test_resources_and_prompts_are_served_too() -> None:
    app = server.build(EXAMPLE)
    async with mcp_client(app, mode="2026-07-28") as client:
        measured = structured(await client.call_tool("measure", {"text": "a b\nc"}))
        resources = [resource.uri for resource in (await client.list_resources()).resources]
        templates = (await client.list_resource_templates()).resource_templates
        read = (await client.read_resource("example://about")).contents
        prompts = [prompt.name for prompt in (await client.list_prompts()).prompts]
        prompt = (await client.get_prompt("shorten", {"text": "x"})).messages
    assert measured == {"characters": 5, "words": 3, "lines": 2}
    assert (resources, templates, prompts) == (["example://about"], [], ["shorten"])
    assert cast("Any", read[0]).text.startswith("An example of a server that speaks stdio")
    assert cast("Any", prompt[0].content).text == "Say this in half as many words:\n\nx"


async def test_a_list_is_kept_until_the_server_says_that_it_changed() -> None:
    async with adopted() as client:
        before = await client.list_tools(cache_mode="bypass")
        await client.call_tool("grow", {"value": "more"})
        after = await client.list_tools(cache_mode="bypass")
    assert [tool.name for tool in before.tools] == NAMES
    assert [tool.name for tool in after.tools] == [*NAMES, "more"]


async def test_a_list_is_not_asked_for_again_while_it_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "calls"
    async with adopted(MAX_REQUEST_SECONDS="1") as client:
        await client.list_tools(cache_mode="bypass")
        async with calling(client, "hang", file):
            await lines(file, 1)
            listed = await client.list_tools(cache_mode="bypass")
    assert len(listed.tools) == len(NAMES)


# The pool.


async def test_a_process_is_kept_for_the_next_call() -> None:
    async with adopted() as client:
        assert await pid(client) == await pid(client)


async def test_calls_at_once_have_a_process_each_up_to_the_most(tmp_path: Path) -> None:
    file = tmp_path / "calls"
    async with adopted(POOL_SIZE="1-3", MAX_REQUEST_SECONDS="3970") as client:
        async with calling(client, "hang", file, 4):
            started = await lines(file, 3)
        assert len({words[1] for words in started}) == 3
        finished = await lines(file, 6)
    assert [words[0] for words in finished].count("cancelled") == 3


async def test_a_call_that_finds_no_free_process_says_so_when_its_time_is_up(
    tmp_path: Path,
) -> None:
    file = tmp_path / "calls"
    async with adopted(POOL_SIZE="1", MAX_REQUEST_SECONDS="1") as client:
        results: list[CallToolResult] = []

        async def call() -> None:
            results.append(await client.call_tool("hang", {"file": str(file)}))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            tasks.start_soon(call)
    assert [result.is_error for result in results] == [True, True]
    assert sorted(text(result) for result in results) == [
        "no process of the server was free within 1 s",
        "no result within 1 s; the call may have completed",
    ]


async def test_a_process_whose_call_times_out_is_notified_and_replaced(tmp_path: Path) -> None:
    file = tmp_path / "calls"
    async with adopted(MAX_REQUEST_SECONDS="1") as client:
        first = await pid(client)
        result = await client.call_tool("hang", {"file": str(file)})
        noted = await lines(file, 2)
    assert text(result) == "no result within 1 s; the call may have completed"
    assert noted == [["started", str(first)], ["cancelled", str(first)]]
    await gone(first)


async def test_a_process_that_dies_fails_its_own_call_alone_and_is_replaced(
    tmp_path: Path,
) -> None:
    async with adopted(POOL_SIZE="2") as client:
        results: dict[str, Any] = {}

        async def call(tool: str) -> None:
            results[tool] = await client.call_tool(tool)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call, "die")
            tasks.start_soon(call, "process")
        again = [await pid(client) for _ in range(2)]
    assert text(results["die"]) == (
        "the server's process ended during the call, which may have completed"
    )
    assert not results["process"].is_error
    assert all(again)


async def test_a_process_that_is_killed_while_it_is_idle_is_replaced_unseen(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with adopted() as client:
        first = await pid(client)
        os.kill(first, signal.SIGKILL)
        # The operating system detects the exit before the pool does.
        with anyio.fail_after(DEADLINE_SECONDS):
            while "process ended" not in caplog.messages:
                await anyio.sleep(0.01)
        assert await pid(client) != first


async def test_a_client_that_goes_away_cancels_its_call_and_the_process_is_kept(
    tmp_path: Path,
) -> None:
    file = tmp_path / "calls"
    async with adopted() as client:
        first = await pid(client)
        async with calling(client, "hang", file):
            await lines(file, 1)
        assert (await lines(file, 2))[1] == ["cancelled", str(first)]
        assert await pid(client) == first


async def test_a_process_that_does_not_listen_to_a_cancellation_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "calls"
    async with adopted() as client:
        first = await pid(client)
        async with calling(client, "block", file):
            await lines(file, 1)
        assert await pid(client) != first
        await gone(first)


async def test_a_client_that_closes_the_connection_cancels_its_call(tmp_path: Path) -> None:
    """Over a real connection, and with the image's own command."""
    file = tmp_path / "calls"
    with running("adopter", tmp_path / "log", STDIO_COMMAND=COMMAND, POOL_SIZE="1") as workload:
        async with httpx2.AsyncClient() as client, anyio.create_task_group() as tasks:
            body, headers = call_body("hang", {"file": str(file)}), call_headers("hang")

            async def post() -> None:
                await client.post(f"{workload.url}/mcp", json=body, headers=headers, timeout=None)

            tasks.start_soon(post)
            await lines(file, 1)
            tasks.cancel_scope.cancel()
        noted = await lines(file, 2)
        assert workload.stop() == 0
    assert [words[0] for words in noted] == ["started", "cancelled"]


# The environment of the processes, and the log.


async def test_a_process_gets_the_variables_that_are_named_and_no_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OTHER_SECRET", "x")
    env = {"STDIO_ENVIRONMENT": "TOKEN, MODE", "TOKEN": "t", "MODE": "m", "REQUEST_STATE_KEY": ""}
    async with adopted(**env, STDIO_FOLDER=str(tmp_path)) as client:
        told = structured(await client.call_tool("process"))
    expected = {"PATH", "HOME", "LOGNAME", "SHELL", "TERM", "USER"} & set(os.environ)
    # The C library's and the test runner's own, which every process has.
    assert set(told["environment"]) - {"LC_CTYPE"} == {*expected, "TOKEN", "MODE"}
    assert (told["environment"]["TOKEN"], told["environment"]["MODE"]) == ("t", "m")
    assert told["folder"] == str(tmp_path)


async def test_a_secret_from_a_file_reaches_the_processes_that_are_to_have_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "token").write_text("t\n")
    env = {"STDIO_ENVIRONMENT": "API_TOKEN", "API_TOKEN_FILE": str(tmp_path / "token")}
    with running("adopter", tmp_path / "log", STDIO_COMMAND=COMMAND, **env) as workload:
        async with Client(f"{workload.url}/mcp") as client:
            told = structured(await client.call_tool("process"))
        assert workload.stop() == 0
    assert told["environment"]["API_TOKEN"] == "t"


async def test_what_a_process_writes_to_stderr_is_counted_and_not_repeated(tmp_path: Path) -> None:
    with running("adopter", tmp_path / "log", STDIO_COMMAND=COMMAND) as workload:
        async with Client(f"{workload.url}/mcp") as client:
            await client.call_tool("write", {"value": "a secret\nanother secret"})
        assert workload.stop() == 0
    wrote = [line for line in workload.lines() if line["message"] == "a process wrote to stderr"]
    assert sum(line["lines"] for line in wrote) == 2
    assert "secret" not in workload.log.read_text()


async def test_what_a_process_writes_to_stderr_is_shown_if_the_environment_says_so(
    tmp_path: Path,
) -> None:
    env = {"STDIO_COMMAND": COMMAND, "STDIO_LOG": "1"}
    with running("adopter", tmp_path / "log", **env) as workload:
        async with Client(f"{workload.url}/mcp") as client:
            await client.call_tool("write", {"value": f"one\n{'x' * 2001}"})
        assert workload.stop() == 0
    wrote = [line for line in workload.lines() if line["message"] == "a process wrote to stderr"]
    assert [line["text"] for line in wrote] == ["one", "x" * 2000]


async def test_no_line_of_the_log_holds_an_argument_or_a_result(tmp_path: Path) -> None:
    with running("adopter", tmp_path / "log", STDIO_COMMAND=COMMAND, POOL_SIZE="1") as workload:
        async with Client(f"{workload.url}/mcp") as client:
            await client.call_tool("echo", {"value": "hunter2"})
            await client.call_tool("fail", {"value": "hunter2"})
            with pytest.raises(MCPError):
                await client.call_tool("hunter2 is no tool", {"value": "hunter2"})
            await client.call_tool("die", {"value": "hunter2"})
        assert workload.stop() == 0
    assert "hunter2" not in workload.log.read_text()
    requests = [line for line in workload.lines() if line.get("method") == "tools/call"]
    assert [(line["tool"], line["outcome"]) for line in requests] == [
        ("echo", "ok"),
        ("fail", "tool error"),
        ("(not a name)", "error"),
        ("die", "tool error"),
    ]


# Start and stop.


async def test_health_counts_the_processes_and_is_bad_without_one(tmp_path: Path) -> None:
    program = tmp_path / "once.sh"
    # The first runs, and every one after it fails.
    program.write_text(
        f'[ -e "{tmp_path}/ran" ] && exit 1; touch "{tmp_path}/ran"; '
        f'exec "{sys.executable}" "{PROGRAM}"'
    )
    app = server.build({"STDIO_COMMAND": f"sh {program}", "POOL_SIZE": "1"})
    async with http_client(app) as client:
        good = await client.get("/health")
        body, headers = call_body("die", {}), call_headers("die")
        await client.post("/mcp", json=body, headers=headers)
        bad = await client.get("/health")
    assert (good.status_code, bad.status_code) == (200, 503)
    assert good.json() == {"status": "ok", "server": "nasty", "processes": 1}
    assert bad.json() == {"status": "no process", "server": "nasty", "processes": 0}


@pytest.mark.parametrize(
    ("command", "seconds", "reason"),
    [
        ("/no/such/program", "30", "FileNotFoundError: No such file or directory"),
        ("/", "30", "PermissionError: Permission denied"),
        ("false", "30", "MCPError"),
        (json.dumps([sys.executable, PROGRAM, "mute"]), "1", "it was not initialised within 1 s"),
    ],
)
async def test_a_server_that_does_not_start_ends_the_adopter_with_one_clear_line(
    command: str, seconds: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = server.build({"STDIO_COMMAND": command, "STDIO_START_SECONDS": seconds})
    with pytest.raises(server.NotStartedError, match=f"^{reason}$"):
        async with http_client(app):
            pass
    critical = [record.getMessage() for record in caplog.records if record.levelname == "CRITICAL"]
    assert critical == [f"cannot start: the server of STDIO_COMMAND did not start: {reason}"]


def test_a_stop_in_the_midst_of_a_start_leaves_no_process_unwaited_for() -> None:
    async def stopped_after(turns: int) -> None:
        async def serve() -> None:
            async with http_client(server.build({"STDIO_COMMAND": "cat"})):
                raise AssertionError("it was ready before it was stopped")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(serve)
            for _ in range(turns):
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()

    for turns in range(1, 20):
        anyio.run(stopped_after, turns)
        # A process without a wait warns when it is collected, which fails the test.
        gc.collect()


@pytest.mark.parametrize("kind", ["", "stubborn"])
async def test_no_process_is_left_behind_by_the_stop(kind: str, tmp_path: Path) -> None:
    command = json.dumps([sys.executable, PROGRAM, kind])
    env = {"STDIO_COMMAND": command, "POOL_SIZE": "2", "STOP_TIMEOUT_SECONDS": "10"}
    file = tmp_path / "calls"
    with running("adopter", tmp_path / "log", **env) as workload:
        tool = "block" if kind else "hang"
        async with Client(f"{workload.url}/mcp") as client, calling(client, tool, file):
            started = await lines(file, 1)
        assert workload.stop() == 0
    await gone(int(started[0][1]))


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("", "STDIO_COMMAND is not set"),
        ("'unfinished", "STDIO_COMMAND is not a valid command: No closing quotation"),
        ("[]", "STDIO_COMMAND names no program"),
        ('[""]', "STDIO_COMMAND names no program"),
        ("''", "STDIO_COMMAND names no program"),
        ("[1]", "words of a shell or a JSON array of texts: 0: Input should be a valid string"),
        ("[", "words of a shell or a JSON array of texts: body: Invalid JSON"),
    ],
)
def test_an_invalid_command_fails_the_start(command: str, message: str) -> None:
    with pytest.raises(SettingError, match="STDIO_COMMAND") as caught:
        server.build({"STDIO_COMMAND": command})
    assert message in str(caught.value)


@pytest.mark.parametrize("size", ["1", "64", "1-1", "1-64", "64-64"])
def test_a_pool_has_from_1_to_64_processes(size: str) -> None:
    server.build({"STDIO_COMMAND": "x", "POOL_SIZE": size})


@pytest.mark.parametrize("size", ["0", "65", "0-1", "1-65", "2-1", "-1", "1-", "a", "1.5", "²"])
def test_a_pool_of_another_size_is_refused(size: str) -> None:
    with pytest.raises(SettingError) as caught:
        server.build({"STDIO_COMMAND": "x", "POOL_SIZE": size})
    assert str(caught.value) == (
        f"POOL_SIZE is {size!r}; it must be a number from 1 to 64, or two of them, least and most, "
        "such as '1-4'"
    )


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"STDIO_LOG": "yes"}, "STDIO_LOG is 'yes'; it must be '0' or '1'"),
        ({"STDIO_ENVIRONMENT": "A,B"}, "STDIO_ENVIRONMENT names A, B, which are not set"),
        ({"MAX_REQUEST_SECONDS": "0"}, "MAX_REQUEST_SECONDS is '0'; .* from 1 to 3970"),
        ({"MAX_REQUEST_SECONDS": "3971"}, "MAX_REQUEST_SECONDS is '3971'; .* from 1 to 3970"),
        ({"STDIO_START_SECONDS": "0"}, "STDIO_START_SECONDS is '0'; .* from 1 to 600"),
        ({"STDIO_START_SECONDS": "601"}, "STDIO_START_SECONDS is '601'; .* from 1 to 600"),
    ],
)
def test_an_invalid_setting_is_reported(env: dict[str, str], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        server.build({"STDIO_COMMAND": "x", **env})


def test_the_longest_times_that_are_allowed_are_taken() -> None:
    for seconds, start in (("1", "1"), ("3970", "600")):
        env = {"MAX_REQUEST_SECONDS": seconds, "STDIO_START_SECONDS": start}
        server.build({"STDIO_COMMAND": "x", **env})
