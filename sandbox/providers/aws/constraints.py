"""Checks of single values against the keywords of a JSON schema."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import cast

import regex

from sandbox.providers.aws.schemas import Schema
from sandbox.providers.wire import Json, has_unknown

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
