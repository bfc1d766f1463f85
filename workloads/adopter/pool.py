"""A pool of warm processes of a stdio MCP server.

Each process is initialised once and handles one call at a time. A call takes a free process or
waits for one. A process that exits, or whose call times out, is replaced. The calls of the other
processes are not affected.
"""

import math
import os
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeVar, cast

import anyio
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.client import Client
from mcp.client.session import ClientSession, MessageHandlerFnT
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage
from mcp_types import EmptyResult, Implementation, PingRequest

from common.ending import unless_set
from common.json_log import log

from .orphans import collect

END_SECONDS = 5
"""How long a process may take to end: the SDK closes its stdin, sends SIGTERM to its group two
seconds later, and SIGKILL after two more (mcp 2.3.0, `mcp.client.stdio`)."""

# From the second failure in a row on, so that a command that always fails causes no busy loop.
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 10.0

# A process whose caller disconnected is kept if it answers a ping within this time.
_PING_SECONDS = 2.0

_CHUNK_BYTES = 65_536
_LONGEST_LINE = 2_000  # characters of a logged line of stderr

_Result = TypeVar("_Result")
_Messages = SessionMessage | Exception


class PoolError(Exception):
    """A call failed because of the processes; the text is for the caller."""


class NotStartedError(Exception):
    """The first process did not start; the text is the reason."""


@dataclass(eq=False, kw_only=True)
class _Process:
    number: int
    client: Client
    ended: anyio.Event = field(default_factory=anyio.Event)  # it has ended or must end
    answered: bool = False


