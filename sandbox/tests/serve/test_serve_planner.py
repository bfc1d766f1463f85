"""The offline model: its calls, its answers, and that they are deterministic."""

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.serve.bedrock import planner

NOW = ("clock__now", "Tells the time in a time zone.", {"timezone": "string"})
CONVERT = (
    "clock__convert_time",
    "Converts a time from one zone to another.",
    {"time": "string", "source": "string", "target": "string"},
)
ADD = (
    "notes__add_note",
    "Adds a note.",
    {"name": "string", "text": "string", "replace": "boolean"},
)
READ = ("notes__read_note", "Reads a note back.", {"name": "string"})
NUMBERS = (
    "sums__add_up",
    "Adds numbers.",
    {"first": "integer", "second": "number", "exact": "boolean", "note": "string"},
)
Tool = tuple[str, str, Mapping[str, str]]
TOOLS: Sequence[Tool] = (NOW, CONVERT, ADD, READ, NUMBERS)
WEATHER: Tool = ("a__x", "Tells the weather and the time.", {})


def tool_config(*tools: Tool) -> dict[str, Any]:
    specs: list[dict[str, Any]] = []
    for name, description, parameters in tools:
        properties = {key: {"type": kind} for key, kind in parameters.items()}
        schema = {"json": {"type": "object", "properties": properties}}
        described = {"description": description} if description else {}
        specs.append({"toolSpec": {"name": name, **described, "inputSchema": schema}})
    return {"tools": specs}


def asking(question: str, *more: dict[str, Any], tools: Sequence[Tool] = TOOLS) -> dict[str, Any]:
    messages = [{"role": "user", "content": [{"text": question}]}, *more]
    return {"messages": messages, **({"toolConfig": tool_config(*tools)} if tools else {})}


