"""State machines, chats and discovery of the Lambda target."""

import json
from typing import Any

import pytest

from core.targets.aws_lambda.state_machine import definition
from tests.components.fleets import LAMBDA, LAMBDA_FULL, MODEL
from tests.components.recording import API_ID, Recording, run

STATES = "arn:aws:states:us-east-1:123456789012"
ACTION = "arn:aws:apigateway:us-east-1:states:action"


def _statements(recording: Recording, role: str) -> dict[str, dict[str, Any]]:
    policy = recording.one("iam.RolePolicy", f"{role}-policy").json("policy")
    return {statement["Sid"]: statement for statement in policy["Statement"]}


def test_an_agent_that_runs_as_a_state_machine_needs_no_image_and_has_no_function_of_its_own():
    recording = run(LAMBDA_FULL)
    assert recording.names("sfn.StateMachine") == [
        "lambda-quick-machine",
        "lambda-researcher-machine",
    ]
    assert "lambda-researcher-function" not in recording.names("lambda.Function")
    images = [made.name for made in recording.of("docker-build.Image")]
    assert images == [
        "fleet-images-workloads-assistant-image",
        "fleet-images-workloads-clock-image",
        "fleet-images-workloads-notes-image",
        "lambda-platform-image",
    ]


def test_the_state_machine_of_an_agent_in_full():
    recording = run(LAMBDA_FULL)
    inputs = dict(recording.one("sfn.StateMachine", "lambda-researcher-machine").inputs)
    alias = recording.one("lambda.Alias", "lambda-researcher-tools-live").state["arn"]
    assert json.loads(inputs.pop("definition")) == json.loads(
        json.dumps(
            definition(
                model=MODEL,
                instructions="Be brief.",
                tools_function_arn=alias,
                max_turns=5,
                max_seconds=1800,
            )
        )
    )
    assert inputs == {
        "name": "mcp-platform-dev-researcher",
        "type": "STANDARD",
        "roleArn": recording.one("iam.Role", "lambda-researcher-role").state["arn"],
        "loggingConfiguration": {
            "level": "ERROR",
            "includeExecutionData": False,
            "logDestination": (
                "arn:aws:logs:us-east-1:123456789012:log-group:"
                "/aws/vendedlogs/states/mcp-platform/dev/researcher:*"
            ),
        },
        "tracingConfiguration": {"enabled": True},
    }


def test_a_state_machine_may_ask_its_first_model_and_call_its_tools_and_nothing_else():
    recording = run(LAMBDA_FULL)
    statements = _statements(recording, "lambda-researcher-role")
    assert sorted(statements) == ["CallOwnTools", "DeliverLogs", "InvokeOwnModels", "SendTraces"]
    assert statements["InvokeOwnModels"]["Resource"] == [
        f"arn:aws:bedrock:us-east-1::foundation-model/{MODEL}"
    ]
    alias = recording.one("lambda.Alias", "lambda-researcher-tools-live").state["arn"]
    assert statements["CallOwnTools"]["Resource"] == [alias]
    (trust,) = recording.one("iam.Role", "lambda-researcher-role").json("assumeRolePolicy")[
        "Statement"
    ]
    assert trust["Principal"] == {"Service": ["states.amazonaws.com"]}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}


def _integration(recording: Recording, stem: str) -> dict[str, Any]:
    return recording.one(
        "apigateway.Integration", f"lambda-gateway-routes-agents_{stem}-answer"
    ).inputs


def _reply(recording: Recording, stem: str, status: int) -> dict[str, Any]:
    return recording.one(
        "apigateway.IntegrationResponse", f"lambda-gateway-routes-agents_{stem}-{status}-body"
    ).inputs


def test_a_standard_one_is_started_by_the_gateway_which_says_where_its_status_is():
    recording = run(LAMBDA_FULL)
    start = _integration(recording, "researcher_ask-POST")
    assert (start["type"], start["uri"]) == ("AWS", f"{ACTION}/StartExecution")
    template = start["requestTemplates"]["application/json"]
    assert f'"stateMachineArn":"{STATES}:stateMachine:mcp-platform-dev-researcher"' in template
    # Clients can set the id of a request, so it must not be the name of an execution.
    assert '"name"' not in template
    started = _reply(recording, "researcher_ask-POST", 202)
    assert started["selectionPattern"] == "200"
    assert started["responseTemplates"] == {
        "application/json": (
            """{"id":"$input.path('$.executionArn').replaceAll("^.*:","")","""
            """"status":"/agents/researcher/executions/"""
            """$input.path('$.executionArn').replaceAll("^.*:","")"}"""
        )
    }
    starter = recording.one("iam.Role", "lambda-researcher-starter")
    assert start["credentials"] == starter.state["arn"]
    statements = _statements(recording, "lambda-researcher-starter")
    assert {sid: each["Action"] + each["Resource"] for sid, each in statements.items()} == {
        "StartMachine": [
            "states:StartExecution",
            f"{STATES}:stateMachine:mcp-platform-dev-researcher",
        ],
        "LookAtExecutions": [
            "states:DescribeExecution",
            f"{STATES}:execution:mcp-platform-dev-researcher:*",
        ],
    }


