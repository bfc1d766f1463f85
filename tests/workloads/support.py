"""What the workloads' tests share: clients of an application, and workloads as processes."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx2
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent
from starlette.applications import Starlette

ROOT = Path(__file__).resolve().parents[2]
WORKLOADS = ROOT / "workloads"
NAMES = ("adopter", "assistant", "clock", "notes")
SERVERS = ("adopter", "clock", "notes")
DEADLINE_SECONDS = 30
MODEL = {"MODELS": "amazon.nova-lite-v1:0", "AWS_REGION": "us-east-1"}
"""What an agent needs to start; nothing is asked of it."""


@asynccontextmanager
async def http_client(
    app: Starlette, host: str = "localhost"
) -> AsyncGenerator[httpx2.AsyncClient]:
    """An HTTP client of the running application, in this process."""
    transport = httpx2.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        yield client


@asynccontextmanager
async def mcp_client(app: Starlette, mode: str = "auto") -> AsyncGenerator[Client]:
    """The SDK's client of the running application, in this process."""
    async with http_client(app) as http:
        transport = streamable_http_client("http://localhost/mcp", http_client=http)
        async with Client(transport, mode=mode) as client:
            yield client


def structured(result: CallToolResult) -> dict[str, Any]:
    """The structured content of a result that is no error."""
    assert not result.is_error, text(result)
    return cast("dict[str, Any]", result.structured_content)


def text(result: CallToolResult) -> str:
    return "\n".join(part.text for part in result.content if isinstance(part, TextContent))


def call_body(tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """A tools/call of the 2026-07-28 revision, to be sent with `call_headers`."""
    return {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {
            "name": tool,
            "arguments": arguments,
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        },
    }


def call_headers(tool: str) -> dict[str, str]:
    return {
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": "tools/call",
        "Mcp-Name": tool,
    }


def instructions(name: str) -> list[tuple[str, str]]:
    """The Dockerfile of a workload as (instruction, arguments) pairs."""
    lines = (WORKLOADS / name / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    pairs = [line.strip().partition(" ") for line in lines if line.strip()[:1] not in {"", "#"}]
    return [(word.upper(), rest.strip()) for word, _, rest in pairs]


def final_stage(name: str) -> dict[str, list[str]]:
    """The arguments of each instruction of a Dockerfile's last stage, in order."""
    pairs = instructions(name)
    first = max(index for index, (word, _) in enumerate(pairs) if word == "FROM")
    stage: dict[str, list[str]] = {}
    for word, rest in pairs[first:]:
        stage.setdefault(word, []).append(re.sub(r"\s+", " ", rest))
    return stage


def image_environment(name: str) -> dict[str, str]:
    words = [word for line in final_stage(name)["ENV"] for word in shlex.split(line)]
    return dict(word.split("=", 1) for word in words)


def image_command(name: str) -> list[str]:
    """The image's command, with this interpreter in the place of the image's."""
    program, *arguments = json.loads(final_stage(name)["ENTRYPOINT"][-1])
    assert program == "python"
    return [sys.executable, *arguments]


def image_health_command(name: str) -> list[str]:
    """The command of the image's health check."""
    (check,) = final_stage(name)["HEALTHCHECK"]
    return json.loads(check[check.index("[") :])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass(frozen=True, kw_only=True)
class Running:
    """A workload that runs as a process of its own."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def stop(self) -> int:
        """Send SIGTERM and return the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE_SECONDS)

    def lines(self) -> list[dict[str, Any]]:
        """Everything that it has written, to stderr too: JSON, a line an object."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@contextmanager
def starting(name: str, log: Path, wrapper: Sequence[str] = (), **env: str) -> Generator[Running]:
    """Start a workload by its image's own command, and kill it at the end.

    The folder of the workloads plays the image's working folder, `/app`. A wrapper is a command
    that becomes the command that follows it.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with log.open("wb") as stdout:
        process = subprocess.Popen(
            [*wrapper, *image_command(name)],
            cwd=WORKLOADS,
            env={
                "PATH": os.environ["PATH"],
                **image_environment(name),
                **MODEL,
                "PORT": str(port),
                **env,
            },
            stdout=stdout,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Running(process=process, url=url, log=log)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


@contextmanager
def running(name: str, log: Path, wrapper: Sequence[str] = (), **env: str) -> Generator[Running]:
    """Start a workload as `starting` does, and wait until it is healthy."""
    with starting(name, log, wrapper, **env) as started:
        wait_until_healthy(started.process, started.url, log)
        yield started


def wait_until_healthy(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    with httpx2.Client() as client:
        while time.monotonic() < deadline:
            assert process.poll() is None, log.read_text()
            try:
                if client.get(f"{url}/health").status_code == 200:
                    return
            except httpx2.TransportError:
                time.sleep(0.05)  # a poll, until the port is open
    raise AssertionError(f"not healthy in {DEADLINE_SECONDS} s: {log.read_text()}")
