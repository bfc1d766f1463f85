"""State machines: their definitions, and their lifecycle in the cloud."""

import json
from typing import Any

import pytest

from sandbox.engine.provider import Change, RefusedError
from sandbox.providers.aws.embedded_json import errors
from sandbox.tests.serverless import LOG_GROUP, make_role
from sandbox.values.wire import UNKNOWN

MACHINE = "aws:sfn/stateMachine:StateMachine"
ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:agent"
INVOKE = "arn:aws:states:::lambda:invoke"

END = {"Type": "Succeed"}


def machine(states: dict[str, Any], start: str = "A", **more: Any) -> dict[str, Any]:
    return {"StartAt": start, "States": states, **more}


def task(**more: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": INVOKE, **more}


AGENT = machine(
    {
        "Ask": task(
            Parameters={"FunctionName": "f", "Payload.$": "$"},
            ResultPath="$.answer",
            TimeoutSeconds=60,
            Retry=[{"ErrorEquals": ["Lambda.TooManyRequestsException"], "MaxAttempts": 3}],
            Catch=[{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Failed"}],
            Next="Done?",
        ),
        "Done?": {
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.answer.stop", "StringEquals": "tool_use", "Next": "Tools"},
                {"And": [{"Variable": "$.turns", "IsPresent": True}], "Next": "Failed"},
            ],
            "Default": "Answer",
        },
        "Tools": {
            "Type": "Map",
            "ItemsPath": "$.answer.tools",
            "MaxConcurrency": 5,
            "ItemProcessor": machine({"Call": task(End=True)}, "Call"),
            "Next": "Both",
        },
        "Both": {
            "Type": "Parallel",
            "Branches": [machine({"Left": END}, "Left"), machine({"Right": END}, "Right")],
            "Next": "Wait",
        },
        "Wait": {"Type": "Wait", "Seconds": 1, "Next": "Ask"},
        "Answer": {"Type": "Succeed", "OutputPath": "$.answer"},
        "Failed": {"Type": "Fail", "Error": "Agent.Failed", "CausePath": "$.error.Cause"},
    },
    "Ask",
    Comment="asks until there is an answer",
    TimeoutSeconds=900,
)

JSONATA = machine(
    {
        "Ask": task(
            Arguments={"FunctionName": "f", "Payload": "{% $states.input %}"},
            Assign={"turns": "{% $turns + 1 %}"},
            Output="{% $states.result.Payload %}",
            TimeoutSeconds="{% $left %}",
            Next="Done?",
        ),
        "Done?": {
            "Type": "Choice",
            "Choices": [
                {"Condition": "{% $turns < 3 %}", "Next": "Tools", "Assign": {"left": 1}},
            ],
            "Default": "Answer",
        },
        "Tools": {
            "Type": "Map",
            "Items": "{% $states.input.tools %}",
            "ItemProcessor": machine({"Call": task(End=True)}, "Call"),
            "Next": "Ask",
        },
        "Answer": {"Type": "Succeed", "Output": ["{% $states.input %}"]},
    },
    "Ask",
    QueryLanguage="JSONata",
)


@pytest.mark.parametrize("definition", [AGENT, JSONATA])
def test_a_definition_in_either_query_language_is_accepted(definition: dict[str, Any]):
    assert errors("states", definition) == []
    assert errors("states", json.dumps(definition)) == []


LONG = "s" * 80

WRONG: list[tuple[Any, str, str]] = [
    ([], "", "[] is not of type object"),
    ({"States": {"A": END}}, "StartAt", "is missing; it is required"),
    ({"StartAt": "A"}, "States", "is missing; it is required"),
    (machine({"A": END}, Author="me"), "Author", "is not a property; allowed: Comment"),
    (machine({"A": {"Type": "Loop"}}), "States.A.Type", "allowed: Pass, Task"),
    (machine({"A": {"Type": "Task", "End": True}}), "States.A.Resource", "is missing"),
    (machine({"A": task(End=True, Resource="f")}), "States.A.Resource", "'f' does not match"),
    (machine({"A": task()}), "States.A", "exactly one of Next, End is needed; got none"),
    (
        machine({"A": task(Next="B", End=True), "B": END}),
        "States.A",
        "exactly one of Next, End is needed; got Next, End",
    ),
    (
        machine({"A": {"Type": "Choice", "Choices": [{"Variable": "$.a", "Next": "A"}]}}),
        "States.A.Choices.0",
        "exactly one of And, BooleanEquals",
    ),
    (
        machine({"A": task(End=True, Catch=[{"ErrorEquals": ["States.ALL"]}])}),
        "States.A.Catch.0.Next",
        "is missing; it is required",
    ),
    (machine({"A": task(End=True, TimeoutSeconds=0)}), "States.A.TimeoutSeconds", "0 is below"),
    (
        machine({"A": task(End=True, Output="{% 1 %}")}),
        "States.A.Output",
        "is not allowed in this query language",
    ),
    (
        machine({"A": task(End=True, ResultPath="$.a")}, QueryLanguage="JSONata"),
        "States.A.ResultPath",
        "is not allowed in this query language",
    ),
    (machine({"A": END}, "B"), "StartAt", "'B' is not a state here; states: A"),
    (
        machine({"A": task(Next="B")}),
        "States.A.Next",
        "'B' is not a state here; states: A",
    ),
    (
        machine(
            {
                "A": {
                    "Type": "Choice",
                    "Choices": [{"Variable": "$.a", "IsNull": True, "Next": "B"}],
                    "Default": "A",
                }
            }
        ),
        "States.A.Choices[0].Next",
        "'B' is not a state here; states: A",
    ),
    (
        machine(
            {
                "A": {
                    "Type": "Choice",
                    "Choices": [{"Variable": "$.a", "IsNull": True, "Next": "A"}],
                    "Default": "B",
                }
            }
        ),
        "States.A.Default",
        "'B' is not a state here; states: A",
    ),
    (
        machine({"A": task(End=True, Catch=[{"ErrorEquals": ["States.ALL"], "Next": "B"}])}),
        "States.A.Catch[0].Next",
        "'B' is not a state here; states: A",
    ),
    (machine({"A": END, "B": END}), "States.B", "no transition leads to this state"),
    (
        machine({"A": END, "B": task(Next="C"), "C": task(Next="B")}),
        "States.B",
        "no transition leads to this state",
    ),
    (
        machine(
            {
                "A": {
                    "Type": "Map",
                    "End": True,
                    "ItemProcessor": machine({"B": task(Next="A")}, "B"),
                }
            }
        ),
        "States.A.ItemProcessor.States.B.Next",
        "'A' is not a state here; states: B",
    ),
    (
        machine(
            {"A": {"Type": "Parallel", "End": True, "Branches": [machine({"B": END}, "C")]}}
        ),
        "States.A.Branches[0].StartAt",
        "'C' is not a state here; states: B",
    ),
    (
        machine(
            {"A": {"Type": "Parallel", "End": True, "Branches": [machine({"A": END})]}}
        ),
        "",
        "the state name 'A' is used more than once",
    ),
    (
        machine(
            {
                "A": {
                    "Type": "Map",
                    "End": True,
                    "ItemProcessor": machine({f"{LONG}s": END}, f"{LONG}s"),
                }
            }
        ),
        f"States.A.ItemProcessor.States.{LONG}s",
        "the name has 81 characters; at most 80 are allowed",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("definition", "path", "says"), WRONG)
def test_a_wrong_definition_is_refused_at_its_place(
    definition: dict[str, Any], path: str, says: str
):
    found = errors("states", definition)
    assert any(where == path and says in reason for where, reason in found), found


def test_every_unreachable_state_is_reported(account: Any):
    found = errors("states", machine({"A": END, "B": task(Next="C"), "C": task(Next="B")}))
    assert [path for path, _ in found] == ["States.B", "States.C"]


def test_a_name_of_eighty_characters_is_accepted():
    assert errors("states", machine({LONG: END}, LONG)) == []


@pytest.mark.parametrize(("spare", "count"), [(0, 0), (1, 1)])
def test_a_definition_has_at_most_one_megabyte(spare: int, count: int):
    bare = len(json.dumps(machine({"A": END}, Comment=""), separators=(",", ":")))
    definition = machine({"A": END}, Comment="x" * (1_048_576 - bare + spare))
    assert len(errors("states", definition)) == count


def inputs(**changes: Any) -> dict[str, Any]:
    return {
        "name": "agent",
        "roleArn": "arn:aws:iam::123456789012:role/states",
        "definition": json.dumps(AGENT),
        **changes,
    }


LOGGED = "arn:aws:logs:us-east-1:123456789012:log-group:/agent"


def test_every_property_of_a_state_machine_is_accepted_without_a_warning(account: Any):
    full = inputs(
        type="EXPRESS",
        loggingConfiguration={
            "level": "ERROR",
            "includeExecutionData": False,
            "logDestination": f"{LOGGED}:*",
        },
        tracingConfiguration={"enabled": True},
        encryptionConfiguration={"type": "CUSTOMER_MANAGED_KMS_KEY", "kmsKeyId": "alias/key"},
        publish=True,
    )
    assert account.reasons(MACHINE, full) == []
    assert account.warnings == []


WAITS = json.dumps(machine({"A": task(Resource=f"{INVOKE}.waitForTaskToken", End=True)}))
SYNC = "arn:aws:states:::states:startExecution.sync:2"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"definition": "{"}, "is not JSON"),
        ({"definition": json.dumps(machine({"A": task(Next="B")}))}, "States.A.Next 'B' is no"),
        ({"definition": UNKNOWN}, ""),
        ({"type": "FAST"}, "'FAST' is not allowed; allowed: STANDARD, EXPRESS"),
        ({"name": "my agent"}, "'my agent' does not match the pattern"),
        ({"loggingConfiguration": {"level": "OFF"}}, ""),
        ({"loggingConfiguration": {"level": "ALL"}}, "loggingConfiguration.logDestination must be"),
        (
            {"loggingConfiguration": {"level": "ALL", "logDestination": LOGGED}},
            'is not the ARN of a log group with ":*" at its end',
        ),
        ({"definition": WAITS}, ""),
        ({"definition": WAITS, "type": "EXPRESS"}, "an EXPRESS state machine cannot wait"),
        (
            {"definition": WAITS.replace(f"{INVOKE}.waitForTaskToken", SYNC), "type": "EXPRESS"},
            "an EXPRESS state machine cannot wait",
        ),
    ],
)
def test_invalid_state_machines_are_refused(account: Any, change: dict[str, Any], says: str):
    reasons = account.reasons(MACHINE, inputs(**change))
    assert [says in reason for reason in reasons] == ([True] if says else [])


