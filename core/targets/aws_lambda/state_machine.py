"""The definition of an agent that runs as an AWS Step Functions state machine.

The machine asks a Bedrock model, runs the tools that it asks for, tells it their results and asks
again, until it answers or a limit is met. The tools are behind one Lambda function, which lists
them and calls them.

Sources: Amazon States Language specification; AWS Step Functions Developer Guide, "Step Functions
service quotas" (payloads), "Passing data between states with variables" (Assign), "Transforming
data with JSONata" (version 2.0.6), "Learning to use AWS service SDK integrations" (names of fields
and errors), "Handling errors in Step Functions workflows"; Amazon Bedrock API reference, Converse
(all read 2026-11-22).
"""

import json
from collections.abc import Mapping
from typing import Final

MAX_PAYLOAD_BYTES: Final = 256 * 1024
"""What Step Functions takes as input or output of a state or task, and in one Assign: UTF-8."""

MAX_MESSAGES_BYTES: Final = 112 * 1024
"""The conversation that the model is told, as JSON. The rest of the payload is for the tools, the
instructions and what is around."""

MAX_TOOLS_BYTES: Final = 64 * 1024
"""The descriptions of all tools together, as JSON."""

MAX_QUESTION_CHARACTERS: Final = 4000
"""The longest question, as for an agent that runs as a container."""

MAX_ANSWER_TOKENS: Final = 4096
"""What a model may write in one turn."""

_MIN_RESULT_BYTES = 1024  # with less of a tool's result, the model would be told nothing of use
_CUT_NOTE_BYTES = 100  # the longest note that a result was cut, and the quotes around it
# How many bytes a character may need: from plain text to one that is written as two \u escapes. The
# first that fits says how much of a text is kept.
_BYTES_A_CHARACTER = [1, 1.1, 1.25, 1.5, 2, 3, 4, 6, 12]
_MAX_CAUSE_CHARACTERS = 500

_CONCURRENT_CALLS = 8
_LIST_SECONDS = 30
_MODEL_SECONDS = 120

# Resources of tasks; each partition has its own.
_INVOKE = "arn:{}:states:::lambda:invoke"
_CONVERSE = "arn:{}:states:::aws-sdk:bedrockruntime:converse"

_LAMBDA_ERRORS = [
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
]
_MODEL_ERRORS = [
    "BedrockRuntime.ThrottlingException",
    "BedrockRuntime.ModelTimeoutException",
    "BedrockRuntime.ServiceUnavailableException",
    "BedrockRuntime.InternalServerException",
    "BedrockRuntime.ModelNotReadyException",
]
_SERVER_ERRORS = ["ServerUnavailable"]  # the tools function's own
# States.ALL does not match the first of them.
_ANY_ERROR = (["States.DataLimitExceeded"], ["States.ALL"])

_STOPS = {
    "end_turn": "the model ended its turn without a text",
    "stop_sequence": "the model ended its turn without a text",
    "tool_use": "the model asked for a tool and has none",
    "max_tokens": f"limit of {MAX_ANSWER_TOKENS} tokens in one turn reached",
    "guardrail_intervened": "a guardrail intervened",
    "content_filtered": "the answer was filtered",
    "model_context_window_exceeded": "the conversation is longer than the model can read",
}

# What follows is JSONata. Wherever a list is meant, [] is around it: JSONata makes a list of one
# its element and an empty one nothing, and Step Functions takes nothing for an error.

# UTF-8 has four bytes a character at most. $string alone would leave a text without its escapes,
# which is why every caller gives a list or an object.
_SIZE = """
$size := function($value) {(
    $json := $string($value);
    $length($json) + 3 * $length($replace($json, /[ -~]+/, ''))
)};
"""

# Bedrock refuses an empty description.
_SPEC = """
$spec := function($tool) {
    {'ToolSpec': {
        'Name': $tool.Name,
        'Description': $boolean($tool.Description) ? $tool.Description : $tool.Name,
        'InputSchema': {
            'Json': $boolean($tool.InputSchema) ? $tool.InputSchema : {'type': 'object'}
        }
    }}
};
"""

