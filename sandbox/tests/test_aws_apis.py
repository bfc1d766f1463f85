"""REST APIs, from resources to custom domains, and WebSocket APIs."""

import json
from typing import Any

import pytest

from sandbox.cloud.store import StoredResource
from sandbox.engine.provider import Change, Made, RefusedError
from sandbox.tests.serverless import (
    API,
    DEPLOYMENT,
    INTEGRATION,
    LOG_FORMAT,
    LOG_GROUP,
    METHOD,
    MOCK,
    RESOURCE,
    ROUTE,
    SOCKET,
    SOCKET_DEPLOYMENT,
    SOCKET_INTEGRATION,
    SOCKET_STAGE,
    STAGE,
    make_deployed,
    make_log_account,
    make_method,
    make_role,
    make_route,
    make_socket,
    make_socket_deployment,
)
from sandbox.values.wire import UNKNOWN

POLICY = "aws:apigateway/restApiPolicy:RestApiPolicy"
METHOD_RESPONSE = "aws:apigateway/methodResponse:MethodResponse"
INTEGRATION_RESPONSE = "aws:apigateway/integrationResponse:IntegrationResponse"
MODEL = "aws:apigateway/model:Model"
VALIDATOR = "aws:apigateway/requestValidator:RequestValidator"
AUTHORIZER = "aws:apigateway/authorizer:Authorizer"
GATEWAY_RESPONSE = "aws:apigateway/response:Response"
SETTINGS = "aws:apigateway/methodSettings:MethodSettings"
DOMAIN = "aws:apigateway/domainName:DomainName"
MAPPING = "aws:apigateway/basePathMapping:BasePathMapping"
SOCKET_AUTHORIZER = "aws:apigatewayv2/authorizer:Authorizer"
SOCKET_RESPONSE = "aws:apigatewayv2/integrationResponse:IntegrationResponse"
ROUTE_RESPONSE = "aws:apigatewayv2/routeResponse:RouteResponse"
CERTIFICATE = "aws:acm/certificate:Certificate"
VALIDATION = "aws:acm/certificateValidation:CertificateValidation"

GATEWAY = "arn:aws:apigateway:us-east-1"
FUNCTION_ARN = "arn:aws:lambda:us-east-1:123456789012:function:clock"
INVOKE = f"{GATEWAY}:lambda:path/2015-03-31/functions/{FUNCTION_ARN}/invocations"
STREAM = f"{GATEWAY}:lambda:path/2021-11-15/functions/{FUNCTION_ARN}/response-streaming-invocations"
START = f"{GATEWAY}:states:action/StartExecution"
ROLE_ARN = "arn:aws:iam::123456789012:role/starter"
REST_ID, RESOURCE_ID, SOCKET_ID = "abcdefghi1", "abcde1", "abcdefghi2"
WHERE = {"restApi": REST_ID, "resourceId": RESOURCE_ID, "httpMethod": "POST"}
LAMBDA = {"type": "AWS_PROXY", "integrationHttpMethod": "POST", "uri": INVOKE}
STREAMING = {**LAMBDA, "uri": STREAM, "responseTransferMode": "STREAM"}
AUTHORIZED = {"restApi": REST_ID, "name": "tokens", "authorizerUri": INVOKE}
LOGGED = {"destinationArn": "arn:aws:logs:us-east-1:123456789012:log-group:/api"}


