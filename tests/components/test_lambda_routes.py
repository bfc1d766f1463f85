"""The REST APIs of the Lambda target: access, routes and deployments."""

import json
from typing import Any

import pytest

from tests.components.fleets import AUTH, LAMBDA, LAMBDA_FULL, MINIMAL, PUBLIC
from tests.components.recording import API_ID, Recording, Resource, run

METADATA = "/.well-known/oauth-protected-resource"
STREAMING = (
    "arn:aws:apigateway:us-east-1:lambda:path/2021-11-15/functions/{}"
    "/response-streaming-invocations"
)


def _paths(recording: Recording, component: str) -> dict[str, str]:
    """The paths of an API's resources, by the id of each."""
    parts = {
        made.id: made.inputs
        for made in recording.of("apigateway.Resource")
        if made.name.startswith(component)
    }

    def path(id_: str) -> str:
        if id_ == "root":
            return ""
        return f"{path(parts[id_]['parentId'])}/{parts[id_]['pathPart']}"

    return {id_: path(id_) for id_ in parts}


def _by_route(recording: Recording, component: str, kind: str) -> dict[str, Resource]:
    """The resources of a kind in an API, by method and path."""
    paths = _paths(recording, component)
    return {
        f"{made.inputs['httpMethod']} {paths[made.inputs['resourceId']]}": made
        for made in recording.of(kind)
        if made.name.startswith(component)
    }


def _gateway(recording: Recording, kind: str) -> dict[str, Resource]:
    return _by_route(recording, "lambda-gateway-routes-", kind)


def _internal(recording: Recording, kind: str) -> dict[str, Resource]:
    return _by_route(recording, "lambda-internal-routes-", kind)


def test_the_routes_of_the_gateway_are_those_of_what_is_exposed():
    assert sorted(_gateway(run(LAMBDA_FULL), "apigateway.Method")) == [
        "ANY /agents/assistant",
        "ANY /agents/assistant/{proxy+}",
        "ANY /servers/clock/mcp",
        "ANY /servers/notes/mcp",
        "GET /.well-known/oauth-protected-resource",
        "GET /.well-known/oauth-protected-resource/{proxy+}",
        "GET /agents/researcher/executions/{id}",
        "POST /agents/quick/ask",
        "POST /agents/researcher/ask",
        "POST /servers/clock/mcp",
        "POST /servers/notes/mcp",
    ]


def test_agents_have_an_api_of_their_own_with_every_server_where_the_gateway_is_not_for_them():
    assert sorted(_internal(run(LAMBDA_FULL), "apigateway.Method")) == [
        f"{method} /servers/{name}/mcp"
        for method in ("ANY", "POST")
        for name in ("clock", "notes", "search")
    ]


def test_without_token_checks_the_gateway_is_the_api_of_the_agents_too():
    hidden = {"image": {"context": "workloads/notes"}, "expose": False}
    recording = run({**LAMBDA, "servers": {**MINIMAL["servers"], "hidden": hidden}})
    assert recording.names("apigateway.RestApi") == ["lambda-gateway-rest"]
    assert "POST /servers/hidden/mcp" in _gateway(recording, "apigateway.Method")
    assert recording.exports["servers"].keys() == {"clock"}


def test_a_private_gateway_requires_signed_requests():
    methods = _gateway(run(LAMBDA), "apigateway.Method")
    assert {made.inputs["authorization"] for made in methods.values()} == {"AWS_IAM"}
    assert methods.keys() == {"POST /servers/clock/mcp", "ANY /servers/clock/mcp"}


def test_a_gateway_with_tokens_checks_them_on_every_route_but_the_metadata():
    recording = run(LAMBDA_FULL)
    authorizer = recording.one("apigateway.Authorizer")
    open_routes: list[str] = []
    for route, made in _gateway(recording, "apigateway.Method").items():
        if made.inputs["authorization"] == "NONE":
            open_routes.append(route)
        else:
            assert made.inputs["authorization"] == "CUSTOM"
            assert made.inputs["authorizerId"] == authorizer.id
    assert sorted(open_routes) == [f"GET {METADATA}", f"GET {METADATA}/{{proxy+}}"]
    internal = _internal(recording, "apigateway.Method").values()
    assert {made.inputs["authorization"] for made in internal} == {"AWS_IAM"}


