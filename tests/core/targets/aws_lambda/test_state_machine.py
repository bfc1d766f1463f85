import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator
from cfnlint.api import lint_all

from core.config.model import Agent
from core.targets.aws_lambda import state_machine
from core.targets.aws_lambda.placeholders import names
from core.targets.aws_lambda.state_machine import (
    MAX_ANSWER_TOKENS,
    MAX_MESSAGES_BYTES,
    MAX_PAYLOAD_BYTES,
    MAX_QUESTION_CHARACTERS,
    MAX_TOOLS_BYTES,
    definition,
)
from sandbox.serve.step_functions import interpreter as states
from sandbox.serve.step_functions.interpreter import StateError, expressions, parsed, size_bytes
from tests.core.states import Execution, run

_MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
_ARN = "arn:aws:lambda:us-east-1:123456789012:function:fleet-tools:live"
_loader: Any = Loader()
_bedrock: Any = ServiceModel(_loader.load_service_model("bedrock-runtime", "service-2"))
_CONVERSE = _bedrock.operation_model("Converse")

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"zone": {"type": ["string", "null"]}},
    "required": [],
}
_NOW: dict[str, Any] = {
    "Name": "clock__now",
    "Server": "clock",
    "Tool": "now",
    "Description": "The time.",
    "InputSchema": _SCHEMA,
}
_ADD: dict[str, Any] = {
    **_NOW,
    "Name": "notes__add",
    "Server": "notes",
    "Tool": "add",
    "Description": "Keep it.",
}
_LISTED: dict[str, Any] = {"tools": [_NOW, _ADD], "absent": []}

Reply = dict[str, Any] | StateError
Call = Callable[[dict[str, Any]], Any]


def machine(**changes: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "model": _MODEL,
        "instructions": "Be brief.",
        "tools_function_arn": _ARN,
        "max_turns": 8,
        "max_seconds": 300,
    }
    return definition(**(settings | changes))


def reply(stop: str, *blocks: dict[str, Any]) -> dict[str, Any]:
    """What the integration gives back: more than Bedrock takes."""
    return {
        "Output": {"Message": {"Role": "assistant", "Content": list(blocks)}},
        "StopReason": stop,
        "Metrics": {"LatencyMs": 412},
        "Usage": {"InputTokens": 10, "OutputTokens": 5, "TotalTokens": 15},
    }


def says(text: str, stop: str = "end_turn") -> dict[str, Any]:
    return reply(stop, {"Text": text})


def use(id_: str, name: str = "clock__now", **arguments: Any) -> dict[str, Any]:
    block = {"ToolUseId": id_, "Name": name, "Input": arguments, "Type": "tool_use"}
    return {"ToolUse": block}


def wants(*blocks: dict[str, Any]) -> dict[str, Any]:
    return reply("tool_use", *blocks)


def result(id_: str, text: str, status: str = "success") -> dict[str, Any]:
    return {"ToolResult": {"ToolUseId": id_, "Content": [{"Text": text}], "Status": status}}


def kept(block: dict[str, Any]) -> dict[str, Any]:
    use_ = {key: value for key, value in block["ToolUse"].items() if key != "Type"}
    return {"ToolUse": use_}


@dataclass
class Run:
    """An execution, and what the model and the tools were sent in it."""

    asked: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    called: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    execution: Execution = field(default_factory=Execution)

    @property
    def messages(self) -> list[dict[str, Any]]:
        return self.asked[-1]["Messages"]

    @property
    def results(self) -> list[dict[str, Any]]:
        return self.messages[-1]["Content"]


def answer_of(run_: Run) -> dict[str, Any]:
    assert run_.execution.error is None, f"{run_.execution.error}: {run_.execution.cause}"
    return run_.execution.output


def execute(
    *replies: Reply,
    call: Call = lambda payload: {"text": f"{payload['tool']} done", "error": False},
    listed: Any = _LISTED,
    given: object = None,
    **changes: Any,
) -> Run:
    """Runs an execution; every request is one that Bedrock takes, or the test fails."""
    made = Run()
    left = iter(replies)
    listings: Iterator[Any] = iter(listed if isinstance(listed, list) else [listed])  # pyright: ignore[reportUnknownArgumentType] - JSON

    def converse(arguments: dict[str, Any]) -> Any:
        made.asked.append(arguments)
        assert_bedrock_takes(arguments)
        answer = next(left)
        if isinstance(answer, StateError):
            raise answer
        return answer

    def invoke(arguments: dict[str, Any]) -> Any:
        assert set(arguments) == {"FunctionName", "Payload"}
        assert arguments["FunctionName"] == _ARN
        payload = arguments["Payload"]
        if payload == {"list": True}:
            found = next(listings)
        else:
            made.called.append(payload)
            found = call(payload)
        if isinstance(found, StateError):
            raise found
        return {"ExecutedVersion": "1", "Payload": found, "StatusCode": 200}

    made.execution = run(
        machine(**changes),
        {"question": "What time is it?"} if given is None else given,
        {
            "arn:aws:states:::aws-sdk:bedrockruntime:converse": converse,
            "arn:aws:states:::lambda:invoke": invoke,
        },
    )
    assert not list(left), "the model was asked less often than it had replies"
    return made