_FITS = (
    _SIZE
    + _SPEC
    + """
$listed := [$states.result.Payload.tools];
$sizes := [$map($listed, function($tool) { $size($spec($tool)) })];
$fits := function($tool, $index) { $sum($sizes[[0..$index]]) <= $limit };
$left_out := [$filter($listed, function($tool, $index) { $not($fits($tool, $index)) })];
"""
)

# Lambda's cause is JSON, with a stack trace that must not reach the caller.
_FAILURE = r"""
$failure := (
    $cause := $type($states.errorOutput.Cause) = 'string' ? $states.errorOutput.Cause : '';
    $message := $match($cause, /"errorMessage": *"(.*?)", *"errorType"/)[0].groups[0];
    $said := $substring($exists($message) ? $message : $cause, 0, $most);
    $states.errorOutput.Error & ($said = '' ? '' : ': ' & $said)
);
"""

_QUESTION = "$first := {'Role': 'user', 'Content': [{'Text': $question}]};"

# The integration gives back keys that Bedrock does not take, and models give blank texts, which it
# does not take either.
_BLOCKS = """
$blocks := [$states.result.Output.Message.Content.(
    $type(ToolUse) = 'object' ? {'ToolUse': {
        'ToolUseId': ToolUse.ToolUseId,
        'Name': ToolUse.Name,
        'Input': $type(ToolUse.Input) = 'object' ? ToolUse.Input : {}
    }}
    : $type(Text) = 'string' ? ($trim(Text) != '' ? {'Text': Text})
)];
"""

_TURN = """
$result := function($id, $text, $is_error) {
    {'ToolResult': {
        'ToolUseId': $id,
        'Content': [{'Text': $text}],
        'Status': $is_error ? 'error' : 'success'
    }}
};
$turn := function($results) {
    [{'Role': 'assistant', 'Content': $reply}, {'Role': 'user', 'Content': $results}]
};
"""

# Each result's share of what the question and the reply leave.
_ROOM = (
    _SIZE
    + _QUESTION
    + _TURN
    + """
$calls := [$reply.ToolUse];
$room := $floor(
    ($limit - $size([$first]) - $size($turn([$calls.$result(ToolUseId, '', false)])))
    / $count($calls)
);
"""
)

_CUT = """
$cut := function($text) {
    $size([$text]) <= $room ? $text : (
        $note := ' [cut: ' & $length($text) & ' characters in all]';
        $heads := [$bytes_a_character.($substring($text, 0, $floor(($room - $note_bytes) / $)))];
        $filter($heads, function($head) { $size([$head & $note]) <= $room })[0] & $note
    )
};
"""


def definition(
    *,
    model: str,
    instructions: str,
    tools_function_arn: str,
    max_turns: int,
    max_seconds: int,
) -> dict[str, object]:
    """The definition of the state machine, in the Amazon States Language.

    An execution takes ``{"question": "…"}``, no longer than MAX_QUESTION_CHARACTERS, and gives::

        {
            "answer": "…",
            "complete": true,       # false: it stopped before the model was done
            "stopped": null,        # or what stopped it
            "turns": 2,             # how often the model was asked
            "tool_calls": 1,        # how many results of tools it was given
            "model": "…",
            "absent": [{"server": "…", "reason": "…"}]  # "*": no server's tools could be listed
        }

    It fails with ``QuestionInvalid``; with the model's error, where the model does not answer
    although it was asked again; and it times out. A tool that fails never fails it: the model is
    told.

    The tools function is invoked with ``{"list": true}`` and returns ``{"tools": [{"Name",
    "Server", "Tool", "Description", "InputSchema"}], "absent": [{"server", "reason"}]}``; or with
    ``{"server", "tool", "arguments"}`` and returns ``{"text", "error"}``, or raises
    ``ServerUnavailable``, and is then invoked again.

    Args:
        model: The Bedrock model, or the inference profile.
        instructions: What the model is told before the question; may be empty.
        tools_function_arn: The tools function; the resources of tasks are of its partition.
        max_turns: How often the model may be asked for one question, 1 or more.
        max_seconds: How long an execution may take, 1 or more.

    Returns:
        Dictionaries, lists, strings and numbers, to be rendered as JSON.
    """
    partition = _partition(tools_function_arn)
    return {
        "QueryLanguage": "JSONata",
        "StartAt": "CheckQuestion",
        "TimeoutSeconds": max_seconds,
        "States": {
            **_beginning(tools_function_arn, max_seconds),
            **_asking(model, instructions, partition, max_turns, max_seconds),
            "RunTools": _run_tools(tools_function_arn, max_seconds),
            "Remember": _remember(),
            "Answered": _end(model, "{% $text %}", complete=True, stopped=None),
            "Stopped": _end(
                model,
                _query("$text != '' ? $text : 'There is no answer: ' & $stopped & '.'"),
                complete=False,
                stopped="{% $stopped %}",
            ),
        },
    }


