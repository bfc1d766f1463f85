"""The effect of SIGTERM on a workload that is starting, answering or idle: real processes."""

import json
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import anyio.to_thread
import httpx2
import psutil
import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from starlette.applications import Starlette
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from common.ending import ending, unless_set
from tests.workloads.support import (
    DEADLINE_SECONDS,
    NAMES,
    Running,
    running,
    starting,
    structured,
    text,
)

pytestmark = [pytest.mark.anyio, pytest.mark.allow_hosts(["127.0.0.1"])]

COMMAND = [sys.executable, str(Path(__file__).with_name("stdio_server.py"))]
ADOPTED = {"STDIO_COMMAND": json.dumps(COMMAND), "POOL_SIZE": "1"}

# The first process of a container gets no signal that it has no handler for; nor does one that was
# started with the signal ignored.
AS_FIRST_PROCESS = [
    sys.executable,
    "-c",
    "import os, signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "os.execv(sys.argv[1], sys.argv[1:])",
]
# Orphans become the children of the first process, or of one that asks for them
# (PR_SET_CHILD_SUBREAPER, prctl(2)).
ADOPTS_ORPHANS = [
    sys.executable,
    "-c",
    "import ctypes, os, sys; assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0;"
    "os.execv(sys.argv[1], sys.argv[1:])",
]


async def until(true: Callable[[], bool]) -> None:
    with anyio.fail_after(DEADLINE_SECONDS):
        while not true():
            await anyio.sleep(0.01)  # a poll, as another process makes it true


def begun(file: Path) -> Callable[[], bool]:
    return lambda: file.exists() and file.read_text().startswith("started")


# While it starts.


@pytest.mark.parametrize("name", NAMES)
async def test_the_end_is_heard_while_the_workload_is_still_imported(
    name: str, tmp_path: Path
) -> None:
    with starting(name, tmp_path / "log", AS_FIRST_PROCESS, FILES_DIR=str(tmp_path)) as workload:
        maps = Path(f"/proc/{workload.process.pid}/maps")
        await until(lambda: "pydantic_core" in maps.read_text())
        assert workload.stop() == 0


async def test_the_adopter_ends_at_once_while_it_waits_for_its_first_process(
    tmp_path: Path,
) -> None:
    mute = {"STDIO_COMMAND": json.dumps([*COMMAND, "mute"]), "STDIO_START_SECONDS": "600"}
    with starting("adopter", tmp_path / "log", **mute) as adopter:
        process = psutil.Process(adopter.process.pid)
        await until(lambda: "stdio_server.py" in str([c.cmdline() for c in process.children()]))
        assert adopter.stop() == 0
        assert not [line for line in adopter.lines() if line["level"] in {"ERROR", "CRITICAL"}]


async def test_work_continues_until_its_event_is_set() -> None:
    done: list[str] = []

    async def work() -> None:
        await anyio.lowlevel.checkpoint()
        done.append("all")

    await unless_set(anyio.Event(), work)
    assert done == ["all"]


# While it answers.


@asynccontextmanager
async def calling(
    tool: str, mode: str, folder: Path, **env: str
) -> AsyncGenerator[tuple[Running, list[str]]]:
    """An adopter that was told to end during a call of a client, and what the client got."""
    file, got = folder / "calls", list[str]()
    with running("adopter", folder / "log", **ADOPTED, **env) as adopter:

        async def call() -> None:
            arguments = {"file": str(file), "let": str(folder / "let")}
            try:
                async with Client(f"{adopter.url}/mcp", mode=mode) as client:
                    await client.list_tools()  # the client wants the schemas after the call
                    got.append(text(await client.call_tool(tool, arguments)))
            except* (MCPError, httpx2.TransportError) as error:
                got.append(type(error.exceptions[0]).__name__)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            await until(begun(file))
            adopter.process.send_signal(signal.SIGTERM)
            await until(lambda: "Shutting down" in adopter.log.read_text())
            yield adopter, got
        status = await anyio.to_thread.run_sync(adopter.process.wait, DEADLINE_SECONDS)
        assert status == 0


@pytest.mark.parametrize("mode", ["2026-07-28", "legacy"])
async def test_a_call_under_way_ends_with_its_result(mode: str, tmp_path: Path) -> None:
    async with calling("wait", mode, tmp_path) as (_, got):
        # Longer than what watches the server for streams to end takes to look.
        with anyio.move_on_after(1.5):
            await until(lambda: bool(got))
        assert got == []
        (tmp_path / "let").touch()
    assert got == ["let"]


@pytest.mark.parametrize("mode", ["2026-07-28", "legacy"])
async def test_a_call_that_takes_longer_than_the_stop_timeout_is_cut(
    mode: str, tmp_path: Path
) -> None:
    async with calling("hang", mode, tmp_path, STOP_TIMEOUT_SECONDS="8") as (adopter, got):
        await until(lambda: bool(got))
    assert got != ["let"]
    cut = "Cancel 1 running task(s), timeout graceful shutdown exceeded"
    assert cut in [line["message"] for line in adopter.lines()]


