"""docs/lambda.md: its numbers are those of the code."""

import re
from pathlib import Path
from typing import Any

from core.costs.prices import price_table
from core.targets.aws_lambda import limits as lambda_limits
from core.targets.aws_lambda import state_machine
from docs.generate import ROOT, documents
from tests.core.states import run

_PAGE = Path("docs/lambda.md")


def _section(heading: str) -> str:
    """What stands below a heading of the second level, up to the next one."""
    (found,) = re.findall(
        rf"^## {heading}\n(.*?)(?=^## |\Z)",
        (ROOT / _PAGE).read_text(),
        re.MULTILINE | re.DOTALL,
    )
    return found


def _rows(heading: str) -> list[list[str]]:
    """The cells of the one table below a heading, without its head."""
    lines = [line for line in _section(heading).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:]]


def test_the_limits_are_those_of_the_code():
    assert {row[0]: row[1] for row in _rows("Limits")} == {
        "longest request of a function": f"{lambda_limits.MAX_TIMEOUT_SECONDS} s",
        "minimum memory": f"{lambda_limits.MIN_MEMORY_MIB} MiB",
        "maximum memory": f"{lambda_limits.MAX_MEMORY_MIB} MiB",
        "image, uncompressed": f"{lambda_limits.MAX_IMAGE_MIB} MiB",
        "request": f"{lambda_limits.MAX_REQUEST_MIB} MiB",
        "response": f"{lambda_limits.MAX_RESPONSE_MIB} MiB",
        "environment": f"{lambda_limits.MAX_ENVIRONMENT_BYTES} bytes",
        "mount path of files": f"{lambda_limits.MAX_MOUNT_CHARACTERS} characters",
        "resources of one API": str(lambda_limits.MAX_API_RESOURCES),
        "synchronous state machine": f"{lambda_limits.MAX_EXPRESS_SECONDS} s",
        "request of an agent with chat": f"{lambda_limits.MAX_CHAT_SECONDS} s",
        "question to a state machine": f"{state_machine.MAX_QUESTION_CHARACTERS} characters",
        "answer of a model in one turn": f"{state_machine.MAX_ANSWER_TOKENS} tokens",
        "conversation sent to a model": f"{state_machine.MAX_MESSAGES_BYTES} bytes",
        "descriptions of all tools": f"{state_machine.MAX_TOOLS_BYTES} bytes",
    }


def test_every_limit_has_a_source():
    assert all(row[2] for row in _rows("Limits"))


def test_the_times_are_those_that_functions_and_gateway_get():
    rows = [[int(cell) for cell in row] for row in _rows("Times")]
    assert [
        [
            seconds,
            lambda_limits.timeout_seconds(seconds),
            lambda_limits.integration_timeout_milliseconds(seconds) // 1000,
        ]
        for seconds, _, _ in rows
    ] == rows


def test_the_times_show_both_edges_of_where_the_longest_wait_is_reached():
    longest = lambda_limits.MAX_TIMEOUT_SECONDS
    rows = [[int(cell) for cell in row] for row in _rows("Times")]
    assert {885, 895, longest} <= {row[0] for row in rows}
    assert lambda_limits.integration_timeout_milliseconds(884) < longest * 1000
    assert lambda_limits.timeout_seconds(894) < longest


def _transitions(turns: int, calls: int) -> int:
    """How many states a question enters with so many turns with tools, of so many calls each."""
    call: dict[str, Any] = {"ToolUse": {"ToolUseId": "1", "Name": "clock__now", "Input": {}}}
    replies = [("tool_use", [call] * calls)] * turns
    replies.append(("end_turn", [{"Text": "noon"}]))
    left = iter(replies)

    def converse(_: object) -> object:
        stop, content = next(left)
        return {"StopReason": stop, "Output": {"Message": {"Content": content}}}

    def invoke(arguments: dict[str, Any]) -> object:
        tool = {"Name": "clock__now", "Server": "clock", "Tool": "now", "Description": "The time"}
        listed = {"tools": [tool], "absent": []}
        asked = arguments["Payload"] == {"list": True}
        return {"Payload": listed if asked else {"text": "noon", "error": False}}

    definition = state_machine.definition(
        model="model",
        instructions="",
        tools_function_arn="arn:aws:lambda:us-east-1:123456789012:function:tools:live",
        max_turns=turns + 1,
        max_seconds=60,
    )
    execution = run(
        definition,
        {"question": "What time is it?"},
        {
            "arn:aws:states:::aws-sdk:bedrockruntime:converse": converse,
            "arn:aws:states:::lambda:invoke": invoke,
        },
    )
    assert execution.error is None
    return len(execution.path)


def test_the_transitions_that_are_paid_are_those_of_the_state_machine():
    words = " ".join(_section("Agents").split())
    none, one = _transitions(0, 0), _transitions(1, 1)
    call = _transitions(1, 2) - one
    assert f"A question without tools takes about {none} transitions." in words
    assert f"Each turn with tools adds {one - none - call}," in words
    assert f"each tool call adds {call}." in words
    assert f"Two turns with one call each take {_transitions(2, 1)} transitions," in words


def test_its_cost_tables_are_what_the_code_says_now():
    assert (ROOT / _PAGE).read_text() == documents()[_PAGE], "run `make docs`"
    assert str(price_table()) in _section("What it costs")


def test_every_link_leads_to_a_file_or_a_heading():
    text = (ROOT / _PAGE).read_text()
    anchors = {
        re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    }
    for link in re.findall(r"\]\(([^)]+)\)", text):
        if link.startswith("#"):
            assert link[1:] in anchors, link
        elif not link.startswith("https://"):
            assert (ROOT / "docs" / link.partition("#")[0]).exists(), link