def _beginning(tools_function_arn: str, max_seconds: int) -> dict[str, object]:
    """The states that check the question and list the tools."""
    kept = _query("[$filter($listed, $fits)]", _FITS, limit=MAX_TOOLS_BYTES)
    left_out = _query(
        """
        [$states.result.Payload.absent, $map([$distinct($left_out.Server)], function($server) {{
            'server': $server,
            'reason': $count($left_out[Server = $server]) & ' of its tools left out: all tools '
                & 'together are described in more than ' & $limit & ' bytes'
        }})]
        """,
        _FITS,
        limit=MAX_TOOLS_BYTES,
    )
    none = _query("'cannot list their tools: ' & $failure", _FAILURE, most=_MAX_CAUSE_CHARACTERS)
    return {
        "CheckQuestion": {
            "Type": "Choice",
            "Choices": [
                {
                    "Condition": _query(
                        """
                        $type($states.input.question) = 'string' ? (
                            $trim($states.input.question) != ''
                            and $length($states.input.question) <= $most
                        ) : false
                        """,
                        most=MAX_QUESTION_CHARACTERS,
                    ),
                    "Assign": {
                        "question": "{% $states.input.question %}",
                        "history": [],
                        "turns": 0,
                        "tool_calls": 0,
                        "text": "",
                    },
                    "Next": "ListTools",
                }
            ],
            "Default": "QuestionInvalid",
        },
        "QuestionInvalid": {
            "Type": "Fail",
            "Error": "QuestionInvalid",
            "Cause": (
                "the input must be an object whose question is a text of 1 to "
                f"{MAX_QUESTION_CHARACTERS} characters that are not all blank"
            ),
        },
        "ListTools": {
            "Type": "Task",
            "Resource": _INVOKE.format(_partition(tools_function_arn)),
            "Arguments": {"FunctionName": tools_function_arn, "Payload": {"list": True}},
            "TimeoutSeconds": _part(max_seconds, _LIST_SECONDS),
            "Retry": [_retry(_LAMBDA_ERRORS, attempts=3)],
            "Catch": [
                {
                    "ErrorEquals": errors,
                    "Assign": {"tools": [], "absent": [{"server": "*", "reason": none}]},
                    "Output": {},
                    "Next": "HasTools",
                }
                for errors in _ANY_ERROR
            ],
            "Assign": {"tools": kept, "absent": left_out},
            "Output": {},
            "Next": "HasTools",
        },
        "HasTools": {
            "Type": "Choice",
            "Choices": [{"Condition": "{% $count($tools) > 0 %}", "Next": "AskModel"}],
            "Default": "AskModelWithoutTools",
        },
    }


