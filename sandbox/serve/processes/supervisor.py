"""Starts, restarts and stops the processes of a fleet."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx2

from sandbox.serve.fleet import DeployedError, Process
from sandbox.serve.processes.images import Image

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 10.0
HOPELESS_RESTARTS = 5
"""Restarts after which a replica that has never been healthy counts as failed. A Lambda function
may take many minutes to start."""
STEADY_SECONDS = 30.0
"""The uptime after which earlier restarts of a process no longer count."""
LAST_LINES = 10
"""The number of log lines in an error message."""
LONGEST_LINE_BYTES = 64 * 1024
"""The maximum length of a log line; longer lines are split."""

_PROBE_SECONDS, _PROBE_AGAIN_SECONDS = 0.1, 2.0
_PROBE_TIMEOUT_SECONDS = 3.0
_PROBE_FAILURES = 3
# The local variables that processes get; none has configuration or credentials of the user.
_OUTER = ("LANG", "LC_ALL", "TMPDIR")
_DRAIN_SECONDS = 1.0
# Starts a process that Linux kills when the supervisor ends for any reason: 1 is PR_SET_PDEATHSIG
# of prctl(2). It is a separate program because little is safe between fork and exec.
_START = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 9)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
try:
    os.execvp(sys.argv[2], sys.argv[2:])
except OSError as error:
    sys.exit(f"cannot start {sys.argv[2]}: {error.strerror}")
"""


@dataclass(kw_only=True, eq=False)
class Replica:
    """One running replica of a process.

    Attributes:
        process: The process that it is a replica of.
        number: Its index, from 0.
        port: Its local port, or None.
        pid: The id of its operating system process and process group, or None if it is not running.
        healthy: Whether its last probe succeeded.
        restarts: The number of restarts.
        lines: The last lines of its log.
    """

    process: Process
    number: int
    port: int | None = None
    pid: int | None = None
    healthy: bool = False
    restarts: int = 0
    lines: deque[str] = field(default_factory=lambda: deque[str](maxlen=LAST_LINES))


def back_off_seconds(failures: int) -> float:
    """The delay before a restart, in seconds.

    Args:
        failures: The number of earlier restarts that count.
    """
    return min(FIRST_PAUSE_SECONDS * 2 ** min(failures, 32), LONGEST_PAUSE_SECONDS)


