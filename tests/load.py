"""What a server of the platform costs at run time, against the same SDK's bare server.

The clock, as its image starts it, and a server of one tool that does the same work, started by the
SDK's own `run` with the SDK's own defaults, such as for what is logged. Both are local processes of
this Python; the load is the Inspector's, on the same machine, so that the figures are for comparing
the two and not for planning a fleet. It prints a table; nothing is asserted, since a busy machine
is no fault of the code. The processor time of a call depends least on who else is busy.

    python -m tests.load

It needs what `bin/setup conformance` installs.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import psutil

from tests.conformance import node
from tests.conformance.inspector import ERAS
from tests.workloads.support import WORKLOADS, free_port, image_command, image_environment

BARE = """
import os
from datetime import datetime
from zoneinfo import ZoneInfo

from mcp.server.mcpserver import MCPServer

server = MCPServer("bare")

@server.tool()
def now(timezone: str = "UTC") -> str:
    "Tell the current date and time in a time zone."
    return datetime.now(ZoneInfo(timezone)).isoformat()

server.run(transport="streamable-http", stateless_http=True, port=int(os.environ["PORT"]))
"""
SERVERS = ("clock", "bare")

# How long a server may take to answer for the first time.
_START_SECONDS = 60

_MEBIBYTE = 1024 * 1024


class LoadError(Exception):
    """Calls went wrong, so that their times say nothing; the text says which and how."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """One run of the Inspector's load mode.

    Attributes:
        calls: How many calls were answered.
        per_second: Of them, calls in a second.
        p50: The median of their times in milliseconds.
        p99: The time in milliseconds that one call of a hundred exceeds.
    """

    calls: int
    per_second: float
    p50: float
    p99: float


@dataclass(frozen=True, kw_only=True)
class Row:
    """The measures of one server and era; the medians of all rounds."""

    server: str
    era: str
    start_seconds: float
    load: Load
    cpu_milliseconds: float
    rest_bytes: int
    loaded_bytes: int


def read_load(text: str) -> Load:
    """Read the summary that the Inspector prints.

    Args:
        text: Its JSON.

    Returns:
        The figures.

    Raises:
        LoadError: If there is no summary, no call was made, or one failed.
    """
    try:
        result: dict[str, Any] = json.loads(text)["result"]
        calls, good = result["requests"], result["ok"]
    except (ValueError, KeyError, TypeError) as error:
        raise LoadError(
            f"the Inspector printed no summary of the load, but: {text[:500]}"
        ) from error
    if not calls or good != calls:
        raise LoadError(f"{calls - good} of {calls} calls failed: {result['errorMessages']}")
    times = result["latencyMs"]
    return Load(calls=calls, per_second=result["throughput"], p50=times["p50"], p99=times["p99"])


def listed(client: httpx2.Client, url: str) -> bool:
    """Ask for the tools as a client of 2026-07-28; whether they came."""
    meta: dict[str, Any] = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    try:
        response = client.post(
            url,
            json={"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}},
            headers={
                "Accept": "application/json, text/event-stream",
                "MCP-Protocol-Version": "2026-07-28",
                "Mcp-Method": "tools/list",
            },
        )
    except httpx2.TransportError:
        return False
    return response.status_code == 200 and "result" in response.json()


@contextmanager
def started(server: str, log: Path) -> Generator[tuple[psutil.Process, str, float]]:
    """Start a server and wait for its first answer.

    Args:
        server: One of `SERVERS`.
        log: Where its output goes.

    Yields:
        The process, the URL of its `/mcp`, and the seconds from the start to the list of its tools.

    Raises:
        LoadError: If it ends, or does not answer within a minute; the text has its output.
    """
    port = free_port()
    bare = server == "bare"
    env = {"PATH": os.environ["PATH"], "PORT": str(port)}
    began = time.monotonic()
    with log.open("wb") as output:
        process = psutil.Popen(
            [sys.executable, "-c", BARE] if bare else image_command(server),
            cwd=log.parent if bare else WORKLOADS,
            env=env if bare else {**env, **image_environment(server), "PORT": str(port)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        url = f"http://127.0.0.1:{port}/mcp"
        with httpx2.Client() as client:
            while not listed(client, url):
                if process.poll() is not None or time.monotonic() - began > _START_SECONDS:
                    raise LoadError(f"{server} does not answer: {log.read_text()[-2000:]}")
                time.sleep(0.005)
        yield process, url, time.monotonic() - began
    finally:
        process.terminate()
        process.wait()


def loaded(process: psutil.Process, url: str, era: str, seconds: int) -> tuple[Load, float]:
    """Call the tool `now`, ten calls at a time; the figures, and processor ms of a call."""
    before = process.cpu_times()
    done = node.run(
        *("mcp-inspector", "--cli", url, "--transport", "http", "--format", "json"),
        *("--protocol-era", era, "--method", "tools/call", "--tool-name", "now"),
        *("--load", "--load-duration", str(seconds)),
    )
    after = process.cpu_times()
    load = read_load(done.stdout or done.stderr)
    spent = (after.user + after.system) - (before.user + before.system)
    return load, spent * 1000 / load.calls


def measure(folder: Path, starts: int, rounds: int, seconds: int) -> list[Row]:
    """Measure both servers in both eras, in turn, so that what else runs weighs on all alike.

    Args:
        folder: Where logs go.
        starts: How often each server is started.
        rounds: How often each is put under load, in each era.
        seconds: How long each time.

    Returns:
        The rows, by era and server.

    Raises:
        LoadError: If a server does not answer, or not rightly.
    """
    start_times: dict[str, list[float]] = {server: [] for server in SERVERS}
    for _ in range(starts):
        for server in SERVERS:
            with started(server, folder / f"{server}.log") as (_process, _url, took):
                start_times[server].append(took)
    rows: list[Row] = []
    for era in ERAS:
        with ExitStack() as stack:
            running = {
                server: stack.enter_context(started(server, folder / f"{server}.log"))
                for server in SERVERS
            }
            rest = {server: process.memory_info().rss for server, (process, *_) in running.items()}
            runs: dict[str, list[tuple[Load, float]]] = {server: [] for server in SERVERS}
            for _ in range(rounds):
                for server, (process, url, _took) in running.items():
                    runs[server].append(loaded(process, url, era, seconds))
            rows += [
                Row(
                    server=server,
                    era=era,
                    start_seconds=statistics.median(start_times[server]),
                    load=median_load([load for load, _ in runs[server]]),
                    cpu_milliseconds=statistics.median(cpu for _, cpu in runs[server]),
                    rest_bytes=rest[server],
                    loaded_bytes=process.memory_info().rss,
                )
                for server, (process, *_) in running.items()
            ]
    return rows


def median_load(loads: Sequence[Load]) -> Load:
    """The median of each figure; of the calls, all of them."""
    return Load(
        calls=sum(load.calls for load in loads),
        per_second=statistics.median(load.per_second for load in loads),
        p50=statistics.median(load.p50 for load in loads),
        p99=statistics.median(load.p99 for load in loads),
    )


def table(rows: Sequence[Row]) -> list[str]:
    """The rows in Markdown."""
    return [
        "| server | client | start to first tools/list, s | calls | calls/s | p50, ms | p99, ms"
        " | CPU, ms a call | memory at rest, MiB | after the load, MiB |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|",
        *(
            f"| {row.server} | {row.era} | {row.start_seconds:.2f} | {row.load.calls}"
            f" | {row.load.per_second:.0f} | {row.load.p50:.1f} | {row.load.p99:.1f}"
            f" | {row.cpu_milliseconds:.2f} | {row.rest_bytes / _MEBIBYTE:.0f}"
            f" | {row.loaded_bytes / _MEBIBYTE:.0f} |"
            for row in rows
        ),
    ]


def main() -> int:
    """Measure and print; 1 if the figures cannot be had."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        try:
            rows = measure(Path(folder), options.starts, options.rounds, options.seconds)
        except (LoadError, node.NotInstalledError) as error:
            print(f"load: {error}", file=sys.stderr)
            return 1
    print("\n".join(table(rows)))
    print(f"\nTen calls at a time, on {os.cpu_count()} cores that the Inspector uses too.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