def test_the_name_of_a_state_machine_has_at_most_80_characters(account: Any):
    given = {name: value for name, value in inputs().items() if name != "name"}
    assert account.reasons(MACHINE, given, name="m" * 72) == []
    reason = account.reasons(MACHINE, given, name="m" * 73)[0]
    assert "has 81 characters; at most 80 are allowed" in reason


def make_machine(account: Any, **changes: Any) -> Any:
    if account.cloud.get("aws", "aws:iam/role:Role", "states") is None:
        make_role(account, "states.amazonaws.com", "states")
    return account.make(MACHINE, **inputs(**changes))


def test_a_state_machine_outputs_its_arn_and_no_version(account: Any):
    made = make_machine(account)
    assert made.id == made.properties["arn"] == ARN
    assert made.properties["type"] == "STANDARD"
    assert made.properties["stateMachineVersionArn"] == ""
    assert made.properties["loggingConfiguration"]["level"] == "OFF"
    with pytest.raises(RefusedError, match="StateMachineAlreadyExists"):
        make_machine(account)


def test_every_change_except_of_tags_publishes_a_state_machine_version(account: Any):
    made = make_machine(account, publish=True)
    assert made.properties["stateMachineVersionArn"] == f"{ARN}:1"
    tagged = inputs(publish=True, tags={"a": "b"})
    assert account.update(MACHINE, made, **tagged)["stateMachineVersionArn"] == f"{ARN}:1"
    changed = inputs(publish=True, definition=json.dumps(JSONATA))
    seen = account.update(MACHINE, made, preview=True, **changed)
    assert seen["stateMachineVersionArn"] is UNKNOWN
    assert account.update(MACHINE, made, **changed)["stateMachineVersionArn"] == f"{ARN}:2"


def test_the_log_group_of_a_state_machine_must_exist(account: Any):
    loud = {"loggingConfiguration": {"level": "ALL", "logDestination": f"{LOGGED}:*"}}
    with pytest.raises(RefusedError, match=r"loggingConfiguration\.logDestination .* not exist"):
        make_machine(account, **loud)
    account.make(LOG_GROUP, name="/agent")
    make_machine(account, **loud)


@pytest.mark.parametrize(
    ("change", "changes"),
    [
        ({"definition": json.dumps(AGENT, indent=2)}, {}),
        ({"definition": json.dumps(JSONATA)}, {("definition",): Change.UPDATE}),
        ({"type": "EXPRESS"}, {("type",): Change.ADD_REPLACE}),
        ({"name": "other"}, {("name",): Change.UPDATE_REPLACE}),
    ],
)
def test_only_a_new_name_or_type_replaces_a_state_machine(
    account: Any, change: dict[str, Any], changes: dict[Any, Change]
):
    made = make_machine(account)
    assert account.diff(MACHINE, made, **inputs(**change)).changes == changes
