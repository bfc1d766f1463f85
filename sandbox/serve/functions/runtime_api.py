"""The Lambda Runtime API, from which functions without a web server get their invocations.

Facts from the AWS Lambda Developer Guide ("Using the Lambda runtime API for custom runtimes",
"Understanding the Lambda execution environment lifecycle"). The function's process requests the
next invocation and posts its result; `awslambdaric`, which is in Lambda's base image, does so.
That client supports neither a proxy nor a path prefix. Each function therefore has its own
listener, and its port identifies the function.
"""

import asyncio
import json
import time
import uuid
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.serve.fleet import Application, Process
from sandbox.serve.http.proxy import serving
from sandbox.serve.readers.aws_lambda import INIT_SECONDS, Function

_ROOT = "/2018-06-01/runtime"
_ACCEPTED = 202
_UNKNOWN_ID = 400
_MILLISECONDS = 1000


class FunctionError(Exception):
    """An invocation that failed.

    Attributes:
        kind: The error's type, such as `Exception` or `Sandbox.Timedout`.
        message: The error message.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message


@dataclass(kw_only=True, eq=False)
class _Invocation:
    """One invocation; `taken` when a process has it, `result` when it is complete."""

    id: str
    event: bytes
    timeout_seconds: float
    taken: asyncio.Event = field(default_factory=asyncio.Event)
    result: asyncio.Future[Any]


@dataclass(kw_only=True)
class _Queue:
    """The invocations of a function: the queue, and the one that its process has."""

    arn: str
    waiting: deque[_Invocation] = field(default_factory=deque[_Invocation])
    came: asyncio.Event = field(default_factory=asyncio.Event)
    current: _Invocation | None = None

    def add(self, invocation: _Invocation) -> None:
        self.waiting.append(invocation)
        self.came.set()

    def drop(self, invocation: _Invocation) -> None:
        if invocation in self.waiting:
            self.waiting.remove(invocation)
        if self.current is invocation:
            self.current = None

    def fail(self, error: FunctionError) -> None:
        """Fails the invocation that the function's process has."""
        if self.current and not self.current.result.done():
            self.current.result.set_exception(error)
        self.current = None


class Runtime:
    """The invocations of all functions that have no web server.

    One process stands for all execution environments of a function. It handles one invocation at a
    time; the others are queued.

    Attributes:
        addresses: The `host:port` of each function's listener, by the name of its process.
        on_timeout: Called with the name of a process whose invocation times out: Lambda ends it.
    """

    def __init__(self, functions: Iterable[Function]) -> None:
        """Makes the queues.

        Args:
            functions: The functions.
        """
        self.addresses: dict[str, str] = {}
        self.on_timeout: Callable[[str], None] = lambda _name: None
        self._queues = {one.process: _Queue(arn=one.alias_arn) for one in functions}

    async def invoke(self, name: str, event: Mapping[str, Any], timeout_seconds: float) -> Any:  # noqa: ANN401 - any result of the function
        """Invokes a function and waits for its result.

        Args:
            name: The name of its process.
            event: The event.
            timeout_seconds: The timeout, from when the process has the event. The start before it
                has Lambda's own timeout.

        Returns:
            The result, decoded from JSON.

        Raises:
            FunctionError: the function raised, ended, timed out or does not exist.
        """
        queue = self._queues.get(name)
        if queue is None:
            raise FunctionError("ResourceNotFoundException", f"Function not found: {name}")
        invocation = _Invocation(
            id=str(uuid.uuid4()),
            event=json.dumps(event).encode(),
            timeout_seconds=timeout_seconds,
            result=asyncio.get_running_loop().create_future(),
        )
        queue.add(invocation)
        limit = INIT_SECONDS
        try:
            while not (invocation.taken.is_set() or invocation.result.done()):
                try:
                    async with asyncio.timeout(limit):
                        await _either(invocation.taken, invocation.result)
                except TimeoutError:
                    # Lambda would start another environment while one is busy.
                    if queue.current is None:
                        raise
            limit = timeout_seconds
            async with asyncio.timeout(limit):
                return await invocation.result
        except TimeoutError:
            if queue.current is invocation:
                self.on_timeout(name)
            raise FunctionError(
                "Sandbox.Timedout",
                f"RequestId: {invocation.id} Error: Task timed out after {limit:.2f} seconds",
            ) from None
        finally:
            queue.drop(invocation)

    def application(self, name: str) -> Application:
        """The Runtime API for the process of one function.

        Args:
            name: The process's name.

        Returns:
            The application.

        Raises:
            KeyError: the function does not exist.
        """
        queue = self._queues[name]

        async def next_(request: Request) -> Response:
            return await _next(queue, request)

        async def response(request: Request) -> Response:
            invocation = _asked_for(queue, request)
            if invocation is None:
                return _unknown_id()
            body = await request.body()
            try:
                invocation.result.set_result(json.loads(body or b"null"))
            except ValueError:
                invocation.result.set_exception(
                    FunctionError("Runtime.MarshalError", "the result is not JSON")
                )
            queue.current = None
            return _ok()

        async def error(request: Request) -> Response:
            invocation = _asked_for(queue, request)
            if invocation is None:
                return _unknown_id()
            queue.fail(_error(await request.body()))
            return _ok()

        async def init_error(request: Request) -> Response:
            error = _error(await request.body())
            while queue.waiting:
                queue.current = queue.waiting.popleft()
                queue.fail(error)
            return _ok()

        return Starlette(
            routes=[
                Route(f"{_ROOT}/invocation/next", next_, methods=["GET"]),
                Route(f"{_ROOT}/invocation/{{id}}/response", response, methods=["POST"]),
                Route(f"{_ROOT}/invocation/{{id}}/error", error, methods=["POST"]),
                Route(f"{_ROOT}/init/error", init_error, methods=["POST"]),
            ]
        )


