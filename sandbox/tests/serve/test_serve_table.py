"""The output of `bin/sandbox serve`: the table, plain lines without a terminal, and the logs."""

import asyncio
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from sandbox.serve.fleet import Process
from sandbox.serve.processes import table as shown
from sandbox.serve.processes.supervisor import Replica, Supervisor
from sandbox.serve.processes.table import View, live, states, table

ENTRY = "http://127.0.0.1:8800"


def fleet(tmp_path: Path, **replicas: int) -> Supervisor:
    """A fleet that is not started."""
    deployed = [
        Process(name=name.replace("_", "/"), image="x", replicas=number, kind="task")
        for name, number in replicas.items()
    ]
    return Supervisor(deployed, {}, tmp_path, lambda _: {})


def terminal(*, width: int = 120) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width, highlight=False)


def file(*, width: int = 120) -> Console:
    return Console(file=io.StringIO(), width=width, highlight=False)


def text(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def rows(supervisor: Supervisor, *, width: int = 120) -> list[list[str]]:
    """The cells of the table, without the headings."""
    console = file(width=width)
    console.print(table(supervisor, ENTRY))
    lines = [line for line in text(console).splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]


def test_the_table_has_a_row_for_each_workload(tmp_path: Path) -> None:
    supervisor = fleet(tmp_path, clock=2, agent_tools=1)
    first, second, tools = supervisor.replicas
    first.healthy, first.restarts, second.restarts = True, 1, 2
    first.lines.extend(["earlier", "latest"])
    assert tools.process.name == "agent/tools"
    assert rows(supervisor) == [
        ["clock", "task", "1 of 2", "3", "", "", "latest"],
        ["agent/tools", "task", "0 of 1", "0", "", "", ""],
    ]


def test_the_tables_title_tells_the_entry_and_how_to_end(tmp_path: Path) -> None:
    console = file()
    console.print(table(fleet(tmp_path, clock=1), ENTRY))
    first, _, headings, *_ = text(console).splitlines()
    assert first.strip() == f"{ENTRY} · Ctrl-C ends it"
    assert [each.strip() for each in headings.strip("┃").split("┃")] == [
        "workload",
        "runs as",
        "healthy",
        "restarts",
        "pid",
        "MiB",
        "last line",
    ]


def test_the_memory_of_a_workload_is_that_of_its_process_groups(tmp_path: Path) -> None:
    supervisor = fleet(tmp_path, clock=2)
    started: list[subprocess.Popen[bytes]] = []
    parent = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
    child = "print(1, flush=True); import time; time.sleep(600)"
    try:
        for replica in supervisor.replicas:
            process = subprocess.Popen(
                [sys.executable, "-c", parent, child],
                start_new_session=True,
                stdout=subprocess.PIPE,
            )
            started.append(process)
            replica.pid = process.pid
            assert process.stdout is not None
            process.stdout.readline()
        ((*_, pids, mib, _),) = rows(supervisor)
        family = [
            each
            for process in started
            for each in (psutil.Process(process.pid), *psutil.Process(process.pid).children())
        ]
        assert len(family) == 4
        expected = sum(each.memory_info().rss for each in family) / 2**20
        assert pids == " ".join(str(process.pid) for process in started)
        assert abs(int(mib) - expected) < expected / 10
    finally:
        for process in started:
            os.killpg(process.pid, 9)
            process.communicate()


def test_a_process_that_has_just_gone_has_no_memory(tmp_path: Path) -> None:
    supervisor = fleet(tmp_path, clock=1)
    with subprocess.Popen([sys.executable, "-c", ""], start_new_session=True) as gone:
        pass
    supervisor.replicas[0].pid = gone.pid
    assert rows(supervisor) == [["clock", "task", "0 of 1", "0", str(gone.pid), "0", ""]]


def test_a_last_line_is_cut_and_cannot_spoil_the_table(tmp_path: Path) -> None:
    supervisor = fleet(tmp_path, clock=1)
    supervisor.replicas[0].lines.append("\x1b[31mred\x1b[0m [bold]not bold[/bold] " + "x" * 500)
    ((*_, last),) = rows(supervisor)
    assert last.startswith("red [bold]not bold[/bold] xxx")
    assert last.endswith("…")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"time": "2026-11-23T05:52:22+00:00", "message": "up"}', "up"),
        ('{"time": "2026-11-23T05:52:22+00:00"}', '{"time": "2026-11-23T05:52:22+00:00"}'),
        ('{"message": ""}', '{"message": ""}'),
        ('["message"]', '["message"]'),
        ("{up}", "{up}"),
    ],
)
def test_of_a_json_line_the_message_is_shown(tmp_path: Path, line: str, expected: str) -> None:
    supervisor = fleet(tmp_path, clock=1)
    supervisor.replicas[0].lines.append(line)
    assert rows(supervisor)[0][-1] == expected


