"""Calls of the maximum duration: no timeout between caller and tool is shorter."""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from mcp_types import CallToolResult

from common import serving
from common.tool_servers import call, connection
from core.timeouts import MAX_REQUEST_SECONDS
from tests.workloads.local_http import serving as served
from tests.workloads.support import DEADLINE_SECONDS, mcp_client, text
from tests.workloads.test_cancellation import Slow
from workloads.adopter import server as adopter

pytestmark = [pytest.mark.anyio, pytest.mark.allow_hosts(["127.0.0.1"])]

PROGRAM = str(Path(__file__).with_name("stdio_server.py"))
COMMAND = json.dumps([sys.executable, PROGRAM])


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets seconds pass for this event loop: every timer that they make due fires at once."""

    def pass_by(seconds: float) -> None:
        loop = asyncio.get_running_loop()
        before = loop.time
        monkeypatch.setattr(loop, "time", lambda: before() + seconds)

    return pass_by


async def turns() -> None:
    """Let every timer that is due fire, and what follows from it."""
    for _ in range(100):
        await anyio.lowlevel.checkpoint()


async def test_an_agent_waits_for_a_tool_as_long_as_its_own_limit_says(
    later: Callable[[float], None],
) -> None:
    slow = Slow()
    server = serving.mcp_server("slow", "", {})
    server.add_tool(slow.work)
    results: list[CallToolResult] = []
    with served(serving.application(server, {}, 4096)) as url:

        async def ask() -> None:
            results.append(await call(f"{url}/mcp", "work", {}, connection({})))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await slow.until("started")
            later(MAX_REQUEST_SECONDS)
            await turns()
            assert slow.outcomes == ["started"]
            slow.let = True
    assert [text(result) for result in results] == ["done"]


@pytest.mark.parametrize(("early", "answer"), [(1, "let"), (-1, "no result within 3970 s")])
async def test_the_adopter_waits_for_a_process_until_the_longest_request_is_over(
    early: int, answer: str, later: Callable[[float], None], tmp_path: Path
) -> None:
    env = {"STDIO_COMMAND": COMMAND, "POOL_SIZE": "1"}
    app = adopter.build({**env, "MAX_REQUEST_SECONDS": str(MAX_REQUEST_SECONDS)})
    file, let = tmp_path / "calls", tmp_path / "let"
    results: list[CallToolResult] = []
    async with mcp_client(app) as client:

        async def ask() -> None:
            arguments = {"file": str(file), "let": str(let)}
            results.append(await client.call_tool("wait", arguments))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            with anyio.fail_after(DEADLINE_SECONDS):
                while not file.exists():
                    await anyio.sleep(0.01)  # a poll, as the tool is another process
            later(MAX_REQUEST_SECONDS - early * DEADLINE_SECONDS)
            await turns()
            let.touch()
    assert text(results[0]).startswith(answer)
