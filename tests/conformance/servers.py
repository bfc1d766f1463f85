"""The servers that are tested: this checkout's workloads and the fixture, each a local process."""

import os
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.workloads.support import (
    ROOT,
    SERVERS,
    WORKLOADS,
    free_port,
    running,
    wait_until_healthy,
)

FIXTURE = "fixture"
NAMES = (FIXTURE, *SERVERS)


@contextmanager
def started(name: str, folder: Path, **env: str) -> Generator[str]:
    """Run a server as its image does.

    Args:
        name: One of `NAMES`.
        folder: Where its log and files go.
        env: Further variables.

    Yields:
        The URL of its `/mcp`; a name and no address, as the suite's rebinding scenario wants it.

    Raises:
        AssertionError: If it does not get healthy; the text is its log.
    """
    log = folder / f"{name}.log"
    if name == FIXTURE:
        with _fixture(log, env) as url:
            yield url
    else:
        with running(name, log, FILES_DIR=str(folder / name), **env) as workload:
            yield f"{workload.url.replace('127.0.0.1', 'localhost')}/mcp"


@contextmanager
def _fixture(log: Path, env: Mapping[str, str]) -> Generator[str]:
    port = free_port()
    with log.open("wb") as stdout:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.conformance.fixture_server"],
            cwd=ROOT,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": os.pathsep.join((str(ROOT), str(WORKLOADS))),
                "PORT": str(port),
                **env,
            },
            stdout=stdout,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until_healthy(process, f"http://127.0.0.1:{port}", log)
        yield f"http://localhost:{port}/mcp"
    finally:
        process.terminate()
        process.wait()