def as_the_sdk_sends(value: Any, shape: Any) -> Any:
    """PascalCase to the API's own names, by the API's model; documents are left as they are."""
    if shape.type_name == "structure" and not shape.is_document_type:
        own = {name[0].upper() + name[1:]: name for name in shape.members}
        assert set(value) <= set(own), f"{set(value) - set(own)} in {shape.name}"
        return {
            own[key]: as_the_sdk_sends(inner, shape.members[own[key]])
            for key, inner in value.items()
        }
    if shape.type_name == "list":
        return [as_the_sdk_sends(inner, shape.member) for inner in value]
    return value


def assert_bedrock_takes(arguments: dict[str, Any]) -> None:
    shape = _CONVERSE.input_shape
    validator: Any = ParamValidator()
    faults = validator.validate(as_the_sdk_sends(arguments, shape), shape)
    assert not faults.has_errors(), faults.generate_report()
    assert arguments.get("System") != []
    assert size_bytes(arguments["Messages"]) <= MAX_MESSAGES_BYTES
    assert_conversation(arguments["Messages"])
    if any("ToolUse" in block for message in arguments["Messages"] for block in message["Content"]):
        assert "ToolConfig" in arguments


def assert_conversation(messages: Sequence[Mapping[str, Any]]) -> None:
    question, *turns = messages
    assert question["Role"] == "user"
    assert [set(block) for block in question["Content"]] == [{"Text"}]
    assert [turn["Role"] for turn in turns] == ["assistant", "user"] * (len(turns) // 2)
    for asked, answered in zip(turns[::2], turns[1::2], strict=True):
        texts = [block["Text"] for block in asked["Content"] if "Text" in block]
        assert all(text.strip() for text in texts)
        uses = [block["ToolUse"]["ToolUseId"] for block in asked["Content"] if "ToolUse" in block]
        assert uses
        assert [block["ToolResult"]["ToolUseId"] for block in answered["Content"]] == uses


# What the definition is


def test_the_definition_is_valid_for_cfn_lint():
    assert _lint_faults(machine()) == []
    assert _lint_faults(machine(instructions="")) == []


def test_the_lint_sees_a_field_that_is_none_and_a_start_that_is_no_state():
    made = machine()
    made["States"]["ListTools"]["Nxt"] = "HasTools"
    made["StartAt"] = "Begin"
    assert len(_lint_faults(made)) == 2


def _lint_faults(made: dict[str, Any]) -> list[str]:
    properties = {"RoleArn": "arn:aws:iam::123456789012:role/agent", "Definition": made}
    resource = {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}
    faults = lint_all(json.dumps({"Resources": {"Machine": resource}}))
    return [fault.message for fault in faults if fault.rule.id == "E3601"]


def test_every_expression_is_jsonata_and_ends_where_its_mark_is():
    found = expressions(machine(instructions="{% 100 %} sure, {%} or %}"))
    assert len(found) > 30
    for expression in found:
        parsed(expression)
        assert "%}" not in expression


def test_every_state_is_reached_and_every_next_state_is_there():
    _assert_connected(machine())


def _assert_connected(made: Mapping[str, Any]) -> None:
    named: set[str] = {made["StartAt"]}
    for state in made["States"].values():
        named |= {state[key] for key in ("Next", "Default") if key in state}
        for rule in (*state.get("Choices", ()), *state.get("Catch", ())):
            named.add(rule["Next"])
        if "ItemProcessor" in state:
            _assert_connected(state["ItemProcessor"])
    assert named == set(made["States"])


@pytest.mark.parametrize("partition", ["aws", "aws-us-gov", "aws-cn"])
def test_tasks_are_of_the_tools_functions_partition(partition: str):
    arn = _ARN.replace("arn:aws:", f"arn:{partition}:")
    states = machine(tools_function_arn=arn)["States"]
    call = states["RunTools"]["ItemProcessor"]["States"]["CallTool"]
    for state in (states["ListTools"], call):
        assert state["Resource"] == f"arn:{partition}:states:::lambda:invoke"
        assert state["Arguments"]["FunctionName"] == arn
    for state in (states["AskModel"], states["AskModelWithoutTools"]):
        assert state["Resource"] == f"arn:{partition}:states:::aws-sdk:bedrockruntime:converse"


def test_every_error_that_the_model_is_asked_again_for_is_one_of_converse():
    (retrier,) = machine()["States"]["AskModel"]["Retry"]
    errors = {f"BedrockRuntime.{error.name}" for error in _CONVERSE.error_shapes}
    assert set(retrier["ErrorEquals"]) == errors - {
        "BedrockRuntime.AccessDeniedException",
        "BedrockRuntime.ModelErrorException",
        "BedrockRuntime.ResourceNotFoundException",
        "BedrockRuntime.ValidationException",
    }


@pytest.mark.parametrize(
    ("max_seconds", "listing", "asking", "calling"),
    [
        (1, 1, 1, 1),
        (29, 14, 29, 14),
        (60, 30, 60, 30),
        (120, 30, 120, 60),
        (121, 30, 120, 60),
        (900, 30, 120, 450),
    ],
)
def test_no_task_is_waited_for_longer_than_the_execution_may_take(
    max_seconds: int, listing: int, asking: int, calling: int
):
    made = machine(max_seconds=max_seconds)
    assert made["TimeoutSeconds"] == max_seconds
    inner = made["States"]["RunTools"]["ItemProcessor"]["States"]
    assert made["States"]["ListTools"]["TimeoutSeconds"] == listing
    assert made["States"]["AskModel"]["TimeoutSeconds"] == asking
    assert made["States"]["AskModelWithoutTools"]["TimeoutSeconds"] == asking
    assert inner["CallTool"]["TimeoutSeconds"] == calling


def test_messages_tools_and_the_longest_instructions_are_one_payload():
    (longest,) = (
        limit.max_length
        for limit in Agent.model_fields["instructions"].metadata
        if hasattr(limit, "max_length")
    )
    instructions = "\N{OCTOPUS}" * longest
    assert MAX_PAYLOAD_BYTES == states.MAX_PAYLOAD_BYTES
    assert (
        MAX_MESSAGES_BYTES + MAX_TOOLS_BYTES + size_bytes(instructions) < MAX_PAYLOAD_BYTES - 4096
    )


# Answers


def test_a_question_is_answered_without_tools_where_the_model_needs_none():
    made = execute(says("Noon."))
    assert answer_of(made) == {
        "answer": "Noon.",
        "complete": True,
        "stopped": None,
        "turns": 1,
        "tool_calls": 0,
        "model": _MODEL,
        "absent": [],
    }
    assert made.called == []
    assert made.execution.path == [
        "CheckQuestion",
        "ListTools",
        "HasTools",
        "AskModel",
        "Decide",
        "Answered",
    ]


def test_bedrock_is_sent_the_question_the_instructions_and_the_tools():
    (request,) = execute(says("Noon.")).asked
    assert request == {
        "ModelId": _MODEL,
        "Messages": [{"Role": "user", "Content": [{"Text": "What time is it?"}]}],
        "System": [{"Text": "Be brief."}],
        "InferenceConfig": {"MaxTokens": MAX_ANSWER_TOKENS},
        "ToolConfig": {
            "Tools": [
                {
                    "ToolSpec": {
                        "Name": "clock__now",
                        "Description": "The time.",
                        "InputSchema": {"Json": _SCHEMA},
                    }
                },
                {
                    "ToolSpec": {
                        "Name": "notes__add",
                        "Description": "Keep it.",
                        "InputSchema": {"Json": _SCHEMA},
                    }
                },
            ]
        },
    }


@pytest.mark.parametrize("instructions", ["", " \n"])
def test_no_instructions_are_not_sent(instructions: str):
    (request,) = execute(says("Noon."), instructions=instructions).asked
    assert set(request) == {"ModelId", "Messages", "InferenceConfig", "ToolConfig"}


@pytest.mark.parametrize(
    "instructions",
    [
        "{% $question %}",
        "Say \"hi\", then 'bye' \\ \n\t%} and {% again; $turns  (two blanks) \N{OCTOPUS} \u2028",
    ],
)
def test_instructions_are_passed_on_unchanged_with_any_characters(instructions: str):
    (request,) = execute(says("Noon."), instructions=instructions).asked
    assert request["System"] == [{"Text": instructions}]


@pytest.mark.parametrize("question", ["{% $turns %}", "'; $error('x') \n\"", "\N{OCTOPUS}"])
def test_a_question_is_passed_on_unchanged_with_any_characters(question: str):
    made = execute(says("Noon."), given={"question": question, "extra": 1})
    assert made.messages == [{"Role": "user", "Content": [{"Text": question}]}]


@pytest.mark.parametrize("length", [1, MAX_QUESTION_CHARACTERS])
def test_a_question_of_either_length_is_answered(length: int):
    made = execute(says("Noon."), given={"question": "q" * length})
    assert answer_of(made)["complete"] is True


@pytest.mark.parametrize(
    "given",
    [
        {},
        [],
        "What time is it?",
        {"question": None},
        {"question": 7},
        {"question": ["What time is it?"]},
        {"question": ""},
        {"question": " \n\t"},
        {"question": "q" * (MAX_QUESTION_CHARACTERS + 1)},
    ],
)
def test_an_invalid_question_is_refused_before_any_request(given: object):
    made = execute(given=given)
    assert made.execution.error == "QuestionInvalid"
    assert made.execution.cause == (
        "the input must be an object whose question is a text of 1 to 4000 characters that are not "
        "all blank"
    )
    assert made.execution.path == ["CheckQuestion", "QuestionInvalid"]


def test_an_answer_of_several_blocks_is_one_text():
    blocks: list[dict[str, Any]] = [
        {"Text": "It is"},
        {"Text": " \n"},
        {"ReasoningContent": {}},
        {"Text": "noon."},
    ]
    assert answer_of(execute(reply("end_turn", *blocks)))["answer"] == "It is\nnoon."


def test_a_stop_sequence_ends_an_answer_too():
    made = answer_of(execute(says("Noon.", "stop_sequence")))
    assert (made["answer"], made["complete"], made["stopped"]) == ("Noon.", True, None)


# Tools


def test_one_tool_call_is_made_and_its_result_told():
    made = execute(
        wants(use("1", zone="UTC")),
        says("Noon."),
        call=lambda _: {"text": "12:00", "error": False},
    )
    assert made.called == [{"server": "clock", "tool": "now", "arguments": {"zone": "UTC"}}]
    assert made.messages == [
        {"Role": "user", "Content": [{"Text": "What time is it?"}]},
        {"Role": "assistant", "Content": [kept(use("1", zone="UTC"))]},
        {"Role": "user", "Content": [result("1", "12:00")]},
    ]
    assert made.asked[0]["ToolConfig"] == made.asked[1]["ToolConfig"]
    answer = answer_of(made)
    assert (answer["answer"], answer["turns"], answer["tool_calls"]) == ("Noon.", 2, 1)


@pytest.mark.parametrize("calls", [2, 8, 9, 20])
def test_many_tool_calls_have_their_results_in_order(calls: int):
    uses = [use(str(n), zone=f"Z{n}") for n in range(calls)]
    made = execute(
        wants({"Text": "Let me look."}, *uses),
        says("Noon."),
        call=lambda payload: {"text": payload["arguments"]["zone"], "error": False},
    )
    assert made.messages[1]["Content"] == [{"Text": "Let me look."}, *map(kept, uses)]
    assert made.results == [result(str(n), f"Z{n}") for n in range(calls)]
    assert answer_of(made)["tool_calls"] == calls


def test_turn_after_turn_the_conversation_grows():
    made = execute(wants(use("1")), wants(use("2", "notes__add"), use("3")), says("Done."))
    assert [len(request["Messages"]) for request in made.asked] == [1, 3, 5]
    assert made.results == [result("2", "add done"), result("3", "now done")]
    answer = answer_of(made)
    assert (answer["turns"], answer["tool_calls"]) == (3, 3)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"a": None, "b": [], "c": [1], "d": [[1]], "e": {"f": {}}, "g": False, "h": 1.5},
        {"ToolUseId": "x", "text": "{% $question %}"},
    ],
)
def test_arguments_reach_the_tool_and_the_model_as_the_model_wrote_them(
    arguments: dict[str, Any],
):
    made = execute(wants(use("1", **arguments)), says("Done."))
    assert made.called[0]["arguments"] == arguments
    assert made.messages[1]["Content"][0]["ToolUse"]["Input"] == arguments