@contextmanager
def asking(tmp_path: Path, **env: str) -> Generator[tuple[Running, Callable[[], socket.socket]]]:
    """An assistant, and what waits until it asks its only server, which does not answer."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        silent.settimeout(DEADLINE_SECONDS)
        servers = {"silent": f"http://127.0.0.1:{silent.getsockname()[1]}/mcp"}
        env = {"MCP_SERVERS": json.dumps(servers), **env}
        with running("assistant", tmp_path / "log", **env) as assistant:
            yield assistant, lambda: silent.accept()[0]


IN_TIME = {"MAX_REQUEST_SECONDS": "2", "STOP_TIMEOUT_SECONDS": "30"}
TOO_LONG = {"MAX_REQUEST_SECONDS": "3600", "STOP_TIMEOUT_SECONDS": "3"}
ABSENT = "no server is reachable: silent: TimeoutError"
CUT_OFF = "the agent was stopped before the answer was complete"


@pytest.mark.parametrize(("limits", "whole"), [(IN_TIME, True), (TOO_LONG, False)])
async def test_a_stream_of_the_agent_ends_with_its_last_event_or_is_seen_to_be_cut(
    limits: dict[str, str], whole: bool, tmp_path: Path
) -> None:
    body, headers = {"question": "x"}, {"Accept": "text/event-stream"}
    got: list[str] = []

    def ask(url: str) -> None:
        try:
            with httpx2.stream(
                "POST", url, json=body, headers=headers, timeout=DEADLINE_SECONDS
            ) as response:
                got.extend(response.iter_lines())
        except httpx2.RemoteProtocolError as error:
            got.append(str(error))

    with asking(tmp_path, **limits) as (assistant, asked):
        thread = threading.Thread(target=ask, args=(f"{assistant.url}/ask",))
        thread.start()
        with await anyio.to_thread.run_sync(asked):
            assert await anyio.to_thread.run_sync(assistant.stop) == 0
        thread.join()
    if whole:
        assert f"data: {json.dumps({'error': ABSENT})}" in got
    else:
        assert got[-1].startswith("peer closed connection without sending complete message body")


@asynccontextmanager
async def chatting(assistant: Running) -> AsyncGenerator[ClientConnection]:
    url = f"{assistant.url.replace('http', 'ws', 1)}/chat"
    async with connect(url, proxy=None) as socket:
        yield socket


async def closed(chat: ClientConnection) -> int:
    with anyio.fail_after(DEADLINE_SECONDS), pytest.raises(ConnectionClosed) as told:
        await chat.recv()
    assert told.value.rcvd is not None
    return told.value.rcvd.code


@pytest.mark.parametrize(("limits", "error"), [(IN_TIME, ABSENT), (TOO_LONG, CUT_OFF)])
async def test_a_chat_gets_its_answer_or_an_error(
    limits: dict[str, str], error: str, tmp_path: Path
) -> None:
    with asking(tmp_path, **limits) as (assistant, asked):
        async with chatting(assistant) as chat:
            await chat.send('{"question": "x"}')
            with await anyio.to_thread.run_sync(asked):
                assistant.process.send_signal(signal.SIGTERM)
                with anyio.fail_after(DEADLINE_SECONDS):
                    assert json.loads(await chat.recv()) == {"error": error}
                assert await closed(chat) == 1012
        assert await anyio.to_thread.run_sync(assistant.process.wait, DEADLINE_SECONDS) == 0


async def test_a_chat_without_a_question_is_closed_at_once(tmp_path: Path) -> None:
    with running("assistant", tmp_path / "log", STOP_TIMEOUT_SECONDS="3600") as assistant:
        async with chatting(assistant) as chat:
            assistant.process.send_signal(signal.SIGTERM)
            assert await closed(chat) == 1012
        assert await anyio.to_thread.run_sync(assistant.process.wait, DEADLINE_SECONDS) == 0


# Orphaned processes.


async def test_what_a_crashed_server_left_behind_is_waited_for(tmp_path: Path) -> None:
    with running("adopter", tmp_path / "log", ADOPTS_ORPHANS, **ADOPTED) as adopter:
        async with Client(f"{adopter.url}/mcp") as client:
            left = structured(await client.call_tool("leave"))["pid"]
            try:
                await client.call_tool("die")
                await until(lambda: psutil.Process(left).ppid() == adopter.process.pid)
            finally:
                os.kill(left, signal.SIGKILL)
            await until(lambda: not psutil.pid_exists(left))
        assert adopter.stop() == 0


def test_an_application_has_one_event_for_its_end() -> None:
    app = Starlette()
    assert ending(app) is ending(app)
    assert not ending(app).is_set()