def test_the_status_of_an_execution_is_read_by_its_id_and_an_unknown_one_is_not_found():
    recording = run(LAMBDA_FULL)
    status = _integration(recording, "researcher_executions_id-GET")
    assert status["uri"] == f"{ACTION}/DescribeExecution"
    assert (
        f"{STATES}:execution:mcp-platform-dev-researcher:"
        in (status["requestTemplates"]["application/json"])
    )
    missing = _reply(recording, "researcher_executions_id-GET", 404)
    assert missing["selectionPattern"] == r"4\d{2}"
    method = recording.one(
        "apigateway.Method", "lambda-gateway-routes-agents_researcher_executions_id-GET"
    ).inputs
    assert method["requestParameters"] == {"method.request.path.id": True}


def test_one_that_answers_within_28_seconds_is_express_and_its_caller_waits():
    recording = run(LAMBDA_FULL)
    assert recording.one("sfn.StateMachine", "lambda-quick-machine").inputs["type"] == "EXPRESS"
    start = _integration(recording, "quick_ask-POST")
    assert start["uri"] == f"{ACTION}/StartSyncExecution"
    assert _reply(recording, "quick_ask-POST", 200)["selectionPattern"] == "200"
    assert list(_statements(recording, "lambda-quick-starter")) == ["RunMachine"]


def test_the_gateway_has_no_role_to_start_one_that_is_not_exposed():
    agents = LAMBDA_FULL["agents"]
    hidden = agents | {"researcher": agents["researcher"] | {"expose": False}}
    recording = run({**LAMBDA_FULL, "agents": hidden})
    assert recording.one("sfn.StateMachine", "lambda-researcher-machine")
    assert [name for name in recording.names("iam.Role") if name.endswith("-starter")] == [
        "lambda-quick-starter"
    ]


def test_a_machine_sends_the_traces_that_step_functions_sends():
    statement = _statements(run(LAMBDA_FULL), "lambda-researcher-role")["SendTraces"]
    assert statement["Action"] == [
        "xray:GetSamplingRules",
        "xray:GetSamplingTargets",
        "xray:PutTelemetryRecords",
        "xray:PutTraceSegments",
    ]


@pytest.mark.parametrize(("seconds", "kind"), [(28, "EXPRESS"), (29, "STANDARD")])
def test_the_bound_between_express_and_standard(seconds: int, kind: str):
    agent = {"runs_as": "state-machine", "models": [MODEL], "max_request_seconds": seconds}
    recording = run({**LAMBDA, "agents": {"quick": agent}})
    assert recording.one("sfn.StateMachine").inputs["type"] == kind


def test_the_two_types_have_different_names_so_that_the_new_one_exists_before_the_old_is_deleted():
    names: set[str] = set()
    for seconds in (28, 29):
        agent = {"runs_as": "state-machine", "models": [MODEL], "max_request_seconds": seconds}
        recording = run({**LAMBDA, "agents": {"quick": agent}})
        names.add(recording.one("sfn.StateMachine").inputs["name"])
    assert names == {"mcp-platform-dev-quick", "mcp-platform-dev-quick_express"}


def test_errors_of_step_functions_at_a_question_are_distinguished_too():
    recording = run(LAMBDA_FULL)
    for agent in ("researcher", "quick"):
        refused = _reply(recording, f"{agent}_ask-POST", 429)
        assert refused["selectionPattern"] == r"4\d{2}"
        other = _reply(recording, f"{agent}_ask-POST", 502)
        assert "selectionPattern" not in other


def test_a_question_is_checked_before_a_state_machine_starts():
    recording = run(LAMBDA_FULL)
    model = recording.one("apigateway.Model")
    assert model.json("schema")["required"] == ["question"]
    validator = recording.one("apigateway.RequestValidator")
    for agent in ("quick", "researcher"):
        method = recording.one(
            "apigateway.Method", f"lambda-gateway-routes-agents_{agent}_ask-POST"
        ).inputs
        assert method["requestModels"] == {"application/json": "Question"}
        assert method["requestValidatorId"] == validator.id


def test_a_state_machine_has_alarms_on_what_failed_and_what_took_too_long():
    recording = run(LAMBDA_FULL)
    metrics = {
        made.name: made.inputs["metricName"]
        for made in recording.of("cloudwatch.MetricAlarm")
        if made.inputs.get("namespace") == "AWS/States"
    }
    assert metrics == {
        f"lambda-{agent}-{suffix}-alarm": metric
        for agent in ("quick", "researcher")
        for suffix, metric in (
            ("failed", "ExecutionsFailed"),
            ("timed-out", "ExecutionsTimedOut"),
        )
    }