@pytest.mark.parametrize("extra", [{}, {"Input": None}])
def test_a_call_without_arguments_has_none(extra: dict[str, Any]):
    block = {"ToolUse": {"ToolUseId": "1", "Name": "clock__now", **extra}}
    made = execute(wants(block), says("Done."))
    assert made.called == [{"server": "clock", "tool": "now", "arguments": {}}]


def test_keys_and_blocks_that_bedrock_does_not_take_back_are_not_remembered():
    made = execute(
        wants(
            {"Text": "Let me look.", "CacheType": "x"},
            {"ReasoningContent": {"ReasoningText": {"Text": "hm"}}},
            {"Text": "  "},
            {"Text": None, "ToolUse": None},
            use("1"),
        ),
        says("Done."),
    )
    assert made.messages[1]["Content"] == [{"Text": "Let me look."}, kept(use("1"))]


def test_a_tools_own_error_is_reported_to_the_model():
    made = execute(
        wants(use("1")), says("Sorry."), call=lambda _: {"text": "no such zone", "error": True}
    )
    assert made.results == [result("1", "no such zone", "error")]
    assert answer_of(made)["complete"] is True


@pytest.mark.parametrize("text", ["", " \n", None, 7])
def test_a_tool_that_says_nothing_has_a_result_all_the_same(text: object):
    made = execute(wants(use("1")), says("Ok."), call=lambda _: {"text": text, "error": False})
    assert made.results == [result("1", "(no text)")]


