"""The mapping templates of the program, and the parts of Velocity that the sandbox supports."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.targets.aws_lambda import templates
from core.targets.aws_lambda.placeholders import fill
from sandbox.serve.api_gateway.velocity import Rendered, TemplateError, render

TEXTS = st.text(alphabet=st.characters(codec="utf-8"))


def made(template: str, body: object = None, **context: str) -> Any:
    """The JSON output of a template for a JSON body."""
    return json.loads(render(template, context=context, body=json.dumps(body)).text)


@given(TEXTS)
def test_any_text_arrives_in_json_unchanged(text: str) -> None:
    message = render(templates.MESSAGE, context={"connectionId": "c1"}, body=text)
    assert json.loads(message.text) == {"connection_id": "c1", "body": text}


@given(TEXTS)
def test_a_state_machine_gets_the_body_as_it_was(text: str) -> None:
    start = made(fill(templates.START, {"arn": "arn"}), {"question": text})
    assert start.keys() == {"stateMachineArn", "input"}
    assert start["stateMachineArn"] == "arn"
    assert json.loads(start["input"]) == {"question": text}


def test_a_started_execution_is_returned_with_its_path() -> None:
    arn = "arn:aws:states:us-east-1:123456789012:execution:machine:e1"
    told = made(templates.started("/agents/a/executions"), {"executionArn": arn})
    assert told == {"id": "e1", "status": "/agents/a/executions/e1"}


def test_an_execution_is_asked_for_by_the_id_in_the_path() -> None:
    request = render(
        fill(templates.DESCRIBE, {"arn": "arn:e"}),
        context={},
        body="",
        parameters={"id": "r1\"/it's"},
    ).text
    assert json.loads(request) == {"executionArn": "arn:e:r1\"/it's"}


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"status": "RUNNING"}, {"status": "RUNNING", "result": None, "error": None}),
        (
            {"status": "SUCCEEDED", "output": '{"answer": "it\'s \\"5\\""}'},
            {"status": "SUCCEEDED", "result": {"answer": 'it\'s "5"'}, "error": None},
        ),
        (
            {"status": "TIMED_OUT", "error": "States.Timeout"},
            {"status": "TIMED_OUT", "result": None, "error": "States.Timeout"},
        ),
    ],
)
def test_an_execution_is_described(answer: dict[str, str], told: dict[str, Any]) -> None:
    assert made(templates.DESCRIBED, answer) == told


def test_an_express_execution_answers_with_its_output_or_502() -> None:
    well = json.dumps({"status": "SUCCEEDED", "output": '{"answer": 5}'})
    assert render(templates.ANSWERED, context={}, body=well) == Rendered('{"answer": 5}', None)
    badly = json.dumps({"status": "FAILED", "error": "Broken"})
    assert render(templates.ANSWERED, context={}, body=badly) == Rendered('{"error":"Broken"}', 502)


ABSENT: dict[str, dict[str, Any]] = {
    "absent": {},
    "null": {"output": None, "error": None},
    "empty": {"output": "", "error": ""},
}


@pytest.mark.parametrize("rest", ABSENT.values(), ids=ABSENT)
def test_a_running_execution_has_neither_result_nor_error(rest: dict[str, Any]) -> None:
    told = {"status": "RUNNING", "result": None, "error": None}
    assert made(templates.DESCRIBED, {"status": "RUNNING", **rest}) == told


@pytest.mark.parametrize("rest", ABSENT.values(), ids=ABSENT)
def test_an_express_execution_that_says_no_error_has_no_answer(rest: dict[str, Any]) -> None:
    told = render(templates.ANSWERED, context={}, body=json.dumps({"status": "TIMED_OUT", **rest}))
    assert told == Rendered('{"error":"no answer"}', 502)


def test_an_error_with_any_text_is_reported() -> None:
    error = 'it\'s "broken"'
    told = made(templates.DESCRIBED, {"status": "FAILED", "error": error})
    assert told == {"status": "FAILED", "result": None, "error": error}
    assert made(templates.ANSWERED, {"status": "FAILED", "error": error}) == {"error": error}


_SWF = "com.amazonaws.swf.service.v2.model#"


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ({"__type": f"{_SWF}ExecutionDoesNotExist", "message": "Execution Does Not Exist"}, 404),
        ({"__type": "InvalidArn"}, 404),
        ({"__type": "com.amazon.coral.availability#ThrottlingException"}, 429),
        ({"__type": "KmsThrottlingException"}, 429),
        ({"__type": "ExecutionLimitExceeded"}, 429),
        ({"__type": "AccessDeniedException"}, 502),
        ({"__type": ""}, 502),
        ({"__type": None}, 502),
        ({"message": "no type"}, 502),
    ],
)
def test_errors_of_step_functions_are_distinguished_by_type(
    answer: dict[str, Any], status: int
) -> None:
    told = render(templates.REFUSED, context={}, body=json.dumps(answer))
    assert told.status == status
    assert json.loads(told.text).keys() == {"error"}


@pytest.mark.parametrize(
    "template",
    [
        "$input.path('$.a')",
        """#if($input.path('$.a') != "")$input.path('$.a')#{else}null#end""",
    ],
)
def test_a_template_that_depends_on_what_an_absent_path_gives_is_refused(template: str) -> None:
    with pytest.raises(TemplateError, match="depends on whether an absent path"):
        render(template, context={}, body="{}")


