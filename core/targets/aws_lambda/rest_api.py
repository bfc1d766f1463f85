"""The REST APIs of a fleet on Lambda: their routes and everything that a deployment copies.

One API is the gateway. It either checks tokens or requires requests signed with AWS credentials
(SigV4). Agents sign their requests; if the gateway does not accept these, agents use a second API.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from core.config.model import Agent, Fleet, Workload
from core.discovery import (
    METADATA_PATH,
    agent_path,
    protected_resource_metadata,
    server_path,
)
from core.targets.aws_lambda import limits, templates
from core.targets.aws_lambda.addresses import agents_have_an_api
from core.targets.aws_lambda.state_machine import MAX_QUESTION_CHARACTERS

Authorization = Literal["AWS_IAM", "CUSTOM", "NONE"]
"""Signed requests, tokens that the authorizer checks, or no authorization."""

Integration = Literal["AWS", "AWS_PROXY", "MOCK"]
"""An action of Step Functions, the workload's function, or a response of API Gateway itself."""

Action = Literal["DescribeExecution", "StartExecution", "StartSyncExecution"]


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A response that API Gateway writes.

    Attributes:
        status: The HTTP status.
        template: The body, in the Velocity template language.
        pattern: The statuses of the integration that it is for; None for all others.
        headers: Headers, with values in the syntax of API Gateway.
    """

    status: int
    template: str
    pattern: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, kw_only=True)
class Route:
    """One method at one path.

    Attributes:
        path: The path in the syntax of API Gateway: `/agents/assistant/{proxy+}`.
        method: The HTTP method, or `ANY` for all methods without a route.
        authorization: How callers are authorized.
        integration: The type of the integration.
        workload: The workload whose function or state machine responds; None for a mock.
        timeout_milliseconds: How long API Gateway waits for a function.
        action: The action of Step Functions.
        request: The template of the request to Step Functions or to the mock. `${arn}` is the ARN
            of the state machine or, for `DescribeExecution`, the prefix of its executions' ARNs.
        takes_question: Whether the body is validated against the API's question schema.
        required_parameters: The parameters that a request must have.
        replies: The responses, unless a function writes them.
    """

    path: str
    method: str
    authorization: Authorization
    integration: Integration
    workload: str | None = None
    timeout_milliseconds: int | None = None
    action: Action | None = None
    request: str = ""
    takes_question: bool = False
    required_parameters: tuple[str, ...] = ()
    replies: tuple[Reply, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TokenAuthorizer:
    """The settings of the authorizer that checks tokens.

    Attributes:
        identity_source: The header that contains the token.
        pattern: The values of that header that are checked; all others are refused.
        result_ttl_seconds: How long API Gateway caches a result. A revoked token is accepted for so
            long.
    """

    identity_source: str = "method.request.header.Authorization"
    pattern: str = "^[Bb]earer +[A-Za-z0-9._~+/-]+=*$"  # RFC 6750, section 2.1
    result_ttl_seconds: int = 60


@dataclass(frozen=True, kw_only=True)
class GatewayResponse:
    """A response of API Gateway to a request that reaches no integration.

    Attributes:
        name: The name of the resource in the stack.
        type: The response type.
        status: The HTTP status.
        template: The body.
        headers: Headers, with values in the syntax of API Gateway.
    """

    name: str
    type: str
    status: int
    template: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, kw_only=True)
class RestApi:
    """A REST API, except for its name, its domain and its policy.

    Attributes:
        routes: The routes.
        authorizer: What checks tokens, if the API does.
        question_schema: The JSON schema of a question, if a route takes one.
        responses: The gateway responses.
        binary_media_types: The types of bodies that are not decoded as text.
    """

    routes: tuple[Route, ...]
    authorizer: TokenAuthorizer | None = None
    question_schema: str | None = None
    responses: tuple[GatewayResponse, ...] = ()
    binary_media_types: tuple[str, ...] = ()


# The statuses with which Step Functions refuses a request.
_REFUSED: Final = "4\\d{2}"

_FAILED: Final = Reply(status=502, template=templates.error("the agent could not be asked"))

_NOT_ALLOWED: Final = Reply(
    status=405,
    template=templates.error("POST is the only method here"),
    headers={"Allow": "'POST'"},
)

_UNAUTHORIZED, _NO_ROUTE = "UNAUTHORIZED", "MISSING_AUTHENTICATION_TOKEN"

# The body that API Gateway uses by default.
_DEFAULT_BODY: Final = '{"message":$context.error.messageString}'
_DEFAULT_RESPONSES: Final = (
    GatewayResponse(name="unauthorized", type=_UNAUTHORIZED, status=401, template=_DEFAULT_BODY),
    GatewayResponse(name="nothing", type=_NO_ROUTE, status=403, template=_DEFAULT_BODY),
)

_QUESTION_SCHEMA: Final = json.dumps(
    {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "type": "object",
        "required": ["question"],
        "properties": {
            "question": {
                "type": "string",
                "minLength": 1,
                "maxLength": MAX_QUESTION_CHARACTERS,
            }
        },
        "additionalProperties": False,
    }
)


def gateway(fleet: Fleet) -> RestApi:
    """The API of the gateway; if agents use it too, with the servers that are not exposed."""
    authorization: Authorization = "CUSTOM" if fleet.gateway.auth else "AWS_IAM"
    routes = [
        route
        for name, server in fleet.servers.items()
        if server.expose or not agents_have_an_api(fleet)
        for route in _server(name, server, authorization)
    ]
    for name, agent in fleet.agents.items():
        if agent.expose:
            routes += (
                _state_machine(name, agent, authorization)
                if fleet.is_state_machine(agent)
                else _agent(name, agent, authorization)
            )
    routes += _metadata(fleet)
    return RestApi(
        routes=tuple(routes),
        authorizer=TokenAuthorizer() if fleet.gateway.auth else None,
        question_schema=_QUESTION_SCHEMA if any(route.takes_question for route in routes) else None,
        responses=_responses(fleet),
        binary_media_types=limits.BINARY_MEDIA_TYPES if agents_take_requests(fleet) else (),
    )


def internal(fleet: Fleet) -> RestApi | None:
    """The API for agents; None if they use the gateway, or if there is no server."""
    if not agents_have_an_api(fleet) or not fleet.servers:
        return None
    return RestApi(
        routes=tuple(
            route
            for name, server in fleet.servers.items()
            for route in _server(name, server, "AWS_IAM")
        )
    )


def resources(routes: Sequence[Route]) -> list[str]:
    """The paths of the routes and all paths above them except the root, parents first."""
    paths = {
        "/".join(parts[:length])
        for parts in (route.path.split("/") for route in routes)
        for length in range(2, len(parts) + 1)
    }
    return sorted(paths)


def answers_at_once(agent: Agent) -> bool:
    """Whether a state machine responds while its caller waits, as an express workflow.

    Others are standard workflows: `ask` starts an execution, and a second path returns its status.
    """
    return agent.max_request_seconds <= limits.MAX_EXPRESS_SECONDS


def agents_take_requests(fleet: Fleet) -> bool:
    """Whether the gateway forwards all requests to an agent, which it does if it is a container."""
    return any(
        agent.expose and not fleet.is_state_machine(agent) for agent in fleet.agents.values()
    )


def _server(name: str, server: Workload, authorization: Authorization) -> Iterator[Route]:
    path = server_path(name)
    yield _forward(path, "POST", name, server, authorization)
    # A stream that a client keeps open would cost money until it is closed.
    yield Route(
        path=path,
        method="ANY",
        authorization=authorization,
        integration="MOCK",
        request=templates.mock(_NOT_ALLOWED.status),
        replies=(_NOT_ALLOWED,),
    )


def _agent(name: str, agent: Agent, authorization: Authorization) -> Iterator[Route]:
    path = agent_path(name)
    for below in (path, f"{path}/{{proxy+}}"):
        yield _forward(below, "ANY", name, agent, authorization)


def _forward(
    path: str, method: str, name: str, workload: Workload, authorization: Authorization
) -> Route:
    return Route(
        path=path,
        method=method,
        authorization=authorization,
        integration="AWS_PROXY",
        workload=name,
        timeout_milliseconds=limits.integration_timeout_milliseconds(workload.max_request_seconds),
    )


def _state_machine(name: str, agent: Agent, authorization: Authorization) -> Iterator[Route]:
    path = agent_path(name)
    executions = f"{path}/executions"
    express = answers_at_once(agent)
    yield Route(
        path=f"{path}/ask",
        method="POST",
        authorization=authorization,
        integration="AWS",
        workload=name,
        action="StartSyncExecution" if express else "StartExecution",
        request=templates.START,
        takes_question=True,
        replies=(
            Reply(status=200, template=templates.ANSWERED, pattern="200")
            if express
            else Reply(status=202, template=templates.started(executions), pattern="200"),
            Reply(status=429, template=templates.REFUSED, pattern=_REFUSED),
            _FAILED,
        ),
    )
    if not express:
        yield Route(
            path=f"{executions}/{{id}}",
            method="GET",
            authorization=authorization,
            integration="AWS",
            workload=name,
            action="DescribeExecution",
            request=templates.DESCRIBE,
            required_parameters=("method.request.path.id",),
            replies=(
                Reply(status=200, template=templates.DESCRIBED, pattern="200"),
                Reply(status=404, template=templates.REFUSED, pattern=_REFUSED),
                _FAILED,
            ),
        )


def _metadata(fleet: Fleet) -> Iterator[Route]:
    """The routes of the protected-resource metadata, which callers read without a token."""
    auth, domain = fleet.gateway.auth, fleet.gateway.domain
    if not auth:
        return
    reply = Reply(status=200, template=protected_resource_metadata(auth, f"https://{domain}"))
    for path in (METADATA_PATH, f"{METADATA_PATH}/{{proxy+}}"):
        yield Route(
            path=path,
            method="GET",
            authorization="NONE",
            integration="MOCK",
            request=templates.mock(reply.status),
            replies=(reply,),
        )


def _responses(fleet: Fleet) -> tuple[GatewayResponse, ...]:
    """The gateway's responses to requests without a valid token, or without a route.

    If the gateway checks tokens, API Gateway itself responds with 401. MCP clients look for the URL
    of the metadata in this response (MCP 2026-07-28, authorization). A path without a route gets a
    404, as on the other targets. If requests are signed, a request without a signature and a path
    without a route get the same response, and both responses are the defaults of AWS (API Gateway
    Developer Guide, "Gateway response types").

    Both responses exist in every configuration: one that a change deletes would be deleted only
    after the deployment was created, and would still be part of it.
    """
    if not fleet.gateway.auth or not fleet.gateway.domain:
        return _DEFAULT_RESPONSES
    challenge = f'Bearer resource_metadata="https://{fleet.gateway.domain}{METADATA_PATH}"'
    return (
        GatewayResponse(
            name="unauthorized",
            type=_UNAUTHORIZED,
            status=401,
            template=templates.error("a valid token is missing"),
            headers={"gatewayresponse.header.WWW-Authenticate": f"'{challenge}'"},
        ),
        GatewayResponse(
            name="nothing",
            type=_NO_ROUTE,
            status=404,
            template=templates.error("there is nothing at this path"),
        ),
    )
