"""The JSON Schema layer: the text and the path of an error."""

from typing import Any

import pytest

from sandbox.values import json_schema
from sandbox.values.wire import UNKNOWN

VALIDATOR = json_schema.validator_of(json_schema.KEYWORDS)
SCHEMA: dict[str, Any] = {
    # A known dialect must not replace our wording.
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 2, "pattern": "^[a-z]+$"},
        "size": {"$ref": "#/definitions/size"},
        "port": {"oneOf": [{"type": "integer"}, {"type": ["string", "null"]}]},
        "zones": {"type": "array", "items": {"enum": ["a", "b"]}, "uniqueItems": True},
        "tags": {"type": "object", "propertyNames": {"maxLength": 3}, "maxProperties": 1},
        "inner": {"$ref": "#"},
    },
    "required": ["name"],
    "additionalProperties": False,
    "definitions": {"size": {"type": "integer", "minimum": 1, "maximum": 3}},
}
WRONG: list[tuple[dict[str, Any], tuple[str | int, ...], str]] = [
    ({}, ("name",), "is missing; it is required"),
    ({"name": 5}, ("name",), "5 is not of type string"),
    ({"name": "A"}, ("name",), "'A' has 1 characters; at least 2 are needed"),
    ({"name": "A1"}, ("name",), "'A1' does not match the pattern ^[a-z]+$"),
    ({"name": "ab", "size": 4}, ("size",), "4 is above the maximum of 3"),
    ({"name": "ab", "size": True}, ("size",), "True is not of type integer"),
    ({"name": "ab", "port": 1.5}, ("port",), "1.5 is not of type integer or string"),
    ({"name": "ab", "zones": ["a", "c"]}, ("zones", 1), "'c' is not allowed; allowed: a, b"),
    ({"name": "ab", "zones": ["a", "a"]}, ("zones",), "'a' is there more than once"),
    ({"name": "ab", "tags": {"team": 1}}, ("tags",), "the name 'team' has 4 characters"),
    ({"name": "ab", "tags": {"a": 1, "b": 2}}, ("tags",), "has 2 keys; at most 1 are allowed"),
    ({"name": "ab", "colour": 1}, ("colour",), "is not a property; allowed: inner, name, port"),
    ({"name": "ab", "inner": {"name": ""}}, ("inner", "name"), "'' has 0 characters"),
]


@pytest.mark.parametrize(("value", "path", "reason"), WRONG)
def test_an_error_says_where_it_is_and_what_is_allowed(
    value: dict[str, Any], path: tuple[str | int, ...], reason: str
):
    ((where, why),) = json_schema.errors(VALIDATOR, SCHEMA, value)
    assert where == path
    assert reason in why


def test_an_unknown_value_is_valid_everywhere():
    value = {
        "name": UNKNOWN,
        "size": UNKNOWN,
        "port": UNKNOWN,
        "zones": [UNKNOWN, UNKNOWN],
        "tags": UNKNOWN,
        "inner": UNKNOWN,
    }
    assert list(json_schema.errors(VALIDATOR, SCHEMA, value)) == []


def test_a_single_value_has_the_first_reason():
    assert json_schema.error(VALIDATOR, {"minimum": 2}, 1) == "1 is below the minimum of 2"
    assert json_schema.error(VALIDATOR, {"minimum": 2, "maximum": 3}, 2) == ""
    assert json_schema.error(VALIDATOR, {"minimum": 2}, UNKNOWN) == ""