def test_a_tool_that_is_not_in_the_catalogue_is_not_called():
    made = execute(wants(use("1", "clock__later"), use("2")), says("Sorry."))
    assert made.results == [
        result("1", "there is no tool clock__later", "error"),
        result("2", "now done"),
    ]
    assert [payload["tool"] for payload in made.called] == ["now"]


@pytest.mark.parametrize(
    "error",
    [
        "ServerUnavailable",
        "Lambda.ServiceException",
        "Lambda.AWSLambdaException",
        "Lambda.SdkClientException",
        "Lambda.TooManyRequestsException",
    ],
)
def test_a_call_that_fails_twice_and_then_works_is_made_three_times(error: str):
    outcomes: Iterator[Any] = iter(
        [StateError(error), StateError(error), {"text": "12:00", "error": False}]
    )
    made = execute(wants(use("1")), says("Noon."), call=lambda _: next(outcomes))
    assert len(made.called) == 3
    assert made.results == [result("1", "12:00")]
    assert made.execution.waits == [1, 2]


def test_a_call_that_always_fails_becomes_an_error_result_for_the_model():
    cause = json.dumps(
        {
            "errorMessage": 'clock says "no", twice',
            "errorType": "ServerUnavailable",
            "requestId": "r",
            "stackTrace": ['File "/var/task/tools.py"'],
        }
    )
    made = execute(
        wants(use("1"), use("2", "notes__add")),
        says("Sorry."),
        call=lambda payload: (
            StateError("ServerUnavailable", cause)
            if payload["server"] == "clock"
            else {"text": "kept", "error": False}
        ),
    )
    assert [payload["server"] for payload in made.called] == ["clock"] * 3 + ["notes"]
    said = 'the call failed: ServerUnavailable: clock says \\"no\\", twice'
    assert made.results == [result("1", said, "error"), result("2", "kept")]
    assert answer_of(made)["complete"] is True


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (StateError("States.Timeout"), "the call failed: States.Timeout"),
        (
            StateError("States.DataLimitExceeded", "c"),
            "the call failed: States.DataLimitExceeded: c",
        ),
        (
            StateError("KeyError", '{"errorMessage": '),
            'the call failed: KeyError: {"errorMessage": ',
        ),
        (StateError("KeyError", "c" * 501), f"the call failed: KeyError: {'c' * 500}"),
    ],
)
def test_other_failures_are_not_tried_again_and_told_too(error: StateError, said: str):
    made = execute(wants(use("1")), says("Sorry."), call=lambda _: error)
    assert len(made.called) == 1
    assert made.results == [result("1", said, "error")]
    assert answer_of(made)["complete"] is True


