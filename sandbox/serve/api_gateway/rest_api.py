"""Simulates the stages of REST APIs of API Gateway.

Facts from the API Gateway Developer Guide ("Invoke REST APIs in API Gateway", "Custom domain name
for public REST APIs", "API Gateway mapping template and access logging variable reference").

Not simulated: throttling, API keys, caches, a web ACL, the access log, the bandwidth of streams,
and the validation of parameters.
"""

import time
import uuid
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sandbox.cloud.store import Cloud
from sandbox.serve.api_gateway import (
    rest_api_stages,
    rest_integrations,
    rest_templates,
    websocket_api,
)
from sandbox.serve.api_gateway.authorization import Asked, open_to_all, signed
from sandbox.serve.api_gateway.requests import event, headers, path, query, with_path
from sandbox.serve.api_gateway.rest_api_stages import Method, Stage
from sandbox.serve.fleet import Application, Fleet, Receive, Scope, Send, Workloads, source
from sandbox.serve.functions.runtime_api import Runtime
from sandbox.serve.http.gateway_responses import Refused, answer, respond
from sandbox.serve.readers.aws_lambda import Function, functions
from sandbox.serve.step_functions.executions import StateMachines

_API = "aws:apigateway/restApi:RestApi"
_MAPPING = "aws:apigateway/basePathMapping:BasePathMapping"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Surroundings:
    """What an API needs to answer."""

    cloud: Cloud
    deployed: Fleet
    workloads: Workloads
    functions: Mapping[str, Function]
    machines: StateMachines


def application(
    cloud: Cloud, deployed: Fleet, workloads: Workloads, runtime: Runtime
) -> Mapping[str, Application]:
    """The REST and WebSocket APIs, by host.

    Args:
        cloud: The cloud.
        deployed: The deployed workloads.
        workloads: The processes that run.
        runtime: Invokes functions without a web server: authorizers, tools.

    Returns:
        The applications of each API's host, `id.execute-api.region.amazonaws.com`, with the
        stage in the path, and of its custom domain, if it has one.

    Raises:
        DeployedError: a function's alias points to a version that does not exist.
    """
    made = functions(cloud)
    around = _Surroundings(
        cloud=cloud,
        deployed=deployed,
        workloads=workloads,
        functions=made,
        machines=StateMachines(cloud, made, runtime),
    )
    hosts: dict[str, Application] = {}
    mappings = [one.properties for one in cloud.list("aws", _MAPPING)]
    for api in cloud.list("aws", _API):
        stages = rest_api_stages.read(cloud, around.functions, runtime, api)
        by_path = _by_first_part(around, stages)
        host = f"{api.id}.execute-api.{deployed.region}.amazonaws.com"
        hosts[host] = _forbidden if api.properties.get("disableExecuteApiEndpoint") else by_path
        for mapping in mappings:
            if mapping.get("restApi") == api.id:
                # Without a stage in the mapping, the path begins with the stage.
                stage = stages.get(str(mapping.get("stageName")))
                served = _served(around, stage) if stage else by_path
                base = str(mapping.get("basePath") or "").strip("/")
                hosts[str(mapping["domainName"]).lower()] = _below(base, served) if base else served
    hosts.update(websocket_api.applications(cloud, deployed, workloads, runtime))
    return hosts


async def _forbidden(_scope: Scope, _receive: Receive, send: Send) -> None:
    await respond(send, *answer(Refused("DEFAULT_4XX"), {}, str(uuid.uuid4())))


def _by_first_part(around: _Surroundings, stages: Mapping[str, Stage]) -> Application:
    """Takes the stage from the path."""
    served = {name: _served(around, stage) for name, stage in stages.items()}

    async def by_stage(scope: Scope, receive: Receive, send: Send) -> None:
        name, _, rest = path(scope).removeprefix("/").partition("/")
        if name in served:
            await served[name](with_path(scope, f"/{rest}"), receive, send)
        else:
            await _forbidden(scope, receive, send)

    return by_stage


def _below(base: str, served: Application) -> Application:
    """Removes a mapping's base path."""

    async def below(scope: Scope, receive: Receive, send: Send) -> None:
        given = path(scope)
        if given == f"/{base}" or given.startswith(f"/{base}/"):
            rest = given.removeprefix(f"/{base}") or "/"
            await served(with_path(scope, rest), receive, send)
        else:
            await _forbidden(scope, receive, send)

    return below