def policy(resource: str) -> str:
    statement = {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke"}
    return json.dumps({"Version": "2012-10-17", "Statement": [{**statement, "Resource": resource}]})


GOOD: list[tuple[str, dict[str, Any]]] = [
    (
        API,
        {
            "name": "gateway",
            "description": "of the fleet",
            "endpointConfiguration": {"types": "REGIONAL"},
            "disableExecuteApiEndpoint": True,
        },
    ),
    (POLICY, {"restApiId": REST_ID, "policy": policy("execute-api:/*")}),
    (RESOURCE, {"restApi": REST_ID, "parentId": "abcdefghi2", "pathPart": "servers"}),
    (
        METHOD,
        {
            **WHERE,
            "authorization": "CUSTOM",
            "authorizerId": "abcde2",
            "requestValidatorId": "abcde3",
            "requestModels": {"application/json": "Question"},
            "requestParameters": {"method.request.path.id": True},
        },
    ),
    (
        METHOD_RESPONSE,
        {
            **WHERE,
            "statusCode": "405",
            "responseModels": {"application/json": "Error"},
            "responseParameters": {"method.response.header.Allow": True},
        },
    ),
    (INTEGRATION, {**WHERE, **STREAMING, "timeoutMilliseconds": 900000}),
    (
        INTEGRATION,
        {
            **WHERE,
            "type": "AWS",
            "integrationHttpMethod": "POST",
            "uri": START,
            "credentials": ROLE_ARN,
            "passthroughBehavior": "NEVER",
            "requestTemplates": {"application/json": "{}"},
            "requestParameters": {"integration.request.header.X-Amz-Target": "'x'"},
        },
    ),
    (
        INTEGRATION,
        {**WHERE, "type": "HTTP_PROXY", "integrationHttpMethod": "GET", "uri": "https://a"},
    ),
    (INTEGRATION, {**WHERE, **MOCK, "requestTemplates": {"application/json": "{}"}}),
    (
        INTEGRATION_RESPONSE,
        {
            **WHERE,
            "statusCode": "405",
            "selectionPattern": "4..",
            "responseTemplates": {"application/json": "{}"},
            "responseParameters": {"method.response.header.Allow": "'POST'"},
        },
    ),
    (
        MODEL,
        {
            "restApi": REST_ID,
            "name": "Question",
            "contentType": "application/json",
            "schema": '{"type": "object"}',
        },
    ),
    (VALIDATOR, {"restApi": REST_ID, "name": "body", "validateRequestBody": True}),
    (
        AUTHORIZER,
        {
            **AUTHORIZED,
            "type": "TOKEN",
            "identitySource": "method.request.header.Authorization",
            "identityValidationExpression": "^Bearer .+$",
            "authorizerResultTtlInSeconds": 60,
        },
    ),
    (
        AUTHORIZER,
        {
            **AUTHORIZED,
            "type": "REQUEST",
            "identitySource": "method.request.header.Authorization, context.identity.sourceIp",
        },
    ),
    (
        GATEWAY_RESPONSE,
        {
            "restApiId": REST_ID,
            "responseType": "UNAUTHORIZED",
            "statusCode": "401",
            "responseParameters": {"gatewayresponse.header.WWW-Authenticate": "'Bearer'"},
            "responseTemplates": {"application/json": "{}"},
        },
    ),
    (DEPLOYMENT, {"restApi": REST_ID, "description": "d", "triggers": {"routes": "1"}}),
    (
        STAGE,
        {
            "restApi": REST_ID,
            "stageName": "live",
            "deployment": "abcde4",
            "accessLogSettings": {**LOGGED, "format": LOG_FORMAT},
            "xrayTracingEnabled": True,
        },
    ),
    (
        SETTINGS,
        {
            "restApi": REST_ID,
            "stageName": "live",
            "methodPath": "*/*",
            "settings": {
                "metricsEnabled": True,
                "throttlingRateLimit": 10,
                "throttlingBurstLimit": 20,
                "loggingLevel": "ERROR",
            },
        },
    ),
    (
        DOMAIN,
        {
            "domainName": "mcp.example.com",
            "regionalCertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/c",
            "endpointConfiguration": {"types": "REGIONAL"},
            "securityPolicy": "TLS_1_2",
        },
    ),
    (MAPPING, {"domainName": "mcp.example.com", "restApi": REST_ID, "stageName": "live"}),
    (
        SOCKET,
        {
            "name": "chat",
            "protocolType": "WEBSOCKET",
            "routeSelectionExpression": "$request.body.action",
        },
    ),
    (SOCKET, {"name": "web", "protocolType": "HTTP"}),
    (
        SOCKET_INTEGRATION,
        {
            "apiId": SOCKET_ID,
            "integrationType": "AWS",
            "integrationMethod": "POST",
            "integrationUri": INVOKE,
            "credentialsArn": ROLE_ARN,
            "passthroughBehavior": "NEVER",
            "requestParameters": {"integration.request.header.X-Amz-Invocation-Type": "'Event'"},
            "requestTemplates": {"$default": "{}"},
            "templateSelectionExpression": "\\$default",
            "timeoutMilliseconds": 29000,
        },
    ),
    (
        ROUTE,
        {
            "apiId": SOCKET_ID,
            "routeKey": "$connect",
            "target": "integrations/abcdef1",
            "authorizationType": "CUSTOM",
            "authorizerId": "abcde1",
            "requestParameters": [
                {"requestParameterKey": "route.request.header.a", "required": True}
            ],
        },
    ),
    (
        SOCKET_RESPONSE,
        {
            "apiId": SOCKET_ID,
            "integrationId": "abcdef1",
            "integrationResponseKey": "/200/",
            "responseTemplates": {"$default": "{}"},
        },
    ),
    (
        ROUTE_RESPONSE,
        {"apiId": SOCKET_ID, "routeId": "abcdef2", "routeResponseKey": "$default"},
    ),
    (
        SOCKET_AUTHORIZER,
        {
            "apiId": SOCKET_ID,
            "name": "tokens",
            "authorizerType": "REQUEST",
            "authorizerUri": INVOKE,
            "identitySources": ["route.request.header.Authorization"],
        },
    ),
    (SOCKET_DEPLOYMENT, {"apiId": SOCKET_ID, "description": "d", "triggers": {"routes": "1"}}),
    (
        SOCKET_STAGE,
        {
            "apiId": SOCKET_ID,
            "name": "live",
            "deploymentId": "abcde1",
            "accessLogSettings": {**LOGGED, "format": LOG_FORMAT},
            "defaultRouteSettings": {
                "throttlingRateLimit": 10,
                "throttlingBurstLimit": 20,
                "detailedMetricsEnabled": True,
            },
            "routeSettings": [{"routeKey": "$default", "throttlingBurstLimit": 1}],
        },
    ),
]


@pytest.mark.parametrize(("type_", "inputs"), GOOD)
def test_the_resources_of_an_api_are_accepted_without_a_warning(
    account: Any, type_: str, inputs: dict[str, Any]
):
    assert account.reasons(type_, inputs) == []
    assert account.warnings == []


def fits(account: Any, type_: str, inputs: dict[str, Any], says: str) -> bool:
    """Whether inputs have exactly one error with this text, or none if it is empty."""
    reasons = account.reasons(type_, inputs)
    return [says in reason for reason in reasons] == ([True] if says else [])


PARTS = [
    ("servers", True),
    ("a.b_c-d:e", True),
    ("{name}", True),
    ("{proxy+}", True),
    ("a/b", False),
    ("{name", False),
    ("{}", False),
    ("a b", False),
    ("{a}-{b}", False),
]


@pytest.mark.parametrize(("part", "is_one"), PARTS)
def test_a_part_of_a_path_is_a_word_or_a_variable(account: Any, part: str, is_one: bool):
    given = {"restApi": REST_ID, "parentId": "abcdefghi2", "pathPart": part}
    says = "" if is_one else f"pathPart '{part}' does not match the pattern"
    assert fits(account, RESOURCE, given, says)


INTEGRATIONS: list[tuple[dict[str, Any], str]] = [
    ({**LAMBDA, "timeoutMilliseconds": 50}, ""),
    ({**LAMBDA, "timeoutMilliseconds": 49}, "49 is below the minimum of 50"),
    ({**LAMBDA, "timeoutMilliseconds": 300000}, ""),
    ({**LAMBDA, "timeoutMilliseconds": 300001}, "300001 is above the maximum of 300000 where"),
    ({**STREAMING, "timeoutMilliseconds": 900000}, ""),
    ({**STREAMING, "timeoutMilliseconds": 900001}, "900001 is above the maximum of 900000"),
    ({**MOCK, "responseTransferMode": "STREAM"}, "allowed: AWS_PROXY, HTTP_PROXY where"),
    ({**LAMBDA, "responseTransferMode": "STREAM"}, "response-streaming-invocations"),
    ({**STREAMING, "uri": UNKNOWN}, ""),
    ({**LAMBDA, "uri": None}, "uri must be set where type is"),
    ({**LAMBDA, "uri": "https://a"}, "'https://a' does not match the pattern ^arn:"),
    ({**LAMBDA, "type": "HTTP"}, "does not match the pattern ^https?://"),
    ({**LAMBDA, "type": "AWS"}, ""),
    ({**LAMBDA, "type": "AWS", "uri": START}, "Role ARN must be specified for AWS integrations"),
    ({**LAMBDA, "type": "AWS", "uri": START, "credentials": ROLE_ARN}, ""),
    ({**LAMBDA, "type": "AWS", "uri": START, "credentials": "arn:aws:iam::*:user/*"}, ""),
    ({**LAMBDA, "credentials": "starter"}, "'starter' is not the ARN of an IAM role"),
    ({**MOCK, "passthroughBehavior": "SOMETIMES"}, "'SOMETIMES' is not allowed"),
    ({**MOCK, "requestParameters": {"header.a": "'b'"}}, "the name 'header.a' does not match"),
    ({**MOCK, "connectionType": "VPC_LINK"}, "connectionId must be set where connectionType"),
]


@pytest.mark.parametrize(("change", "says"), INTEGRATIONS)
def test_an_integration_streams_or_buffers_and_has_a_valid_uri(
    account: Any, change: dict[str, Any], says: str
):
    assert fits(account, INTEGRATION, {**WHERE, **change}, says)


WRONG: list[tuple[str, dict[str, Any], str]] = [
    (API, {"name": "a", "endpointConfiguration": {"types": "LOCAL"}}, "'LOCAL' is not allowed"),
    (
        API,
        {
            "name": "a",
            "endpointConfiguration": {"types": "REGIONAL", "vpcEndpointIds": ["vpce-1"]},
        },
        "endpointConfiguration.vpcEndpointIds is not allowed",
    ),
    (POLICY, {"restApiId": REST_ID, "policy": policy("x")}, "'x' is neither an ARN nor \"*\""),
    (
        POLICY,
        {"restApiId": REST_ID, "policy": policy(f"execute-api:/{'x' * 8200}")},
        "at most 8192",
    ),
    (METHOD, {**WHERE, "authorization": "CUSTOM"}, "authorizerId must be set where"),
    (METHOD, {**WHERE, "authorization": "JWT"}, "'JWT' is not allowed; allowed: NONE, CUSTOM"),
    (
        METHOD,
        {**WHERE, "authorization": "NONE", "requestParameters": {"path.id": True}},
        "the name 'path.id' does not match",
    ),
    (METHOD_RESPONSE, {**WHERE, "statusCode": "600"}, "'600' does not match the pattern"),
    (METHOD_RESPONSE, {**WHERE, "statusCode": "99"}, "'99' does not match the pattern"),
    (
        INTEGRATION_RESPONSE,
        {**WHERE, "statusCode": "200", "responseParameters": {"Allow": "'x'"}},
        "the name 'Allow' does not match the pattern",
    ),
    (
        MODEL,
        {"restApi": REST_ID, "name": "a-question", "contentType": "application/json"},
        "'a-question' does not match the pattern ^[a-zA-Z0-9]+$",
    ),
    (AUTHORIZER, {**AUTHORIZED, "authorizerUri": None}, "authorizerUri must be set where type"),
    (AUTHORIZER, {**AUTHORIZED, "authorizerUri": STREAM}, "does not match the pattern"),
    (AUTHORIZER, {**AUTHORIZED, "type": "COGNITO_USER_POOLS"}, "providerArns must be set"),
    (AUTHORIZER, {**AUTHORIZED, "authorizerResultTtlInSeconds": 3601}, "the maximum of 3600"),
    (AUTHORIZER, {**AUTHORIZED, "authorizerResultTtlInSeconds": -1}, "the minimum of 0"),
    (AUTHORIZER, {**AUTHORIZED, "authorizerResultTtlInSeconds": 3600}, ""),
    (AUTHORIZER, {**AUTHORIZED, "authorizerResultTtlInSeconds": 0}, ""),
    (AUTHORIZER, {**AUTHORIZED, "identitySource": "context.identity.sourceIp"}, "where type is"),
    (
        GATEWAY_RESPONSE,
        {"restApiId": REST_ID, "responseType": "NOT_FOUND"},
        "'NOT_FOUND' is not allowed; allowed: ACCESS_DENIED",
    ),
    (
        GATEWAY_RESPONSE,
        {
            "restApiId": REST_ID,
            "responseType": "UNAUTHORIZED",
            "responseParameters": {"header.a": "'b'"},
        },
        "the name 'header.a' does not match",
    ),
    (
        SETTINGS,
        {"restApi": REST_ID, "stageName": "live", "methodPath": "/a/GET", "settings": {}},
        "'/a/GET' does not match the pattern",
    ),
    (
        SETTINGS,
        {
            "restApi": REST_ID,
            "stageName": "live",
            "methodPath": "a/GET",
            "settings": {"loggingLevel": "ALL"},
        },
        "'ALL' is not allowed; allowed: OFF, ERROR, INFO",
    ),
    (
        STAGE,
        {
            "restApi": REST_ID,
            "stageName": "live",
            "deployment": "abcde4",
            "accessLogSettings": {**LOGGED, "format": "$context.status"},
        },
        "accessLogSettings.format '$context.status' does not match",
    ),
    (
        STAGE,
        {
            "restApi": REST_ID,
            "stageName": "live",
            "deployment": "abcde4",
            "accessLogSettings": {"destinationArn": "arn:aws:s3:::b", "format": LOG_FORMAT},
        },
        "is not the ARN of a log group, or of a delivery stream amazon-apigateway-…",
    ),
    (
        STAGE,
        {"restApi": REST_ID, "stageName": "$default", "deployment": "abcde4"},
        "stageName '$default' does not match the pattern",
    ),
    (
        DOMAIN,
        {"domainName": "a.example.com", "endpointConfiguration": {"types": "REGIONAL"}},
        "regionalCertificateArn must be set where",
    ),
    (MAPPING, {"domainName": "a.example.com", "restApi": REST_ID, "basePath": "a b"}, "'a b' does"),
    (SOCKET, {"name": "a", "protocolType": "WEBSOCKET"}, "routeSelectionExpression must be set"),
    (SOCKET, {"name": "a", "protocolType": "GRPC"}, "'GRPC' is not allowed"),
    (SOCKET, {"name": "a" * 129, "protocolType": "HTTP"}, "has 129 characters; at most 128"),
    (SOCKET, {"name": "a" * 128, "protocolType": "HTTP"}, ""),
    (
        ROUTE,
        {"apiId": SOCKET_ID, "routeKey": "$connect", "authorizationType": "CUSTOM"},
        "authorizerId must be set where authorizationType is",
    ),
    (
        ROUTE,
        {"apiId": SOCKET_ID, "routeKey": "$connect", "target": "abcdef1"},
        "target 'abcdef1' does not match the pattern ^integrations/",
    ),
    (
        SOCKET_INTEGRATION,
        {"apiId": SOCKET_ID, "integrationType": "AWS", "integrationMethod": "POST"},
        "integrationUri must be set where",
    ),
    (
        SOCKET_INTEGRATION,
        {"apiId": SOCKET_ID, "integrationType": "MOCK", "timeoutMilliseconds": 49},
        "49 is below the minimum of 50",
    ),
    (
        SOCKET_RESPONSE,
        {"apiId": SOCKET_ID, "integrationId": "abcdef1", "integrationResponseKey": "200"},
        "'200' does not match the pattern",
    ),
    (
        ROUTE_RESPONSE,
        {"apiId": SOCKET_ID, "routeId": "abcdef1", "routeResponseKey": "other"},
        "'other' is not allowed; allowed: $default",
    ),
    (
        SOCKET_AUTHORIZER,
        {"apiId": SOCKET_ID, "name": "t", "authorizerType": "REQUEST"},
        "authorizerUri must be set where authorizerType is REQUEST",
    ),
    (
        SOCKET_STAGE,
        {"apiId": SOCKET_ID, "name": "live", "autoDeploy": True, "deploymentId": "abcde1"},
        "deploymentId is not allowed where autoDeploy is True",
    ),
    (
        SOCKET_STAGE,
        {"apiId": SOCKET_ID, "name": "l", "defaultRouteSettings": {"loggingLevel": "DEBUG"}},
        "'DEBUG' is not allowed; allowed: OFF, ERROR, INFO",
    ),
]


@pytest.mark.parametrize(("type_", "inputs", "says"), WRONG)
def test_invalid_resources_of_an_api_are_refused(
    account: Any, type_: str, inputs: dict[str, Any], says: str
):
    assert fits(account, type_, inputs, says)


def make_api(account: Any, name: str = "api", **changes: Any) -> Made:
    return account.make(API, name, name=name, **changes)


def make_resource(account: Any, api: Made, part: str, parent: str | None = None) -> Made:
    root = parent or api.properties["rootResourceId"]
    return account.make(RESOURCE, part, restApi=api.id, parentId=root, pathPart=part)


def test_a_rest_api_outputs_its_root_and_its_arns(account: Any):
    made = make_api(account)
    assert made.properties["arn"] == f"arn:aws:apigateway:us-east-1::/restapis/{made.id}"
    assert made.properties["executionArn"] == (
        f"arn:aws:execute-api:us-east-1:123456789012:{made.id}"
    )
    assert made.properties["rootResourceId"] != made.id


def test_a_resources_path_is_its_parents_and_its_own_part(account: Any):
    api = make_api(account)
    servers = make_resource(account, api, "servers")
    clock = make_resource(account, api, "{name}", servers.id)
    rest = make_resource(account, api, "{proxy+}", clock.id)
    assert servers.properties["path"] == "/servers"
    assert clock.properties["path"] == "/servers/{name}"
    assert rest.properties["path"] == "/servers/{name}/{proxy+}"
    moved = {"restApi": api.id, "parentId": servers.properties["parentId"], "pathPart": "tools"}
    changes = account.diff(RESOURCE, servers, **moved).changes
    assert changes == {("pathPart",): Change.UPDATE}
    assert account.update(RESOURCE, servers, **moved)["path"] == "/tools"


def test_resources_that_api_gateway_refuses_are_refused(account: Any):
    api, other = make_api(account), make_api(account, "other")
    servers = make_resource(account, api, "servers")
    with pytest.raises(RefusedError, match=r"^ConflictException: "):
        make_resource(account, api, "servers")
    make_resource(account, api, "{name}", servers.id)
    with pytest.raises(RefusedError, match=r"^ConflictException: "):
        make_resource(account, api, "{id}", servers.id)
    with pytest.raises(RefusedError, match="Invalid Resource identifier specified"):
        make_resource(account, other, "a", servers.id)
    rest = make_resource(account, api, "{proxy+}")
    with pytest.raises(RefusedError, match="child of a resource with a greedy path variable"):
        make_resource(account, api, "a", rest.id)


def test_a_method_needs_its_resource_its_validator_and_its_models(account: Any):
    api, other = make_api(account), make_api(account, "other")
    with pytest.raises(RefusedError, match=r"NotFoundException: .*Invalid Resource identifier"):
        make_method(account, api, resourceId=other.properties["rootResourceId"])
    question = {"requestModels": {"application/json": "Question"}}
    with pytest.raises(RefusedError, match=r"Invalid model identifier specified: .*Question"):
        make_method(account, api, **question)
    model = account.make(
        MODEL, restApi=api.id, name="Question", contentType="application/json", schema="{}"
    )
    validator = account.make(VALIDATOR, restApi=other.id, name="body")
    with pytest.raises(RefusedError, match="is of another API"):
        make_method(account, api, requestValidatorId=validator.id)
    validator = account.make(VALIDATOR, restApi=api.id, name="body")
    method, _ = make_method(account, api, requestValidatorId=validator.id, **question)
    with pytest.raises(RefusedError, match="ConflictException"):
        make_method(account, api)
    for type_, held in ((MODEL, model), (VALIDATOR, validator)):
        with pytest.raises(RefusedError, match=f"ConflictException: {type_} .*{METHOD}"):
            account.delete(type_, held)
    account.delete(METHOD, method)
    account.delete(MODEL, model)
    account.delete(VALIDATOR, validator)


@pytest.mark.parametrize(
    ("type_", "authorization", "is_fit"),
    [
        ("TOKEN", "CUSTOM", True),
        ("REQUEST", "CUSTOM", True),
        ("COGNITO_USER_POOLS", "COGNITO_USER_POOLS", True),
        ("COGNITO_USER_POOLS", "CUSTOM", False),
        ("TOKEN", "COGNITO_USER_POOLS", False),
    ],
)
def test_a_method_is_authorized_by_an_authorizer_of_its_kind(
    account: Any, type_: str, authorization: str, is_fit: bool
):
    api = make_api(account)
    pool = "arn:aws:cognito-idp:us-east-1:123456789012:userpool/p"
    how = {"providerArns": [pool]} if type_ == "COGNITO_USER_POOLS" else {"authorizerUri": INVOKE}
    authorizer = account.make(AUTHORIZER, restApi=api.id, name="tokens", type=type_, **how)
    assert authorizer.properties["arn"].endswith(f"/restapis/{api.id}/authorizers/{authorizer.id}")
    wanted = {"authorization": authorization, "authorizerId": authorizer.id}
    if is_fit:
        make_method(account, api, **wanted)
        other = make_api(account, "other")
        with pytest.raises(RefusedError, match=r"Invalid authorizer ID specified: .*another API"):
            make_method(account, other, **wanted)
    else:
        with pytest.raises(RefusedError, match=f"{authorizer.id} is {type_}"):
            make_method(account, api, **wanted)


def test_an_integration_needs_its_method(account: Any):
    api = make_api(account)
    root = {"restApi": api.id, "resourceId": api.properties["rootResourceId"]}
    with pytest.raises(RefusedError, match=r"NotFoundException: .*Invalid Method identifier"):
        account.make(INTEGRATION, **root, httpMethod="POST", **MOCK)
    _, where = make_method(account, api)
    made = account.make(INTEGRATION, **where, **MOCK)
    assert made.id == f"agi-{api.id}-{where['resourceId']}-POST"


def test_an_integration_maps_only_parameters_that_the_method_has(account: Any):
    api = make_api(account)
    _, where = make_method(account, api, requestParameters={"method.request.path.id": True})
    target = "integration.request.header.a"
    for source in ("'fixed'", "context.requestId", "method.request.path.id"):
        account.make(INTEGRATION, **where, **MOCK, requestParameters={target: source})
    with pytest.raises(RefusedError, match="Invalid mapping expression parameter specified"):
        account.make(
            INTEGRATION,
            **where,
            **MOCK,
            requestParameters={target: "method.request.path.name"},
        )


def test_a_new_type_deletes_and_replaces_an_integration_and_a_new_uri_does_not(account: Any):
    api = make_api(account)
    _, where = make_method(account, api)
    made = account.make(INTEGRATION, **where, **LAMBDA)
    streaming = {**where, **STREAMING, "timeoutMilliseconds": 900000}
    changes = account.diff(INTEGRATION, made, **streaming).changes
    assert set(changes.values()) <= {Change.UPDATE, Change.ADD}
    mocked = account.diff(INTEGRATION, made, **where, **MOCK)
    assert mocked.changes[("type",)] == Change.UPDATE_REPLACE
    assert mocked.delete_first is True


def test_an_integration_response_needs_integration_response_and_parameters(account: Any):
    api = make_api(account)
    _, where = make_method(account, api)
    answer = {**where, "statusCode": "405"}
    headers = {"responseParameters": {"method.response.header.Allow": "'POST'"}}
    with pytest.raises(RefusedError, match="Invalid Integration identifier specified"):
        account.make(INTEGRATION_RESPONSE, **answer)
    account.make(INTEGRATION, **where, **MOCK)
    with pytest.raises(RefusedError, match="Invalid Response status code specified: 405"):
        account.make(INTEGRATION_RESPONSE, **answer)
    plain = account.make(METHOD_RESPONSE, **answer)
    with pytest.raises(RefusedError, match="Invalid mapping expression parameter specified"):
        account.make(INTEGRATION_RESPONSE, **answer, **headers)
    account.delete(METHOD_RESPONSE, plain)
    declared = {"responseParameters": {"method.response.header.Allow": True}}
    account.make(METHOD_RESPONSE, **answer, **declared)
    account.make(INTEGRATION_RESPONSE, **answer, **headers)
    with pytest.raises(RefusedError, match="ConflictException"):
        account.make(METHOD_RESPONSE, **answer)


def test_an_api_without_methods_or_integrations_is_not_deployed(account: Any):
    api = make_api(account)
    with pytest.raises(RefusedError, match=r"The REST API doesn't contain any methods$"):
        account.make(DEPLOYMENT, restApi=api.id)
    make_method(account, api)
    _, get = make_method(account, api, httpMethod="GET")
    account.make(INTEGRATION, **get, **MOCK)
    with pytest.raises(RefusedError, match=r"No integration defined for method$"):
        account.make(DEPLOYMENT, restApi=api.id)
    account.make(INTEGRATION, **{**get, "httpMethod": "POST"}, **MOCK)
    account.make(DEPLOYMENT, restApi=api.id)


def test_a_private_api_is_deployed_only_with_a_policy(account: Any):
    private: dict[str, Any] = {"endpointConfiguration": {"types": "PRIVATE"}}
    with pytest.raises(RefusedError, match="doesn't have a resource policy attached to it"):
        make_deployed(account, **private)
    make_deployed(account, **private, policy=policy("execute-api:/*"))
    api = make_api(account, **private)
    _, where = make_method(account, api)
    account.make(INTEGRATION, **where, **MOCK)
    account.make(POLICY, restApiId=api.id, policy=policy("execute-api:/*"))
    account.make(DEPLOYMENT, restApi=api.id)


def test_a_stage_moves_to_a_new_deployment_and_releases_the_old_one(account: Any):
    api, first = make_deployed(account)
    given = {"restApi": api.id, "stageName": "live"}
    stage = account.make(STAGE, **given, deployment=first.id)
    assert stage.properties["invokeUrl"] == (
        f"https://{api.id}.execute-api.us-east-1.amazonaws.com/live"
    )
    replaced = account.diff(DEPLOYMENT, first, restApi=api.id, triggers={"routes": "2"})
    assert set(replaced.changes.values()) == {Change.ADD_REPLACE}
    assert replaced.delete_first is False
    second = account.make(DEPLOYMENT, restApi=api.id, triggers={"routes": "2"})
    says = "Active stages pointing to this deployment must be moved or deleted"
    with pytest.raises(RefusedError, match=says):
        account.delete(DEPLOYMENT, first)
    moved = {**given, "deployment": second.id}
    assert account.diff(STAGE, stage, **moved).changes == {("deployment",): Change.UPDATE}
    account.update(STAGE, stage, **moved)
    account.delete(DEPLOYMENT, first)
    other = {**moved, "stageName": "next"}
    changes = account.diff(STAGE, stage, **other).changes
    assert changes[("stageName",)] == Change.UPDATE_REPLACE


def test_a_stage_takes_a_deployment_of_its_own_api(account: Any):
    _, deployment = make_deployed(account)
    other, _ = make_deployed(account)
    with pytest.raises(RefusedError, match=f"{deployment.id} is of another API"):
        account.make(STAGE, restApi=other.id, stageName="live", deployment=deployment.id)


def test_a_stage_logs_only_where_the_account_has_a_role(account: Any):
    api, deployment = make_deployed(account)
    group = account.make(LOG_GROUP, name="/api")
    logged = {"destinationArn": group.properties["arn"], "format": LOG_FORMAT}
    given = {"restApi": api.id, "deployment": deployment.id, "stageName": "live"}
    says = "CloudWatch Logs role ARN must be set in account settings to enable logging$"
    with pytest.raises(RefusedError, match=says):
        account.make(STAGE, **given, accessLogSettings=logged)
    account.make("aws:apigateway/account:Account", "empty")
    with pytest.raises(RefusedError, match=says):
        account.make(STAGE, **given, accessLogSettings=logged)
    made = make_log_account(account)
    assert made.id == "api-gateway-account"
    account.make(STAGE, **given, accessLogSettings=logged)


def test_a_role_that_another_stack_set_for_the_account_is_accepted(account: Any):
    account.cloud.put(
        StoredResource(
            provider="aws",
            type="aws:apigateway/account:Account",
            id="account us-east-1",
            inputs={},
            properties={"cloudwatchRoleArn": ROLE_ARN},
        )
    )
    api, deployment = make_deployed(account)
    group = account.make(LOG_GROUP, name="/api")
    logged = {"destinationArn": group.properties["arn"], "format": LOG_FORMAT}
    given = {"restApi": api.id, "deployment": deployment.id, "stageName": "live"}
    account.make(STAGE, **given, accessLogSettings=logged)


def test_methods_are_logged_only_where_there_is_a_stage_and_the_account_has_a_role(account: Any):
    api, deployment = make_deployed(account)
    given = {"restApi": api.id, "stageName": "live", "methodPath": "*/*"}
    loud = {**given, "settings": {"loggingLevel": "ERROR"}}
    with pytest.raises(RefusedError, match="Invalid stage identifier specified: live"):
        account.make(SETTINGS, **given, settings={"metricsEnabled": True})
    account.make(STAGE, restApi=api.id, stageName="live", deployment=deployment.id)
    account.make(SETTINGS, **given, settings={"metricsEnabled": True, "loggingLevel": "OFF"})
    with pytest.raises(RefusedError, match="CloudWatch Logs role ARN must be set"):
        account.make(SETTINGS, **loud)
    make_log_account(account)
    account.make(SETTINGS, **loud)


def domain_inputs(certificate: Made) -> dict[str, Any]:
    return {
        "domainName": "mcp.example.com",
        "regionalCertificateArn": certificate.properties["arn"],
        "endpointConfiguration": {"types": "REGIONAL"},
    }


def make_certificate(account: Any, **more: Any) -> Made:
    return account.make(CERTIFICATE, domainName="mcp.example.com", validationMethod="DNS", **more)


def make_domain(account: Any) -> Made:
    certificate = make_certificate(account)
    account.make(VALIDATION, certificateArn=certificate.properties["arn"])
    return account.make(DOMAIN, **domain_inputs(certificate))


def test_a_domain_needs_an_issued_certificate_and_holds_it(account: Any):
    certificate = make_certificate(account)
    with pytest.raises(RefusedError, match=r"BadRequestException: .*is not attached yet"):
        account.make(DOMAIN, **domain_inputs(certificate))
    account.make(VALIDATION, certificateArn=certificate.properties["arn"])
    made = account.make(DOMAIN, **domain_inputs(certificate))
    assert made.id == "mcp.example.com"
    assert made.properties["regionalDomainName"].endswith(".execute-api.us-east-1.amazonaws.com")
    assert made.properties["regionalZoneId"] == "Z1UJRXOUMOOFQ8"
    with pytest.raises(RefusedError, match="ResourceInUseException"):
        account.delete(CERTIFICATE, certificate)
    with pytest.raises(RefusedError, match=r"BadRequestException: .*exists already"):
        account.make(DOMAIN, **domain_inputs(certificate))


def test_a_domain_accepts_an_existing_certificate_but_not_one_of_another_region(
    account: Any,
):
    found = make_certificate(account)
    account.cloud.edit("aws", CERTIFICATE, found.id, {"status": "ISSUED"})
    account.make(DOMAIN, **domain_inputs(found))
    elsewhere = make_certificate(account, region="eu-west-1")
    account.cloud.edit("aws", CERTIFICATE, elsewhere.id, {"status": "ISSUED"})
    with pytest.raises(RefusedError, match="is not in us-east-1"):
        account.make(DOMAIN, **{**domain_inputs(elsewhere), "domainName": "b.example.com"})


def test_a_mapping_needs_its_domain_and_its_stage_and_holds_stage_and_api(account: Any):
    api, deployment = make_deployed(account)
    given = {"domainName": "mcp.example.com", "restApi": api.id, "stageName": "live"}
    with pytest.raises(RefusedError, match=r"domainName 'mcp\.example\.com' does not exist"):
        account.make(MAPPING, **given)
    make_domain(account)
    with pytest.raises(RefusedError, match="Invalid stage identifier specified: live"):
        account.make(MAPPING, **given)
    stage = account.make(STAGE, restApi=api.id, stageName="live", deployment=deployment.id)
    mapping = account.make(MAPPING, **given)
    assert mapping.id == "mcp.example.com/"
    with pytest.raises(RefusedError, match="ConflictException"):
        account.make(MAPPING, **given)
    for type_, held in ((STAGE, stage), (API, api)):
        with pytest.raises(RefusedError, match=f"BadRequestException: .*{MAPPING}"):
            account.delete(type_, held)
    assert account.diff(MAPPING, mapping, **given, basePath="v1").changes == {
        ("basePath",): Change.ADD
    }
    account.delete(MAPPING, mapping)
    account.delete(STAGE, stage)
    account.delete(API, api)


def test_each_region_has_its_own_account_settings(account: Any):
    first = make_log_account(account)
    arn = first.properties["cloudwatchRoleArn"]
    type_ = "aws:apigateway/account:Account"
    second = account.make(type_, cloudwatchRoleArn=arn, region="eu-west-1")
    account.delete(type_, first)
    assert account.read(type_, second) is not None
    assert account.read(type_, first) is None


def test_a_websocket_api_has_a_wss_endpoint(account: Any):
    api = make_socket(account)
    host = f"{api.id}.execute-api.us-east-1.amazonaws.com"
    assert api.properties["apiEndpoint"] == f"wss://{host}"
    deployment = make_socket_deployment(account, api)
    stage = account.make(SOCKET_STAGE, apiId=api.id, name="live", deploymentId=deployment.id)
    assert stage.properties["invokeUrl"] == f"wss://{host}/live"
    assert stage.properties["executionArn"] == (
        f"arn:aws:execute-api:us-east-1:123456789012:{api.id}/live"
    )


def test_an_http_api_has_an_https_endpoint_and_a_default_stage_without_a_path(account: Any):
    api = make_socket(account, "HTTP")
    host = f"https://{api.id}.execute-api.us-east-1.amazonaws.com"
    assert api.properties["apiEndpoint"] == host
    stage = account.make(SOCKET_STAGE, apiId=api.id, name="$default", autoDeploy=True)
    assert stage.properties["invokeUrl"] == f"{host}/"


def test_two_apis_may_have_stages_with_the_same_name(account: Any):
    apis = [make_socket(account, name=name) for name in ("a", "b")]
    first, second = (
        account.make(
            SOCKET_STAGE,
            apiId=api.id,
            name="live",
            deploymentId=make_socket_deployment(account, api).id,
        )
        for api in apis
    )
    assert first.id == second.id == "live"
    assert account.read(SOCKET_STAGE, first).inputs["apiId"] == apis[0].id
    with pytest.raises(RefusedError, match="ConflictException"):
        account.make(SOCKET_STAGE, apiId=apis[0].id, name="live", autoDeploy=True)
    account.delete(SOCKET_STAGE, first)
    assert account.read(SOCKET_STAGE, second).properties == second.properties
    found = account.read(SOCKET_STAGE, Made(id=f"{apis[1].id}/live", properties={}))
    assert (found.id, found.inputs["apiId"]) == ("live", apis[1].id)


def test_a_route_needs_its_api_and_an_integration_of_it(account: Any):
    with pytest.raises(RefusedError, match="apiId 'abcdefghi2' does not exist"):
        account.make(ROUTE, apiId=SOCKET_ID, routeKey="$default")
    api, other = make_socket(account), make_socket(account, name="other")
    integration = account.make(SOCKET_INTEGRATION, apiId=other.id, integrationType="MOCK")
    given = {"routeKey": "$default", "target": f"integrations/{integration.id}"}
    with pytest.raises(RefusedError, match="Invalid integration identifier specified"):
        account.make(ROUTE, apiId=api.id, **given)
    route = account.make(ROUTE, apiId=other.id, **given)
    with pytest.raises(RefusedError, match=r"ConflictException: .*exists already"):
        account.make(ROUTE, apiId=other.id, **given)
    with pytest.raises(RefusedError, match=f"ConflictException: .*{ROUTE}"):
        account.delete(SOCKET_INTEGRATION, integration)
    account.delete(ROUTE, route)
    account.delete(SOCKET_INTEGRATION, integration)


def make_socket_authorizer(account: Any, api: Made, **changes: Any) -> Made:
    given = {"name": "tokens", "authorizerType": "REQUEST", "authorizerUri": INVOKE, **changes}
    return account.make(SOCKET_AUTHORIZER, apiId=api.id, **given)


def test_only_the_connect_route_of_a_websocket_api_is_authorized(account: Any):
    api, other = make_socket(account), make_socket(account, name="other")
    authorizer = make_socket_authorizer(account, api)
    guarded = {"authorizationType": "CUSTOM", "authorizerId": authorizer.id}
    says = r"Currently, authorization is restricted to the \$connect route only$"
    for key in ("$default", "$disconnect", "ask"):
        with pytest.raises(RefusedError, match=says):
            make_route(account, api, key, **guarded)
        with pytest.raises(RefusedError, match=says):
            make_route(account, api, key, authorizationType="AWS_IAM")
        make_route(account, api, key, authorizationType="NONE")
    with pytest.raises(RefusedError, match="is of another API"):
        make_route(account, other, "$connect", **guarded)
    with pytest.raises(RefusedError, match="JWT authorization is for HTTP APIs"):
        make_route(account, api, "$connect", **{**guarded, "authorizationType": "JWT"})
    make_route(account, api, "$connect", **guarded)


SOCKET_AUTHORIZERS: list[tuple[str, dict[str, Any], str]] = [
    ("WEBSOCKET", {}, ""),
    ("WEBSOCKET", {"authorizerPayloadFormatVersion": "2.0"}, "without payload format"),
    ("WEBSOCKET", {"authorizerResultTtlInSeconds": 60}, "time to live"),
    (
        "WEBSOCKET",
        {
            "authorizerType": "JWT",
            "jwtConfiguration": {"issuer": "https://i", "audiences": ["a"]},
            "identitySources": ["$request.header.Authorization"],
        },
        "is of type REQUEST",
    ),
    ("HTTP", {"authorizerPayloadFormatVersion": "2.0"}, ""),
    ("HTTP", {}, "AuthorizerPayloadFormatVersion is a required parameter"),
]


@pytest.mark.parametrize(("protocol", "change", "says"), SOCKET_AUTHORIZERS)
def test_an_authorizer_is_one_that_its_api_can_have(
    account: Any, protocol: str, change: dict[str, Any], says: str
):
    api = make_socket(account, protocol)
    if not says:
        assert make_socket_authorizer(account, api, **change).properties["name"] == "tokens"
        return
    with pytest.raises(RefusedError, match=f"^BadRequestException: .*{says}"):
        make_socket_authorizer(account, api, **change)


@pytest.mark.parametrize(
    ("protocol", "change", "says"),
    [
        ("WEBSOCKET", {"integrationType": "MOCK", "timeoutMilliseconds": 29000}, ""),
        ("WEBSOCKET", {"integrationType": "MOCK", "timeoutMilliseconds": 29001}, "above 29000"),
        ("HTTP", {"integrationType": "MOCK"}, "MOCK is for WebSocket APIs"),
        (
            "HTTP",
            {
                "integrationType": "AWS_PROXY",
                "integrationUri": INVOKE,
                "timeoutMilliseconds": 30000,
            },
            "",
        ),
    ],
)
def test_an_integration_is_one_that_its_api_can_have(
    account: Any, protocol: str, change: dict[str, Any], says: str
):
    api = make_socket(account, protocol)
    if not says:
        assert account.make(SOCKET_INTEGRATION, apiId=api.id, **change).id
        return
    with pytest.raises(RefusedError, match=says):
        account.make(SOCKET_INTEGRATION, apiId=api.id, **change)


@pytest.mark.parametrize(("key", "is_one"), [("GET /a", True), ("$default", True), ("ask", False)])
def test_a_route_of_an_http_api_is_a_method_and_a_path(account: Any, key: str, is_one: bool):
    api = make_socket(account, "HTTP")
    if is_one:
        assert account.make(ROUTE, apiId=api.id, routeKey=key).id
        return
    with pytest.raises(RefusedError, match="not formatted properly for HTTP protocol: ask"):
        account.make(ROUTE, apiId=api.id, routeKey=key)


def test_responses_belong_to_websocket_apis_and_to_their_own_parts(account: Any):
    api, other = make_socket(account), make_socket(account, name="other")
    web = make_socket(account, "HTTP", "web")
    route = make_route(account, api)
    integration = route.inputs["target"].removeprefix("integrations/")
    answer = {"integrationId": integration, "integrationResponseKey": "$default"}
    reply = {"routeId": route.id, "routeResponseKey": "$default"}
    for type_, given in ((SOCKET_RESPONSE, answer), (ROUTE_RESPONSE, reply)):
        with pytest.raises(RefusedError, match="only WebSocket APIs have it"):
            account.make(type_, apiId=web.id, **given)
        with pytest.raises(RefusedError, match="NotFoundException: "):
            account.make(type_, apiId=other.id, **given)
        account.make(type_, apiId=api.id, **given)


def test_a_websocket_api_is_deployed_with_a_route_and_staged_with_a_deployment(account: Any):
    api, other = make_socket(account), make_socket(account, name="other")
    says = r"At least one route is required before deploying the Api\.$"
    with pytest.raises(RefusedError, match=says):
        account.make(SOCKET_DEPLOYMENT, apiId=api.id)
    deployment = make_socket_deployment(account, api)
    with pytest.raises(RefusedError, match="needs deploymentId"):
        account.make(SOCKET_STAGE, apiId=api.id, name="live")
    with pytest.raises(RefusedError, match="is of another API"):
        account.make(SOCKET_STAGE, apiId=other.id, name="live", deploymentId=deployment.id)
    with pytest.raises(RefusedError, match=r"only HTTP APIs have a stage \$default"):
        account.make(SOCKET_STAGE, apiId=api.id, name="$default", deploymentId=deployment.id)
    stage = account.make(SOCKET_STAGE, apiId=api.id, name="live", deploymentId=deployment.id)
    with pytest.raises(RefusedError, match="Active stages pointing to this deployment"):
        account.delete(SOCKET_DEPLOYMENT, deployment)
    changes = account.diff(SOCKET_DEPLOYMENT, deployment, apiId=api.id, triggers={"a": "b"}).changes
    assert set(changes.values()) == {Change.ADD_REPLACE}
    account.delete(SOCKET_STAGE, stage)
    account.delete(SOCKET_DEPLOYMENT, deployment)


def test_a_websocket_api_deploys_automatically_with_auto_deploy(account: Any):
    api = make_socket(account)
    assert account.make(SOCKET_STAGE, apiId=api.id, name="live", autoDeploy=True).id == "live"


@pytest.mark.parametrize("how", ["accessLogSettings", "defaultRouteSettings"])
def test_a_websocket_api_logs_only_where_the_account_has_a_role(account: Any, how: str):
    api = make_socket(account)
    group = account.make(LOG_GROUP, name="/api")
    logged = {
        "accessLogSettings": {"destinationArn": group.properties["arn"], "format": LOG_FORMAT},
        "defaultRouteSettings": {"loggingLevel": "INFO"},
    }
    given = {"apiId": api.id, "name": "live", how: logged[how]}
    given["deploymentId"] = make_socket_deployment(account, api).id
    with pytest.raises(RefusedError, match="CloudWatch Logs role ARN must be set"):
        account.make(SOCKET_STAGE, **given)
    make_log_account(account)
    account.make(SOCKET_STAGE, **given)


def test_an_http_api_logs_without_a_role_of_the_account(account: Any):
    api = make_socket(account, "HTTP")
    group = account.make(LOG_GROUP, name="/api")
    logged = {"destinationArn": group.properties["arn"], "format": LOG_FORMAT}
    account.make(SOCKET_STAGE, apiId=api.id, name="live", autoDeploy=True, accessLogSettings=logged)


def test_the_role_of_an_integration_must_exist(account: Any):
    api = make_api(account)
    _, where = make_method(account, api)
    given = {**where, "type": "AWS", "integrationHttpMethod": "POST", "uri": START}
    with pytest.raises(RefusedError, match=r"credentials .* does not exist"):
        account.make(INTEGRATION, **given, credentials=ROLE_ARN)
    account.make(INTEGRATION, **given, credentials="arn:aws:iam::*:user/*")
    arn = make_role(account, "apigateway.amazonaws.com", "starter")
    account.make(INTEGRATION, **given, credentials=arn)
