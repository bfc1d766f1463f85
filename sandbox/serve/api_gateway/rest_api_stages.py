"""The deployed stages of REST APIs of API Gateway.

Facts from the API Gateway Developer Guide ("Deploy REST APIs in API Gateway", "Set up a
proxy integration with a proxy resource").
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.cloud.store import Cloud, StoredResource
from sandbox.serve.api_gateway.authorization import LambdaAuthorizer
from sandbox.serve.api_gateway.deployments import held_at, with_copies
from sandbox.serve.api_gateway.resource_policies import address_within
from sandbox.serve.functions.runtime_api import Runtime
from sandbox.serve.http.gateway_responses import Refused
from sandbox.serve.readers.aws_lambda import Function
from sandbox.values.tree import part

JSON = "application/json"
"""The default content type of a request body."""

_OWN = "aws:apigateway/"
_DEFAULT_MILLISECONDS = 29_000  # API Gateway quotas, integration timeout
_PROXY = re.compile(r"\{.+\+\}")
_PARAMETER = re.compile(r"\{.+\}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Method:
    """A method of a resource with its integration.

    Attributes:
        http_method: `ANY` or the method.
        path: The resource's path, such as `/agents/assistant/{proxy+}`.
        resource_id: The resource's id.
        authorization: `NONE`, `AWS_IAM` or `CUSTOM`.
        authorizer: Its Lambda authorizer, if it has one.
        integration: Its integration.
        replies: The integration responses of an integration that is not a proxy integration.
        body_schemas: The schemas of request bodies by content type.
    """

    http_method: str
    path: str
    resource_id: str
    authorization: str
    authorizer: LambdaAuthorizer | None
    integration: Mapping[str, Any]
    replies: Sequence[Mapping[str, Any]]
    body_schemas: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """A REST API as it is deployed to one stage.

    Attributes:
        api_id: The API's id.
        name: The stage's name.
        execution_arn: The API's ARN.
        policy: The resource policy of the API, or nothing.
        address: The address of callers that are not workloads.
        binary_media_types: The content types of bodies that are passed on as bytes.
        methods: The methods, by the path of their resource and their HTTP method.
        responses: The API's own gateway responses, by type.
    """

    api_id: str
    name: str
    execution_arn: str
    policy: str
    address: str
    binary_media_types: frozenset[str]
    methods: Mapping[str, Mapping[str, Method]]
    responses: Mapping[str, Mapping[str, Any]]


def read(
    cloud: Cloud, functions: Mapping[str, Function], runtime: Runtime, api: StoredResource
) -> dict[str, Stage]:
    """The stages of an API.

    Args:
        cloud: The cloud.
        functions: The functions by the ARN of their alias.
        runtime: Invokes authorizers.
        api: The API.

    Returns:
        The stages by name. Changes after a stage's deployment are not included.
    """
    return {
        str(one.properties["stageName"]): _stage(cloud, functions, runtime, api, one)
        for one in _of(cloud, "stage:Stage", api.id)
    }


def _stage(
    cloud: Cloud,
    functions: Mapping[str, Function],
    runtime: Runtime,
    api: StoredResource,
    stage: StoredResource,
) -> Stage:
    deployment = cloud.get(
        "aws", f"{_OWN}deployment:Deployment", str(stage.properties.get("deployment"))
    )
    until = deployment.created if deployment else 0.0

    def deployed(type_: str) -> list[StoredResource]:
        return [one for one in _ever(cloud, type_, api.id) if held_at(one, until)]

    execution_arn = str(api.properties["executionArn"])
    authorizers = {
        one.id: LambdaAuthorizer(
            cloud=cloud,
            settings=one.properties,
            id=one.id,
            execution_arn=execution_arn,
            functions=functions,
            runtime=runtime,
        )
        for one in deployed("authorizer:Authorizer")
    }
    paths = {
        one.id: str(one.properties["path"]) for one in _ever(cloud, "resource:Resource", api.id)
    }
    paths[str(api.properties.get("rootResourceId"))] = "/"
    integrations = {_at(one.properties): one for one in deployed("integration:Integration")}
    replies = [one.properties for one in deployed("integrationResponse:IntegrationResponse")]
    validators = {one.id: one.properties for one in deployed("requestValidator:RequestValidator")}
    schemas = {
        str(one.properties["name"]): json.loads(str(one.properties["schema"]))
        for one in deployed("model:Model")
    }
    methods: dict[str, dict[str, Method]] = {}
    for made in (one.properties for one in deployed("method:Method")):
        integration = integrations.get(_at(made))
        method = Method(
            http_method=str(made["httpMethod"]),
            path=paths[str(made["resourceId"])],
            resource_id=str(made["resourceId"]),
            authorization=str(made.get("authorization") or "NONE"),
            authorizer=authorizers.get(str(made.get("authorizerId"))),
            integration=integration.properties if integration else {},
            replies=[one for one in replies if _at(one) == _at(made)],
            body_schemas={
                content_type: schemas[name]
                for content_type, name in part(made, "requestModels").items()
                if validators.get(str(made.get("requestValidatorId")), {}).get(
                    "validateRequestBody"
                )
            },
        )
        methods.setdefault(method.path, {})[method.http_method] = method
    policy = _policy(api, deployed("restApiPolicy:RestApiPolicy"))
    return Stage(
        api_id=api.id,
        name=str(stage.properties["stageName"]),
        execution_arn=execution_arn,
        policy=policy,
        address=address_within(policy),
        binary_media_types=frozenset(api.properties.get("binaryMediaTypes") or ()),
        methods=methods,
        responses={
            str(one.properties["responseType"]): one.properties
            for one in deployed("response:Response")
        },
    )


def timeout_seconds(method: Method) -> float:
    """The timeout of the integration of a method.

    Args:
        method: The method.

    Returns:
        The seconds.
    """
    return float(method.integration.get("timeoutMilliseconds") or _DEFAULT_MILLISECONDS) / 1000


def _ever(cloud: Cloud, type_: str, api_id: str) -> list[StoredResource]:
    return _of_api(with_copies(cloud, _OWN + type_), api_id)


def _of(cloud: Cloud, type_: str, api_id: str) -> list[StoredResource]:
    return _of_api(cloud.list("aws", _OWN + type_), api_id)


def _of_api(resources: Sequence[StoredResource], api_id: str) -> list[StoredResource]:
    return [
        one
        for one in resources
        if api_id in (one.properties.get("restApi"), one.properties.get("restApiId"))
    ]


def _policy(api: StoredResource, own: Sequence[StoredResource]) -> str:
    """The resource policy of an API as JSON, or nothing."""
    found = own[0].properties.get("policy") if own else api.properties.get("policy")
    return found if isinstance(found, str) else json.dumps(found) if found else ""


def _at(made: Mapping[str, Any]) -> tuple[Any, Any]:
    return made.get("resourceId"), made.get("httpMethod")


def find(stage: Stage, http_method: str, path: str) -> tuple[Method, dict[str, str]]:
    """The method that matches a request: that of the most specific resource.

    Args:
        stage: The stage.
        http_method: The request's method.
        path: Its path, without the stage.

    Returns:
        The method and the path parameters.

    Raises:
        Refused: no resource matches the path, or the resource does not have the method.
    """
    found: list[tuple[tuple[int, ...], str, dict[str, str]]] = []
    for template in stage.methods:
        matched = _match(template, path)
        if matched:
            found.append((matched[0], template, matched[1]))
    if found:
        _, template, parameters = min(found, key=lambda one: one[0])
        methods = stage.methods[template]
        method = methods.get(http_method) or methods.get("ANY")
        if method:
            return method, parameters
    raise Refused("MISSING_AUTHENTICATION_TOKEN")


def _match(template: str, path: str) -> tuple[tuple[int, ...], dict[str, str]] | None:
    """The rank of a matching path (the lowest is the most specific) and its parameters, or None."""
    wanted, given = template.split("/")[1:], path.split("/")[1:]
    order: list[int] = []
    parameters: dict[str, str] = {}
    for position, piece in enumerate(wanted):
        if position >= len(given):
            return None
        if _PROXY.fullmatch(piece):
            rest = "/".join(given[position:])
            parameters[piece[1:-2]] = rest
            return ((*order, 2), parameters) if rest else None
        if _PARAMETER.fullmatch(piece) and given[position]:
            parameters[piece[1:-1]] = given[position]
            order.append(1)
        elif piece == given[position]:
            order.append(0)
        else:
            return None
    return (tuple(order), parameters) if len(wanted) == len(given) else None
