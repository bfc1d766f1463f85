import pytest

from workloads.assistant.planner import Tool, plan


def tool(server: str, name: str, description: str, /, **types: str) -> Tool:
    return Tool(
        server=server,
        name=name,
        description=description,
        schema={
            "properties": {key: {"type": kind.rstrip("?")} for key, kind in types.items()},
            "required": [key for key, kind in types.items() if not kind.endswith("?")],
        },
    )


NOW = tool("clock", "now", "Tell the current date and time in a zone.", timezone="string?")
ADD = tool("notes", "add_note", "Add a note.", name="string", text="string", replace="boolean?")
LIST = tool("notes", "list_notes", "List the names of all notes.")
SUM = tool("maths", "sum", "Add numbers.", a="integer", b="number")
TOOLS = [ADD, LIST, NOW, SUM]


def test_each_clause_becomes_one_step_in_order() -> None:
    steps = plan("now; list notes\nthen add a note name=a text=b", TOOLS)
    assert [step.tool for step in steps] == [NOW, LIST, ADD]
    assert [step.fault for step in steps] == [None, None, None]
    assert steps[2].clause == "add a note name=a text=b"
    assert steps[2].arguments == {"name": "a", "text": "b"}


def test_the_order_in_which_tools_were_listed_does_not_matter() -> None:
    question = "what time is it now, timezone=Asia/Tokyo, then note name=a text=b"
    assert plan(question, TOOLS) == plan(question, TOOLS[::-1])


@pytest.mark.parametrize("quote", ["'", '"'])
def test_a_quoted_value_keeps_spaces_separators_and_the_word_then(quote: str) -> None:
    (step,) = plan(f"add note name=a text={quote}milk; then, eggs{quote}", TOOLS)
    assert step.arguments == {"name": "a", "text": "milk; then, eggs"}


def test_then_inside_of_a_word_separates_nothing() -> None:
    (step,) = plan("add note name=athens text=strengthen", TOOLS)
    assert step.arguments == {"name": "athens", "text": "strengthen"}


def test_an_apostrophe_in_a_sentence_quotes_nothing() -> None:
    first, second = plan("what's the time now? then what's on my notes list?", TOOLS)
    assert (first.tool, second.tool) == (NOW, LIST)


def test_values_get_the_types_that_the_schema_asks_for() -> None:
    (step,) = plan("sum a=1 b=2.5", TOOLS)
    assert step.arguments == {"a": 1, "b": 2.5}
    (step,) = plan("add note name=a text=1 replace=true", TOOLS)
    assert step.arguments == {"name": "a", "text": "1", "replace": True}


def test_a_value_of_the_wrong_type_is_left_for_the_server_to_refuse() -> None:
    (step,) = plan("sum a=one b=2", TOOLS)
    assert step.arguments == {"a": "one", "b": 2.0}


@pytest.mark.parametrize("question", ["what is the weather like", "tell me all of the dates"])
def test_words_of_a_description_alone_pick_no_tool(question: str) -> None:
    (step,) = plan(question, TOOLS)
    assert (step.tool, step.fault) == (None, "no tool fits this")


def test_without_tools_nothing_fits() -> None:
    (step,) = plan("now", [])
    assert step.fault == "no tool fits this"


def test_missing_and_unknown_parameters_are_told_with_the_known_ones() -> None:
    (step,) = plan("add note name=a colour=red", TOOLS)
    assert step.tool == ADD
    assert step.fault == (
        "colour is no parameter, text is missing (parameters of add_note: name, replace, text)"
    )


@pytest.mark.parametrize("question", ["", " ; ;\n", "?"])
def test_a_question_that_says_nothing_has_no_steps(question: str) -> None:
    assert plan(question, TOOLS) == []