def _served(around: _Surroundings, stage: Stage) -> Application:
    """One stage of an API; the path has no stage."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        request_id = str(uuid.uuid4())
        started = False

        async def noted(message: MutableMapping[str, Any]) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await _answer(around, stage, scope, receive, noted, request_id)
        except Refused as refused:
            # A response that has begun can only be aborted: the server aborts an incomplete one.
            if not started:
                await respond(send, *answer(refused, stage.responses, request_id))

    return serve


async def _answer(
    around: _Surroundings,
    stage: Stage,
    scope: Scope,
    receive: Receive,
    send: Send,
    request_id: str,
) -> None:
    method, parameters = rest_api_stages.find(stage, str(scope["method"]), path(scope))
    context = _context(stage, scope, method, request_id, _address(around, stage, scope))
    asked = _asked(stage, scope, method, parameters, context)
    authorizer, identity = await _authorized(around, method, asked)
    if authorizer:
        context["authorizer"] = authorizer
    context["identity"] |= identity
    body = await rest_integrations.whole_body(receive, asked.header("content-length"))
    rest_integrations.must_fit(method, asked.header("content-type"), body)
    match method.integration.get("type"):
        case "MOCK" | "AWS":
            await rest_templates.answer(
                method,
                asked,
                body,
                send,
                context={name: one for name, one in context.items() if isinstance(one, str)},
                machines=around.machines,
            )
        case "AWS_PROXY":
            await rest_integrations.invoke(
                stage,
                method,
                scope,
                body,
                send,
                context=context,
                cloud=around.cloud,
                functions=around.functions,
                workloads=around.workloads,
            )
        case _:
            raise Refused("API_CONFIGURATION_ERROR")


def _address(around: _Surroundings, stage: Stage, scope: Scope) -> str | None:
    """The caller's address: one that the API's policy allows; unknown for a workload."""
    workloads = {one.process for one in around.functions.values()}
    return None if source(scope) in workloads else stage.address


def _context(
    stage: Stage, scope: Scope, method: Method, request_id: str, address: str | None
) -> dict[str, Any]:
    """The request context of API Gateway, as functions receive it."""
    now, given = time.time(), dict(headers(scope))
    host = given.get("host", "").partition(":")[0]
    return {
        "accountId": stage.execution_arn.split(":")[4],
        "apiId": stage.api_id,
        "domainName": host,
        "domainPrefix": host.partition(".")[0],
        "extendedRequestId": request_id,
        "httpMethod": scope["method"],
        "identity": {
            "sourceIp": address,
            "userAgent": given.get("user-agent"),
        },
        "path": f"/{stage.name}{path(scope)}",
        "protocol": f"HTTP/{scope.get('http_version', '1.1')}",
        "requestId": request_id,
        "requestTime": datetime.fromtimestamp(now, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "requestTimeEpoch": int(now * 1000),
        "resourceId": method.resource_id,
        "resourcePath": method.path,
        "stage": stage.name,
    }


def _asked(
    stage: Stage,
    scope: Scope,
    method: Method,
    parameters: Mapping[str, str],
    context: Mapping[str, Any],
) -> Asked:
    given, asked = headers(scope), query(scope)
    return Asked(
        arn=f"{stage.execution_arn}/{stage.name}/{scope['method']}{path(scope)}",
        source=source(scope),
        source_ip=context["identity"]["sourceIp"],
        headers=given,
        query=asked,
        policy=stage.policy,
        event={
            "resource": method.path,
            "path": path(scope),
            "httpMethod": scope["method"],
            **event(given, asked),
            "pathParameters": dict(parameters),
            "stageVariables": {},
            "requestContext": context,
        },
    )


async def _authorized(
    around: _Surroundings, method: Method, asked: Asked
) -> tuple[dict[str, Any] | None, dict[str, str]]:
    """The authorizer and the identity in the request context of an allowed caller."""
    match method.authorization:
        case "NONE":
            open_to_all(asked)
            return None, {}
        case "AWS_IAM":
            by_process = {one.process: one for one in around.functions.values()}
            return None, signed(asked, around.deployed, by_process)
        case "CUSTOM" if method.authorizer:
            return await method.authorizer.admit(asked), {}
        case other:
            raise Refused(
                "API_CONFIGURATION_ERROR", f"the sandbox does not support the authorization {other}"
            )
