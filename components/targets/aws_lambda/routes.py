"""What a REST API answers, and its stage."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.component import Component
from components.foundation import Foundation
from components.gateway.firewall import firewall
from components.outputs import fingerprint
from components.targets.aws_lambda import templates
from components.targets.aws_lambda.api import Api
from components.targets.aws_lambda.apis import Apis
from components.targets.aws_lambda.function import Function
from components.targets.aws_lambda.state_machine import StateMachine
from core.config.model import Fleet
from core.discovery import API_STAGE, agent_path, protected_resource_metadata
from core.stack import Stack
from core.targets.aws_lambda import limits
from core.targets.aws_lambda.rest_api import Answer, Route, resources

_JSON = "application/json"

_LOG_FORMAT = {
    "requestId": "$context.requestId",
    "time": "$context.requestTime",
    "caller": "$context.identity.userArn$context.authorizer.principalId",
    "ip": "$context.identity.sourceIp",
    "method": "$context.httpMethod",
    "path": "$context.path",
    "status": "$context.status",
    "milliseconds": "$context.responseLatency",
    "error": "$context.error.message",
    "integrationError": "$context.integrationErrorMessage",
}

# What a caller asks a state machine, checked before it starts.
_QUESTION = {
    "$schema": "http://json-schema.org/draft-04/schema#",
    "type": "object",
    "required": ["question"],
    "properties": {"question": {"type": "string", "minLength": 1, "maxLength": 4000}},
    "additionalProperties": False,
}


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One of the answers that API Gateway writes itself.

    Attributes:
        status: The HTTP status.
        template: The body, in the Velocity template language.
        pattern: Which statuses behind the integration it is for; None for all others.
        headers: Headers, as API Gateway writes their values.
    """

    status: int
    template: str
    pattern: str | None = None
    headers: Mapping[str, str] | None = None


