"""Mock and Step Functions integrations of a REST API, with their mapping templates.

Facts from the API Gateway Developer Guide ("Set up mock integrations for REST APIs", "Set up an AWS
service integration", "Integration passthrough behaviors", "Use a mapping template to override an
API's response parameters and status codes").
"""

import asyncio
import json
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast
from urllib.parse import parse_qsl

from sandbox.serve.api_gateway.authorization import Asked
from sandbox.serve.api_gateway.rest_api_stages import JSON, Method, timeout_seconds
from sandbox.serve.api_gateway.velocity import TemplateError, render
from sandbox.serve.fleet import Send
from sandbox.serve.http.gateway_responses import Refused, encoded, respond, static_headers
from sandbox.serve.step_functions.executions import RoleError, StateMachines

_ACTION = re.compile(r"arn:[^:]+:apigateway:[^:]+:states:action/(\w+)")

_log = logging.getLogger(__name__)


async def answer(
    method: Method,
    asked: Asked,
    body: bytes,
    send: Send,
    *,
    context: Mapping[str, str],
    machines: StateMachines,
) -> None:
    """Answers a request to a method with a mock or a Step Functions integration.

    Args:
        method: The method.
        asked: The request.
        body: The request's body.
        send: The ASGI send function.
        context: The strings of the request context, with a `requestId`.
        machines: The state machines.

    Raises:
        Refused: no template matches the content type, a template uses an unsupported feature, API
            Gateway may not assume the integration's role, or the action times out.
    """
    try:
        request = render(
            _template(method.integration, asked),
            context=context,
            body=body.decode("utf-8", "replace"),
            parameters=_parameters(asked),
        )
        status, given = await _asked_for(method, request.text, machines)
        reply = _reply(method.replies, str(status))
        template = cast("Mapping[str, str]", reply.get("responseTemplates") or {}).get(JSON)
        written = render(
            "$input.body" if template is None else template, context=context, body=given
        )
    except (TemplateError, RoleError, ValueError, KeyError, TypeError) as error:
        _log.warning("%s %s: %s", method.http_method, method.path, error)
        raise Refused("API_CONFIGURATION_ERROR") from error
    headers = {
        "content-type": JSON,
        "x-amzn-requestid": context["requestId"],
        **static_headers(reply.get("responseParameters"), "method.response.header."),
    }
    final = written.status or int(reply["statusCode"])
    await respond(send, final, encoded(headers.items()), written.text.encode())


async def _asked_for(method: Method, request: str, machines: StateMachines) -> tuple[int, str]:
    """The status and the body of the integration."""
    if method.integration.get("type") == "MOCK":
        return int(json.loads(request)["statusCode"]), ""
    uri = str(method.integration.get("uri"))
    action = _ACTION.fullmatch(uri)
    if action is None:
        raise Refused(
            "API_CONFIGURATION_ERROR",
            f"{method.path} integrates {uri}; the sandbox supports Step Functions only",
            status=501,
        )
    try:
        async with asyncio.timeout(timeout_seconds(method)):
            status, given = await machines.call(
                action[1], str(method.integration.get("credentials")), request
            )
    except TimeoutError as error:
        raise Refused("INTEGRATION_TIMEOUT") from error
    return status, json.dumps(given)


def _template(integration: Mapping[str, Any], asked: Asked) -> str:
    templates = cast("Mapping[str, str]", integration.get("requestTemplates") or {})
    content_type = asked.header("content-type").partition(";")[0].strip().lower() or JSON
    if content_type in templates:
        return templates[content_type]
    behaviour = integration.get("passthroughBehavior", "WHEN_NO_MATCH")
    if behaviour == "NEVER" or (behaviour == "WHEN_NO_TEMPLATES" and templates):
        raise Refused("UNSUPPORTED_MEDIA_TYPE")
    return "$input.body"


def _parameters(asked: Asked) -> dict[str, str]:
    """The parameters of `$input.params`: of the path, else the query, else the headers."""
    in_path = cast("Mapping[str, str]", asked.event["pathParameters"])
    return {**dict(asked.headers), **dict(parse_qsl(asked.query)), **in_path}


def _reply(replies: Sequence[Mapping[str, Any]], status: str) -> Mapping[str, Any]:
    """The integration response whose pattern matches a status, else the one without a pattern."""
    for reply in replies:
        pattern = reply.get("selectionPattern")
        if pattern and re.fullmatch(str(pattern), status):
            return reply
    for reply in replies:
        if not reply.get("selectionPattern"):
            return reply
    raise Refused("API_CONFIGURATION_ERROR")