def test_a_result_over_step_functions_quota_is_an_error_result_for_the_model():
    made = execute(
        wants(use("1")), says("Sorry."), call=lambda _: {"text": "x" * 300_000, "error": False}
    )
    (told,) = made.results
    assert told["ToolResult"]["Status"] == "error"
    assert told["ToolResult"]["Content"][0]["Text"].startswith(
        "the call failed: States.DataLimitExceeded"
    )


# Servers that are absent


def test_absent_servers_are_named_and_the_others_tools_used():
    absent = [{"server": "notes", "reason": "no answer in 10 s"}]
    made = execute(says("Noon."), listed={"tools": [_NOW], "absent": absent})
    assert answer_of(made)["absent"] == absent
    assert [tool["ToolSpec"]["Name"] for tool in made.asked[0]["ToolConfig"]["Tools"]] == [
        "clock__now"
    ]


@pytest.mark.parametrize("listed", [{"tools": [], "absent": []}, {}])
def test_without_servers_the_model_is_asked_without_tools(listed: object):
    made = execute(says("Noon."), listed=listed)
    (request,) = made.asked
    assert set(request) == {"ModelId", "Messages", "System", "InferenceConfig"}
    assert answer_of(made)["absent"] == []


def test_a_listing_that_fails_three_times_and_then_works_has_the_tools():
    error = StateError("Lambda.TooManyRequestsException")
    made = execute(says("Noon."), listed=[error, error, error, _LISTED])
    assert len(made.asked[0]["ToolConfig"]["Tools"]) == 2
    assert made.execution.waits == [1, 2, 4]
    assert answer_of(made)["absent"] == []


@pytest.mark.parametrize(
    ("listings", "reason"),
    [
        (
            [StateError("Lambda.ServiceException", "down")] * 4,
            "cannot list their tools: Lambda.ServiceException: down",
        ),
        ([StateError("States.Timeout")], "cannot list their tools: States.Timeout"),
        (
            [StateError("KeyError", '{"errorMessage": "\'x\'", "errorType": "KeyError"}')],
            "cannot list their tools: KeyError: 'x'",
        ),
    ],
)
def test_a_listing_that_fails_for_good_leaves_an_agent_without_tools_that_says_so(
    listings: list[Any], reason: str
):
    made = execute(says("Noon."), listed=listings)
    assert "ToolConfig" not in made.asked[0]
    assert answer_of(made) | {"absent": []} == answer_of(execute(says("Noon.")))
    assert answer_of(made)["absent"] == [{"server": "*", "reason": reason}]


