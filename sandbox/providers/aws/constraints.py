"""Validates single values against AWS's schemas and our table."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from jsonschema import ValidationError

from sandbox.values import json_schema
from sandbox.values.json_schema import Keyword, Schema
from sandbox.values.wire import Json, Unknown


def _enumeration(
    _validator: object, allowed: Sequence[Json], value: Json, _schema: Schema
) -> Iterator[ValidationError]:
    """pulumi-aws takes a number for a string, so these are compared as text."""
    if value not in allowed and str(value) not in map(str, allowed):
        yield ValidationError("")


# These are not keywords of JSON Schema: they express rules of AWS's services in our table.


def _reserved_names(
    _validator: object, names: Sequence[str], value: Json, _schema: Schema
) -> Iterator[ValidationError]:
    if isinstance(value, Mapping):
        for key in cast("Mapping[str, Json]", value):
            if key in names:
                yield ValidationError(f"{key!r} is reserved; reserved: {', '.join(names)}")


def _max_json_bytes(
    _validator: object, limit: int, value: Json, _schema: Schema
) -> Iterator[ValidationError]:
    if not isinstance(value, Mapping):
        return
    pairs = cast("Mapping[str, Json]", value).items()
    known = {key: "" if isinstance(item, Unknown) else item for key, item in pairs}
    size = len(json.dumps(known, separators=(",", ":"), ensure_ascii=False).encode())
    if size > limit:
        yield ValidationError(f"takes {size} bytes as JSON; at most {limit} are allowed")


def _objects(value: Json) -> list[Mapping[str, Json]]:
    items = cast("list[Json]", value) if isinstance(value, list) else []
    return [cast("Mapping[str, Json]", item) for item in items if isinstance(item, Mapping)]


def _unique_by(
    _validator: object, names: Sequence[str], value: Json, _schema: Schema
) -> Iterator[ValidationError]:
    for name in names:
        values = [item.get(name) for item in _objects(value)]
        known = [item for item in values if item is not None and not isinstance(item, Unknown)]
        double = next((item for item in known if known.count(item) > 1), None)
        if double is not None:
            yield ValidationError(f"the {name} {double!r} is used more than once")


def _each_one_of(
    _validator: object, names: Sequence[str], value: Json, _schema: Schema
) -> Iterator[ValidationError]:
    for index, item in enumerate(_objects(value)):
        there = [name for name in names if item.get(name) is not None]
        if len(there) != 1:
            got = ", ".join(there) or "none"
            reason = f"item {index} needs exactly one of {', '.join(names)}; got {got}"
            yield ValidationError(reason)


_ANY_OF = json_schema.KEYWORDS["anyOf"]
# The parts of a value are validated along the property tree, with the names of pulumi-aws.
_OF_SINGLE_VALUES = (
    "const",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "uniqueItems",
    "maxProperties",
    "propertyNames",
)
KEYWORDS: Mapping[str, Keyword] = {
    "enum": _enumeration,
    **{name: json_schema.KEYWORDS[name] for name in _OF_SINGLE_VALUES},
    "reservedNames": _reserved_names,
    "maxJsonBytes": _max_json_bytes,
    "uniqueBy": _unique_by,
    "eachOneOf": _each_one_of,
    "anyOf": _ANY_OF,
    # Several options may match when the keywords for their parts are left out.
    "oneOf": _ANY_OF,
}
"""The keywords that are validated of a single value."""
_VALIDATOR = json_schema.validator_of(KEYWORDS)
PARTS = json_schema.validator_of({**json_schema.KEYWORDS, **KEYWORDS})
"""Validates a value with its parts, where they have the names of the schema."""


def breach(value: Json, schema: Schema) -> str:
    """The error of one value by a schema's own keywords, or an empty string.

    Items and properties of the value are not validated.
    """
    return json_schema.error(_VALIDATOR, schema, value)


def holds(value: Json, wanted: Json) -> bool:
    """Whether a value meets the condition of a rule.

    Args:
        value: the value; one item of a list must match.
        wanted: a value, a list of values, or a schema, which only a set and known value can match.
    """
    if isinstance(wanted, Mapping):
        known = value is not None and not isinstance(value, Unknown)
        return known and not breach(value, cast("Schema", wanted))
    allowed = cast("list[Json]", wanted) if isinstance(wanted, list) else [wanted]
    found = cast("list[Json]", value) if isinstance(value, list) else [value]
    return any(item in allowed for item in found)
