"""Processes: started as deployed, restarted, and ended with their child processes."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from sandbox.cloud.store import Cloud, StoredResource
from sandbox.home import ROOT
from sandbox.providers.docker_build.provider import IMAGE, content_hash, context_hash
from sandbox.serve.fleet import DeployedError, Process
from sandbox.serve.processes import supervisor as processes
from sandbox.serve.processes.images import Image, lay_out
from sandbox.serve.processes.supervisor import Replica, Supervisor, back_off_seconds

DEADLINE_SECONDS = 30
HOST = "clock.fleet.internal:8080"
SERVER = """
import json, os, signal, subprocess, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        status, body = 200, b"well"
        if self.path == "/about":
            body = json.dumps({"pid": os.getpid(), "env": dict(os.environ)}).encode()
        if self.path == "/sick":
            status = 503 if os.path.exists("sick") else 200
        if self.path == "/endless":
            self.send_response(200)
            self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            self.wfile.write(b"no gzip")
            self.wfile.flush()
            return self.rfile.read(1)
        if self.path == "/slow":
            print("begun", flush=True)
            while not os.path.exists("open"):
                time.sleep(0.01)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass

server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
server.daemon_threads = False
def stop(number, frame):
    print("asked by", signal.Signals(number).name, flush=True)
    threading.Thread(target=server.shutdown).start()
signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, stop)
print("up", flush=True)
server.serve_forever()
server.server_close()
print("bye", flush=True)
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, lambda *_: print("no", flush=True))
print("up", flush=True)
while True:
    time.sleep(60)
"""
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""


class Fleet:
    """Small programs as processes, and their logs.

    Attributes:
        supervisor: The supervisor of the processes.
        said: The log lines, each with the name of the process.
    """

    def __init__(self, folder: Path, deployed: list[Process], **changes: Any) -> None:
        self.said: list[tuple[str, str]] = []
        values: dict[str, Any] = {
            "root": folder / "image",
            "command": (),
            "environment": {},
            "working_folder": "/",
        }
        images: dict[str, Image] = {}
        for each in deployed:
            values["entry_point"] = ("python", f"{each.image}.py")
            images[each.name] = Image(**(values | changes))
        self.supervisor = Supervisor(
            deployed, images, folder, lambda process: {"GIVEN": process.name}, self._heard
        )

    def _heard(self, replica: Replica, line: str) -> None:
        self.said.append((replica.process.name, line))

    def lines(self, name: str) -> list[str]:
        return [line for who, line in self.said if who == name]

    async def ask(self, name: str, path: str) -> httpx2.Response:
        async with httpx2.AsyncClient(trust_env=False, timeout=DEADLINE_SECONDS) as client:
            return await client.get(f"{self.supervisor.url(name)}{path}")


def process(name: str = "clock", image: str = "server", **changes: Any) -> Process:
    values: dict[str, Any] = {"name": name, "image": image, "kind": "task"}
    return Process(**(values | changes))


def write(folder: Path, **programs: str) -> None:
    (folder / "image").mkdir()
    for name, text in {
        "server": SERVER,
        "stubborn": STUBBORN,
        "parent": PARENT,
        **programs,
    }.items():
        (folder / "image" / f"{name}.py").write_text(text)


@asynccontextmanager
async def running(
    folder: Path, *deployed: Process, programs: Mapping[str, str] | None = None, **image: Any
) -> AsyncGenerator[Fleet]:
    """Runs the processes, and waits until they are healthy."""
    write(folder, **(programs or {}))
    fleet = Fleet(folder, list(deployed), **image)
    async with fleet.supervisor:
        await fleet.supervisor.wait_healthy()
        yield fleet


async def until(condition: Callable[[], bool]) -> None:
    """Waits for a condition; fails after a deadline."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():
            await asyncio.sleep(0.01)


def wait_for_the_end_of(*pids: int) -> None:
    """Waits until processes have ended or are zombies."""
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            deadline = time.monotonic() + DEADLINE_SECONDS
            while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                assert time.monotonic() < deadline, process