class Routes(Component):
    """The routes of a REST API, deployed to its stage.

    Type token `mcp-platform:lambda:Routes`. Creates a resource for every part of a path, a method
    and an integration for every route with what it needs to answer, and permissions to invoke the
    functions; then a deployment, which is replaced whenever one of these says something else; and
    the stage, throttled, traced, with an access log; where the API has a domain, the way from it to
    the stage; where one is asked for, a web ACL.

    Attributes:
        stage_name: The stage's name.
    """

    stage_name: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        api: Api,
        routes: Sequence[Route],
        apis: Apis,
        functions: Mapping[str, Function],
        machines: Mapping[str, StateMachine],
        fleet: Fleet,
        stack: Stack,
        foundation: Foundation,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Makes the routes.

        Args:
            name: The component's name.
            api: The API.
            routes: Its routes.
            apis: The fleet's APIs, and what checks tokens before the gateway.
            functions: The workloads' functions, by workload.
            machines: The agents' state machines, by agent.
            fleet: The fleet.
            stack: The stack.
            foundation: The foundation.
            opts: The component's options.
        """
        super().__init__("mcp-platform:lambda:Routes", name, opts)
        self._name, self._api, self._fleet, self._stack = name, api, fleet, stack
        self._functions, self._machines = functions, machines
        self._foundation = foundation
        self._made: list[pulumi.Resource] = [resource for resource, _ in api.settings]
        self._said: list[pulumi.Input[object]] = [said for _, said in api.settings]
        self._resource_ids = self._resources(routes)
        self._authorizer = (
            self._check_tokens(apis.tokens) if apis.tokens and api.is_gateway else None
        )
        self._question = (
            self._ask_for_questions()
            if any(route.answer is Answer.START for route in routes)
            else None
        )
        for route in routes:
            self._route(route)
        self.stage_name = self._stage(foundation, apis.logged).stage_name
        self.register()

    def _resources(self, routes: Sequence[Route]) -> dict[str, pulumi.Output[str]]:
        """Makes a resource for every part of a path, and gives their ids by path."""
        ids: dict[str, pulumi.Output[str]] = {"": self._api.root_id}
        for path in resources(routes):
            above, _, part = path.rpartition("/")
            made = aws.apigateway.Resource(
                f"{self._name}-{_slug(path)}",
                rest_api=self._api.id,
                parent_id=ids[above],
                path_part=part,
                opts=self.child_opts,
            )
            ids[path] = made.id
        return ids

    def _check_tokens(self, tokens: Function) -> aws.apigateway.Authorizer:
        authorizer = aws.apigateway.Authorizer(
            f"{self._name}-tokens",
            name="tokens",
            rest_api=self._api.id,
            type="TOKEN",
            authorizer_uri=tokens.invoke_uri(self._stack.region, streams=False),
            identity_source="method.request.header.Authorization",
            identity_validation_expression=_BEARER,
            authorizer_result_ttl_in_seconds=_TOKEN_SECONDS,
            opts=self.child_opts,
        )
        permission = tokens.admit_api(
            f"{self._name}-tokens-permission",
            pulumi.Output.concat(self._api.execution_arn, "/authorizers/", authorizer.id),
            self,
        )
        self._made += [authorizer, permission]
        self._said.append([authorizer.authorizer_uri, _BEARER, _TOKEN_SECONDS])
        return authorizer

    def _ask_for_questions(self) -> tuple[aws.apigateway.Model, aws.apigateway.RequestValidator]:
        """Makes what checks the body of a question before a state machine starts."""
        model = aws.apigateway.Model(
            f"{self._name}-question",
            name="Question",
            rest_api=self._api.id,
            content_type=_JSON,
            schema=json.dumps(_QUESTION),
            opts=self.child_opts,
        )
        validator = aws.apigateway.RequestValidator(
            f"{self._name}-body",
            name="body",
            rest_api=self._api.id,
            validate_request_body=True,
            opts=self.child_opts,
        )
        self._made += [model, validator]
        self._said.append(_QUESTION)
        return model, validator

    def _route(self, route: Route) -> None:
        workload = route.workload or ""
        match route.answer:
            case Answer.WORKLOAD:
                self._forward(route, self._functions[workload])
            case Answer.NOT_ALLOWED:
                refusal = Reply(
                    status=405,
                    template=templates.error("POST is the only method here"),
                    headers={"Allow": "'POST'"},
                )
                self._answer(route, templates.mock(405), [refusal])
            case Answer.METADATA:
                gateway = self._fleet.gateway
                if gateway.auth:
                    text = protected_resource_metadata(gateway.auth, f"https://{gateway.domain}")
                    self._answer(
                        route, templates.mock(200), [Reply(status=200, template=text)], open_=True
                    )
            case Answer.START:
                self._start(route, self._machines[workload])
            case Answer.STATUS:
                self._describe(route, self._machines[workload])

    def _method(self, route: Route, *, open_: bool = False) -> aws.apigateway.Method:
        """Creates the method of a route, with authorization unless the route is open."""
        closed = "CUSTOM" if self._authorizer else "AWS_IAM"
        authorization = "NONE" if open_ else closed
        question = self._question if route.answer is Answer.START else None
        method = aws.apigateway.Method(
            f"{self._name}-{_slug(route.path)}-{route.method}",
            rest_api=self._api.id,
            resource_id=self._resource_ids[route.path],
            http_method=route.method,
            authorization=authorization,
            authorizer_id=self._authorizer.id if self._authorizer and not open_ else None,
            request_models={_JSON: question[0].name} if question else None,
            request_validator_id=question[1].id if question else None,
            request_parameters={"method.request.path.id": True}
            if route.answer is Answer.STATUS
            else None,
            opts=self.child_opts,
        )
        self._made.append(method)
        self._said.append([route.path, route.method, route.answer.name, authorization])
        return method

    def _forward(self, route: Route, function: Function) -> None:
        """Hands requests to a function, and its answer back while it is being given."""
        loads = dict(self._fleet.workloads())
        uri = function.invoke_uri(self._stack.region, streams=True)
        timeout = limits.integration_timeout_milliseconds(
            loads[route.workload or ""].max_request_seconds
        )
        method = self._method(route)
        integration = aws.apigateway.Integration(
            f"{self._name}-{_slug(route.path)}-{route.method}-function",
            rest_api=self._api.id,
            resource_id=method.resource_id,
            http_method=method.http_method,
            type="AWS_PROXY",
            integration_http_method="POST",
            uri=uri,
            response_transfer_mode="STREAM",
            timeout_milliseconds=timeout,
            opts=self.child_opts,
        )
        permission = function.admit_api(
            f"{self._name}-{_slug(route.path)}-{route.method}-permission",
            self._api.route_arn(
                route.method.replace("ANY", "*"), route.path.replace("{proxy+}", "*")
            ),
            self,
        )
        self._made += [integration, permission]
        self._said.append([uri, timeout])

    def _start(self, route: Route, machine: StateMachine) -> None:
        action = "StartSyncExecution" if machine.express else "StartExecution"
        request = machine.arn.apply(templates.start)
        status_path = f"{agent_path(route.workload or '')}/executions"
        well = (
            Reply(status=200, template=templates.ANSWERED, pattern="200")
            if machine.express
            else Reply(status=202, template=templates.started(status_path), pattern="200")
        )
        refused = Reply(status=429, template=templates.refused(), pattern=_REFUSED)
        self._answer(route, request, [well, refused, _FAILED], machine=machine, action=action)

    def _describe(self, route: Route, machine: StateMachine) -> None:
        request = machine.execution_arn.apply(templates.describe)
        replies = [
            Reply(status=200, template=templates.DESCRIBED, pattern="200"),
            Reply(status=404, template=templates.refused(), pattern=_REFUSED),
            _FAILED,
        ]
        self._answer(route, request, replies, machine=machine, action="DescribeExecution")

    def _answer(
        self,
        route: Route,
        request: pulumi.Input[str],
        replies: Sequence[Reply],
        *,
        open_: bool = False,
        machine: StateMachine | None = None,
        action: str = "",
    ) -> None:
        """Lets API Gateway answer: by itself, or with what an action of Step Functions gives."""
        stem = f"{self._name}-{_slug(route.path)}-{route.method}"
        method = self._method(route, open_=open_)
        integration = aws.apigateway.Integration(
            f"{stem}-answer",
            rest_api=self._api.id,
            resource_id=method.resource_id,
            http_method=method.http_method,
            type="AWS" if machine else "MOCK",
            integration_http_method="POST" if machine else None,
            uri=machine.action_uri(action) if machine else None,
            credentials=machine.starter_role_arn if machine else None,
            passthrough_behavior="NEVER",
            request_templates={_JSON: request},
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=machine.startable if machine else None
            ),
        )
        self._made.append(integration)
        self._said.append([request, action, machine.starter_role_arn if machine else None])
        for reply in replies:
            self._reply(f"{stem}-{reply.status}", method, integration, reply)

    def _reply(
        self,
        name: str,
        method: aws.apigateway.Method,
        integration: aws.apigateway.Integration,
        reply: Reply,
    ) -> None:
        headers = reply.headers or {}
        status = str(reply.status)
        declared = aws.apigateway.MethodResponse(
            name,
            rest_api=self._api.id,
            resource_id=method.resource_id,
            http_method=method.http_method,
            status_code=status,
            response_parameters={f"method.response.header.{key}": True for key in headers} or None,
            opts=self.child_opts,
        )
        written = aws.apigateway.IntegrationResponse(
            f"{name}-body",
            rest_api=self._api.id,
            resource_id=method.resource_id,
            http_method=method.http_method,
            status_code=declared.status_code,
            selection_pattern=reply.pattern,
            response_parameters={
                f"method.response.header.{key}": value for key, value in headers.items()
            }
            or None,
            response_templates={_JSON: reply.template},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[integration]),
        )
        self._made += [declared, written]
        self._said.append([status, reply.pattern, reply.template, dict(headers)])

    def _stage(
        self, foundation: Foundation, logged: Sequence[pulumi.Resource]
    ) -> aws.apigateway.Stage:
        # A deployment is a copy of the routes: only another one has what they say by now.
        deployment = aws.apigateway.Deployment(
            f"{self._name}-deployment",
            rest_api=self._api.id,
            description="The routes as they are",
            triggers={"routes": fingerprint(self._said)},
            opts=pulumi.ResourceOptions(parent=self, depends_on=self._made),
        )
        stage = aws.apigateway.Stage(
            f"{self._name}-stage",
            rest_api=self._api.id,
            stage_name=API_STAGE,
            deployment=deployment.id,
            access_log_settings={
                "destination_arn": foundation.observability.gateway_log_group_arn,
                "format": json.dumps(_LOG_FORMAT),
            },
            xray_tracing_enabled=True,
            opts=pulumi.ResourceOptions(parent=self, depends_on=logged),
        )
        throttle = self._fleet.gateway.throttle
        settings = aws.apigateway.MethodSettings(
            f"{self._name}-settings",
            rest_api=self._api.id,
            stage_name=stage.stage_name,
            method_path="*/*",
            settings={
                # Metrics of each method are billed, and nothing reads them: alarms and dashboard go
                # by the API and its stage.
                "metrics_enabled": False,
                "throttling_rate_limit": throttle.requests_per_second,
                "throttling_burst_limit": throttle.burst,
            },
            opts=self.child_opts,
        )
        guards: list[pulumi.Resource] = [settings]
        if self._api.is_gateway:
            guards += firewall(
                self._name,
                fleet=self._fleet,
                foundation=self._foundation,
                resource_arn=stage.arn,
                parent=self,
            )
        if self._api.domain_name is not None:
            aws.apigateway.BasePathMapping(
                f"{self._name}-mapping",
                domain_name=self._api.domain_name,
                rest_api=self._api.id,
                stage_name=stage.stage_name,
                # The domain leads to the stage only once it is limited and guarded.
                opts=pulumi.ResourceOptions(parent=self, depends_on=guards),
            )
        return stage


# How long API Gateway remembers that a token is good: one that was withdrawn passes so much longer.
_TOKEN_SECONDS = 60

# RFC 6750, section 2.1: what is no bearer token is refused without asking.
_BEARER = "^[Bb]earer +[A-Za-z0-9._~+/-]+=*$"

# The statuses of what Step Functions refuses. Its template says which status the caller gets.
_REFUSED = "4\\d{2}"

_FAILED = Reply(status=502, template=templates.error("the agent could not be asked"))


def _slug(path: str) -> str:
    """A path as part of a name: parted by underscores, which no workload's name has."""
    return path.strip("/").translate(str.maketrans({"/": "_", "{": "", "}": "", "+": ""}))
