"""Fleets that `bin/sandbox serve` runs."""

import os
import subprocess
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx2
import psutil
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult

from tests.engine.sandbox_run import ROOT, Sandbox

_SERVING = "serving "


@dataclass(frozen=True, kw_only=True)
class Served:
    """A fleet on the loopback interface.

    Attributes:
        sandbox: The sandbox in which it is deployed.
        entry: The endpoint on the loopback interface.
        process: The process of the command.
    """

    sandbox: Sandbox
    entry: str
    process: "subprocess.Popen[str]"

    def url(self, path: str) -> str:
        return f"{self.entry}{path}"

    def server(self, name: str) -> str:
        return self.url(f"/servers/{name}/mcp")

    def authorization(self, **claims: str) -> dict[str, str]:
        """The header with a token for the deployed audience, unless the claims override it."""
        flags = [f"--{name}={value}" for name, value in claims.items()]
        return {"Authorization": f"Bearer {self.sandbox.must('token', *flags).strip()}"}

    def ask(self, agent: str, question: str, headers: Mapping[str, str]) -> httpx2.Response:
        return httpx2.post(
            self.url(f"/agents/{agent}/ask"),
            json={"question": question},
            headers=dict(headers),
            timeout=60,
        )

    def call(
        self, server: str, tool: str, arguments: Mapping[str, Any], headers: Mapping[str, str]
    ) -> CallToolResult:
        """Calls a tool with the client of the MCP SDK."""

        async def run() -> CallToolResult:
            async with (
                httpx2.AsyncClient(headers=dict(headers), timeout=60) as http,
                Client(streamable_http_client(self.server(server), http_client=http)) as client,
            ):
                return await client.call_tool(tool, dict(arguments))

        return anyio.run(run)

    def processes(self, workload: str) -> list[psutil.Process]:
        """The processes that the command started for a workload."""
        found = psutil.Process(self.process.pid).children(recursive=True)
        return [each for each in found if _environment(each).get("AWS_ACCESS_KEY_ID") == workload]


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except psutil.Error:
        return {}


@contextmanager
def serving(sandbox: Sandbox, *args: str) -> Generator[Served]:
    """Runs `bin/sandbox serve` until the block ends; it must then exit with status 0."""
    with subprocess.Popen(
        [ROOT / "bin" / "sandbox", "serve", "--port", "0", *args],
        cwd=sandbox.folder,
        env={**os.environ, "SANDBOX_HOME": str(sandbox.folder / "home"), **sandbox.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        said: list[str] = []
        for line in process.stdout or ():
            said.append(line)
            if line.startswith(_SERVING):
                break
        else:
            raise AssertionError("".join(said))
        entry = said[-1].removeprefix(_SERVING).strip()
        assert urlsplit(entry).hostname == "127.0.0.1"
        try:
            yield Served(sandbox=sandbox, entry=entry, process=process)
        finally:
            process.terminate()
            rest = process.communicate(timeout=60)[0]
    assert process.returncode == 0, rest
