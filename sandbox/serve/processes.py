"""Starts the processes of a fleet, keeps them alive, and ends them."""

import asyncio
import os
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx2

from sandbox.serve.images import Image
from sandbox.serve.plan import DeployedError, Process

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.2, 10.0
_STEADY_SECONDS = 30.0
_PROBE_SECONDS, _PROBE_AGAIN_SECONDS = 0.1, 2.0
_PROBE_TIMEOUT_SECONDS = 3.0
_PROBE_FAILURES = 3
_LAST_LINES = 10
# What a process may know of the laptop: no configuration and no credentials of who runs it.
_OUTER = ("HOME", "LANG", "LC_ALL", "PATH", "SYSTEMROOT", "TMPDIR")


@dataclass(kw_only=True, eq=False)
class Copy:
    """One running copy of a process.

    Attributes:
        process: What it is a copy of.
        number: Which one, from 0.
        port: Its port on the laptop, or None.
        pid: The operating system's number, or None while there is none.
        healthy: Whether it answered its last probe.
        restarts: How often it was started again.
        lines: The last lines of its log.
    """

    process: Process
    number: int
    port: int | None = None
    pid: int | None = None
    healthy: bool = False
    restarts: int = 0
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=_LAST_LINES))


class Supervisor:
    """The processes of a fleet while they run; an asynchronous context manager.

    Attributes:
        copies: All of them, in the order of the processes.
    """

    def __init__(
        self,
        processes: Sequence[Process],
        images: Mapping[str, Image],
        home: Path,
        platform: Callable[[Process], Mapping[str, str]],
        on_line: Callable[[Copy, str], None] = lambda _copy, _line: None,
    ) -> None:
        """Prepares them; nothing is started yet.

        Args:
            processes: What runs.
            images: Their images, by the process's name.
            home: The sandbox's home: files are in `files`, logs in `serve/logs`.
            platform: What the platform puts into an environment besides what is deployed.
            on_line: Told every line that a process writes.
        """
        self._images, self._home, self._platform, self._on_line = images, home, platform, on_line
        self.copies = [
            Copy(process=process, number=number)
            for process in processes
            for number in range(process.copies)
        ]
        self._turn = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._running: dict[Copy, asyncio.subprocess.Process] = {}
        self._ending = False
        self._logs = home / "serve" / "logs"

    async def __aenter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True)
        self._tasks = [asyncio.create_task(self._keep(copy)) for copy in self.copies]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ending = True
        await asyncio.gather(*(self._end(copy) for copy in list(self._running)))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def url(self, name: str) -> str | None:
        """The base URL of a healthy copy of a process, each in turn, or None."""
        well = [one for one in self.copies if one.process.name == name and one.healthy and one.port]
        self._turn += 1
        return f"http://127.0.0.1:{well[self._turn % len(well)].port}" if well else None

    async def wait_healthy(self) -> None:
        """Waits until every copy is healthy.

        Raises:
            DeployedError: a copy is not, after the time that its process gives it; the text has the
                last lines of its log.
        """
        late = [
            copy
            for copy, well in zip(
                self.copies, await asyncio.gather(*map(self._well, self.copies)), strict=True
            )
            if not well
        ]
        if late:
            raise DeployedError("\n".join(self._told(copy) for copy in late))

    def _told(self, copy: Copy) -> str:
        name, seconds = copy.process.name, copy.process.health_seconds
        lines = "\n".join(f"    {line}" for line in copy.lines) or "    (nothing)"
        return f"{name} did not get healthy within {seconds:.0f} s; it said last:\n{lines}"

    async def _well(self, copy: Copy) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(copy.process.health_seconds):
                while not copy.healthy:
                    await asyncio.sleep(_PROBE_SECONDS)
        return copy.healthy

    async def _keep(self, copy: Copy) -> None:
        """Starts a copy, and again whenever it ends."""
        pause = _FIRST_PAUSE_SECONDS
        while not self._ending:
            started = time.monotonic()
            await self._run(copy)
            if self._ending:
                return
            if time.monotonic() - started > _STEADY_SECONDS:
                pause = _FIRST_PAUSE_SECONDS
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            copy.restarts += 1

    async def _run(self, copy: Copy) -> None:
        """Runs a copy once, until it ends."""
        image, process = self._images[copy.process.name], copy.process
        copy.port = _free_port() if process.port else None
        running = await asyncio.create_subprocess_exec(
            *image.start_words(process),
            cwd=image.root / image.working_folder.lstrip("/"),
            env=self._environment(copy, image),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            limit=2**20,
        )
        self._running[copy], copy.pid = running, running.pid
        probing = asyncio.create_task(self._probe(copy))
        try:
            await self._follow(copy, running)
            await running.wait()
        finally:
            probing.cancel()
            copy.healthy, copy.pid = False, None
            del self._running[copy]

    def _environment(self, copy: Copy, image: Image) -> dict[str, str]:
        """What is deployed, but for what a laptop has elsewhere."""
        process = copy.process
        outer = {name: os.environ[name] for name in _OUTER if name in os.environ}
        folders = {mount: str(self._folder(place)) for mount, place in process.files.items()}
        told = {
            name: _moved(value, folders)
            for name, value in {**image.environment, **process.environment}.items()
        }
        port = {"PORT": str(copy.port)} if copy.port else {}
        found = {"PYTHONPATH": str(image.root / image.working_folder.lstrip("/"))}
        return {**outer, **found, **told, **self._platform(process), **port}

    def _folder(self, place: str) -> Path:
        folder = self._home / "files" / place
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    async def _follow(self, copy: Copy, running: asyncio.subprocess.Process) -> None:
        path = self._logs / f"{copy.process.name.replace('/', '.')}.log"
        assert running.stdout is not None  # noqa: S101 - it was asked for
        with path.open("a") as log:
            async for raw in running.stdout:
                line = raw.decode(errors="replace").rstrip("\n")
                copy.lines.append(line)
                log.write(f"{line}\n")
                log.flush()
                self._on_line(copy, line)

    async def _probe(self, copy: Copy) -> None:
        """Asks a copy for its health, often until it is well, then now and again."""
        if copy.port is None or copy.process.health_path is None:
            copy.healthy = copy.port is None or await _listens(copy.port)
            while not copy.healthy:
                await asyncio.sleep(_PROBE_SECONDS)
                copy.healthy = await _listens(copy.port or 0)
            return
        failures = 0
        url = f"http://127.0.0.1:{copy.port}{copy.process.health_path}"
        async with httpx2.AsyncClient(trust_env=False, timeout=_PROBE_TIMEOUT_SECONDS) as client:
            while True:
                try:
                    well = (await client.get(url)).is_success
                except httpx2.TransportError:
                    well = False
                failures = 0 if well else failures + 1
                if well or failures >= _PROBE_FAILURES:
                    copy.healthy = well
                await asyncio.sleep(_PROBE_AGAIN_SECONDS if copy.healthy else _PROBE_SECONDS)

    async def _end(self, copy: Copy) -> None:
        """Ends a copy as its platform would."""
        running = self._running[copy]
        copy.healthy = False
        with suppress(ProcessLookupError):
            running.terminate()
        try:
            async with asyncio.timeout(copy.process.stop_seconds):
                await running.wait()
        except TimeoutError:
            pass
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)


def _moved(value: str, folders: Mapping[str, str]) -> str:
    for mount, folder in folders.items():
        if value == mount or value.startswith(f"{mount.rstrip('/')}/"):
            return folder + value[len(mount.rstrip("/")) :]
    return value


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
