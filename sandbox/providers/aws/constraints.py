"""Checks of single values against the keywords of a JSON schema."""

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import cast

import regex

from sandbox.providers.aws.schemas import Schema
from sandbox.values.wire import Json, Unknown, has_unknown

_SHOWN_CHARACTERS = 120
_SHOWN_CHOICES = 40


def shown(value: Json) -> str:
    """A value for a message, cut when it is long."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


@cache
def pattern(text: str) -> "regex.Pattern[str] | None":
    """A compiled pattern; None for those of AWS's that are no regular expressions in Python."""
    try:
        return regex.compile(text)
    except regex.error:
        return None


def _enumeration(value: Json, allowed: Json) -> str:
    if value in allowed or str(value) in [str(item) for item in allowed]:
        return ""
    names = [str(item) for item in allowed]
    more = f" and {len(names) - _SHOWN_CHOICES} more" if len(names) > _SHOWN_CHOICES else ""
    return f"{shown(value)} is not allowed; allowed: {', '.join(names[:_SHOWN_CHOICES])}{more}"


def _constant(value: Json, wanted: Json) -> str:
    return "" if value == wanted else f"{shown(value)} is not allowed; allowed: {wanted}"


def _minimum(value: Json, limit: Json) -> str:
    number = _number(value)
    return (
        f"{value} is below the minimum of {limit}" if number is not None and number < limit else ""
    )


def _maximum(value: Json, limit: Json) -> str:
    number = _number(value)
    return (
        f"{value} is above the maximum of {limit}" if number is not None and number > limit else ""
    )


def _number(value: Json) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value


def _min_length(value: Json, limit: Json) -> str:
    if not isinstance(value, str) or len(value) >= limit:
        return ""
    return f"{shown(value)} has {len(value)} characters; at least {limit} are needed"


def _max_length(value: Json, limit: Json) -> str:
    if not isinstance(value, str) or len(value) <= limit:
        return ""
    return f"{shown(value)} has {len(value)} characters; at most {limit} are allowed"


def _pattern(value: Json, text: Json) -> str:
    compiled = pattern(text) if isinstance(value, str) else None
    if compiled is None or compiled.search(value):
        return ""
    return f"{shown(value)} does not match the pattern {text}"


def _min_items(value: Json, limit: Json) -> str:
    if not isinstance(value, list) or len(cast("list[Json]", value)) >= limit:
        return ""
    return f"has {len(cast('list[Json]', value))} items; at least {limit} are needed"


def _max_items(value: Json, limit: Json) -> str:
    if not isinstance(value, list) or len(cast("list[Json]", value)) <= limit:
        return ""
    return f"has {len(cast('list[Json]', value))} items; at most {limit} are allowed"


def _unique_items(value: Json, wanted: Json) -> str:
    if not wanted or not isinstance(value, list):
        return ""
    items = [repr(item) for item in cast("list[Json]", value) if not has_unknown(item)]
    double = next((item for item in items if items.count(item) > 1), "")
    return f"{double} is there more than once" if double else ""


def _max_properties(value: Json, limit: Json) -> str:
    if not isinstance(value, Mapping) or len(cast("Mapping[str, Json]", value)) <= limit:
        return ""
    return f"has {len(cast('Mapping[str, Json]', value))} keys; at most {limit} are allowed"


def _property_names(value: Json, schema: Json) -> str:
    if not isinstance(value, Mapping):
        return ""
    reasons = (breach(key, schema) for key in cast("Mapping[str, Json]", value))
    reason = next((reason for reason in reasons if reason), "")
    return reason and f"the name {reason}"


# What follows is no JSON schema: AWS's services ask for it, and only our own table has it.


def _reserved_names(value: Json, names: Json) -> str:
    if not isinstance(value, Mapping):
        return ""
    found = [key for key in cast("Mapping[str, Json]", value) if key in names]
    return f"{found[0]!r} is reserved; reserved: {', '.join(names)}" if found else ""


def _max_json_bytes(value: Json, limit: Json) -> str:
    if not isinstance(value, Mapping):
        return ""
    pairs = cast("Mapping[str, Json]", value).items()
    known = {key: "" if isinstance(item, Unknown) else item for key, item in pairs}
    size = len(json.dumps(known, separators=(",", ":"), ensure_ascii=False).encode())
    return f"takes {size} bytes as JSON; at most {limit} are allowed" if size > limit else ""


def _objects(value: Json) -> list[Mapping[str, Json]]:
    items = cast("list[Json]", value) if isinstance(value, list) else []
    return [cast("Mapping[str, Json]", item) for item in items if isinstance(item, Mapping)]


def _unique_by(value: Json, names: Json) -> str:
    for name in names:
        values = [item.get(name) for item in _objects(value)]
        known = [item for item in values if item is not None and not isinstance(item, Unknown)]
        double = next((item for item in known if known.count(item) > 1), None)
        if double is not None:
            return f"the {name} {double!r} is there more than once"
    return ""


def _each_one_of(value: Json, names: Json) -> str:
    for index, item in enumerate(_objects(value)):
        there = [name for name in names if item.get(name) is not None]
        if len(there) != 1:
            got = ", ".join(there) or "none"
            return f"item {index} needs exactly one of {', '.join(names)}; got {got}"
    return ""


_KEYWORDS: Mapping[str, Callable[[Json, Json], str]] = {
    "enum": _enumeration,
    "const": _constant,
    "minimum": _minimum,
    "maximum": _maximum,
    "minLength": _min_length,
    "maxLength": _max_length,
    "pattern": _pattern,
    "minItems": _min_items,
    "maxItems": _max_items,
    "uniqueItems": _unique_items,
    "maxProperties": _max_properties,
    "reservedNames": _reserved_names,
    "propertyNames": _property_names,
    "maxJsonBytes": _max_json_bytes,
    "uniqueBy": _unique_by,
    "eachOneOf": _each_one_of,
}


def breach(value: Json, schema: Schema) -> str:
    """What is wrong with one value by a schema's own keywords, or an empty string.

    Items and properties of the value are not looked at.
    """
    for keyword, check in _KEYWORDS.items():
        if keyword in schema:
            reason = check(value, schema[keyword])
            if reason:
                return reason
    for keyword in ("anyOf", "oneOf"):
        reasons = [breach(value, option) for option in schema.get(keyword, ())]
        if reasons and all(reasons):
            return reasons[0]
    return ""


def holds(value: Json, wanted: Json) -> bool:
    """Whether a value is what the condition of a rule wants.

    Args:
        value: the value; of a list, one item must be as wanted.
        wanted: a value, a list of values, or a schema, which only what is there and known can meet.
    """
    if isinstance(wanted, Mapping):
        known = value is not None and not isinstance(value, Unknown)
        return known and not breach(value, cast("Schema", wanted))
    allowed = cast("list[Json]", wanted) if isinstance(wanted, list) else [wanted]
    found = cast("list[Json]", value) if isinstance(value, list) else [value]
    return any(item in allowed for item in found)