def test_tokens_are_checked_by_the_function_and_cached_for_a_minute():
    recording = run(LAMBDA_FULL)
    inputs = dict(recording.one("apigateway.Authorizer").inputs)
    alias = recording.one("lambda.Alias", "lambda-gateway_tokens-live").state["arn"]
    assert inputs == {
        "name": "tokens",
        "restApi": API_ID,
        "type": "TOKEN",
        "authorizerUri": (
            f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{alias}/invocations"
        ),
        "identitySource": "method.request.header.Authorization",
        "identityValidationExpression": "^[Bb]earer +[A-Za-z0-9._~+/-]+=*$",
        "authorizerResultTtlInSeconds": 60,
    }


def test_servers_answer_posts_as_a_stream_through_their_alias_for_as_long_as_they_may_take():
    recording = run(LAMBDA_FULL)
    integrations = _gateway(recording, "apigateway.Integration")
    timeouts = {}
    for name in ("clock", "notes"):
        made = integrations[f"POST /servers/{name}/mcp"].inputs
        alias = recording.one("lambda.Alias", f"lambda-{name}-live").state["arn"]
        assert made["type"] == "AWS_PROXY"
        assert made["responseTransferMode"] == "STREAM"
        assert made["uri"] == STREAMING.format(alias)
        timeouts[name] = made["timeoutMilliseconds"]
    assert timeouts == {"clock": 75_000, "notes": 900_000}


def test_any_other_method_on_a_server_is_answered_405_at_the_edge():
    recording = run(LAMBDA)
    route = "ANY /servers/clock/mcp"
    integration = _gateway(recording, "apigateway.Integration")[route].inputs
    assert integration["type"] == "MOCK"
    assert integration["requestTemplates"] == {"application/json": '{"statusCode": 405}'}
    response = _gateway(recording, "apigateway.IntegrationResponse")[route].inputs
    assert response["statusCode"] == "405"
    assert response["responseParameters"] == {"method.response.header.Allow": "'POST'"}
    declared = _gateway(recording, "apigateway.MethodResponse")[route].inputs
    assert declared["responseParameters"] == {"method.response.header.Allow": True}


def test_each_route_alone_may_invoke_the_function_behind_it():
    recording = run(LAMBDA)
    (permission,) = recording.of("lambda.Permission")
    execution = recording.one("apigateway.RestApi").state["executionArn"]
    assert permission.inputs == {
        "action": "lambda:InvokeFunction",
        "function": "mcp-platform-dev-clock",
        "qualifier": "live",
        "principal": "apigateway.amazonaws.com",
        "sourceArn": f"{execution}/live/POST/servers/clock/mcp",
    }
    agents = [
        made.inputs["sourceArn"].partition("/live/")[2]
        for made in run(LAMBDA_FULL).of("lambda.Permission")
        if made.inputs["function"] == "mcp-platform-dev-assistant"
    ]
    assert sorted(agents) == ["$default", "*/agents/assistant", "*/agents/assistant/*"]


def test_a_caller_without_a_token_gets_the_metadata_url_and_an_unknown_path_is_not_found():
    recording = run(LAMBDA_FULL)
    responses = {
        made.inputs["responseType"]: made.inputs for made in recording.of("apigateway.Response")
    }
    challenge = "'Bearer resource_metadata=\"https://mcp.example.com" + METADATA + "\"'"
    unauthorized, missing = responses["UNAUTHORIZED"], responses["MISSING_AUTHENTICATION_TOKEN"]
    assert unauthorized["responseParameters"] == {
        "gatewayresponse.header.WWW-Authenticate": challenge
    }
    assert (unauthorized["statusCode"], missing["statusCode"]) == ("401", "404")