def test_a_process_has_its_deployed_environment_and_nothing_of_the_operators(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "HTTP_PROXY", "SANDBOX_HOME", "PYTHONHOME"):
        monkeypatch.setenv(name, "the operator's")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("PATH", "/somewhere")
    deployed = {"OWN": "deployed", "BOTH": "deployed", "GIVEN": "deployed", "PATH": "/venv/bin"}

    async def scenario() -> dict[str, str]:
        async with running(
            tmp_path,
            process(environment=deployed | {"PORT": "8080"}),
            environment={"OF_IMAGE": "image", "BOTH": "image"},
        ) as fleet:
            about = (await fleet.ask("clock", "/about")).json()
            port = str(fleet.supervisor.replicas[0].port)
            assert about["env"].pop("PORT") == port != "8080"
            return about["env"]

    environment = asyncio.run(scenario())
    for name in ("LANG", "LC_ALL", "LC_CTYPE"):
        environment.pop(name, None)
    assert environment == {
        "BOTH": "deployed",
        "GIVEN": "clock",
        "HOME": str(tmp_path / "image"),
        "OF_IMAGE": "image",
        "OWN": "deployed",
        "PATH": f"{Path(sys.executable).parent}:/somewhere",
        "PYTHONPATH": str(tmp_path / "image"),
        "TMPDIR": str(tmp_path),
    }


def test_values_below_a_mount_name_the_folder_on_the_laptop_and_others_stay(tmp_path: Path) -> None:
    values = {
        "DIR": "/data",
        "SLASH": "/data/",
        "BELOW": "/data/notes/a.txt",
        "DEEPER": "/data/deep/a.txt",
        "BESIDE": "/database",
        "URL": "https://example.com/data",
        "ABOVE": "/",
    }
    files = {"/data/deep": "fs-2/", "/data": "fs-1/notes", "/data/": "fs-1/notes"}
    deployed = process(environment=values, files=files)

    async def scenario() -> dict[str, str]:
        async with running(tmp_path, deployed) as fleet:
            return (await fleet.ask("clock", "/about")).json()["env"]

    environment = asyncio.run(scenario())
    notes, deep = tmp_path / "files" / "fs-1" / "notes", tmp_path / "files" / "fs-2"
    assert {name: environment[name] for name in values} == {
        "DIR": str(notes),
        "SLASH": f"{notes}/",
        "BELOW": f"{notes}/notes/a.txt",
        "DEEPER": f"{deep}/a.txt",
        "BESIDE": "/database",
        "URL": "https://example.com/data",
        "ABOVE": "/",
    }
    assert notes.is_dir()
    assert deep.is_dir()


def test_files_outlive_the_processes(tmp_path: Path) -> None:
    place = tmp_path / "files" / "fs-1" / "kept"
    place.parent.mkdir(parents=True)
    place.write_text("kept")

    async def scenario() -> None:
        async with running(tmp_path, process(files={"/data": "fs-1"})):
            pass

    asyncio.run(scenario())
    assert place.read_text() == "kept"


def test_replicas_answer_in_turn_each_on_its_own_port(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path, process(replicas=2), process("notes")) as fleet:
            urls = [fleet.supervisor.url("clock") for _ in range(4)]
            assert urls[:2] == urls[2:]
            assert len(set(urls)) == 2
            assert fleet.supervisor.url("nobody") is None
            for _ in range(2):
                mixed = {fleet.supervisor.url(name) for name in ("clock", "notes")}
                assert len(mixed) == 2
            asked = [(await fleet.ask("clock", "/about")).json()["pid"] for _ in range(2)]
            assert sorted(asked) == sorted(fleet.supervisor.pids("clock"))

    asyncio.run(scenario())


def test_turns_of_one_workload_are_not_those_of_another(tmp_path: Path) -> None:
    supervisor = Fleet(tmp_path, [process(replicas=2), process("notes", replicas=2)]).supervisor
    for port, replica in enumerate(supervisor.replicas, 8001):
        replica.port, replica.healthy = port, True
    urls = [supervisor.url(name) for name in ("clock", "notes", "clock", "notes", "clock")]
    assert urls == [f"http://127.0.0.1:{port}" for port in (8001, 8003, 8002, 8004, 8001)]
    supervisor.replicas[0].healthy = False
    assert {supervisor.url("clock") for _ in range(3)} == {"http://127.0.0.1:8002"}
    supervisor.replicas[1].healthy = False
    assert supervisor.url("clock") is None


