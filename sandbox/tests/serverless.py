"""Functions and APIs of a test's cloud, created step by step as a program creates them."""

import json
from typing import Any

from sandbox.engine.provider import Made

VPC = "aws:ec2/vpc:Vpc"
SUBNET = "aws:ec2/subnet:Subnet"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
ROLE = "aws:iam/role:Role"
REPOSITORY = "aws:ecr/repository:Repository"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
FUNCTION = "aws:lambda/function:Function"
ALIAS = "aws:lambda/alias:Alias"
API = "aws:apigateway/restApi:RestApi"
RESOURCE = "aws:apigateway/resource:Resource"
METHOD = "aws:apigateway/method:Method"
INTEGRATION = "aws:apigateway/integration:Integration"
DEPLOYMENT = "aws:apigateway/deployment:Deployment"
STAGE = "aws:apigateway/stage:Stage"
ACCOUNT = "aws:apigateway/account:Account"
SOCKET = "aws:apigatewayv2/api:Api"
SOCKET_INTEGRATION = "aws:apigatewayv2/integration:Integration"
ROUTE = "aws:apigatewayv2/route:Route"
SOCKET_DEPLOYMENT = "aws:apigatewayv2/deployment:Deployment"
SOCKET_STAGE = "aws:apigatewayv2/stage:Stage"

REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
DIGEST = f"sha256:{'0' * 64}"
LOG_FORMAT = '{"id": "$context.requestId"}'
MOCK = {"type": "MOCK"}


def trust(service: str) -> str:
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": service},
                    "Action": "sts:AssumeRole",
                }
            ],
        }
    )


def make_role(account: Any, service: str = "lambda.amazonaws.com", name: str = "runner") -> str:
    made = account.make(ROLE, name, name=name, assumeRolePolicy=trust(service))
    return made.properties["arn"]


def function_inputs(account: Any, **changes: Any) -> dict[str, Any]:
    """Inputs of a function whose role and repository exist."""
    if account.cloud.get("aws", REPOSITORY, "app") is None:
        account.make(REPOSITORY, "app", name="app")
        make_role(account)
    return {
        "name": "clock",
        "role": "arn:aws:iam::123456789012:role/runner",
        "packageType": "Image",
        "imageUri": f"{REGISTRY}/app@{DIGEST}",
        "publish": True,
        **changes,
    }


def make_function(account: Any, **changes: Any) -> Made:
    return account.make(FUNCTION, "clock", **function_inputs(account, **changes))


def make_alias(account: Any, function: Made, **changes: Any) -> Made:
    inputs = {
        "name": "live",
        "functionName": function.properties["name"],
        "functionVersion": function.properties["version"],
        **changes,
    }
    return account.make(ALIAS, "live", **inputs)


def make_network(account: Any) -> tuple[Made, Made, Made]:
    vpc = account.make(VPC, "net", cidrBlock="10.0.0.0/16")
    subnet = account.make(SUBNET, "a", vpcId=vpc.id, cidrBlock="10.0.1.0/24")
    return vpc, subnet, account.make(GROUP, "group", vpcId=vpc.id)


def make_method(account: Any, api: Made, **changes: Any) -> tuple[Made, dict[str, str]]:
    """A method at the API's root; returns it and the inputs that refer to it."""
    inputs = {
        "restApi": api.id,
        "resourceId": api.properties["rootResourceId"],
        "httpMethod": "POST",
        "authorization": "NONE",
        **changes,
    }
    made = account.make(METHOD, "method", **inputs)
    return made, {name: inputs[name] for name in ("restApi", "resourceId", "httpMethod")}


def make_deployed(account: Any, **changes: Any) -> tuple[Made, Made]:
    """A REST API with one mocked method, and its deployment."""
    api = account.make(API, "api", name="api", **changes)
    _, where = make_method(account, api)
    account.make(INTEGRATION, "integration", **where, **MOCK)
    return api, account.make(DEPLOYMENT, "deployment", restApi=api.id)


def make_log_account(account: Any) -> Made:
    arn = make_role(account, "apigateway.amazonaws.com", "writes-logs")
    return account.make(ACCOUNT, "account", cloudwatchRoleArn=arn)


def make_socket(account: Any, protocol: str = "WEBSOCKET", name: str = "chat") -> Made:
    given = {"routeSelectionExpression": "$request.body.action"}
    return account.make(
        SOCKET, name, name=name, protocolType=protocol, **(given if protocol != "HTTP" else {})
    )


def make_route(account: Any, api: Made, key: str = "$default", **changes: Any) -> Made:
    integration = account.make(
        SOCKET_INTEGRATION, f"for {key}", apiId=api.id, integrationType="MOCK"
    )
    target = f"integrations/{integration.id}"
    return account.make(ROUTE, key, apiId=api.id, routeKey=key, target=target, **changes)


def make_socket_deployment(account: Any, api: Made) -> Made:
    make_route(account, api)
    return account.make(SOCKET_DEPLOYMENT, "deployment", apiId=api.id)
