"""What `bin/sandbox serve` shows: a live table of the processes, or their logs."""

import asyncio
from collections.abc import Sequence

import psutil
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sandbox.serve.processes import Copy, Supervisor

_REFRESH_SECONDS = 0.5
_MIB = 1024 * 1024
_COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "red")


class View:
    """A table, or the logs of some workloads, or of all."""

    def __init__(self, console: Console, follow: Sequence[str] | None) -> None:
        """Prepares it.

        Args:
            console: Where it is shown.
            follow: Whose logs, none for all; or None for the table.
        """
        self._console, self._follow = console, follow
        self._colours: dict[str, str] = {}

    def line(self, copy: Copy, line: str) -> None:
        """Shows a line of a log, if it is followed."""
        name = copy.process.name
        if self._follow is None or (self._follow and name not in self._follow):
            return
        colour = self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])
        self._console.print(Text.assemble((f"{name:<20} ", colour), line), soft_wrap=True)

    async def show(self, supervisor: Supervisor, entry: str, until: "asyncio.Task[bool]") -> None:
        """Shows how the processes are, until a task is done.

        Args:
            supervisor: The processes.
            entry: The gateway's address here.
            until: The task.
        """
        if self._follow is not None or not self._console.is_terminal:
            await until
            return
        with Live(_table(supervisor, entry), console=self._console, auto_refresh=False) as live:
            while not until.done():
                live.update(_table(supervisor, entry), refresh=True)
                await asyncio.wait({until}, timeout=_REFRESH_SECONDS)


def live(follow: Sequence[str] | None) -> View:
    """A view on the terminal.

    Args:
        follow: See `View`.
    """
    return View(Console(highlight=False), follow)


def _table(supervisor: Supervisor, entry: str) -> Table:
    table = Table(title=f"{entry} · Ctrl-C ends it", title_justify="left")
    for name in ("workload", "runs as", "pid", "health", "restarts", "MiB", "last line"):
        table.add_column(name, no_wrap=True, justify="right" if name == "MiB" else "left")
    for copy in supervisor.copies:
        table.add_row(
            copy.process.name,
            copy.process.kind,
            str(copy.pid or "–"),
            "[green]healthy[/green]" if copy.healthy else "[red]not healthy[/red]",
            str(copy.restarts),
            _memory(copy),
            Text(copy.lines[-1] if copy.lines else "", overflow="ellipsis"),
        )
    return table


def _memory(copy: Copy) -> str:
    try:
        return f"{psutil.Process(copy.pid).memory_info().rss / _MIB:.0f}" if copy.pid else "–"
    except psutil.Error:
        return "–"