def test_a_killed_process_comes_back_and_is_not_handed_out_meanwhile(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path, process(), process("notes")) as fleet:
            supervisor = fleet.supervisor
            replica, others = supervisor.replicas[0], supervisor.pids("notes")
            (pid,) = supervisor.pids("clock")
            os.kill(pid, signal.SIGKILL)
            await until(lambda: replica.pid is None)
            assert supervisor.url("clock") is None
            assert supervisor.pids("clock") == []
            await until(lambda: replica.healthy)
            assert (await fleet.ask("clock", "/about")).json()["pid"] != pid
            assert replica.restarts == 1
            assert fleet.lines("clock") == [
                "up",
                "(ended by signal 9, Killed; starts again in 0.2 s)",
                "up",
            ]
            assert (supervisor.pids("notes"), supervisor.replicas[1].restarts) == (others, 0)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("failures", "seconds"), [(0, 0.2), (1, 0.4), (5, 6.4), (6, 10), (7, 10), (10**9, 10)]
)
def test_the_pauses_double_up_to_ten_seconds(failures: int, seconds: float) -> None:
    assert back_off_seconds(failures) == seconds


@pytest.mark.parametrize(("steady", "pauses"), [(0.0, [0.01, 0.01]), (60.0, [0.01, 0.02])])
def test_the_pauses_begin_again_after_a_steady_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steady: float, pauses: list[float]
) -> None:
    monkeypatch.setattr(processes, "STEADY_SECONDS", steady)
    monkeypatch.setattr(processes, "FIRST_PAUSE_SECONDS", 0.01)

    async def scenario() -> Fleet:
        write(tmp_path, ends="import sys; sys.exit(3)")
        fleet = Fleet(tmp_path, [process(image="ends")])
        async with fleet.supervisor:
            await until(lambda: len(fleet.said) >= 2)
        return fleet

    fleet = asyncio.run(scenario())
    assert fleet.lines("clock")[:2] == [
        f"(ended with status 3; starts again in {pause:g} s)" for pause in pauses
    ]


def test_one_that_never_gets_healthy_is_told_with_its_last_lines_and_the_others_run_on(
    tmp_path: Path,
) -> None:
    talks = (
        "import time\nfor number in range(12): print('line', number, flush=True)\ntime.sleep(600)"
    )

    async def scenario() -> None:
        write(tmp_path, talks=talks)
        deployed = [
            process(),
            process("sick", "talks", health_seconds=0.5),
            process("silent", "silent", replicas=2, health_seconds=0.5, health_path=None),
        ]
        (tmp_path / "image" / "silent.py").write_text("import time; time.sleep(600)")
        fleet = Fleet(tmp_path, deployed)
        async with fleet.supervisor:
            with pytest.raises(DeployedError) as told:
                await fleet.supervisor.wait_healthy()
            _, sick, *silent = (replica.port for replica in fleet.supervisor.replicas)
            lines = [f"    line {number}" for number in range(2, 12)]
            assert str(told.value).splitlines() == [
                f"sick did not become healthy within 0.5 s (asked at "
                f"http://127.0.0.1:{sick}/health, restarts: 0); its last log lines:",
                *lines,
                "silent (replica 1 of 2) did not become healthy within 0.5 s (asked at "
                f"http://127.0.0.1:{silent[0]}, restarts: 0); its last log lines:",
                "    (nothing)",
                "silent (replica 2 of 2) did not become healthy within 0.5 s (asked at "
                f"http://127.0.0.1:{silent[1]}, restarts: 0); its last log lines:",
                "    (nothing)",
            ]
            await until(lambda: fleet.supervisor.replicas[0].healthy)
            assert (await fleet.ask("clock", "/about")).status_code == 200

    asyncio.run(scenario())


def test_one_that_ends_again_and_again_is_told_before_its_time_is_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "FIRST_PAUSE_SECONDS", 0.001)

    async def scenario() -> None:
        write(tmp_path, broken="import nothing")
        fleet = Fleet(tmp_path, [process("broken", "broken", health_seconds=3600), process()])
        async with fleet.supervisor:
            with pytest.raises(DeployedError) as told:
                await fleet.supervisor.wait_healthy()
        first, *lines = str(told.value).splitlines()
        assert first.startswith("broken did not become healthy at all (asked at ")
        assert "    ModuleNotFoundError: No module named 'nothing'" in lines

    asyncio.run(scenario())


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        write(tmp_path)
        deployed = process(entry_point=("no-such-program",), health_seconds=0.5)
        fleet = Fleet(tmp_path, [deployed])
        async with fleet.supervisor:
            with pytest.raises(DeployedError, match="cannot start no-such-program: No such file"):
                await fleet.supervisor.wait_healthy()

    asyncio.run(scenario())