@pytest.mark.parametrize("extra", [{"Description": ""}, {"Description": None}])
def test_a_tool_without_a_description_is_described_by_its_name(extra: dict[str, Any]):
    made = execute(says("Noon."), listed={"tools": [_NOW | extra], "absent": []})
    (tool,) = made.asked[0]["ToolConfig"]["Tools"]
    assert tool["ToolSpec"]["Description"] == "clock__now"


def test_a_tool_without_a_schema_takes_an_object():
    bare = {key: value for key, value in _NOW.items() if key != "InputSchema"}
    made = execute(says("Noon."), listed={"tools": [bare], "absent": []})
    (tool,) = made.asked[0]["ToolConfig"]["Tools"]
    assert tool["ToolSpec"]["InputSchema"] == {"Json": {"type": "object"}}


def _described(name: str, server: str, size: int) -> dict[str, Any]:
    """A tool whose specification takes this many bytes."""
    tool = _NOW | {"Name": name, "Server": server, "Description": "x"}
    spec = {"Name": name, "Description": "x", "InputSchema": {"Json": _SCHEMA}}
    return tool | {"Description": "x" * (size + 1 - size_bytes({"ToolSpec": spec}))}


def test_tools_that_are_just_not_too_much_together_are_all_told():
    half = MAX_TOOLS_BYTES // 2
    tools = [_described("a", "clock", half), _described("b", "notes", half)]
    made = execute(says("Noon."), listed={"tools": tools, "absent": []})
    assert len(made.asked[0]["ToolConfig"]["Tools"]) == 2
    assert answer_of(made)["absent"] == []


def test_tools_that_are_too_much_together_are_left_out_from_the_end_and_it_is_said():
    half = MAX_TOOLS_BYTES // 2
    tools = [
        _described("a", "clock", half),
        _described("b", "notes", half + 1),
        _described("c", "notes", 500),
        _described("d", "files", 500),
    ]
    gone = {"server": "mail", "reason": "no answer"}
    made = execute(wants(use("1", "b")), says("Noon."), listed={"tools": tools, "absent": [gone]})
    (told,) = made.asked[0]["ToolConfig"]["Tools"]
    assert told["ToolSpec"]["Name"] == "a"
    too_much = "of its tools left out: all tools together are described in more than 65536 bytes"
    assert answer_of(made)["absent"] == [
        gone,
        {"server": "notes", "reason": f"2 {too_much}"},
        {"server": "files", "reason": f"1 {too_much}"},
    ]
    assert made.results == [result("1", "there is no tool b", "error")]


# The model fails


@pytest.mark.parametrize(
    "error",
    [
        "BedrockRuntime.ThrottlingException",
        "BedrockRuntime.ModelTimeoutException",
        "BedrockRuntime.ServiceUnavailableException",
        "BedrockRuntime.InternalServerException",
        "BedrockRuntime.ModelNotReadyException",
    ],
)
def test_a_model_that_fails_five_times_and_then_answers_is_asked_six_times(error: str):
    made = execute(*[StateError(error)] * 5, says("Noon."))
    assert answer_of(made)["answer"] == "Noon."
    assert made.execution.waits == [1, 2, 4, 8, 10]
    assert len(made.asked) == 6
    assert answer_of(made)["turns"] == 1


def test_a_model_that_is_throttled_for_good_fails_the_execution_with_that_error():
    throttled = StateError("BedrockRuntime.ThrottlingException", "Too many tokens")
    made = execute(*[throttled] * 6)
    assert made.execution.error == "BedrockRuntime.ThrottlingException"
    assert made.execution.cause == (
        f"{_MODEL} gave no answer in turn 1: BedrockRuntime.ThrottlingException: Too many tokens"
    )


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (
            StateError("BedrockRuntime.AccessDeniedException", "no access"),
            "gave no answer in turn 2: BedrockRuntime.AccessDeniedException: no access",
        ),
        (StateError("States.Timeout"), "gave no answer within 120 s in turn 2"),
        (
            StateError("States.DataLimitExceeded"),
            "gave no answer in turn 2: States.DataLimitExceeded",
        ),
    ],
)
def test_a_model_that_fails_otherwise_fails_the_execution_at_once(error: StateError, cause: str):
    made = execute(wants(use("1")), error)
    assert (made.execution.error, made.execution.cause) == (error.name, f"{_MODEL} {cause}")
    assert made.execution.path[-1] == "ModelFailed"
    assert made.execution.waits == []


def test_a_model_that_fails_fails_an_agent_without_tools_too():
    made = execute(StateError("States.Timeout"), listed={}, max_seconds=29)
    assert made.execution.error == "States.Timeout"
    assert made.execution.cause == f"{_MODEL} gave no answer within 29 s in turn 1"


def test_a_reply_that_is_none_fails_the_execution():
    assert execute({"Output": {}}).execution.error == "States.QueryEvaluationError"


# Limits