class Pool:
    """The processes.

    Args:
        command: The command of each process.
        least: The minimum number of processes, started immediately.
        most: The maximum number of processes; those above `least` are started when calls wait.
        call_seconds: The timeout of a call, with the wait for a free process.
        start_seconds: The timeout for starting and initialising a process.
        show_stderr: Whether to log the lines that they write to stderr, or only their number.
        on_message: Called with each notification of a process.
    """

    def __init__(
        self,
        command: StdioServerParameters,
        *,
        least: int,
        most: int,
        call_seconds: float,
        start_seconds: float,
        show_stderr: bool,
        on_message: MessageHandlerFnT,
    ) -> None:
        self._command = command
        self._least = least
        self._most = most
        self._call_seconds = call_seconds
        self._start_seconds = start_seconds
        self._show_stderr = show_stderr
        self._on_message = on_message
        self._numbers = count(1)
        self._kept = 0
        self._alive: set[_Process] = set()
        self._failure: str | None = None
        self._tasks: TaskGroup
        self._first: anyio.Event
        self._put: MemoryObjectSendStream[_Process]
        self._free: MemoryObjectReceiveStream[_Process]

    @property
    def alive(self) -> int:
        """The number of processes that are initialised and have not ended."""
        return len(self._alive)

    @asynccontextmanager
    async def running(self, told: anyio.Event) -> AsyncGenerator[None]:
        """Start the minimum number, wait for the first, and end all processes on exit.

        Args:
            told: Set on SIGTERM: the first process is then not waited for.

        Raises:
            NotStartedError: If the first process that reports did not start.
        """
        self._first = anyio.Event()
        self._put, self._free = anyio.create_memory_object_stream[_Process](math.inf)
        failure: str | None = None
        with self._put, self._free:
            async with anyio.create_task_group() as self._tasks:
                for _ in range(self._least):
                    self._keep_one_more()
                self._tasks.start_soon(collect)
                await unless_set(told, self._first.wait)
                failure = None if self._alive else self._failure
                try:
                    if failure is None:
                        yield
                finally:
                    self._tasks.cancel_scope.cancel()
        if failure is not None:
            raise NotStartedError(failure)

    async def call(self, ask: Callable[[ClientSession], Awaitable[_Result]]) -> _Result:
        """Send a request to a free process.

        If the caller is cancelled, the request is cancelled too.

        Args:
            ask: Sends the request to a process.

        Returns:
            The response.

        Raises:
            PoolError: If no process was free in time, or if it did not respond in time or exited.
            MCPError: If the response is an error.
        """
        process: _Process | None = None
        with anyio.CancelScope(deadline=anyio.current_time() + self._call_seconds) as limit:
            process = await self._taken()
            return await self._answer(process, ask, limit)
        seconds = f"{self._call_seconds:g} s"
        if process is not None:
            raise PoolError(f"no result within {seconds}; the call may have completed")
        raise PoolError(f"no process of the server was free within {seconds}")

    async def _taken(self) -> _Process:
        while True:
            try:
                process = self._free.receive_nowait()
            except anyio.WouldBlock:
                if self._kept < self._most:
                    self._keep_one_more()
                process = await self._free.receive()
            if not process.ended.is_set():
                return process

    async def _answer(
        self,
        process: _Process,
        ask: Callable[[ClientSession], Awaitable[_Result]],
        limit: anyio.CancelScope,
    ) -> _Result:
        try:
            result = await ask(process.client.session)
        except anyio.get_cancelled_exc_class():
            # The SDK has notified the process, which may ignore the cancellation.
            if limit.cancel_called:
                self._end(process, "a call took too long")
            else:
                self._tasks.start_soon(self._give_back_if_it_answers, process)
            raise
        except Exception:
            if process.ended.is_set():
                raise PoolError(
                    "the server's process ended during the call, which may have completed"
                ) from None
            self._give_back(process)
            raise
        self._give_back(process)
        return result

    def _give_back(self, process: _Process) -> None:
        process.answered = True
        self._put.send_nowait(process)

    async def _give_back_if_it_answers(self, process: _Process) -> None:
        with anyio.move_on_after(_PING_SECONDS):
            # An error is a response too. Whether a process has exited is checked when it is taken.
            with suppress(MCPError):
                await process.client.session.send_request(PingRequest(), EmptyResult)
            self._give_back(process)
            return
        self._end(process, "it did not answer after a call was cancelled")

    def _end(self, process: _Process, reason: str) -> None:
        log.warning("process replaced: %s", reason, extra={"fields": {"process": process.number}})
        process.ended.set()

    def _keep_one_more(self) -> None:
        self._kept += 1
        self._tasks.start_soon(self._keep, 0)

    async def _keep(self, failures: int) -> None:
        """Run a process until it exits or must end, and then start another one.

        Args:
            failures: The number of consecutive processes before it without a response.
        """
        if failures > 1:
            pause = _FIRST_PAUSE_SECONDS * 2 ** min(failures - 2, 10)
            await anyio.sleep(min(pause, _LONGEST_PAUSE_SECONDS))
        number = next(self._numbers)
        ended = anyio.Event()
        process: _Process | None = None
        replaced = False
        reason = f"it was not initialised within {self._start_seconds:g} s"
        try:
            # Shielded while the operating system starts the process: asyncio loses track of a
            # process whose start is cancelled half-way.
            with anyio.CancelScope(shield=True) as limit:
                async with self._client(number, ended, limit) as client:
                    limit.deadline = math.inf
                    process = _Process(number=number, client=client, ended=ended)
                    self._alive.add(process)
                    self._first.set()
                    self._put.send_nowait(process)
                    await ended.wait()
                    self._alive.discard(process)
                    # The exit takes time, so callers do not wait for it.
                    self._tasks.start_soon(self._keep, 0 if process.answered else failures + 1)
                    replaced = True
        except Exception as error:
            reason = _reason(error)
        if process is not None:
            self._alive.discard(process)
            ended.set()
            log.warning("process ended", extra={"fields": {"process": number}})
        else:
            self._failure = reason
            self._first.set()
            log.warning("process not started: %s", reason, extra={"fields": {"process": number}})
        if not replaced:
            self._tasks.start_soon(self._keep, failures + 1)

    def _client(self, number: int, ended: anyio.Event, limit: anyio.CancelScope) -> Client:
        return Client(
            self._transport(number, ended, limit),
            # The protocol version of existing stdio servers, with notifications of changed tools.
            mode="legacy",
            cache=None,
            client_info=Implementation(name="mcp-platform", version="1"),
            message_handler=self._on_message,
        )

    @asynccontextmanager
    async def _transport(
        self, number: int, ended: anyio.Event, limit: anyio.CancelScope
    ) -> AsyncGenerator[tuple[MemoryObjectReceiveStream[_Messages], Any]]:
        """The transport of the SDK. It also reports the exit of the process and reads its stderr.

        Args:
            number: The number of the process.
            ended: Set when the process has exited.
            limit: Once the process exists, its shield is removed and its deadline is set to the
                start timeout.
        """
        reading, writing = os.pipe()
        try:
            async with anyio.create_task_group() as follower:
                with os.fdopen(writing, "w") as stderr:
                    async with (
                        stdio_client(self._command, stderr) as (read, write),
                        anyio.create_task_group() as tasks,
                    ):
                        limit.deadline = anyio.current_time() + self._start_seconds
                        limit.shield = False
                        stderr.close()  # the process has its own copy
                        follower.start_soon(self._follow, reading, number)
                        put, messages = anyio.create_memory_object_stream[_Messages](0)
                        tasks.start_soon(_pass_on, read, put, ended)
                        with messages:
                            yield messages, write
                        tasks.cancel_scope.cancel()
                follower.cancel_scope.cancel()
        finally:
            os.close(reading)

    async def _follow(self, reading: int, number: int) -> None:
        os.set_blocking(reading, False)
        rest = b""
        while True:
            await anyio.wait_readable(reading)
            chunk = os.read(reading, _CHUNK_BYTES)
            if not chunk:
                return
            *lines, rest = (rest + chunk).split(b"\n")
            rest = rest[-_CHUNK_BYTES:]
            if not self._show_stderr:
                fields = {"process": number, "lines": len(lines)}
                log.info("a process wrote to stderr", extra={"fields": fields})
                continue
            for line in lines:
                text = line.decode(errors="replace")[:_LONGEST_LINE]
                fields = {"process": number, "text": text}
                log.info("a process wrote to stderr", extra={"fields": fields})


async def _pass_on(
    read: AsyncIterable[_Messages], put: MemoryObjectSendStream[_Messages], ended: anyio.Event
) -> None:
    with put:
        try:
            async for message in read:
                await put.send(message)
        finally:
            ended.set()


def _reason(error: BaseException) -> str:
    """The type of the first error and the system error message, never its own text."""
    if isinstance(error, BaseExceptionGroup):
        return _reason(cast("BaseExceptionGroup[BaseException]", error).exceptions[0])
    said = error.strerror if isinstance(error, OSError) else None
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
