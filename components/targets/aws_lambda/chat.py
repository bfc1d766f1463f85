"""The WebSocket API of an agent with chat.

Each message on a connection invokes the agent's function asynchronously, and the function sends its
response to the connection: the API itself would wait for at most 29 seconds (API Gateway Developer
Guide, "Quotas for configuring and running a WebSocket API").
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.foundation import Foundation
from components.targets.aws_lambda.function import Function
from components.targets.aws_lambda.snapshot import Snapshot
from core.config.model import Fleet
from core.stack import Stack
from core.targets.aws_lambda import templates
from core.targets.aws_lambda.addresses import API_STAGE, api_host
from core.targets.aws_lambda.limits import CHAT_EVENT_SECONDS

_ALWAYS = r"\$default"  # selects this template for every message

_LOG_FORMAT = {
    "requestId": "$context.requestId",
    "time": "$context.requestTime",
    "route": "$context.routeKey",
    "connection": "$context.connectionId",
    "status": "$context.status",
    "error": "$context.error.message",
}


@dataclass(frozen=True, kw_only=True)
class ChatApi:
    """The WebSocket API of an agent.

    Attributes:
        id: The API's id.
        execution_arn: The prefix of ARNs in permissions to call it.
        snapshot: The resources that its deployment copies.
    """

    id: pulumi.Output[str]
    execution_arn: pulumi.Output[str]
    snapshot: Snapshot


def create_chat_api(name: str, *, workload: str, stack: Stack, parent: pulumi.Resource) -> ChatApi:
    """Creates the API without routes, because the function needs its address."""
    snapshot = Snapshot()
    api = snapshot.create(
        aws.apigatewayv2.Api,
        f"{name}-chat",
        name=f"{stack.label}-{workload}",
        description=f"Chat with {workload} of {stack.label}",
        protocol_type="WEBSOCKET",
        route_selection_expression="$request.body.action",
        opts=pulumi.ResourceOptions(parent=parent),
    )
    return ChatApi(id=api.id, execution_arn=api.execution_arn, snapshot=snapshot)


def endpoint(api: ChatApi, stack: Stack) -> pulumi.Output[str]:
    """The URL to which the function sends its responses."""
    return api.id.apply(lambda id_: f"https://{api_host(stack.region, id_)}/{API_STAGE}")


def deploy_chat_api(
    name: str,
    api: ChatApi,
    function: Function,
    *,
    fleet: Fleet,
    stack: Stack,
    foundation: Foundation,
    tokens: Function | None,
    logged: Sequence[pulumi.Resource],
    parent: pulumi.Resource,
) -> pulumi.Output[str]:
    """Creates the routes of the API and deploys it.

    A connection is authorized as a request to the gateway: by a token, or by a signature with AWS
    credentials. Each message invokes the function once, asynchronously and without retries.

    Returns:
        The URL to which people connect.
    """
    child = pulumi.ResourceOptions(parent=parent)
    invoked = aws.lambda_.FunctionEventInvokeConfig(
        f"{name}-chat-events",
        function_name=function.name,
        qualifier=function.alias.name,
        maximum_event_age_in_seconds=CHAT_EVENT_SECONDS,
        maximum_retry_attempts=0,
        opts=child,
    )
    permission = function.admit_api(
        f"{name}-chat-permission",
        pulumi.Output.concat(api.execution_arn, f"/{API_STAGE}/$default"),
        parent,
    )
    create = api.snapshot.create
    welcome = create(
        aws.apigatewayv2.Integration,
        f"{name}-chat-welcome",
        api_id=api.id,
        description="Lets connections come and go",
        integration_type="MOCK",
        request_templates={"$default": templates.CONNECTED},
        template_selection_expression=_ALWAYS,
        opts=child,
    )
    message = create(
        aws.apigatewayv2.Integration,
        f"{name}-chat-message",
        api_id=api.id,
        description="Invokes the function without waiting for it",
        integration_type="AWS",
        integration_method="POST",
        integration_uri=function.invoke_uri(stack.region, streams=False),
        passthrough_behavior="NEVER",
        request_parameters={"integration.request.header.X-Amz-Invocation-Type": "'Event'"},
        request_templates={"$default": templates.MESSAGE},
        template_selection_expression=_ALWAYS,
        opts=child,
    )
    authorizer = (
        _token_authorizer(name, api, tokens, stack=stack, parent=parent) if tokens else None
    )
    authorization = "CUSTOM" if authorizer else "AWS_IAM"
    for key, integration in (("connect", welcome), ("disconnect", welcome), ("default", message)):
        create(
            aws.apigatewayv2.Route,
            f"{name}-chat-{key}",
            api_id=api.id,
            route_key=f"${key}",
            target=pulumi.Output.concat("integrations/", integration.id),
            authorization_type=authorization if key == "connect" else "NONE",
            authorizer_id=authorizer.id if authorizer and key == "connect" else None,
            opts=child,
        )
    deployment = aws.apigatewayv2.Deployment(
        f"{name}-chat-deployment",
        api_id=api.id,
        description="The routes as they are",
        triggers={"routes": api.snapshot.fingerprint()},
        opts=pulumi.ResourceOptions(
            parent=parent, depends_on=[*api.snapshot.resources, permission, invoked]
        ),
    )
    throttle = fleet.gateway.throttle
    aws.apigatewayv2.Stage(
        f"{name}-chat-stage",
        name=API_STAGE,
        api_id=api.id,
        deployment_id=deployment.id,
        access_log_settings={
            "destination_arn": foundation.observability.gateway_log_group_arn,
            "format": json.dumps(_LOG_FORMAT),
        },
        default_route_settings={
            "throttling_rate_limit": throttle.requests_per_second,
            "throttling_burst_limit": throttle.burst,
            # Metrics per route cost money, and nothing reads them.
            "detailed_metrics_enabled": False,
        },
        opts=pulumi.ResourceOptions(parent=parent, depends_on=logged),
    )
    return api.id.apply(lambda id_: f"wss://{api_host(stack.region, id_)}/{API_STAGE}")


def _token_authorizer(
    name: str,
    api: ChatApi,
    tokens: Function,
    *,
    stack: Stack,
    parent: pulumi.Resource,
) -> aws.apigatewayv2.Authorizer:
    authorizer = api.snapshot.create(
        aws.apigatewayv2.Authorizer,
        f"{name}-chat-tokens",
        name="tokens",
        api_id=api.id,
        authorizer_type="REQUEST",
        authorizer_uri=tokens.invoke_uri(stack.region, streams=False),
        identity_sources=["route.request.header.Authorization"],
        opts=pulumi.ResourceOptions(parent=parent),
    )
    tokens.admit_api(
        f"{name}-chat-tokens-permission",
        pulumi.Output.concat(api.execution_arn, "/authorizers/", authorizer.id),
        parent,
    )
    return authorizer