def test_a_template_without_references_stands_for_itself() -> None:
    assert render(templates.mock(405), context={}, body="x") == Rendered(
        '{"statusCode": 405}', None
    )


def test_both_kinds_of_quotes_and_slashes_are_escaped() -> None:
    template = "$util.escapeJavaScript($input.body)"
    assert render(template, context={}, body="'\"/\\é").text == r"\'\"\/\\\u00e9"


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("<$context.requestId|$input.body>", "<|{}>"),
        ("$!context.requestId${context.requestId}", ""),
        ("$!input.path('$.a.b')", ""),
        ("$input.json('$.a')", "null"),
        ("$input.params('id')", ""),
    ],
)
def test_what_is_not_there_is_nothing(template: str, text: str) -> None:
    assert render(template, context={}, body="{}").text == text


def test_a_path_leads_into_the_body() -> None:
    body = {"a": {"b": [1, "é"]}}
    assert made("$input.json('$.a.b')", body) == [1, "é"]
    assert made("""{"x": "$input.path('$.a').b.size()"}""", body) == {"x": "2"}


def test_what_is_put_in_is_not_read_again() -> None:
    assert (
        render("$context.a", context={"a": "$input.body #if"}, body="x").text == "$input.body #if"
    )


def test_a_pattern_has_its_backslashes_as_they_are_written() -> None:
    template = r"""$input.body.replaceAll("\\'","'").replaceAll("\.","!")"""
    assert render(template, context={}, body=r"it\'s. so").text == "it's! so"


@pytest.mark.parametrize(
    "template",
    [
        "$input.path('$.a[0]')",
        "$input.path('$..a')",
        "$input.header('a')",
        "$stageVariables.a",
        "$nothing",
        "$context.identity.sourceIp",
        "$context.a.toUpperCase()",
        "$util.urlEncode($input.body)",
        "#include('x')",
        "#if($a)x#{else}y#end",
    ],
)
def test_another_reference_is_refused_and_not_guessed(template: str) -> None:
    with pytest.raises(TemplateError, match="mapping template"):
        render(template, context={"a": "b"}, body="{}")


def test_a_body_that_is_no_json_has_no_paths() -> None:
    with pytest.raises(TemplateError, match="cannot be rendered"):
        render("$input.json('$')", context={}, body="{")


def test_a_dollar_or_a_hash_that_is_no_reference_stays() -> None:
    assert render('{"a":"$ 5 #1 $"}', context={}, body="").text == '{"a":"$ 5 #1 $"}'