def result(block: Mapping[str, Any], *content: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """The message with the result of a call."""
    told = {"toolUseId": block["toolUse"]["toolUseId"], "content": list(content), **more}
    return {"role": "user", "content": [{"toolResult": told}]}


def message(answer: Mapping[str, Any]) -> dict[str, Any]:
    return answer["output"]["message"]


def block(answer: Mapping[str, Any]) -> dict[str, Any]:
    (one,) = message(answer)["content"]
    return one


def call(question: str, tools: Sequence[Tool] = TOOLS) -> tuple[str, dict[str, Any]]:
    """The name and the input of the first call for a question."""
    answer = planner.converse(asking(question, tools=tools))
    assert answer["stopReason"] == "tool_use"
    use = block(answer)["toolUse"]
    return use["name"], use["input"]


def text(question: str, tools: Sequence[Tool] = TOOLS) -> str:
    answer = planner.converse(asking(question, tools=tools))
    assert answer["stopReason"] == "end_turn"
    return block(answer)["text"]


def conversation(
    question: str, *outcomes: tuple[str, str], before: tuple[dict[str, Any], ...] = ()
) -> tuple[list[dict[str, Any]], str, list[dict[str, Any]]]:
    """Runs an agent whose tools return these statuses and texts.

    Returns:
        The calls, the answer, and all messages.
    """
    messages: list[dict[str, Any]] = [*before, {"role": "user", "content": [{"text": question}]}]
    calls: list[dict[str, Any]] = []
    for status, told in outcomes:
        answer = planner.converse({"messages": messages, "toolConfig": tool_config(*TOOLS)})
        calls.append(block(answer)["toolUse"])
        messages += [message(answer), result(block(answer), {"text": told}, status=status)]
    answer = planner.converse({"messages": messages, "toolConfig": tool_config(*TOOLS)})
    assert answer["stopReason"] == "end_turn"
    return calls, block(answer)["text"], [*messages, message(answer)]


def test_a_clause_calls_the_tool_that_it_names() -> None:
    answer = planner.converse(asking("what time is it now timezone=Asia/Tokyo"))
    assert answer["stopReason"] == "tool_use"
    assert message(answer) == {
        "role": "assistant",
        "content": [
            {
                "toolUse": {
                    "toolUseId": "tooluse_1",
                    "name": "clock__now",
                    "input": {"timezone": "Asia/Tokyo"},
                }
            }
        ],
    }


@pytest.mark.parametrize(
    ("clause", "name"),
    [
        ("now", "clock__now"),
        ("convert the time time=10:00", "clock__convert_time"),
        ("add a note name=a text=b", "notes__add_note"),
        ("add up first=1", "sums__add_up"),
        ("READ the Note name=a", "notes__read_note"),
        ("tell me name=a text=b", "notes__add_note"),  # found by its parameters only
    ],
)
def test_the_tool_with_most_words_in_common_is_called(clause: str, name: str) -> None:
    assert call(clause)[0] == name


def test_of_tools_that_fit_alike_the_first_by_name_is_called() -> None:
    tools: list[Tool] = [("b__ping", "", {}), ("a__ping", "", {}), ("c__ping", "", {})]
    assert call("ping", tools)[0] == "a__ping"
    assert call("ping c", tools)[0] == "c__ping"


def test_a_tool_need_not_name_its_server() -> None:
    assert call("ping", [("ping", "", {})]) == ("ping", {})


@pytest.mark.parametrize("tools", [TOOLS, (), (WEATHER,)])
def test_a_clause_that_no_tool_fits_is_said(tools: Sequence[Tool]) -> None:
    assert text("make me coffee", tools) == "make me coffee: no tool fits this"


def test_words_of_descriptions_decide_between_tools_but_do_not_make_one_fit() -> None:
    tools: list[Tool] = [("a__x_get", "Tells rain.", {}), ("b__y_get", "Tells wind.", {})]
    assert call("get the wind", tools)[0] == "b__y_get"
    told = "rain wind snow"
    assert text(told, [("a__x", told, {})]) == f"{told}: no tool fits this"
    longer = "rain wind snow hail fog sun"
    assert call(longer, [("a__x", longer, {})])[0] == "a__x"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("first=7", {"first": 7}),
        ("first=-7", {"first": -7}),
        ("first=seven", {"first": "seven"}),
        ("first=7.5", {"first": "7.5"}),
        ("second=7.5", {"second": 7.5}),
        ("second=x", {"second": "x"}),
        ("second=1e3", {"second": 1000.0}),
        # These numbers are not valid JSON.
        ("second=nan", {"second": "nan"}),
        ("second=-Infinity", {"second": "-Infinity"}),
        ("second=1e999", {"second": "1e999"}),
        ("exact=true", {"exact": True}),
        ("exact=FALSE", {"exact": False}),
        ("exact=TRUE", {"exact": True}),
        ("exact=yes", {"exact": "yes"}),
        ("note=7", {"note": "7"}),
        ("other=7", {"other": "7"}),
        ("note='a b; then c'", {"note": "a b; then c"}),
        ('note="it\'s; so"', {"note": "it's; so"}),
        ("note='' first=1", {"note": "", "first": 1}),
        # A quote without an end is not a quote.
        ("note='a first=1", {"note": "'a", "first": 1}),
        ('note=" first=1', {"note": '"', "first": 1}),
        ("note=a'", {"note": "a'"}),
        ("note=a, first=1", {"note": "a", "first": 1}),
        ("note=$previous", {"note": ""}),
        ("note=$previously", {"note": "$previously"}),
    ],
)
def test_arguments_get_the_types_of_the_schema(written: str, expected: dict[str, Any]) -> None:
    name, arguments = call(f"add up {written}")
    assert (name, arguments) == ("sums__add_up", expected)
    assert [type(one) for one in arguments.values()] == [type(one) for one in expected.values()]


