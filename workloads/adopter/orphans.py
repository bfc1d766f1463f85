"""Reaps the child processes that a server left behind.

When a process of the pool ends, the processes that it started become children of the container's
first process, which is the adopter unless the container has an init process. Each of them stays in
the process table as a zombie after its exit, until its parent waits for it.
"""

import os
from contextlib import suppress
from pathlib import Path

import anyio

SECONDS = 2.0
"""How often they are looked for. asyncio waits for the pool's own processes, within milliseconds:
what is a zombie at two looks in a row is none of those."""

_PROCESSES = Path("/proc")


async def collect() -> None:
    """Reap them at intervals, without end."""
    seen: set[int] = set()
    while True:
        await anyio.sleep(SECONDS)
        zombies = _zombies()
        for process in zombies & seen:
            with suppress(ChildProcessError):
                os.waitpid(process, os.WNOHANG)
        seen = zombies - seen


def _zombies() -> set[int]:
    """The child processes that have exited and were not waited for."""
    parent = str(os.getpid())
    found: set[int] = set()
    for folder in _PROCESSES.iterdir():
        if not folder.name.isdigit():
            continue
        with suppress(OSError):  # it has exited
            # proc_pid_stat(5): the name may hold anything, but it ends with the last parenthesis.
            state, its_parent, *_ = (folder / "stat").read_text().rpartition(")")[2].split()
            if (state, its_parent) == ("Z", parent):
                found.add(int(folder.name))
    return found