def test_without_token_checks_the_same_answers_say_what_aws_says():
    responses = {
        made.inputs["responseType"]: made for made in run(LAMBDA).of("apigateway.Response")
    }
    assert {kind: made.inputs["statusCode"] for kind, made in responses.items()} == {
        "UNAUTHORIZED": "401",
        "MISSING_AUTHENTICATION_TOKEN": "403",
    }
    for made in responses.values():
        assert made.inputs["responseTemplates"] == {
            "application/json": '{"message":$context.error.messageString}'
        }
        assert "responseParameters" not in made.inputs


def test_the_gateway_serves_the_metadata_without_a_token():
    recording = run(LAMBDA_FULL)
    for path in (METADATA, f"{METADATA}/{{proxy+}}"):
        body = _gateway(recording, "apigateway.IntegrationResponse")[f"GET {path}"].inputs
        assert json.loads(body["responseTemplates"]["application/json"]) == {
            "resource": "https://mcp.example.com",
            "authorization_servers": [AUTH["issuer"]],
            "bearer_methods_supported": ["header"],
            "scopes_supported": AUTH["scopes"],
        }


def test_listed_addresses_alone_reach_the_gateway():
    recording = run(LAMBDA_FULL)
    policy = recording.one("apigateway.RestApiPolicy", "lambda-gateway-policy")
    everything = recording.one("apigateway.RestApi", "lambda-gateway-rest").state["executionArn"]
    allow, deny = policy.json("policy")["Statement"]
    assert (allow["Principal"], allow["Resource"]) == ({"AWS": ["*"]}, [f"{everything}/*"])
    assert deny["Effect"] == "Deny"
    assert deny["Condition"] == {"NotIpAddress": {"aws:SourceIp": ["203.0.113.0/24"]}}


def test_listed_addresses_of_a_signed_gateway_admit_the_account_and_agents_have_their_own_api():
    recording = run({**LAMBDA, "gateway": {"allow_cidrs": ["203.0.113.0/24"]}})
    policy = recording.one("apigateway.RestApiPolicy", "lambda-gateway-policy")
    allow, _ = policy.json("policy")["Statement"]
    assert allow["Principal"] == {"AWS": ["arn:aws:iam::123456789012:root"]}
    assert recording.names("apigateway.RestApi") == ["lambda-gateway-rest", "lambda-internal-rest"]


def test_the_api_of_the_agents_denies_all_other_callers():
    recording = run(LAMBDA_FULL)
    policy = recording.one("apigateway.RestApiPolicy", "lambda-internal-policy")
    internal = recording.one("apigateway.RestApi", "lambda-internal-rest").state
    allow, deny = policy.json("policy")["Statement"]
    assert allow["Principal"] == {"AWS": ["arn:aws:iam::123456789012:root"]}
    assert (deny["Effect"], deny["Principal"]) == ("Deny", {"AWS": ["*"]})
    assert deny["Resource"] == [f"{internal['executionArn']}/*"]
    roles = {
        agent: recording.one("iam.Role", f"lambda-{agent}-role").state["arn"]
        for agent in ("assistant", "researcher-tools", "quick-tools")
    }
    assert deny["Condition"] == {"ArnNotEquals": {"aws:PrincipalArn": list(roles.values())}}
    deployment = recording.one("apigateway.Deployment", "lambda-internal-routes-deployment")
    assert policy.urn in deployment.dependencies


def test_if_no_agent_uses_a_server_the_api_of_the_agents_has_no_callers():
    agents = {name: one | {"uses": []} for name, one in LAMBDA_FULL["agents"].items()}
    recording = run({**LAMBDA_FULL, "agents": agents})
    policy = recording.one("apigateway.RestApiPolicy", "lambda-internal-policy")
    _, deny = policy.json("policy")["Statement"]
    assert (deny["Effect"], "Condition" in deny) == ("Deny", False)


GATEWAYS: dict[str, dict[str, Any]] = {
    "signed": {},
    "signed, of listed addresses": {"allow_cidrs": ["203.0.113.0/24"]},
    "tokens": PUBLIC,
    "tokens, of listed addresses": {**PUBLIC, "allow_cidrs": ["203.0.113.0/24"]},
}