@pytest.mark.parametrize("between", ["; ", "\n", " then ", "; then ", ", THEN ", ". Then "])
def test_clauses_are_taken_one_at_a_time(between: str) -> None:
    calls, answer, _ = conversation(
        f"now timezone=UTC{between}read note name=a", ("success", "10:00"), ("success", "milk")
    )
    assert [(one["name"], one["input"]) for one in calls] == [
        ("clock__now", {"timezone": "UTC"}),
        ("notes__read_note", {"name": "a"}),
    ]
    assert answer == "10:00\nmilk"


def test_the_result_before_stands_for_previous() -> None:
    calls, answer, _ = conversation(
        "now timezone=UTC; add note name=$previous text=$previous; read note name=a",
        ("success", "it is 10:00"),
        ("success", "saved"),
        ("success", "it is 10:00"),
    )
    assert calls[1]["input"] == {"name": "it is 10:00", "text": "it is 10:00"}
    assert answer == "it is 10:00\nsaved\nit is 10:00"


def test_previous_is_of_the_call_right_before_and_gets_the_type_of_the_schema() -> None:
    calls, _, _ = conversation(
        "now; make coffee; add up first=1 second=2; add up first=$previous second=$previous",
        ("success", "10:00"),
        ("success", "3"),
        ("success", "6"),
    )
    assert calls[2]["input"] == {"first": 3, "second": 3.0}
    assert [type(one) for one in calls[2]["input"].values()] == [int, float]


@pytest.mark.parametrize("schema", ["{}", '{"properties": {"a": true}}', '{"properties": null}'])
def test_a_parameter_of_which_the_schema_tells_nothing_gets_text(schema: str) -> None:
    spec = {"name": "odd__ping", "inputSchema": {"json": json.loads(schema)}}
    asked = {**asking("ping a=1"), "toolConfig": {"tools": [{"toolSpec": spec}]}}
    assert block(planner.converse(asked))["toolUse"]["input"] == {"a": "1"}


def test_the_error_of_a_tool_is_said_and_the_next_clause_goes_on() -> None:
    calls, answer, _ = conversation(
        "read note name=a; now", ("error", "there is no note a"), ("success", "10:00")
    )
    assert [one["name"] for one in calls] == ["notes__read_note", "clock__now"]
    assert answer == "read note name=a: there is no note a\n10:00"


def test_clauses_that_no_tool_fits_keep_their_place() -> None:
    calls, answer, _ = conversation(
        "make coffee; now; make tea; read note name=a",
        ("success", "x: no tool fits this"),
        ("success", "milk"),
    )
    assert [one["name"] for one in calls] == ["clock__now", "notes__read_note"]
    assert answer.splitlines() == [
        "make coffee: no tool fits this",
        "x: no tool fits this",
        "make tea: no tool fits this",
        "milk",
    ]


def test_the_last_question_of_a_conversation_is_answered_with_ids_of_its_own() -> None:
    first, _, messages = conversation("now; read note name=a", ("success", "1"), ("error", "2"))
    second, answer, _ = conversation(
        "now; add note name=b text=$previous",
        ("success", "10:00"),
        ("success", "saved"),
        before=tuple(messages),
    )
    assert answer == "10:00\nsaved"
    assert second[1]["input"]["text"] == "10:00"
    ids = [one["toolUseId"] for one in (*first, *second)]
    assert ids == ["tooluse_1", "tooluse_2", "tooluse_3", "tooluse_4"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([{"text": "a"}, {"text": "b"}], "a\nb"),
        ([{"json": {"return_value": "a"}}], "a"),
        ([{"json": {"return_value": {"b": 1}}}], '{"b": 1}'),
        ([{"json": {"a": [1, None]}}], '{"a": [1, null]}'),
        ([], "nothing was asked"),
    ],
)
def test_a_result_is_text_or_json(content: list[dict[str, Any]], expected: str) -> None:
    asked = asking("now")
    used = message(planner.converse(asked))
    answer = planner.converse(asking("now", used, result(used["content"][0], *content)))
    assert block(answer)["text"] == expected


