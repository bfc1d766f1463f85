"""Lambda Web Adapter: turns an invocation into an HTTP request to the port of a workload.

Facts from the adapter (aws-lambda-web-adapter 1.0.0, `src/lib.rs`) and its `lambda_http` crate. The
path is that of the API without the stage and the base path. Two headers have the contexts of API
Gateway and of Lambda and replace those of the caller. An event that is not an HTTP request is
posted to a path. Only statuses of `AWS_LWA_ERROR_STATUS_CODES` fail the invocation.

Measured with the real adapter and the runtime interface emulator: a repeated request header arrives
with its last value; a request with a header that the crate cannot parse is not an HTTP request to
it; an aborted response is complete for its caller and ends with two lines of error.
"""

import asyncio
import base64
import json
import re
import time
from collections.abc import AsyncGenerator, Mapping, MutableMapping
from contextlib import asynccontextmanager
from typing import Any, cast

from sandbox.serve.fleet import Receive, Scope, Send, Workloads
from sandbox.serve.functions.runtime_api import FunctionError
from sandbox.serve.http.forwarding import forward
from sandbox.serve.http.gateway_responses import Headers
from sandbox.serve.readers.aws_lambda import INIT_SECONDS, Function, log_stream

_CONTEXT, _LAMBDA_CONTEXT = b"x-amzn-request-context", b"x-amzn-lambda-context"
_EVENTS_PATH = "/events"
_POLL_SECONDS = 0.05
_MILLISECONDS = 1000
_ERROR_CODES = "AWS_LWA_ERROR_STATUS_CODES"
# RFC 9110, section 5.6.2, and the values that the http crate accepts.
_HEADER_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_BROKEN_OFF = (
    b"Lambda-Runtime-Function-Error-Type: Runtime.StreamError\r\n"
    b"Lambda-Runtime-Function-Error-Body: "
    + base64.b64encode(b'{"errorType":"Runtime.StreamError","errorMessage":"connection closed"}')
    + b"\r\n"
)


async def request(
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    function: Function,
    workloads: Workloads,
    path: str,
    headers: Headers,
    context: Mapping[str, Any],
) -> None:
    """Invokes a function with an HTTP request and streams its response.

    Args:
        scope: The request's; its query is unchanged.
        receive: The ASGI receive function, for the body.
        send: The ASGI send function, for the response.
        function: The function.
        workloads: The processes that run.
        path: The request's path, without the API's stage.
        headers: The headers from API Gateway.
        context: The request context of API Gateway.

    Raises:
        FunctionError: no process becomes healthy within Lambda's timeout for a start, the status
            counts as an error, or the function times out. In the last case a response may have
            begun; it is aborted.
    """
    request_id = str(context.get("requestId", ""))
    answer = _Answer(function, send)
    if all(_HEADER_NAME.fullmatch(name) and _HEADER_VALUE.fullmatch(one) for name, one in headers):
        inner = {**scope, "headers": _with_contexts(_last(headers), function, context, request_id)}
        path = without_base(path, function.environment.get("AWS_LWA_REMOVE_BASE_PATH"))
    else:
        event = {"path": path, "httpMethod": scope["method"], "requestContext": dict(context)}
        body = json.dumps(event).encode()
        inner, receive = _event_scope(function, body, request_id), given(body)
        path = str(inner["path"])
    async with _limited(function, request_id):
        await forward(
            inner, receive, answer.send, base_url=await _address(function, workloads), path=path
        )
    await answer.finish()


async def post_event(
    function: Function, workloads: Workloads, event: object, *, request_id: str
) -> None:
    """Invokes a function with an event that is not an HTTP request, and waits for its end.

    Args:
        function: The function.
        workloads: The processes that run.
        event: The event, plain JSON.
        request_id: The invocation's id.

    Raises:
        FunctionError: no process becomes healthy within Lambda's timeout for a start, the function
            times out, or the status counts as an error.
    """
    body = json.dumps(event).encode()

    async def send(_message: MutableMapping[str, Any]) -> None:
        """Discards the response."""

    async with _limited(function, request_id):
        await forward(
            _event_scope(function, body, request_id),
            given(body),
            _Answer(function, send).send,
            base_url=await _address(function, workloads),
        )