def test_the_state_of_a_workload_is_that_of_all_its_replicas(tmp_path: Path) -> None:
    supervisor = fleet(tmp_path, clock=2, notes=1)
    first, second, _ = supervisor.replicas
    first.healthy = True
    first.restarts, second.restarts = 1, 2
    assert states(supervisor) == {
        "clock": "1 of 2 healthy, restarts: 3",
        "notes": "0 of 1 healthy, restarts: 0",
    }


def watch(
    view: View, supervisor: Supervisor, console: Console, *steps: tuple[Callable[[], None], str]
) -> None:
    """Shows a fleet while it changes; after each change, a text must appear."""

    async def scenario() -> None:
        stop = asyncio.Event()
        until = asyncio.create_task(stop.wait())
        showing = asyncio.create_task(view.show(supervisor, ENTRY, until))
        await asyncio.sleep(0)
        for change, appears in steps:
            change()
            async with asyncio.timeout(30):
                while appears not in text(console):
                    await asyncio.sleep(0.01)
        assert not showing.done()
        stop.set()
        async with asyncio.timeout(30):
            await showing

    asyncio.run(scenario())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown, "_REFRESH_SECONDS", 0.01)


def test_on_a_terminal_the_table_is_shown_until_the_end(tmp_path: Path) -> None:
    supervisor = fleet(tmp_path, clock=1)
    replica, console = supervisor.replicas[0], terminal()

    def heal() -> None:
        replica.healthy = True

    def speak() -> None:
        replica.lines.append("something new")

    steps = (lambda: None, "0 of 1"), (heal, "1 of 1"), (speak, "something new")
    watch(View(console, None), supervisor, console, *steps)


def test_elsewhere_each_change_of_health_is_a_line(tmp_path: Path) -> None:
    supervisor = fleet(tmp_path, clock=1, notes=1)
    supervisor.replicas[1].healthy = True
    replica, console = supervisor.replicas[0], file(width=20)

    def heal() -> None:
        replica.healthy = True

    def die() -> None:
        replica.healthy, replica.restarts = False, 1
        replica.lines.append("not shown")

    steps = (heal, "clock: 1 of 1"), (die, "clock: 0 of 1"), (heal, "1 of 1 healthy, restarts: 1")
    watch(View(console, None), supervisor, console, *steps)
    assert text(console).splitlines() == [
        "clock: 1 of 1 healthy, restarts: 0",
        "clock: 0 of 1 healthy, restarts: 1",
        "clock: 1 of 1 healthy, restarts: 1",
    ]


def said(console: Console, follow: list[str] | None, *lines: tuple[str, str]) -> str:
    """The output for the log lines of workloads."""
    view = View(console, follow)
    for name, line in lines:
        process = Process(name=name, image="x", kind="task")
        view.line(Replica(process=process, number=0), line)
    return text(console)


@pytest.mark.parametrize(
    ("follow", "expected"),
    [
        (None, ""),
        ([], "clock                tick\nnotes                noted\nclock                tock\n"),
        (["notes"], "notes                noted\n"),
        (["notes", "nobody"], "notes                noted\n"),
    ],
)
def test_the_logs_of_those_that_are_followed_are_shown_by_name(
    follow: list[str] | None, expected: str
) -> None:
    lines = ("clock", "tick"), ("notes", "noted"), ("clock", "tock")
    assert said(file(), follow, *lines) == expected


def test_each_workload_has_a_colour_of_its_own_on_a_terminal() -> None:
    lines = said(terminal(), [], ("clock", "a"), ("notes", "b"), ("clock", "c")).splitlines()
    first, second, third = (line.partition("m")[0] for line in lines)
    assert first == third != second


def test_a_followed_line_is_neither_broken_nor_read_as_markup() -> None:
    line = "[bold]" + "x" * 200
    assert said(file(width=40), [], ("clock", line)) == f"clock                {line}\n"


def test_colours_of_a_followed_line_stay_on_a_terminal_and_nowhere_else() -> None:
    line = ("clock", "\x1b[31mred\x1b[0m")
    assert said(file(), [], line) == "clock                red\n"
    assert "\x1b[31mred" in said(terminal(), [], line)


def test_while_logs_are_followed_there_is_no_table(tmp_path: Path) -> None:
    supervisor, console = fleet(tmp_path, clock=1), terminal()
    view = View(console, [])

    def speak() -> None:
        view.line(supervisor.replicas[0], "tick")
        supervisor.replicas[0].healthy = True

    watch(view, supervisor, console, (speak, "tick"))
    assert "healthy" not in text(console)


def test_the_view_is_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    process = Process(name="clock", image="x", kind="task")
    live([]).line(Replica(process=process, number=0), "tick")
    assert capsys.readouterr().out == "clock                tick\n"
