"""The routes of a REST API, its deployment and its stage."""

import json
from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws

from components.component import Component
from components.foundation import Foundation
from components.gateway.firewall import firewall
from components.targets.aws_lambda.api import Api
from components.targets.aws_lambda.apis import Apis
from components.targets.aws_lambda.function import Function
from components.targets.aws_lambda.state_machine import StateMachine
from core.config.model import Fleet
from core.stack import Stack
from core.targets.aws_lambda.addresses import API_STAGE
from core.targets.aws_lambda.placeholders import fill
from core.targets.aws_lambda.rest_api import Reply, Route, TokenAuthorizer, resources

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


class Routes(Component):
    """The routes of a REST API, deployed to its stage.

    Type token `mcp-platform:lambda:Routes`. Creates from the API's definition a resource for every
    part of a path, and a method and an integration for every route, with the permissions to invoke
    the functions. Then it creates a deployment, which is replaced if an input of these resources
    changes, and the stage with throttling, tracing and an access log. If the API has a domain, it
    maps the domain to the stage; if the fleet has a firewall, it creates a web ACL.

    Attributes:
        stage_name: The stage's name.
    """

    stage_name: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        api: Api,
        apis: Apis,
        functions: Mapping[str, Function],
        machines: Mapping[str, StateMachine],
        fleet: Fleet,
        stack: Stack,
        foundation: Foundation,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Creates the routes.

        Args:
            name: The component's name.
            api: The API.
            apis: The fleet's APIs, and the function that checks tokens.
            functions: The functions, by workload.
            machines: The state machines, by agent.
            fleet: The fleet.
            stack: The stack.
            foundation: The foundation.
            opts: The component's options.
        """
        super().__init__("mcp-platform:lambda:Routes", name, opts)
        self._name, self._api, self._fleet, self._stack = name, api, fleet, stack
        self._functions, self._machines = functions, machines
        self._foundation = foundation
        self._create = api.snapshot.create
        self._permissions: list[pulumi.Resource] = []
        definition = api.definition
        self._resource_ids = self._resources(definition.routes)
        self._authorizer = (
            self._check_tokens(definition.authorizer, apis.tokens)
            if definition.authorizer and apis.tokens
            else None
        )
        self._question = (
            self._validate_questions(definition.question_schema)
            if definition.question_schema
            else None
        )
        for route in definition.routes:
            self._route(route)
        self.stage_name = self._stage(foundation, apis.logged).stage_name
        self.register()

    def _resources(self, routes: Sequence[Route]) -> dict[str, pulumi.Output[str]]:
        """Creates a resource for every part of a path, and returns their ids by path."""
        ids: dict[str, pulumi.Output[str]] = {"": self._api.root_id}
        for path in resources(routes):
            parent, _, part = path.rpartition("/")
            made = self._create(
                aws.apigateway.Resource,
                f"{self._name}-{_slug(path)}",
                rest_api=self._api.id,
                parent_id=ids[parent],
                path_part=part,
                opts=self.child_opts,
            )
            ids[path] = made.id
        return ids

    def _check_tokens(
        self, settings: TokenAuthorizer, tokens: Function
    ) -> aws.apigateway.Authorizer:
        authorizer = self._create(
            aws.apigateway.Authorizer,
            f"{self._name}-tokens",
            name="tokens",
            rest_api=self._api.id,
            type="TOKEN",
            authorizer_uri=tokens.invoke_uri(self._stack.region, streams=False),
            identity_source=settings.identity_source,
            identity_validation_expression=settings.pattern,
            authorizer_result_ttl_in_seconds=settings.result_ttl_seconds,
            opts=self.child_opts,
        )
        permission = tokens.admit_api(
            f"{self._name}-tokens-permission",
            pulumi.Output.concat(self._api.execution_arn, "/authorizers/", authorizer.id),
            self,
        )
        self._permissions.append(permission)
        return authorizer

    def _validate_questions(
        self, schema: str
    ) -> tuple[aws.apigateway.Model, aws.apigateway.RequestValidator]:
        """Creates the model and the validator for the body of a question to a state machine."""
        model = self._create(
            aws.apigateway.Model,
            f"{self._name}-question",
            name="Question",
            rest_api=self._api.id,
            content_type=_JSON,
            schema=schema,
            opts=self.child_opts,
        )
        validator = self._create(
            aws.apigateway.RequestValidator,
            f"{self._name}-body",
            name="body",
            rest_api=self._api.id,
            validate_request_body=True,
            opts=self.child_opts,
        )
        return model, validator

    def _route(self, route: Route) -> None:
        method = self._method(route)
        if route.integration == "AWS_PROXY":
            self._forward(route, method, self._functions[route.workload or ""])
        else:
            integration = self._integration(route, method)
            for reply in route.replies:
                self._reply(f"{self._stem(route)}-{reply.status}", method, integration, reply)

    def _stem(self, route: Route) -> str:
        return f"{self._name}-{_slug(route.path)}-{route.method}"

    def _method(self, route: Route) -> aws.apigateway.Method:
        authorizer = self._authorizer if route.authorization == "CUSTOM" else None
        question = self._question if route.takes_question else None
        return self._create(
            aws.apigateway.Method,
            self._stem(route),
            rest_api=self._api.id,
            resource_id=self._resource_ids[route.path],
            http_method=route.method,
            authorization=route.authorization,
            authorizer_id=authorizer.id if authorizer else None,
            request_models={_JSON: question[0].name} if question else None,
            request_validator_id=question[1].id if question else None,
            request_parameters=dict.fromkeys(route.required_parameters, True) or None,
            opts=self.child_opts,
        )

    def _forward(self, route: Route, method: aws.apigateway.Method, function: Function) -> None:
        """Forwards requests to a function, and streams its response."""
        self._create(
            aws.apigateway.Integration,
            f"{self._stem(route)}-function",
            rest_api=self._api.id,
            resource_id=method.resource_id,
            http_method=method.http_method,
            type=route.integration,
            integration_http_method="POST",
            uri=function.invoke_uri(self._stack.region, streams=True),
            response_transfer_mode="STREAM",
            timeout_milliseconds=route.timeout_milliseconds,
            opts=self.child_opts,
        )
        permission = function.admit_api(
            f"{self._stem(route)}-permission",
            self._api.route_arn(
                route.method.replace("ANY", "*"), route.path.replace("{proxy+}", "*")
            ),
            self,
        )
        self._permissions.append(permission)

    def _integration(
        self, route: Route, method: aws.apigateway.Method
    ) -> aws.apigateway.Integration:
        """Creates a mock, or the integration of an action of Step Functions."""
        machine = self._machines[route.workload or ""] if route.action else None
        return self._create(
            aws.apigateway.Integration,
            f"{self._stem(route)}-answer",
            rest_api=self._api.id,
            resource_id=method.resource_id,
            http_method=method.http_method,
            type=route.integration,
            integration_http_method="POST" if machine else None,
            uri=machine.action_uri(route.action) if machine and route.action else None,
            credentials=machine.starter_role_arn if machine else None,
            passthrough_behavior="NEVER",
            request_templates={_JSON: _request(route, machine) if machine else route.request},
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=machine.startable if machine else None
            ),
        )

    def _reply(
        self,
        name: str,
        method: aws.apigateway.Method,
        integration: aws.apigateway.Integration,
        reply: Reply,
    ) -> None:
        response = self._create(
            aws.apigateway.MethodResponse,
            name,
            rest_api=self._api.id,
            resource_id=method.resource_id,
            http_method=method.http_method,
            status_code=str(reply.status),
            response_parameters={f"method.response.header.{key}": True for key in reply.headers}
            or None,
            opts=self.child_opts,
        )
        self._create(
            aws.apigateway.IntegrationResponse,
            f"{name}-body",
            rest_api=self._api.id,
            resource_id=method.resource_id,
            http_method=method.http_method,
            status_code=response.status_code,
            selection_pattern=reply.pattern,
            response_parameters={
                f"method.response.header.{key}": value for key, value in reply.headers.items()
            }
            or None,
            response_templates={_JSON: reply.template},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[integration]),
        )

    def _stage(
        self, foundation: Foundation, logged: Sequence[pulumi.Resource]
    ) -> aws.apigateway.Stage:
        snapshot = self._api.snapshot
        deployment = aws.apigateway.Deployment(
            f"{self._name}-deployment",
            rest_api=self._api.id,
            description="The routes as they are",
            triggers={"routes": snapshot.fingerprint()},
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=[*snapshot.resources, *self._permissions]
            ),
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
                # Metrics per method cost money and are not used. The alarms and the dashboard
                # use the metrics of the API and the stage.
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
                # The domain is mapped only after the stage has its limits and its web ACL.
                opts=pulumi.ResourceOptions(parent=self, depends_on=guards),
            )
        return stage


def _request(route: Route, machine: StateMachine) -> pulumi.Output[str]:
    prefix = machine.execution_arn if route.action == "DescribeExecution" else machine.arn
    return prefix.apply(lambda arn: fill(route.request, {"arn": arn}))


def _slug(path: str) -> str:
    """A path as a part of a logical name, with underscores, which no workload's name contains."""
    return path.strip("/").translate(str.maketrans({"/": "_", "{": "", "}": "", "+": ""}))