def test_an_agent_with_chat_has_a_websocket_api_whose_connections_are_checked():
    recording = run(LAMBDA_FULL)
    assert recording.one("apigatewayv2.Api").inputs["protocolType"] == "WEBSOCKET"
    authorizer = recording.one("apigatewayv2.Authorizer")
    routes = {
        made.inputs["routeKey"]: (
            made.inputs["authorizationType"],
            made.inputs.get("authorizerId"),
        )
        for made in recording.of("apigatewayv2.Route")
    }
    assert routes == {
        "$connect": ("CUSTOM", authorizer.id),
        "$disconnect": ("NONE", None),
        "$default": ("NONE", None),
    }
    assert recording.exports["chat"] == {
        "assistant": f"wss://{API_ID}.execute-api.us-east-1.amazonaws.com/live"
    }


def test_a_chat_of_a_private_gateway_requires_signed_connections():
    agent = {"image": {"context": "workloads/assistant"}, "chat": "websocket"}
    recording = run({**LAMBDA, "agents": {"assistant": agent}})
    routes = {made.inputs["routeKey"]: made.inputs for made in recording.of("apigatewayv2.Route")}
    assert routes["$connect"]["authorizationType"] == "AWS_IAM"
    assert recording.of("apigatewayv2.Authorizer") == []


def test_a_message_invokes_the_agent_once_without_waiting_for_it():
    recording = run(LAMBDA_FULL)
    message = recording.one("apigatewayv2.Integration", "lambda-assistant-chat-message").inputs
    assert message["integrationType"] == "AWS"
    assert message["requestParameters"] == {
        "integration.request.header.X-Amz-Invocation-Type": "'Event'"
    }
    assert message["templateSelectionExpression"] == r"\$default"
    (template,) = message["requestTemplates"].values()
    assert template == (
        '{"connection_id":"$context.connectionId","body":"'
        r"""$util.escapeJavaScript($input.body).replaceAll("\\'","'")"}"""
    )
    events = recording.one("lambda.FunctionEventInvokeConfig").inputs
    assert (events["maximumRetryAttempts"], events["qualifier"]) == (0, "live")


def test_connections_come_and_go_without_the_agent():
    recording = run(LAMBDA_FULL)
    welcome = recording.one("apigatewayv2.Integration", "lambda-assistant-chat-welcome")
    targets = {
        made.inputs["routeKey"]: made.inputs["target"]
        for made in recording.of("apigatewayv2.Route")
    }
    assert welcome.inputs["integrationType"] == "MOCK"
    assert targets["$connect"] == targets["$disconnect"] == f"integrations/{welcome.id}"
    assert targets["$default"] != targets["$connect"]


def test_only_agents_that_chat_have_a_chat():
    recording = run(LAMBDA)
    assert recording.of("apigatewayv2.Api") == []
    assert recording.exports["chat"] == {}


def test_every_server_has_an_instance_with_its_address_in_an_http_namespace():
    recording = run(LAMBDA_FULL)
    namespace = recording.one("servicediscovery.HttpNamespace")
    assert namespace.inputs["name"] == "mcp-platform-dev"
    assert recording.exports["discovery"]["namespace"] == "mcp-platform-dev"
    services = {
        made.inputs["name"]: made.inputs for made in recording.of("servicediscovery.Service")
    }
    assert services.keys() == LAMBDA_FULL["servers"].keys()
    assert {each["namespaceId"] for each in services.values()} == {namespace.id}
    checks = [each["healthCheckCustomConfig"] for each in services.values()]
    assert checks == [{"failureThreshold": 1}] * len(services)
    host = f"{API_ID}.execute-api.us-east-1.amazonaws.com"
    instances = {
        made.inputs["instanceId"]: made.inputs["attributes"]
        for made in recording.of("servicediscovery.Instance")
    }
    assert instances == {
        name: {
            "url": f"https://{host}/live/servers/{name}/mcp",
            "function": recording.one("lambda.Alias", f"lambda-{name}-live").state["arn"],
        }
        for name in LAMBDA_FULL["servers"]
    }


def test_the_discovery_document_has_the_addresses_that_agents_use():
    recording = run(LAMBDA_FULL)
    parameter = recording.one("ssm.Parameter").inputs["value"]
    document = json.loads(getattr(parameter, "value", parameter))
    instances = {
        made.inputs["instanceId"]: made.inputs["attributes"]["url"]
        for made in recording.of("servicediscovery.Instance")
    }
    assert document["servers"] == instances
    assert document["agents"] == {name: f"/agents/{name}" for name in LAMBDA_FULL["agents"]}