@pytest.mark.parametrize("gateway", GATEWAYS.values(), ids=GATEWAYS)
def test_every_part_of_a_deployment_exists_in_every_configuration(gateway: dict[str, Any]):
    """A deleted part would remain in the new deployment, which is created before the deletion."""
    recording = run({**LAMBDA, "gateway": gateway})
    made = {
        one.name
        for kind in ("apigateway.RestApiPolicy", "apigateway.Response")
        for one in recording.of(kind)
        if one.name.startswith("lambda-gateway")
    }
    assert made == {
        "lambda-gateway-policy",
        "lambda-gateway-unauthorized",
        "lambda-gateway-nothing",
    }


@pytest.mark.parametrize(
    ("gateway", "who"),
    [({}, "arn:aws:iam::123456789012:root"), (PUBLIC, "*")],
    ids=["signed", "tokens"],
)
def test_without_listed_addresses_the_policy_denies_no_address(gateway: dict[str, Any], who: str):
    recording = run({**LAMBDA, "gateway": gateway})
    policy = recording.one("apigateway.RestApiPolicy", "lambda-gateway-policy")
    (allow,) = policy.json("policy")["Statement"]
    assert (allow["Effect"], allow["Principal"]) == ("Allow", {"AWS": [who]})


def test_requests_to_agents_in_containers_keep_their_bytes():
    types = run(LAMBDA_FULL).one("apigateway.RestApi", "lambda-gateway-rest").inputs
    assert "application/octet-stream" in types["binaryMediaTypes"]
    assert not {"*/*", "application/json"} & set(types["binaryMediaTypes"])
    assert "binaryMediaTypes" not in run(LAMBDA).one("apigateway.RestApi").inputs


def test_no_answer_of_the_gateways_own_is_without_a_body():
    """Responses without a body are reported to hang when responses are streamed."""
    recording = run(LAMBDA_FULL)
    for made in recording.of("apigateway.IntegrationResponse"):
        assert made.inputs["responseTemplates"]["application/json"].strip()
        assert made.inputs["statusCode"] not in {"204", "205", "304"}
    for made in recording.of("apigateway.Response"):
        assert made.inputs["responseTemplates"]["application/json"].strip()


def test_with_a_domain_nothing_answers_at_the_name_of_aws():
    recording = run(LAMBDA_FULL)
    gateway = recording.one("apigateway.RestApi", "lambda-gateway-rest").inputs
    internal = recording.one("apigateway.RestApi", "lambda-internal-rest").inputs
    assert gateway["endpointConfiguration"] == internal["endpointConfiguration"]
    assert gateway["endpointConfiguration"] == {"types": "REGIONAL"}
    assert (gateway["disableExecuteApiEndpoint"], internal["disableExecuteApiEndpoint"]) == (
        True,
        False,
    )
    assert run(LAMBDA).one("apigateway.RestApi").inputs["disableExecuteApiEndpoint"] is False


def test_the_domain_leads_to_the_root_of_the_stage():
    recording = run(LAMBDA_FULL)
    mapping = recording.one("apigateway.BasePathMapping").inputs
    assert mapping == {"domainName": "mcp.example.com", "restApi": API_ID, "stageName": "live"}
    record = recording.one("route53.Record", "published-address").inputs
    domain = recording.one("apigateway.DomainName")
    assert record["aliases"] == [
        {
            "name": domain.state["regionalDomainName"],
            "zoneId": "Z1UJRXOUMOOFQ8",
            "evaluateTargetHealth": False,
        }
    ]
    assert domain.inputs["securityPolicy"] == "TLS_1_2"


def test_the_stage_is_throttled_traced_and_logged():
    recording = run(LAMBDA_FULL)
    settings = recording.one("apigateway.MethodSettings", "lambda-gateway-routes-settings").inputs
    assert settings["methodPath"] == "*/*"
    assert settings["settings"] == {
        "metricsEnabled": False,
        "throttlingRateLimit": 50,
        "throttlingBurstLimit": 70,
    }
    for stage in recording.of("apigateway.Stage"):
        assert stage.inputs["xrayTracingEnabled"] is True
        assert stage.inputs["accessLogSettings"]["destinationArn"] == (
            "arn:aws:logs:us-east-1:123456789012:log-group:/mcp-platform/dev/gateway/requests"
        )
        log = json.loads(stage.inputs["accessLogSettings"]["format"])
        assert log["path"] == "$context.path"  # and no query string, which can contain secrets
        assert recording.one("apigateway.Account").urn in stage.dependencies


