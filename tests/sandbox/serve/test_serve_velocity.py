"""The references of mapping templates that the sandbox knows."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.targets.aws_lambda.templates import MESSAGE, mock
from sandbox.serve.velocity import TemplateError, render


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_whatever_somebody_writes_arrives_in_json_as_it_was(text: str) -> None:
    made = json.loads(render(MESSAGE, context={"connectionId": "c1"}, body=text))
    assert made == {"connection_id": "c1", "body": text}


def test_a_template_without_references_stands_for_itself() -> None:
    assert render(mock(405), context={}, body="x") == '{"statusCode": 405}'


def test_both_kinds_of_quotes_and_slashes_are_escaped() -> None:
    assert render("$util.escapeJavaScript($input.body)", context={}, body="'\"/\\é") == (
        r"\'\"\/\\\u00e9"
    )


def test_what_a_context_does_not_have_is_nothing() -> None:
    assert render("<$context.requestId|$input.body>", context={}, body="") == "<|>"


def test_what_is_put_in_is_not_read_again() -> None:
    assert render("$context.a", context={"a": "$input.body"}, body="x") == "$input.body"


@pytest.mark.parametrize(
    "template",
    [
        "$input.path('$.a')",
        "$input.json('$')",
        "$!context.a",
        "${context.a}",
        "$stageVariables.a",
        "#set($x = 1)",
        "#if($context.a)x#{else}y#end",
        "$context.identity.sourceIp",
        "$context.a.toUpperCase()",
        "$util.urlEncode($input.body)",
    ],
)
def test_another_reference_is_refused_and_not_guessed(template: str) -> None:
    with pytest.raises(TemplateError, match="which the sandbox does not know"):
        render(template, context={"a": "b"}, body="")


def test_a_dollar_or_a_hash_that_is_no_reference_stays() -> None:
    assert render('{"a":"$ 5 #1 $"}', context={}, body="") == '{"a":"$ 5 #1 $"}'