@pytest.mark.parametrize("max_turns", [1, 3])
def test_the_model_is_asked_as_often_as_it_may_and_the_text_so_far_is_the_answer(max_turns: int):
    looking = wants({"Text": "Let me look."}, use("1"))
    made = execute(looking, *[wants(use("2"))] * (max_turns - 1), max_turns=max_turns)
    assert answer_of(made) == {
        "answer": "Let me look.",
        "complete": False,
        "stopped": f"turn limit of {max_turns} reached",
        "turns": max_turns,
        "tool_calls": max_turns - 1,
        "model": _MODEL,
        "absent": [],
    }


def test_a_model_that_answers_in_its_last_turn_is_done():
    made = execute(wants(use("1")), says("Noon."), max_turns=2)
    assert (answer_of(made)["complete"], answer_of(made)["turns"]) == (True, 2)


def test_a_model_that_said_nothing_until_its_last_turn_leaves_a_clear_sentence():
    made = answer_of(execute(wants(use("1")), max_turns=1))
    assert made["answer"] == "There is no answer: turn limit of 1 reached."
    assert made["complete"] is False


@pytest.mark.parametrize(
    ("stop", "stopped"),
    [
        ("max_tokens", "limit of 4096 tokens in one turn reached"),
        ("guardrail_intervened", "a guardrail intervened"),
        ("content_filtered", "the answer was filtered"),
        (
            "model_context_window_exceeded",
            "the conversation is longer than the model can read",
        ),
        ("malformed_tool_use", "the model stopped: malformed_tool_use"),
    ],
)
def test_a_model_that_is_stopped_leaves_its_text_and_the_reason(stop: str, stopped: str):
    made = answer_of(execute(reply(stop, {"Text": "It is"}, use("1"))))
    assert (made["answer"], made["complete"], made["stopped"]) == ("It is", False, stopped)
    assert made["tool_calls"] == 0


def test_a_model_that_is_stopped_without_a_text_leaves_a_clear_sentence():
    made = answer_of(execute(reply("content_filtered")))
    assert made["answer"] == "There is no answer: the answer was filtered."


def test_a_model_that_ends_without_a_text_has_not_answered():
    made = answer_of(execute(wants({"Text": "Let me look."}, use("1")), reply("end_turn")))
    assert (made["answer"], made["complete"], made["stopped"]) == (
        "Let me look.",
        False,
        "the model ended its turn without a text",
    )


def test_a_model_that_asks_for_tools_and_has_none_is_not_asked_again():
    made = execute(wants(use("1")), listed={})
    assert answer_of(made)["stopped"] == "the model asked for a tool and has none"
    assert answer_of(made)["complete"] is False


def test_a_model_that_stops_for_a_tool_and_names_none_is_not_asked_again():
    made = answer_of(execute(reply("tool_use", {"Text": "Hm."})))
    assert (made["complete"], made["stopped"]) == (
        False,
        "the model asked for a tool and has none",
    )


# What is remembered

_TEXTS = {
    "plain": "x",
    "lines": "a line of text\n",
    "quotes": '"\\',
    "accents": "é",
    "kanji": "漢",
    "emoji": "\N{OCTOPUS}",
    "controls": "\x01",
}