def _asking(
    model: str, instructions: str, partition: str, max_turns: int, max_seconds: int
) -> dict[str, object]:
    """The states that ask the model and decide what is next."""
    # Bedrock takes neither an empty list of tools nor, where messages tell of tools, none at all.
    tools = {"ToolConfig": {"Tools": _query("[$map($tools, $spec)]", _SPEC)}}
    return {
        "AskModel": _ask(model, instructions, partition, max_seconds, tools),
        "AskModelWithoutTools": _ask(model, instructions, partition, max_seconds, {}),
        "ModelFailed": {
            "Type": "Fail",
            "Error": "{% $states.input.Error %}",
            "Cause": "{% $states.input.Cause %}",
        },
        "Decide": {
            "Type": "Choice",
            "Choices": [
                {
                    "Condition": _query(
                        "$stop in ['end_turn', 'stop_sequence'] and $count($reply.Text) > 0"
                    ),
                    "Next": "Answered",
                },
                {
                    "Condition": _query(
                        "$stop != 'tool_use' or $count($reply.ToolUse) = 0 or $count($tools) = 0"
                    ),
                    "Assign": {
                        "stopped": _query(
                            """
                            $reason := $lookup($reasons, $stop);
                            $exists($reason) ? $reason : 'the model stopped: ' & $stop
                            """,
                            reasons=_STOPS,
                        )
                    },
                    "Next": "Stopped",
                },
                {
                    "Condition": f"{{% $turns >= {max_turns} %}}",
                    "Assign": {"stopped": f"turn limit of {max_turns} reached"},
                    "Next": "Stopped",
                },
                {
                    "Condition": _query(
                        "$room < $least", _ROOM, limit=MAX_MESSAGES_BYTES, least=_MIN_RESULT_BYTES
                    ),
                    "Assign": {"stopped": "the model asked for more than can be remembered"},
                    "Next": "Stopped",
                },
            ],
            "Default": "RunTools",
        },
    }


def _ask(
    model: str, instructions: str, partition: str, max_seconds: int, tools: Mapping[str, object]
) -> dict[str, object]:
    """A state that asks the model once."""
    seconds = min(_MODEL_SECONDS, max_seconds)
    late = _query(
        "$model & ' gave no answer within ' & $seconds & ' s in turn ' & ($turns + 1)",
        model=model,
        seconds=seconds,
    )
    failed = _query(
        "$model & ' gave no answer in turn ' & ($turns + 1) & ': ' & $failure",
        _FAILURE,
        model=model,
        most=_MAX_CAUSE_CHARACTERS,
    )
    system = {"System": [{"Text": _query("$told", told=instructions)}]}
    return {
        "Type": "Task",
        "Resource": _CONVERSE.format(partition),
        "Arguments": {
            "ModelId": model,
            "Messages": _query("[$first, $history.Messages]", _QUESTION),
            **(system if instructions.strip() else {}),
            "InferenceConfig": {"MaxTokens": MAX_ANSWER_TOKENS},
            **tools,
        },
        "TimeoutSeconds": seconds,
        "Retry": [_retry(_MODEL_ERRORS, attempts=5)],
        "Catch": [
            {
                "ErrorEquals": errors,
                "Output": {"Error": "{% $states.errorOutput.Error %}", "Cause": cause},
                "Next": "ModelFailed",
            }
            for errors, cause in (
                (["States.Timeout"], late),
                *((errors, failed) for errors in _ANY_ERROR),
            )
        ],
        "Assign": {
            "reply": _query("$blocks", _BLOCKS),
            "stop": "{% $states.result.StopReason %}",
            "text": _query(
                r"$count($blocks.Text) > 0 ? $join([$blocks.Text], '\n') : $text", _BLOCKS
            ),
            "turns": "{% $turns + 1 %}",
        },
        "Output": {},
        "Next": "Decide",
    }


