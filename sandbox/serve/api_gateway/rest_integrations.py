"""Lambda integrations of a REST API, and the request body of all integrations.

Facts from the API Gateway Developer Guide ("Quotas for configuring and running a REST API", "Amazon
API Gateway important notes", "Stream the integration response for your proxy integrations",
"Request validation for REST APIs in API Gateway") and the AWS Lambda Developer Guide ("Lambda
quotas").
"""

import asyncio
import json
import time
import uuid
from collections.abc import Mapping, MutableMapping
from typing import Any, cast

from jsonschema import Draft4Validator

from sandbox.cloud.store import Cloud
from sandbox.serve.api_gateway.requests import headers, path
from sandbox.serve.api_gateway.rest_api_stages import JSON, Method, Stage, timeout_seconds
from sandbox.serve.fleet import Receive, Scope, Send, Workloads
from sandbox.serve.functions import web_adapter
from sandbox.serve.functions.runtime_api import FunctionError
from sandbox.serve.http.gateway_responses import Headers, Refused, encoded
from sandbox.serve.readers.aws_lambda import Function, admits, invoked

MAX_REQUEST_BYTES = 10 * 1024 * 1024
"""API Gateway quotas, payload size."""

MAX_INVOCATION_BYTES = 6 * 1024 * 1024
"""Lambda quotas, invocation payload of a request; it includes the event around the body."""

IDLE_SECONDS = 300.0
"""API Gateway, response streaming: the idle timeout of a regional API."""

# Headers that callers may not set, and headers of a single connection.
_NOT_HANDED_OVER = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-forwarded-for",
        "x-forwarded-port",
        "x-forwarded-proto",
    }
)
# Amazon API Gateway important notes: API Gateway renames these headers of a response.
_REMAPPED = frozenset({"connection", "content-length", "date", "server", "www-authenticate"})


async def whole_body(receive: Receive, length: str) -> bytes:
    """The complete body of a request; API Gateway does not stream requests to integrations.

    Args:
        receive: The ASGI receive function.
        length: The Content-Length header, or nothing.

    Returns:
        The body.

    Raises:
        Refused: it is longer than `MAX_REQUEST_BYTES`, or the caller disconnected.
    """
    if length.isdecimal() and int(length) > MAX_REQUEST_BYTES:
        raise _too_long()
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Refused("DEFAULT_4XX", status=400)
        body += message.get("body", b"")
        if len(body) > MAX_REQUEST_BYTES:
            raise _too_long()
        if not message.get("more_body"):
            return bytes(body)


def _too_long() -> Refused:
    text = f"HTTP content length exceeded {MAX_REQUEST_BYTES} bytes."
    return Refused("REQUEST_TOO_LARGE", text)


def must_fit(method: Method, content_type: str, body: bytes) -> None:
    """Validates a body against the method's model, if it has one for the content type.

    Args:
        method: The method.
        content_type: The header, or nothing.
        body: The body.

    Raises:
        Refused: the body is not JSON, or does not match the model.
    """
    schema = method.body_schemas.get(content_type.partition(";")[0].strip().lower() or JSON)
    if schema is None:
        return
    try:
        fits: bool = cast("Any", Draft4Validator)(schema).is_valid(json.loads(body))
    except ValueError:
        fits = False
    if not fits:
        raise Refused("BAD_REQUEST_BODY")


async def invoke(
    stage: Stage,
    method: Method,
    scope: Scope,
    body: bytes,
    send: Send,
    *,
    context: Mapping[str, Any],
    cloud: Cloud,
    functions: Mapping[str, Function],
    workloads: Workloads,
) -> None:
    """Sends a request to a function and streams its response.

    The function is not notified when the caller disconnects; it runs to completion.

    Args:
        stage: The stage.
        method: The method.
        scope: The request's, with a path without the stage.
        body: Its body.
        send: The ASGI send function.
        context: The request context of API Gateway.
        cloud: The cloud.
        functions: The functions by the ARN of their alias.
        workloads: The processes that run.

    Raises:
        Refused: no permission allows the API to invoke the function, the body is too long for an
            invocation, or the function times out. A response may have begun then.
    """
    function = invoked(str(method.integration.get("uri")), functions)
    place = f"{stage.execution_arn}/{stage.name}/{scope['method']}{method.path}"
    if function is None or not admits(cloud, function, place):
        # Execution failed due to configuration error: Invalid permissions on Lambda function
        raise Refused("API_CONFIGURATION_ERROR")
    content_type = dict(headers(scope)).get("content-type", "").partition(";")[0].strip().lower()
    if content_type in stage.binary_media_types:
        given, size = body, 4 * -(-len(body) // 3)  # base64
    else:
        # A body of any other type is read as text.
        text = body.decode("utf-8", "replace")
        given, size = text.encode(), len(json.dumps(text))
    if size > MAX_INVOCATION_BYTES:
        raise Refused("REQUEST_TOO_LARGE")
    deadline = asyncio.get_running_loop().time() + timeout_seconds(method)

    def next_limit() -> float:
        return min(deadline, asyncio.get_running_loop().time() + IDLE_SECONDS)

    limit = asyncio.timeout_at(next_limit())

    async def handed_back(message: MutableMapping[str, Any]) -> None:
        limit.reschedule(next_limit())
        if message["type"] == "http.response.start":
            message = {
                **message,
                "headers": _remapped(message["headers"], str(context["requestId"])),
            }
        await send(message)

    try:
        async with limit:
            await web_adapter.request(
                scope,
                web_adapter.given(given),
                handed_back,
                function=function,
                workloads=workloads,
                path=path(scope),
                headers=_handed_over(scope, context, len(given)),
                context=context,
            )
    except TimeoutError as error:
        raise Refused("INTEGRATION_TIMEOUT") from error
    except FunctionError as error:
        raise Refused("DEFAULT_5XX") from error


def _handed_over(scope: Scope, context: Mapping[str, Any], length: int) -> Headers:
    given = headers(scope)
    before = [value for name, value in given if name == "x-forwarded-for"]
    address = context["identity"]["sourceIp"]
    trace = f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]}"
    return encoded(
        [
            *((name, value) for name, value in given if name not in _NOT_HANDED_OVER),
            ("content-length", str(length)),
            *((("x-amzn-trace-id", trace),) if "x-amzn-trace-id" not in dict(given) else ()),
            *((("x-forwarded-for", ", ".join([*before, address])),) if address else ()),
            ("x-forwarded-port", "443"),
            ("x-forwarded-proto", "https"),
        ]
    )


def _remapped(given: Headers, request_id: str) -> Headers:
    return [
        *(
            (
                b"x-amzn-remapped-" + name.lower() if name.lower().decode() in _REMAPPED else name,
                value,
            )
            for name, value in given
        ),
        (b"x-amzn-requestid", request_id.encode()),
    ]
