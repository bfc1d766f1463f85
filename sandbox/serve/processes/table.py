"""The output of `bin/sandbox serve`: a live table of the workloads, or their logs."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import cast

import psutil
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sandbox.serve.processes.supervisor import Replica, Supervisor

_REFRESH_SECONDS = 0.5
_MIB = 1024 * 1024
_COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "red")
_NAME_WIDTH = 20


class View:
    """A table, or the logs of some workloads, or of all.

    Without a terminal, each change of health is a line instead of an updated table.
    """

    def __init__(self, console: Console, follow: Sequence[str] | None) -> None:
        """Prepares the view.

        Args:
            console: The console.
            follow: The workloads whose logs are shown (empty for all), or None for the table.
        """
        self._console, self._follow = console, follow
        self._colours: dict[str, str] = {}

    def line(self, replica: Replica, line: str) -> None:
        """Shows a line of a followed log."""
        name = replica.process.name
        if self._follow is None or (self._follow and name not in self._follow):
            return
        colour = self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])
        start = (f"{name:<{_NAME_WIDTH}} ", colour)
        self._console.print(Text.assemble(start, Text.from_ansi(line)), soft_wrap=True)

    async def show(self, supervisor: Supervisor, entry: str, until: "asyncio.Task[bool]") -> None:
        """Shows the health of the workloads until a task is done.

        Args:
            supervisor: The processes.
            entry: The local address of the gateway.
            until: The task.
        """
        if self._follow is not None:
            await until
        elif self._console.is_terminal:
            with Live(table(supervisor, entry), console=self._console, auto_refresh=False) as shown:
                async for _ in _ticks(until):
                    shown.update(table(supervisor, entry), refresh=True)
        else:
            told = states(supervisor)
            async for _ in _ticks(until):
                now = states(supervisor)
                for name in now:
                    if now[name] != told[name]:
                        self._console.print(f"{name}: {now[name]}", soft_wrap=True, markup=False)
                told = now


def live(follow: Sequence[str] | None) -> View:
    """A view on the terminal.

    Args:
        follow: See `View`.
    """
    return View(Console(highlight=False), follow)


def states(supervisor: Supervisor) -> Mapping[str, str]:
    """The health of each workload by name: `1 of 2 healthy, restarts: 3`."""
    return {
        name: f"{_health(replicas)} healthy, restarts: {sum(one.restarts for one in replicas)}"
        for name, replicas in _workloads(supervisor)
    }


def table(supervisor: Supervisor, entry: str) -> Table:
    """The health of the workloads as a table.

    Args:
        supervisor: The processes.
        entry: The local address of the gateway.
    """
    shown = Table(title=f"{entry} · Ctrl-C ends it", title_justify="left", expand=True)
    for heading in ("workload", "runs as", "healthy", "restarts", "pid", "MiB"):
        number = heading in ("restarts", "MiB")
        shown.add_column(heading, no_wrap=True, justify="right" if number else "left")
    shown.add_column("last line", no_wrap=True, overflow="ellipsis", ratio=1)
    resident = _resident_bytes({replica.pid for replica in supervisor.replicas})
    for name, replicas in _workloads(supervisor):
        pids = supervisor.pids(name)
        well = all(replica.healthy for replica in replicas)
        last = next((replica.lines[-1] for replica in replicas if replica.lines), "")
        shown.add_row(
            name,
            replicas[0].process.kind,
            Text(_health(replicas), "green" if well else "red"),
            str(sum(replica.restarts for replica in replicas)),
            " ".join(map(str, pids)),
            f"{sum(resident.get(pid, 0) for pid in pids) / _MIB:.0f}" if pids else "",
            Text(_short(last)),
        )
    return shown


def _workloads(supervisor: Supervisor) -> Iterator[tuple[str, list[Replica]]]:
    for name in dict.fromkeys(replica.process.name for replica in supervisor.replicas):
        yield name, [replica for replica in supervisor.replicas if replica.process.name == name]


def _health(replicas: Sequence[Replica]) -> str:
    return f"{sum(replica.healthy for replica in replicas)} of {len(replicas)}"


def _short(line: str) -> str:
    """The message of a log line, without JSON fields such as the time and without colors."""
    try:
        told: object = json.loads(line)
    except ValueError:
        told = None
    message = cast("dict[str, object]", told).get("message") if isinstance(told, dict) else None
    return Text.from_ansi(str(message or line)).plain


def _resident_bytes(groups: Collection[int | None]) -> dict[int, int]:
    """The memory of process groups by id, including child processes."""
    found: dict[int, int] = {}
    for pid in psutil.pids():
        with suppress(psutil.Error, OSError):
            group = os.getpgid(pid)
            if group in groups:
                found[group] = found.get(group, 0) + psutil.Process(pid).memory_info().rss
    return found


async def _ticks(until: "asyncio.Task[bool]") -> AsyncIterator[None]:
    while not until.done():
        yield
        await asyncio.wait({until}, timeout=_REFRESH_SECONDS)