def test_a_stack_that_leaves_the_log_role_to_another_makes_none():
    recording = run({**LAMBDA, "gateway": {"sets_log_role": False}})
    assert recording.of("apigateway.Account") == []
    assert [name for name in recording.names("iam.Role") if "log-role" in name] == []


def test_the_gateway_has_a_web_acl_only_if_configured():
    recording = run(LAMBDA_FULL)
    association = recording.one("wafv2.WebAclAssociation").inputs
    assert association["resourceArn"] == recording.of("apigateway.Stage")[0].state["arn"]
    rules = recording.one("wafv2.WebAcl").inputs["rules"]
    assert [rule["name"] for rule in rules] == [
        "AWSManagedRulesAmazonIpReputationList",
        "AWSManagedRulesKnownBadInputsRuleSet",
        "requests",
    ]
    assert rules[2]["statement"]["rateBasedStatement"]["limit"] == 500
    assert run(LAMBDA).of("wafv2.WebAcl") == []


def _deployed(fleet: dict[str, Any]) -> str:
    recording = run(fleet)
    (made,) = (made for made in recording.of("apigateway.Deployment") if "gateway" in made.name)
    return made.inputs["triggers"]["routes"]


CHANGES: dict[str, dict[str, Any]] = {
    "a new server": {
        "servers": {**MINIMAL["servers"], "notes": {"image": {"context": "workloads/notes"}}}
    },
    "a longer request": {
        "servers": {"clock": {**MINIMAL["servers"]["clock"], "max_request_seconds": 120}}
    },
    "fewer callers": {"gateway": {"allow_cidrs": ["203.0.113.0/24"]}},
    "an agent that takes any bytes": {
        "agents": {"assistant": {"image": {"context": "workloads/assistant"}}}
    },
    "tokens": {"gateway": LAMBDA_FULL["gateway"]},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_of_the_routes_is_deployed(change: dict[str, Any]):
    assert _deployed({**LAMBDA, **change}) != _deployed(LAMBDA)


def test_a_change_of_the_metadata_is_deployed():
    fewer = {**LAMBDA_FULL["gateway"], "auth": {**AUTH, "scopes": ["mcp:read"]}}
    assert _deployed({**LAMBDA_FULL, "gateway": fewer}) != _deployed(LAMBDA_FULL)


def test_a_change_of_a_function_alone_is_no_deployment():
    clock = {**MINIMAL["servers"]["clock"], "memory": 2048, "environment": {"LOG_LEVEL": "debug"}}
    assert _deployed({**LAMBDA, "servers": {"clock": clock}}) == _deployed(LAMBDA)


def test_a_deployment_waits_for_everything_that_it_takes_a_copy_of():
    recording = run(LAMBDA_FULL)
    deployment = recording.one("apigateway.Deployment", "lambda-gateway-routes-deployment")
    copied = {
        made.urn
        for kind in ("Method", "Integration", "MethodResponse", "IntegrationResponse")
        for made in recording.of(f"apigateway.{kind}")
        if made.name.startswith("lambda-gateway-routes-")
    }
    copied |= {made.urn for made in recording.of("apigateway.Response")}
    copied.add(recording.one("apigateway.RestApiPolicy", "lambda-gateway-policy").urn)
    assert copied <= set(deployment.dependencies)


def test_the_least_fleet_has_nothing_that_is_paid_by_the_hour():
    recording = run(LAMBDA)
    hourly = {
        "apigateway.VpcLink",
        "ec2.NatGateway",
        "ecs.Service",
        "lambda.ProvisionedConcurrencyConfig",
        "lb.LoadBalancer",
    }
    assert hourly & {made.kind for made in recording.resources.values()} == set()
    kinds = {made.inputs["vpcEndpointType"] for made in recording.of("ec2.VpcEndpoint")}
    assert kinds == {"Gateway"}