@asynccontextmanager
async def listening(functions: Iterable[Function]) -> AsyncGenerator[Runtime]:
    """Opens a listener on the loopback interface for each function that has no web server.

    Args:
        functions: All functions; those with a port are ignored.

    Yields:
        The runtime; its `addresses` are open until the block ends.
    """
    own = [one for one in functions if not has_web_server(one)]
    runtime = Runtime(own)
    async with AsyncExitStack() as stack:
        for function in own:
            played = runtime.application(function.process)
            port = await stack.enter_async_context(serving(lambda _port, played=played: played))
            runtime.addresses[function.process] = f"127.0.0.1:{port}"
        yield runtime


def has_web_server(function: Function) -> bool:
    """Whether a function listens on a port, behind the web adapter.

    Args:
        function: The function.

    Returns:
        Whether its variables set a port.
    """
    return bool(function.environment.get("AWS_LWA_PORT") or function.environment.get("PORT"))


def platform_environment(process: Process, addresses: Mapping[str, str]) -> dict[str, str]:
    """The variables with the address of the Runtime API.

    Args:
        process: The process.
        addresses: `Runtime.addresses`.

    Returns:
        The variables; none for a process with a web server.
    """
    address = addresses.get(process.name)
    return {"AWS_LAMBDA_RUNTIME_API": address} if address else {}


async def _next(queue: _Queue, request: Request) -> Response:
    # A process that requests the next one has lost its last: Lambda restarts after a crash.
    queue.fail(FunctionError("Runtime.ExitError", "Runtime exited without providing a reason"))
    gone = asyncio.create_task(_gone(request))
    try:
        while not queue.waiting:
            queue.came.clear()
            came = asyncio.create_task(queue.came.wait())
            await asyncio.wait({came, gone}, return_when=asyncio.FIRST_COMPLETED)
            came.cancel()
            if gone.done():
                return Response(status_code=_ACCEPTED)
    finally:
        gone.cancel()
    invocation = queue.waiting.popleft()
    queue.current = invocation
    invocation.taken.set()
    deadline = (time.time() + invocation.timeout_seconds) * _MILLISECONDS
    return Response(
        invocation.event,
        media_type="application/json",
        headers={
            "Lambda-Runtime-Aws-Request-Id": invocation.id,
            "Lambda-Runtime-Deadline-Ms": str(int(deadline)),
            "Lambda-Runtime-Invoked-Function-Arn": queue.arn,
            "Lambda-Runtime-Trace-Id": f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]}",
        },
    )


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _either(event: asyncio.Event, result: asyncio.Future[Any]) -> None:
    taken = asyncio.create_task(event.wait())
    try:
        await asyncio.wait({taken, result}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        taken.cancel()


def _asked_for(queue: _Queue, request: Request) -> _Invocation | None:
    current = queue.current
    return current if current and current.id == request.path_params["id"] else None


def _error(body: bytes) -> FunctionError:
    try:
        read: object = json.loads(body)
    except ValueError:
        read = None
    said = cast("dict[str, object]", read) if isinstance(read, dict) else {}
    return FunctionError(
        str(said.get("errorType") or "Runtime.Unknown"), str(said.get("errorMessage") or "")
    )


def _ok() -> Response:
    return JSONResponse({"status": "OK"}, status_code=_ACCEPTED)


def _unknown_id() -> Response:
    told = {"errorMessage": "Invalid request ID", "errorType": "InvalidRequestID"}
    return JSONResponse(told, status_code=_UNKNOWN_ID)
