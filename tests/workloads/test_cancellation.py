"""What stops a tool: a client that closes the stream of its call.

`notifications/cancelled` names a request of the same session, of which a stateless server has none;
honouring it would allow clients to cancel the calls of other clients.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
import pytest

from common import serving
from tests.workloads.local_http import serving as served
from tests.workloads.support import DEADLINE_SECONDS, call_body, call_headers, mcp_client

pytestmark = [pytest.mark.anyio, pytest.mark.allow_hosts(["127.0.0.1"])]

CANCELLED = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}


class Slow:
    """A tool that ends when it is let, and what became of it; for the thread of a server."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []
        self.let = False

    async def work(self) -> str:
        """Work."""
        self.outcomes.append("started")
        try:
            while not self.let:
                await anyio.sleep(0.01)  # a poll, as the test is in another thread
        except anyio.get_cancelled_exc_class():
            self.outcomes.append("cancelled")
            raise
        self.outcomes.append("done")
        return "done"

    async def until(self, *outcomes: str) -> None:
        with anyio.fail_after(DEADLINE_SECONDS):
            while self.outcomes != [*outcomes]:
                await anyio.sleep(0.01)  # a poll, as the server is in another thread


@asynccontextmanager
async def calling(slow: Slow, version: str) -> AsyncGenerator[str]:
    """The URL of a server, while a client waits for its tool; at the end, the client goes away."""
    server = serving.mcp_server("slow", "", {})
    server.add_tool(slow.work)
    body: dict[str, Any] = call_body("work", {})
    headers = {**call_headers("work"), "MCP-Protocol-Version": version}
    if version < "2026":
        del body["params"]["_meta"]
    with served(serving.application(server, {}, 4096)) as url:
        async with httpx2.AsyncClient(timeout=None) as client, anyio.create_task_group() as tasks:

            async def post() -> None:
                await client.post(f"{url}/mcp", json=body, headers=headers)

            tasks.start_soon(post)
            await slow.until("started")
            yield url
            tasks.cancel_scope.cancel()
        await slow.until("started", "cancelled")


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
async def test_a_client_that_closes_the_stream_cancels_the_tool(version: str) -> None:
    slow = Slow()
    async with calling(slow, version):
        assert slow.outcomes == ["started"]
    assert slow.outcomes == ["started", "cancelled"]


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
async def test_a_posted_cancellation_is_acknowledged_and_cancels_no_request_of_another(
    version: str,
) -> None:
    slow = Slow()
    async with calling(slow, version) as url:
        headers = {**call_headers("work"), "MCP-Protocol-Version": version}
        headers["Mcp-Method"] = "notifications/cancelled"
        async with httpx2.AsyncClient() as client:
            posted = await client.post(f"{url}/mcp", json=CANCELLED, headers=headers)
        assert posted.status_code == 202
        assert slow.outcomes == ["started"]


@pytest.mark.parametrize("mode", ["2026-07-28", "legacy"])
async def test_a_tool_that_is_let_finish_answers(mode: str) -> None:
    slow = Slow()
    slow.let = True
    server = serving.mcp_server("slow", "", {})
    server.add_tool(slow.work)
    async with mcp_client(serving.application(server, {}, 4096), mode=mode) as client:
        result = await client.call_tool("work")
    assert (result.is_error, slow.outcomes) == (False, ["started", "done"])