def _run_tools(tools_function_arn: str, max_seconds: int) -> dict[str, object]:
    """The state that runs every tool that the model asked for, at once; it gives their results."""
    unknown = _query("'there is no tool ' & $states.input.Name")
    failed = _query("'the call failed: ' & $failure", _FAILURE, most=_MAX_CAUSE_CHARACTERS)
    said = _query(
        """
        $said := $states.result.Payload.text;
        $type($said) = 'string' ? ($trim($said) != '' ? $said : $nothing) : $nothing
        """,
        nothing="(no text)",
    )
    find = "$tools[Name = $states.input.Name][0]"
    return {
        "Type": "Map",
        "Items": "{% [$reply.ToolUse] %}",
        "MaxConcurrency": _CONCURRENT_CALLS,
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "INLINE"},
            "StartAt": "FindTool",
            "States": {
                "FindTool": {
                    "Type": "Choice",
                    "Choices": [{"Condition": _query(f"$exists({find})"), "Next": "CallTool"}],
                    "Default": "NoSuchTool",
                },
                "NoSuchTool": {
                    "Type": "Pass",
                    "Output": _outcome(unknown, is_error=True),
                    "Next": "GiveResult",
                },
                "CallTool": {
                    "Type": "Task",
                    "Resource": _INVOKE.format(_partition(tools_function_arn)),
                    "Arguments": {
                        "FunctionName": tools_function_arn,
                        "Payload": {
                            "server": _query(f"{find}.Server"),
                            "tool": _query(f"{find}.Tool"),
                            "arguments": "{% $states.input.Input %}",
                        },
                    },
                    "TimeoutSeconds": _part(max_seconds, max_seconds),
                    "Retry": [_retry(_SERVER_ERRORS + _LAMBDA_ERRORS, attempts=2)],
                    "Catch": [
                        {
                            "ErrorEquals": errors,
                            "Output": _outcome(failed, is_error=True),
                            "Next": "GiveResult",
                        }
                        for errors in _ANY_ERROR
                    ],
                    "Output": _outcome(
                        said, is_error=_query("$states.result.Payload.error = true")
                    ),
                    "Next": "GiveResult",
                },
                "GiveResult": {
                    "Type": "Pass",
                    "Output": _query(
                        "$result($states.input.id, $cut($states.input.text), $states.input.error)",
                        _ROOM,
                        _CUT,
                        limit=MAX_MESSAGES_BYTES,
                        bytes_a_character=_BYTES_A_CHARACTER,
                        note_bytes=_CUT_NOTE_BYTES,
                    ),
                    "End": True,
                },
            },
        },
        "Next": "Remember",
    }


def _remember() -> dict[str, object]:
    """The state that adds a turn to the conversation, and forgets the oldest for it."""
    return {
        "Type": "Pass",
        "Assign": {
            # The sizes only grow towards the oldest, so that what is left is never with a gap.
            "history": _query(
                """
                $all := [$history, {'Messages': $turn($states.input)}];
                $sizes := [$map($all, function($one) { $size($one.Messages) })];
                [$filter($all, function($one, $index) {
                    $sum($sizes[[$index..$count($all) - 1]]) <= $limit - $size([$first])
                })]
                """,
                _SIZE,
                _QUESTION,
                _TURN,
                limit=MAX_MESSAGES_BYTES,
            ),
            "tool_calls": "{% $tool_calls + $count($states.input) %}",
        },
        "Output": {},
        "Next": "AskModel",
    }


def _end(model: str, answer: str, *, complete: bool, stopped: str | None) -> dict[str, object]:
    """A state that ends the execution with an answer."""
    return {
        "Type": "Succeed",
        "Output": {
            "answer": answer,
            "complete": complete,
            "stopped": stopped,
            "turns": "{% $turns %}",
            "tool_calls": "{% $tool_calls %}",
            "model": model,
            "absent": "{% $absent %}",
        },
    }


def _outcome(text: str, *, is_error: bool | str) -> dict[str, object]:
    """What came of a call: the output of the states that GiveResult comes after."""
    return {"id": "{% $states.input.ToolUseId %}", "text": text, "error": is_error}


def _retry(errors: list[str], *, attempts: int) -> dict[str, object]:
    return {
        "ErrorEquals": errors,
        "IntervalSeconds": 1,
        "BackoffRate": 2,
        "MaxAttempts": attempts,
        "MaxDelaySeconds": 10,
        "JitterStrategy": "FULL",
    }


def _partition(arn: str) -> str:
    return arn.split(":")[1]


def _part(max_seconds: int, most: int) -> int:
    """How long a task may be silent without using up all the time that there is."""
    return max(1, min(most, max_seconds // 2))


def _query(body: str, *helpers: str, **values: object) -> str:
    """A JSONata expression.

    Args:
        body: The expression, or several after one another, of which the last one counts.
        helpers: The definitions that it needs.
        values: What is bound to variables of these names before, which JSON can tell.
    """
    bound = [f"${name} := {_literal(value)};" for name, value in values.items()]
    return f"{{% ({' '.join([*bound, *(' '.join(part.split()) for part in (*helpers, body))])}) %}}"


def _literal(value: object) -> str:
    # JSON is JSONata, but what ends an expression must not be in it.
    return json.dumps(value, ensure_ascii=False).replace("%}", "%\\u007d")