def test_a_variable_that_no_process_can_have_is_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        deployed = process(health_seconds=0.5, environment={"KEY": "a\0b"})
        async with Fleet(tmp_path, [deployed]).supervisor as supervisor:
            with pytest.raises(DeployedError, match=r"\(cannot be started: embedded null byte"):
                await supervisor.wait_healthy()

    asyncio.run(scenario())


def test_a_process_that_is_killed_is_started_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path, process()) as fleet:
            (pid,) = fleet.supervisor.pids("clock")
            fleet.supervisor.kill("clock")
            await until(lambda: fleet.supervisor.pids("clock") not in ([], [pid]))

    asyncio.run(scenario())


def test_a_working_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        fleet = Fleet(tmp_path, [process(health_seconds=0.5)])
        async with fleet.supervisor:
            with pytest.raises(DeployedError, match=r"\(cannot be started: .*No such file"):
                await fleet.supervisor.wait_healthy()

    asyncio.run(scenario())


def test_a_port_that_somebody_took_meanwhile_costs_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with running(tmp_path, process()) as fleet:
            taken = fleet.supervisor.replicas[0].port
            other = Fleet(tmp_path, [process()])
            ports = iter([taken])
            free = other.supervisor._free_port
            monkeypatch.setattr(other.supervisor, "_free_port", lambda: next(ports, None) or free())
            async with other.supervisor:
                await until(lambda: other.supervisor.replicas[0].restarts == 1)
                await other.supervisor.wait_healthy()
                await until(lambda: other.supervisor.replicas[0].port != taken)
            assert any("Address already in use" in line for line in other.lines("clock"))

    asyncio.run(scenario())


def test_health_is_what_the_path_answers_and_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_PROBE_AGAIN_SECONDS", 0.01)

    async def scenario() -> None:
        async with running(tmp_path, process(health_path="/sick")) as fleet:
            replica = fleet.supervisor.replicas[0]
            (tmp_path / "image" / "sick").touch()
            await until(lambda: not replica.healthy)
            assert fleet.supervisor.url("clock") is None
            assert fleet.supervisor.named("clock") is None
            (tmp_path / "image" / "sick").unlink()
            await until(lambda: replica.healthy)
            assert replica.restarts == 0

    asyncio.run(scenario())