def _event_scope(function: Function, body: bytes, request_id: str) -> Scope:
    path = function.environment.get("AWS_LWA_PASS_THROUGH_PATH", _EVENTS_PATH)
    headers = [
        (b"host", b"localhost"),
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    return {
        "type": "http",
        "method": "POST",
        "scheme": "http",
        "http_version": "1.1",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": _with_contexts(headers, function, None, request_id),
    }


class _Answer:
    """The response of a process, streamed to the caller."""

    def __init__(self, function: Function, send: Send) -> None:
        self._errors = _error_codes(function)
        self._process = function.process
        self._send = send
        self._begun = self._ended = False

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Forwards a message of the response, unless its status counts as an error."""
        if message["type"] == "http.response.start":
            if message["status"] in self._errors:
                raise FunctionError(
                    "Runtime.Error", f"{self._process} answered {message['status']}"
                )
            self._begun = True
        elif not message.get("more_body"):
            self._ended = True
        await self._send(message)

    async def finish(self) -> None:
        """Completes an aborted response, as the runtime does."""
        if self._begun and not self._ended:
            await self._send({"type": "http.response.body", "body": _BROKEN_OFF})


def _error_codes(function: Function) -> set[int]:
    """The statuses that fail an invocation, written as `500,502-504`."""
    codes: set[int] = set()
    for part in function.environment.get(_ERROR_CODES, "").split(","):
        first, _, last = part.strip().partition("-")
        if first.isdecimal() and (last or first).isdecimal():
            codes |= set(range(int(first), int(last or first) + 1))
    return codes


def _last(headers: Headers) -> Headers:
    """Each header once, with the last of its values."""
    return list({name.lower(): (name, value) for name, value in headers}.values())


def given(body: bytes) -> Receive:
    """An ASGI receive function for a body, without a disconnect after it.

    Args:
        body: The body.

    Returns:
        The function.
    """
    pending = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> MutableMapping[str, Any]:
        if not pending:
            await asyncio.Event().wait()
        return cast("MutableMapping[str, Any]", pending.pop())

    return receive


def without_base(path: str, base: str | None) -> str:
    """Removes the base path from a path.

    Args:
        path: The path.
        base: The base path, or None; a repeated one is removed completely.

    Returns:
        The rest, at least `/`.
    """
    while base and path.startswith(base):
        path = path.removeprefix(base)
    return path if path.startswith("/") else f"/{path}"


@asynccontextmanager
async def _limited(function: Function, request_id: str) -> AsyncGenerator[None]:
    """Cancels an invocation at the function's timeout."""
    limit = asyncio.timeout(function.timeout_seconds)
    try:
        async with limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        raise FunctionError(
            "Sandbox.Timedout",
            f"RequestId: {request_id} Error: Task timed out after "
            f"{function.timeout_seconds:.2f} seconds",
        ) from None


async def _address(function: Function, workloads: Workloads) -> str:
    """The base URL of the function; waits for its start, as at a cold start."""
    until = time.monotonic() + INIT_SECONDS
    while (url := workloads.url(function.process)) is None:
        if time.monotonic() >= until:
            raise FunctionError(
                "Sandbox.Init", f"{function.process} did not become healthy in {INIT_SECONDS:.0f} s"
            )
        await asyncio.sleep(_POLL_SECONDS)
    return url


def _with_contexts(
    headers: Headers, function: Function, context: Mapping[str, Any] | None, request_id: str
) -> Headers:
    own = {_CONTEXT: context, _LAMBDA_CONTEXT: _lambda_context(function, request_id)}
    return [
        *((name, value) for name, value in headers if name.lower() not in own),
        # The same format as serde's: UTF-8, without spaces.
        *(
            (name, json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
            for name, value in own.items()
        ),
    ]


def _lambda_context(function: Function, request_id: str) -> dict[str, Any]:
    deadline = (time.time() + function.timeout_seconds) * _MILLISECONDS
    return {
        "request_id": request_id,
        "deadline": int(deadline),
        "invoked_function_arn": function.alias_arn,
        "xray_trace_id": None,
        "client_context": None,
        "identity": None,
        "env_config": {
            "function_name": function.name,
            "memory": function.memory_mib,
            "version": function.version,
            "log_stream": log_stream(function),
            "log_group": function.log_group,
        },
    }