class Supervisor:
    """The running processes of a fleet; an asynchronous context manager.

    A process gets a free port for each start; if another program takes it first, the process is
    restarted. Its process group ends with it. On Linux a process also ends if the supervisor is
    killed.

    Attributes:
        replicas: All of them, in the order of the processes.
    """

    def __init__(
        self,
        processes: Sequence[Process],
        images: Mapping[str, Image],
        home: Path,
        platform: Callable[[Process], Mapping[str, str]],
        on_line: Callable[[Replica, str], None] = lambda _replica, _line: None,
    ) -> None:
        """Prepares the processes without starting them.

        Args:
            processes: The processes.
            images: Their images, by the process's name.
            home: The sandbox's home: files are in `files`, logs in `serve/logs`.
            platform: The variables that the platform adds to the deployed ones.
            on_line: Called with each line that a process writes.
        """
        self._images, self._home, self._platform, self._on_line = images, home, platform, on_line
        self.replicas = [
            Replica(process=process, number=number)
            for process in processes
            for number in range(process.replicas)
        ]
        self._turns: dict[str, int] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._running: dict[Replica, asyncio.subprocess.Process] = {}
        self._ending = False
        self._logs = home / "serve" / "logs"
        # Each probe opens a new connection, as on the platforms.
        self._client = httpx2.AsyncClient(
            trust_env=False,
            timeout=_PROBE_TIMEOUT_SECONDS,
            limits=httpx2.Limits(max_keepalive_connections=0),
        )

    async def __aenter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True)
        for replica in self.replicas:
            self._log(replica).unlink(missing_ok=True)
        self._tasks = [asyncio.create_task(self._keep(replica)) for replica in self.replicas]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ending = True
        for replica, task in zip(self.replicas, self._tasks, strict=True):
            if replica not in self._running:
                task.cancel()
        try:
            await asyncio.gather(*(self._end(*each) for each in self._running.items()))
        except asyncio.CancelledError:
            for task in self._tasks:
                task.cancel()
            raise
        finally:
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._client.aclose()

    def url(self, name: str) -> str | None:
        """The base URL of a healthy replica of a process (round robin), or None."""
        return self._next(name, [one for one in self._listening(name) if one.healthy])

    def named(self, name: str) -> str | None:
        """The base URL of a replica behind the process's private name (round robin), or None.

        If DNS does not depend on health, the name resolves to every running replica.
        """
        found = [
            one
            for one in self._listening(name)
            if one.healthy or (one.pid and not one.process.named_by_health)
        ]
        return self._next(name, found)

    def _listening(self, name: str) -> list[Replica]:
        return [one for one in self.replicas if one.process.name == name and one.port]

    def _next(self, name: str, well: Sequence[Replica]) -> str | None:
        turn = self._turns[name] = self._turns.get(name, -1) + 1
        return _url(well[turn % len(well)]) if well else None

    def pids(self, name: str) -> list[int]:
        """The process ids of the running replicas of a process."""
        return [one.pid for one in self.replicas if one.process.name == name and one.pid]

    def kill(self, name: str) -> None:
        """Kills the replicas of a process and their child processes; they are restarted."""
        for pid in self.pids(name):
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)

    async def wait_healthy(self) -> None:
        """Waits until every replica is healthy.

        Raises:
            DeployedError: a replica is not healthy within the timeout of its process or after
                `HOPELESS_RESTARTS`. The message has the last lines of its log. The others continue.
        """
        told = await asyncio.gather(*map(self._sickness, self.replicas))
        if any(told):
            raise DeployedError("\n".join(each for each in told if each))

    async def _sickness(self, replica: Replica) -> str | None:
        """Waits until a replica is healthy; after a timeout, returns the error message."""
        process = replica.process
        with suppress(TimeoutError):
            async with asyncio.timeout(process.health_seconds):
                while not replica.healthy and replica.restarts < HOPELESS_RESTARTS:
                    await asyncio.sleep(_PROBE_SECONDS)
        if replica.healthy:
            return None
        hopeless = replica.restarts >= HOPELESS_RESTARTS
        when = "at all" if hopeless else f"within {process.health_seconds:g} s"
        which = (
            f" (replica {replica.number + 1} of {process.replicas})" if process.replicas > 1 else ""
        )
        asked = f"asked at {_url(replica)}{process.health_path or ''}, " if replica.port else ""
        lines = "".join(f"\n    {line}" for line in replica.lines) or "\n    (nothing)"
        return (
            f"{process.name}{which} did not become healthy {when} "
            f"({asked}restarts: {replica.restarts}); its last log lines:{lines}"
        )

    async def _keep(self, replica: Replica) -> None:
        """Starts a replica, and restarts it when it ends."""
        failures = 0
        while not self._ending:
            started = time.monotonic()
            try:
                end = await self._run(replica)
            except (OSError, ValueError) as error:
                end = f"cannot be started: {error}"
            if self._ending:
                return
            if time.monotonic() - started >= STEADY_SECONDS:
                failures = 0
            pause = back_off_seconds(failures)
            failures += 1
            self._tell(replica, f"({end}; starts again in {pause:g} s)")
            await asyncio.sleep(pause)
            replica.restarts += 1

    async def _run(self, replica: Replica) -> str:
        """Runs a replica until it ends; returns a description of its end."""
        image, process = self._images[replica.process.name], replica.process
        replica.port = self._free_port() if process.port else None
        async with _pipe() as (reader, writer):
            try:
                running = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-I", "-S", "-c", _START, str(os.getpid())),
                    *image.start_words(process),
                    cwd=image.folder,
                    env=self._environment(replica, image),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=writer,
                    stderr=writer,
                    start_new_session=True,
                )
            finally:
                os.close(writer)
            self._running[replica], replica.pid = running, running.pid
            probing = asyncio.create_task(self._probe(replica))
            following = asyncio.create_task(self._follow(replica, reader))
            try:
                await running.wait()
            finally:
                replica.healthy, replica.pid = False, None
                del self._running[replica]
                probing.cancel()
                # As in a container, child processes end with the process.
                with suppress(ProcessLookupError):
                    os.killpg(running.pid, signal.SIGKILL)
                status = await running.wait()
                # A process that has left the group may keep the pipe open.
                await asyncio.wait({following}, timeout=_DRAIN_SECONDS)
                following.cancel()
        if status < 0:
            return f"ended by signal {-status}, {signal.strsignal(-status)}"
        return f"ended with status {status}"

    def _free_port(self) -> int:
        taken = {replica.port for replica in self.replicas}
        while True:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                port = int(listener.getsockname()[1])
            if port not in taken:
                return port

    def _environment(self, replica: Replica, image: Image) -> dict[str, str]:
        """The deployed variables, with local paths in place of mount paths."""
        process = replica.process
        outer = {name: os.environ[name] for name in _OUTER if name in os.environ}
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        own = {"HOME": str(image.root), "PYTHONPATH": str(image.folder)}
        folders = {mount: str(self._folder(place)) for mount, place in process.files.items()}
        told = {
            name: _moved(value, folders)
            for name, value in {**image.environment, **process.environment}.items()
        }
        port = {"PORT": str(replica.port)} if replica.port else {}
        return {**outer, **own, **told, **self._platform(process), **port, "PATH": programs}

    def _folder(self, place: str) -> Path:
        folder = self._home / "files" / place
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _log(self, replica: Replica) -> Path:
        return self._logs / f"{replica.process.name.replace('/', '.')}.log"

    async def _follow(self, replica: Replica, reader: asyncio.StreamReader) -> None:
        """Reports the lines of a process, including a last one without a line break."""
        rest = b""
        while chunk := await reader.read(LONGEST_LINE_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > LONGEST_LINE_BYTES:
                lines, rest = [*lines, rest[:LONGEST_LINE_BYTES]], rest[LONGEST_LINE_BYTES:]
            self._tell(replica, *(part for line in lines for part in _parts(line)))
        if rest:
            self._tell(replica, *_parts(rest))

    def _tell(self, replica: Replica, *lines: str) -> None:
        replica.lines.extend(lines)
        with self._log(replica).open("a") as log:
            log.writelines(f"{line}\n" for line in lines)
        for line in lines:
            self._on_line(replica, line)

    async def _probe(self, replica: Replica) -> None:
        """Probes a replica: frequently until it is healthy, then at intervals."""
        failures = 0
        while not self._ending:
            well = await _is_well(self._client, replica)
            failures = 0 if well else failures + 1
            if well or failures >= _PROBE_FAILURES:
                replica.healthy = well and not self._ending
            await asyncio.sleep(_PROBE_AGAIN_SECONDS if replica.healthy else _PROBE_SECONDS)

    async def _end(self, replica: Replica, running: asyncio.subprocess.Process) -> None:
        """Stops a replica as its platform does; it may already have ended."""
        replica.healthy = False
        try:
            with suppress(ProcessLookupError):
                running.send_signal(self._images[replica.process.name].stop_signal)
            with suppress(TimeoutError):
                async with asyncio.timeout(replica.process.stop_seconds):
                    await running.wait()
        finally:
            if running.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(running.pid, signal.SIGKILL)


@asynccontextmanager
async def _pipe() -> AsyncGenerator[tuple[asyncio.StreamReader, int]]:
    """A pipe for the output of a process.

    asyncio reports the end of a process only after the pipes that asyncio created are closed, and
    child processes can keep those open.

    Yields:
        The read end, and the descriptor of the write end, which the caller closes.
    """
    ours, theirs = os.pipe()
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(ours, "rb", buffering=0)
    )
    try:
        yield reader, theirs
    finally:
        transport.close()


def _parts(line: bytes) -> Iterator[str]:
    for start in range(0, max(len(line), 1), LONGEST_LINE_BYTES):
        yield line[start : start + LONGEST_LINE_BYTES].decode(errors="replace")


def _url(replica: Replica) -> str:
    """The base URL of a replica, which gets its port in `PORT`."""
    return f"http://127.0.0.1:{replica.port}"


async def _is_well(client: httpx2.AsyncClient, replica: Replica) -> bool:
    if replica.port is None:
        return True
    if replica.process.health_path is None:
        return await _listens(replica.port)
    try:
        # The body is not read, as on the platforms.
        async with client.stream("GET", f"{_url(replica)}{replica.process.health_path}") as answer:
            return answer.is_success
    except httpx2.TransportError:
        return False


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def _moved(value: str, folders: Mapping[str, str]) -> str:
    """A value; a path below a mount becomes the local path."""
    for mount in sorted(folders, key=len, reverse=True):
        start = mount.rstrip("/")
        if value == start or value.startswith(f"{start}/"):
            return folders[mount] + value[len(start) :]
    return value