@pytest.mark.parametrize("text", _TEXTS.values(), ids=_TEXTS)
def test_long_results_are_cut_so_that_the_conversation_stays_below_its_limit(text: str):
    long = text * (130_000 // (size_bytes(text) - 2))
    made = execute(wants(use("1")), says("Ok."), call=lambda _: {"text": long, "error": False})
    (told,) = made.results
    cut = told["ToolResult"]["Content"][0]["Text"]
    head, note = cut.split(" [cut: ")
    assert note == f"{len(long)} characters in all]"
    assert long.startswith(head)
    assert size_bytes(head) > 10_000
    assert told["ToolResult"]["Status"] == "success"


def test_plain_long_results_fill_the_conversation_nearly():
    made = execute(
        wants(use("1")), says("Ok."), call=lambda _: {"text": "x" * 130_000, "error": False}
    )
    assert MAX_MESSAGES_BYTES - 300 < size_bytes(made.messages) <= MAX_MESSAGES_BYTES


def test_the_results_of_one_turn_share_what_there_is_and_short_ones_are_kept_whole():
    made = execute(
        wants(*[use(str(n), zone=str(n)) for n in range(9)]),
        says("Ok."),
        call=lambda payload: {
            "text": "x" * 60_000 if payload["arguments"]["zone"] != "4" else "short",
            "error": payload["arguments"]["zone"] == "5",
        },
    )
    texts = [block["ToolResult"]["Content"][0]["Text"] for block in made.results]
    assert texts[4] == "short"
    assert {len(text) for text in texts[:4] + texts[5:]} == {len(texts[0])}
    assert MAX_MESSAGES_BYTES * 0.8 < size_bytes(made.messages) <= MAX_MESSAGES_BYTES


def test_the_oldest_turns_are_forgotten_in_pairs_and_the_question_never():
    made = execute(
        *[wants(use(str(n))) for n in range(12)],
        says("Ok."),
        call=lambda _: {"text": "x" * 16_000, "error": False},
        max_turns=13,
    )
    for asked, request in enumerate(made.asked):
        question, *turns = request["Messages"]
        assert question == {"Role": "user", "Content": [{"Text": "What time is it?"}]}
        remembered = [turn["Content"][0]["ToolUse"]["ToolUseId"] for turn in turns[::2]]
        assert remembered == [str(n) for n in range(max(0, asked - 7), asked)]
        assert request["ToolConfig"] == made.asked[0]["ToolConfig"]
    assert answer_of(made)["turns"] == 13


def test_a_turn_that_needs_all_the_room_is_remembered_alone():
    made = execute(
        wants(use("1")),
        wants(use("2")),
        says("Ok."),
        call=lambda payload: {"text": "x" * 130_000, "error": False},
    )
    assert [message["Role"] for message in made.messages] == ["user", "assistant", "user"]
    assert made.messages[1]["Content"] == [kept(use("2"))]


def test_the_longest_question_leaves_room_for_results_in_any_script():
    made = execute(
        wants(*[use(str(n)) for n in range(20)]),
        says("Ok."),
        call=lambda _: {"text": "\N{OCTOPUS}" * 16_000, "error": False},
        given={"question": "\N{OCTOPUS}" * MAX_QUESTION_CHARACTERS},
    )
    assert answer_of(made)["tool_calls"] == 20
    assert all("[cut: " in block["ToolResult"]["Content"][0]["Text"] for block in made.results)


def test_a_model_that_asks_for_more_than_can_be_remembered_is_stopped():
    made = answer_of(execute(wants(use("1", zone="x" * MAX_MESSAGES_BYTES))))
    assert (made["complete"], made["stopped"]) == (
        False,
        "the model asked for more than can be remembered",
    )
    assert made["tool_calls"] == 0


@pytest.mark.parametrize(("more", "fits"), [(0, True), (1, False)])
def test_there_is_room_as_long_as_a_result_has_a_kibibyte(more: int, fits: bool):
    question = [{"Role": "user", "Content": [{"Text": "q"}]}]
    turn = [
        {"Role": "assistant", "Content": [kept(use("1", zone=""))]},
        {"Role": "user", "Content": [result("1", "")]},
    ]
    argument = "x" * (MAX_MESSAGES_BYTES - 1024 - size_bytes(question) - size_bytes(turn) + more)
    replies = [wants(use("1", zone=argument)), *([says("Ok.")] if fits else [])]
    assert answer_of(execute(*replies, given={"question": "q"}))["complete"] is fits


_FOLDER = Path(state_machine.__file__).parent
_ASL = (_FOLDER / "agent.asl.json").read_text()
_FILES = {
    path.relative_to(_FOLDER).as_posix(): path.read_text() for path in _FOLDER.rglob("*.jsonata")
}
_VALUES: dict[str, Any] = {
    "model": _MODEL,
    "instructions": "Be brief.",
    "tools_function_arn": _ARN,
    "partition": "aws",
    "max_turns": 8,
    "max_seconds": 300,
    "list_seconds": 30,
    "model_seconds": 120,
    "call_seconds": 150,
    "max_question_characters": MAX_QUESTION_CHARACTERS,
    "max_answer_tokens": MAX_ANSWER_TOKENS,
    "max_messages_bytes": MAX_MESSAGES_BYTES,
    "max_tools_bytes": MAX_TOOLS_BYTES,
}


def test_the_placeholders_are_the_values_and_the_files():
    found = set[str]().union(*map(names, (_ASL, *_FILES.values())))
    assert found == _VALUES.keys() | _FILES.keys()


def test_no_placeholder_is_left_over():
    assert state_machine.build(_VALUES) == machine()
    assert names(json.dumps(machine())) == set()


@pytest.mark.parametrize("name", sorted(_VALUES))
def test_a_value_that_is_missing_is_an_error(name: str):
    values = {key: value for key, value in _VALUES.items() if key != name}
    if name == "instructions":  # then the request has no system prompt
        values["instructions"] = " "
        assert "System" not in json.dumps(state_machine.build(values))
        return
    with pytest.raises(ValueError, match=f"^placeholders without a value: {name}$"):
        state_machine.build(values)


def test_what_looks_like_a_placeholder_in_a_value_is_kept():
    made = machine(instructions="${model} ${nothing}")
    assert made["States"]["AskModel"]["Arguments"]["System"] == [
        {"Text": '{% ($told := "${model} ${nothing}"; $told) %}'}
    ]


def test_the_two_requests_to_the_model_differ_in_the_tools_alone():
    states_ = machine()["States"]
    assert states_["AskModel"]["Arguments"].pop("ToolConfig")
    assert states_["AskModel"] == states_["AskModelWithoutTools"]


def test_a_comment_at_the_start_of_a_file_is_not_deployed():
    assert any(text.startswith("/* ") for text in _FILES.values())
    assert "/* " not in json.dumps(machine())
