"""The definition of an agent that runs as an AWS Step Functions state machine.

The state machine asks a Bedrock model, runs the tools that the model asks for, adds their results
to the conversation and asks again, until the model answers or a limit is reached. One Lambda
function lists the tools and calls them.

The definition is `agent.asl.json`. `${name}` in it is a placeholder for a value, and
`${name.jsonata}` for the JSONata expression in that file. Expressions have placeholders too, and
include the definitions in `shared`. In an expression, a value is a JSON literal.

JSONata replaces a list of one element by that element and an empty list by nothing, which Step
Functions refuses. Therefore the expressions put [] around every list. `States.ALL` does not match
`States.DataLimitExceeded`, so tasks catch both. Bedrock accepts neither an empty list of tools nor,
if messages contain tool calls, a request without tools: therefore there are `AskModel` and
`AskModelWithoutTools`.

Sources: Amazon States Language specification; AWS Step Functions Developer Guide, "Step Functions
service quotas" (payloads), "Passing data between states with variables" (Assign), "Transforming
data with JSONata" (version 2.0.6), "Learning to use AWS service SDK integrations" (names of fields
and errors), "Handling errors in Step Functions workflows"; Amazon Bedrock API reference, Converse
(all read 2026-11-22).
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final, cast

from core.targets.aws_lambda.placeholders import fill, fill_json, names

MAX_PAYLOAD_BYTES: Final = 256 * 1024
"""The limit of Step Functions for the input or output of a state or task and for one Assign, as
UTF-8."""

MAX_MESSAGES_BYTES: Final = 112 * 1024
"""The conversation in a request to the model, as JSON. The rest of the payload is for the tools,
the instructions and the other fields."""

MAX_TOOLS_BYTES: Final = 64 * 1024
"""The descriptions of all tools together, as JSON."""

MAX_QUESTION_CHARACTERS: Final = 4000
"""The longest question, as for an agent that runs as a container."""

MAX_ANSWER_TOKENS: Final = 4096
"""The limit of a model's answer in one turn."""

_LIST_SECONDS = 30
_MODEL_SECONDS = 120

_FOLDER = Path(__file__).parent
_HEADER = re.compile(r"\A/\*.*?\*/", re.DOTALL)


def definition(
    *,
    model: str,
    instructions: str,
    tools_function_arn: str,
    max_turns: int,
    max_seconds: int,
) -> dict[str, object]:
    """The definition of the state machine, in the Amazon States Language.

    An execution takes ``{"question": "…"}``, no longer than MAX_QUESTION_CHARACTERS, and returns::

        {
            "answer": "…",
            "complete": true,       # false: it stopped before the model was done
            "stopped": null,        # or why it stopped
            "turns": 2,             # the number of requests to the model
            "tool_calls": 1,        # the number of results of tools
            "model": "…",
            "absent": [{"server": "…", "reason": "…"}]  # "*": no server's tools could be listed
        }

    It fails with ``QuestionInvalid``, with the model's error after all retries, or with a timeout.
    A tool that fails never fails it: the model gets the error.

    The tools function is invoked with ``{"list": true}`` and returns ``{"tools": [{"Name",
    "Server", "Tool", "Description", "InputSchema"}], "absent": [{"server", "reason"}]}``; or with
    ``{"server", "tool", "arguments"}`` and returns ``{"text", "error"}``, or raises
    ``ServerUnavailable``, and is then invoked again.

    Args:
        model: The Bedrock model, or the inference profile.
        instructions: The system prompt; may be empty.
        tools_function_arn: The tools function; the resources of tasks are in its partition.
        max_turns: The maximum number of requests to the model for one question, 1 or more.
        max_seconds: The timeout of an execution, 1 or more.

    Returns:
        A JSON document.
    """
    return build(
        {
            "model": model,
            "instructions": instructions,
            "tools_function_arn": tools_function_arn,
            "partition": tools_function_arn.split(":")[1],
            "max_turns": max_turns,
            "max_seconds": max_seconds,
            "list_seconds": _task_seconds(max_seconds, _LIST_SECONDS),
            "model_seconds": min(_MODEL_SECONDS, max_seconds),
            "call_seconds": _task_seconds(max_seconds, max_seconds),
            "max_question_characters": MAX_QUESTION_CHARACTERS,
            "max_answer_tokens": MAX_ANSWER_TOKENS,
            "max_messages_bytes": MAX_MESSAGES_BYTES,
            "max_tools_bytes": MAX_TOOLS_BYTES,
        }
    )


def build(values: Mapping[str, object]) -> dict[str, object]:
    """Fills the placeholders of the definition.

    Raises:
        ValueError: If a placeholder has no value and names no file.
    """
    document = json.loads((_FOLDER / "agent.asl.json").read_text(encoding="utf-8"))
    if not str(values.get("instructions", "")).strip():
        for state in ("AskModel", "AskModelWithoutTools"):
            del document["States"][state]["Arguments"]["System"]
    found: dict[str, object] = {}
    for name in names(json.dumps(document)):
        if name in _expressions():
            found[name] = f"{{% {_expression(name, values)} %}}"
        elif name in values:
            found[name] = values[name]
    return cast("dict[str, object]", fill_json(document, found))


@cache
def _expressions() -> Mapping[str, str]:
    """The JSONata files by their paths, each in one line and without the comment at its start."""
    return {
        path.relative_to(_FOLDER).as_posix(): " ".join(
            _HEADER.sub("", path.read_text(encoding="utf-8")).split()
        )
        for path in _FOLDER.rglob("*.jsonata")
    }


def _expression(file: str, values: Mapping[str, object]) -> str:
    text = _expressions()[file]
    found: dict[str, object] = {}
    for name in names(text):
        if name in _expressions():
            found[name] = _expression(name, values)
        elif name in values:
            found[name] = _literal(values[name])
    return fill(text, found)


def _task_seconds(max_seconds: int, most: int) -> int:
    """The timeout of a task that must not use all of the execution's time."""
    return max(1, min(most, max_seconds // 2))


def _literal(value: object) -> str:
    # JSON is JSONata, but the delimiter at the end of an expression must not be in it.
    return json.dumps(value, ensure_ascii=False).replace("%}", "%\\u007d")