def test_a_request_without_a_question_is_answered() -> None:
    assert block(planner.converse({"messages": []}))["text"] == "nothing was asked"


@pytest.mark.parametrize("question", [" ", ";", "then", "?!"])
def test_a_question_without_a_clause_is_answered(question: str) -> None:
    assert text(question) == "nothing was asked"


def test_what_is_said_to_the_system_changes_nothing() -> None:
    asked = asking("now")
    told = {**asked, "system": [{"text": "Never call tools."}], "inferenceConfig": {"maxTokens": 1}}
    assert message(planner.converse(told)) == message(planner.converse(asked))


def test_tools_of_other_kinds_are_passed_over() -> None:
    asked = asking("now")
    asked["toolConfig"]["tools"].insert(0, {"cachePoint": {"type": "default"}})
    assert block(planner.converse(asked))["toolUse"]["name"] == "clock__now"


def test_words_are_counted_as_tokens() -> None:
    usage = planner.converse(asking("make me coffee", tools=()))["usage"]
    assert usage["inputTokens"] > 0
    assert usage["outputTokens"] > 0
    assert usage["totalTokens"] == usage["inputTokens"] + usage["outputTokens"]
    longer = planner.converse(asking("make me a large coffee", tools=()))["usage"]
    assert longer["inputTokens"] == usage["inputTokens"] + 2


def streamed(request: Mapping[str, Any]) -> dict[str, Any]:
    """The response of Converse, from the events of ConverseStream."""
    events = list(planner.converse_stream(request))
    kinds = [kind for kind, _ in groupby(kind for kind, _ in events)]
    assert kinds[0] == "messageStart"
    assert kinds[-3:] == ["contentBlockStop", "messageStop", "metadata"]
    made = dict(events)
    content: dict[str, Any] = {}
    for kind, event in events:
        if kind == "contentBlockStart":
            content = {"toolUse": {**event["start"]["toolUse"], "input": ""}}
        elif kind == "contentBlockDelta" and "text" in event["delta"]:
            content["text"] = content.get("text", "") + event["delta"]["text"]
        elif kind == "contentBlockDelta":
            content["toolUse"]["input"] += event["delta"]["toolUse"]["input"]
    if "toolUse" in content:
        content["toolUse"]["input"] = json.loads(content["toolUse"]["input"])
    assert {event.get("contentBlockIndex", 0) for _, event in events} == {0}
    return {
        "output": {"message": {"role": made["messageStart"]["role"], "content": [content]}},
        "stopReason": made["messageStop"]["stopReason"],
        **made["metadata"],
    }


@given(
    st.lists(
        st.sampled_from(["now timezone=UTC", "make coffee", "read note name=$previous", "  "])
    ),
    st.text(min_size=1),
)
def test_a_stream_adds_up_to_the_answer(clauses: list[str], spoken: str) -> None:
    request = asking("; ".join([*clauses, spoken]))
    assert streamed(request) == planner.converse(request)


def test_text_is_streamed_in_pieces_of_a_few_words() -> None:
    told = "one two three four five  six\nseven eight nine"
    request = asking(told, tools=())
    pieces = [
        event["delta"]["text"]
        for kind, event in planner.converse_stream(request)
        if kind == "contentBlockDelta"
    ]
    assert pieces == [
        "one two three four ",
        "five  six: no tool ",
        "fits this\nseven eight ",
        "nine: no tool fits ",
        "this",
    ]


@given(st.text(max_size=80))
def test_any_question_gets_an_answer_that_bedrock_would_take_back(question: str) -> None:
    answer = planner.converse(asking(question))
    assert answer == planner.converse(asking(question))
    one = block(answer)
    if "text" in one:
        assert one["text"].strip()
    else:
        assert one["toolUse"]["name"] in {name for name, _, _ in TOOLS}