def test_a_name_leads_to_an_unhealthy_replica_where_dns_knows_of_no_health(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_PROBE_AGAIN_SECONDS", 0.01)

    async def scenario() -> None:
        sick = process(health_path="/sick", named_by_health=False)
        async with running(tmp_path, sick) as fleet:
            replica = fleet.supervisor.replicas[0]
            (tmp_path / "image" / "sick").touch()
            await until(lambda: not replica.healthy)
            assert fleet.supervisor.url("clock") is None
            assert fleet.supervisor.named("clock") == f"http://127.0.0.1:{replica.port}"

    asyncio.run(scenario())


def test_of_the_answer_of_a_health_path_only_the_status_matters(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path, process(health_path="/endless")) as fleet:
            assert (await fleet.ask("clock", "/about")).status_code == 200

    asyncio.run(scenario())


def test_without_a_health_path_one_that_listens_is_healthy(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path, process(health_path=None)) as fleet:
            assert (await fleet.ask("clock", "/about")).status_code == 200

    asyncio.run(scenario())


def test_without_a_port_one_that_runs_is_healthy_and_has_no_url(tmp_path: Path) -> None:
    async def scenario() -> None:
        function = process(
            image="stubborn", port=None, health_path=None, kind="function", stop_seconds=0
        )
        async with running(tmp_path, function, programs={}) as fleet:
            assert fleet.supervisor.url("clock") is None
            assert len(fleet.supervisor.pids("clock")) == 1
            (pid,) = fleet.supervisor.pids("clock")
            assert "PORT" not in psutil.Process(pid).environ()

    asyncio.run(scenario())


def test_at_the_end_a_request_in_flight_is_answered(tmp_path: Path) -> None:
    async def scenario() -> tuple[Fleet, int]:
        async with running(tmp_path, process()) as fleet:
            request = asyncio.create_task(fleet.ask("clock", "/slow"))
            await until(lambda: "begun" in fleet.lines("clock"))
            ending = asyncio.create_task(fleet.supervisor.__aexit__(None, None, None))
            await until(lambda: "asked by SIGTERM" in fleet.lines("clock"))
            assert fleet.supervisor.url("clock") is None
            assert not request.done()
            (tmp_path / "image" / "open").touch()
            await ending
            return fleet, (await request).status_code

    fleet, status = asyncio.run(scenario())
    assert status == 200
    assert fleet.lines("clock") == ["up", "begun", "asked by SIGTERM", "bye"]
    assert fleet.supervisor.replicas[0].restarts == 0


def test_the_end_begins_with_the_images_own_signal(tmp_path: Path) -> None:
    async def scenario() -> Fleet:
        async with running(tmp_path, process(), stop_signal=signal.SIGINT) as fleet:
            return fleet

    assert asyncio.run(scenario()).lines("clock") == ["up", "asked by SIGINT", "bye"]


def test_one_that_does_not_end_is_killed_after_its_own_time(tmp_path: Path) -> None:
    async def scenario() -> tuple[Fleet, list[int]]:
        stubborn = process("stubborn", "stubborn", port=None, stop_seconds=0.3)
        async with running(tmp_path, stubborn, process(stop_seconds=600)) as fleet:
            await until(lambda: bool(fleet.lines("stubborn")))
            return fleet, fleet.supervisor.pids("stubborn") + fleet.supervisor.pids("clock")

    fleet, pids = asyncio.run(scenario())
    assert fleet.lines("stubborn") == ["up", "no"]
    assert not any(map(psutil.pid_exists, pids))


def test_all_are_asked_to_end_at_once(tmp_path: Path) -> None:
    async def scenario() -> Fleet:
        stubborn = [
            process(name, "stubborn", port=None, stop_seconds=600) for name in ("one", "two")
        ]
        async with running(tmp_path, *stubborn) as fleet:
            await until(lambda: len(fleet.said) == 2)
            ending = asyncio.create_task(fleet.supervisor.__aexit__(None, None, None))
            await until(lambda: len(fleet.said) == 4)
            for name in ("one", "two"):
                os.killpg(fleet.supervisor.pids(name)[0], signal.SIGKILL)
            await ending
        return fleet

    fleet = asyncio.run(scenario())
    assert sorted(fleet.said[2:]) == [("one", "no"), ("two", "no")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_a_process_has_started_ends_with_it(tmp_path: Path, number: int) -> None:
    async def scenario() -> list[int]:
        async with running(tmp_path, process(image="parent", port=None)) as fleet:
            await until(lambda: bool(fleet.said))
            os.kill(fleet.supervisor.pids("clock")[0], number)
            await until(lambda: len(fleet.said) == 3)
        return [int(line) for line in fleet.lines("clock") if line.isdecimal()]

    first, second = asyncio.run(scenario())
    wait_for_the_end_of(first, second)


def test_one_that_left_its_group_and_holds_the_log_does_not_hinder_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_DRAIN_SECONDS", 0.05)
    leaves = PARENT.replace('600)"])', '600)"], start_new_session=True)')

    async def scenario() -> list[int]:
        deployed = process(image="leaves", port=None)
        async with running(tmp_path, deployed, programs={"leaves": leaves}) as fleet:
            await until(lambda: bool(fleet.said))
            os.kill(fleet.supervisor.pids("clock")[0], signal.SIGKILL)
            await until(lambda: len(fleet.said) == 3)
            return [int(line) for line in fleet.lines("clock") if line.isdecimal()]

    for pid in asyncio.run(scenario()):
        os.kill(pid, signal.SIGKILL)


def test_nothing_is_left_when_the_supervisor_is_cancelled(tmp_path: Path) -> None:
    pids: list[int] = []

    async def scenario() -> None:
        stubborn = process(image="stubborn", port=None, stop_seconds=600)
        async with running(tmp_path, stubborn) as fleet:
            await until(lambda: bool(fleet.said))
            pids.extend(fleet.supervisor.pids("clock"))
            await asyncio.Event().wait()

    async def cancelled() -> None:
        task = asyncio.create_task(scenario())
        await until(lambda: bool(pids))
        task.cancel()  # ends the block, which sends SIGTERM to the process
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()  # ends the wait for the process
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert not any(map(psutil.pid_exists, pids))


@pytest.mark.parametrize("turns", range(5))
def test_one_that_ends_by_itself_at_the_end_is_none_to_stop(tmp_path: Path, turns: int) -> None:
    async def scenario() -> Fleet:
        write(tmp_path)
        fleet = Fleet(tmp_path, [process(image="stubborn", port=None, stop_seconds=600)])
        async with fleet.supervisor:
            await until(lambda: bool(fleet.said))
            ending = fleet.supervisor._running[fleet.supervisor.replicas[0]]
            os.kill(ending.pid, signal.SIGKILL)
            while ending.returncode is None:
                await asyncio.sleep(0)
            # The number of event loop iterations in which the supervisor can notice the end.
            for _ in range(turns):
                await asyncio.sleep(0)
        return fleet

    fleet = asyncio.run(scenario())
    assert fleet.lines("clock")[0] == "up"
    assert fleet.supervisor.pids("clock") == []


def test_at_the_end_nobody_waits_for_one_in_its_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FIRST_PAUSE_SECONDS", "LONGEST_PAUSE_SECONDS"):
        monkeypatch.setattr(processes, name, 3600)

    async def scenario() -> Fleet:
        write(tmp_path, ends="print('ends')")
        fleet = Fleet(tmp_path, [process(image="ends")])
        async with fleet.supervisor:
            await until(lambda: len(fleet.said) == 2)
        return fleet

    fleet = asyncio.run(scenario())
    assert fleet.lines("clock") == ["ends", "(ended with status 0; starts again in 3600 s)"]
    assert fleet.supervisor.replicas[0].restarts == 0


def test_a_probe_that_comes_back_during_the_end_makes_nobody_healthy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_PROBE_AGAIN_SECONDS", 0.01)

    async def scenario() -> None:
        asked, answered, returned = (asyncio.Event() for _ in range(3))

        async def is_well(*_: object) -> bool:
            if not replicas or not replicas[0].healthy:
                return True
            asked.set()
            await answered.wait()
            asyncio.get_running_loop().call_soon(returned.set)
            return True

        replicas: list[Replica] = []
        monkeypatch.setattr(processes, "_is_well", is_well)
        async with running(tmp_path, process(image="stubborn", stop_seconds=600)) as fleet:
            replicas += fleet.supervisor.replicas
            await until(lambda: fleet.said == [("clock", "up")])
            await asked.wait()
            ending = asyncio.create_task(fleet.supervisor.__aexit__(None, None, None))
            await until(lambda: fleet.said[1:] == [("clock", "no")])
            answered.set()
            await returned.wait()
            assert fleet.supervisor.url("clock") is None
            os.kill(fleet.supervisor.pids("clock")[0], signal.SIGKILL)
            await ending

    asyncio.run(scenario())


BODY = json.dumps(
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/list",
        "params": {
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
            }
        },
    }
).encode()
HEADERS = {
    "Accept": "application/json, text/event-stream",
    "Content-Type": "application/json",
    "Host": HOST,
    "MCP-Protocol-Version": "2026-07-28",
    "Mcp-Method": "tools/list",
}
SUPERVISING = """
import asyncio, sys
from pathlib import Path
from sandbox.tests.serve.test_serve_processes import process, running

async def main():
    async with running(Path(sys.argv[1]), process(image="stubborn", port=None)) as fleet:
        while not fleet.said:
            await asyncio.sleep(0.01)
        print(*fleet.supervisor.pids("clock"), flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def test_nothing_is_left_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISING, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE
    ) as supervisor:
        assert supervisor.stdout is not None
        child = int(supervisor.stdout.readline())
        supervisor.kill()
    wait_for_the_end_of(child)


def test_logs_are_in_files_of_this_run_and_told_line_by_line(tmp_path: Path) -> None:
    logs = tmp_path / "serve" / "logs"
    logs.mkdir(parents=True)
    (logs / "agent.tools.log").write_text("of an earlier run\n")
    talks = (
        "import sys, time\n"
        "print('out', flush=True)\n"
        "print('err\\n\\nlast', end='', file=sys.stderr, flush=True)\n"
        "sys.stdout.buffer.write(b'\\xff\\n'); sys.stdout.flush()\n"
        "sys.stdout.write('no end'); sys.stdout.flush()\n"
    )

    async def scenario() -> Fleet:
        write(tmp_path, talks=talks)
        fleet = Fleet(tmp_path, [process("agent/tools", "talks", port=None, health_path=None)])
        async with fleet.supervisor:
            await until(lambda: len(fleet.said) >= 5)
        return fleet

    fleet = asyncio.run(scenario())
    expected = ["out", "err", "", "last\N{REPLACEMENT CHARACTER}", "no end"]
    assert fleet.lines("agent/tools")[:5] == expected
    assert (logs / "agent.tools.log").read_text().splitlines()[:5] == expected
    assert list(fleet.supervisor.replicas[0].lines)[:5] == expected


@pytest.mark.parametrize(
    ("beyond", "lengths"), [(0, [65536]), (1, [65536, 1]), (65537, [65536, 65536, 1])]
)
@pytest.mark.parametrize("end", ["", "\\n"])
def test_a_line_that_is_too_long_is_broken(
    tmp_path: Path, beyond: int, lengths: list[int], end: str
) -> None:
    long = f"print('x' * {65536 + beyond}, end='{end}', flush=True)"

    async def scenario() -> Fleet:
        write(tmp_path, long=long)
        fleet = Fleet(tmp_path, [process(image="long", port=None)])
        async with fleet.supervisor:
            await until(lambda: any("status 0" in line for _, line in fleet.said))
        return fleet

    fleet = asyncio.run(scenario())
    assert [len(line) for line in fleet.lines("clock")[: len(lengths)]] == lengths
    assert "status 0" in fleet.lines("clock")[len(lengths)]


def test_a_fleet_of_nobody_is_healthy(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as fleet:
            assert fleet.supervisor.replicas == []

    asyncio.run(scenario())


def test_the_clock_of_this_repository_is_laid_out_started_asked_and_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    cloud = Cloud(tmp_path / "cloud.sqlite")
    deployed = clock(cloud)
    image = lay_out(cloud, deployed, tmp_path)
    cloud.close()

    said: list[str] = []

    async def scenario() -> bytes:
        supervisor = Supervisor(
            [deployed], {"clock": image}, tmp_path, lambda _: {}, lambda _, line: said.append(line)
        )
        async with supervisor:
            await supervisor.wait_healthy()
            assert await tools(supervisor) == ["convert", "difference", "now"]
            os.kill(supervisor.pids("clock")[0], signal.SIGKILL)
            await until(lambda: supervisor.replicas[0].restarts == 1)
            await supervisor.wait_healthy()
            assert await tools(supervisor) == ["convert", "difference", "now"]
            reader, writer = await half_a_request(supervisor)
            ending = asyncio.create_task(supervisor.__aexit__(None, None, None))
            await until(lambda: "Shutting down" in "".join(said))
            writer.write(BODY[1:])
            answer = await reader.read()
            writer.close()
            await ending
        return answer

    answer = asyncio.run(scenario())
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b'"name":"now"' in answer


async def half_a_request(
    supervisor: Supervisor,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Requests the tools of the clock, and sends most of the body later."""
    reader, writer = await asyncio.open_connection("127.0.0.1", supervisor.replicas[0].port)
    headers = HEADERS | {"Content-Length": str(len(BODY)), "Connection": "close"}
    lines = ["POST /mcp HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    # The server has confirmed the request, and waits for its body.
    writer.write("\r\n".join([*lines[:-2], "Expect: 100-continue", "", ""]).encode() + BODY[:1])
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    return reader, writer


def clock(cloud: Cloud) -> Process:
    """Puts the build of the clock into a cloud, and returns its deployed process."""
    built = {
        "context": {
            "location": "workloads/clock",
            "named": {"common": {"location": "workloads/common"}},
        },
        "dockerfile": {"location": "workloads/clock/Dockerfile"},
    }
    content = content_hash(built)
    properties = {**built, "contextHash": context_hash(built), "digest": f"sha256:{content}"}
    cloud.put(
        StoredResource(
            provider="docker-build", type=IMAGE, id=content, inputs=built, properties=properties
        )
    )
    environment = {"MCP_ALLOWED_HOSTS": HOST}
    return process(image=f"clock@sha256:{content}", environment=environment)


async def tools(supervisor: Supervisor) -> list[str]:
    """The names of the clock's tools."""
    async with httpx2.AsyncClient(trust_env=False, timeout=DEADLINE_SECONDS) as client:
        url = f"{supervisor.url('clock')}/mcp"
        response = await client.post(url, content=BODY, headers=HEADERS)
    assert response.status_code == 200, response.text
    return sorted(tool["name"] for tool in response.json()["result"]["tools"])
