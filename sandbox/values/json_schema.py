"""Validates values against JSON Schema with `jsonschema`, with error messages of the sandbox.

UNKNOWN is valid everywhere. A schema dialect can add keywords.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, TypeAlias, cast

import regex
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import create  # pyright: ignore[reportUnknownVariableType] - untyped

from sandbox.values.wire import Json, Path, Unknown, has_unknown

Schema: TypeAlias = Mapping[str, Json]
Finding = tuple[Path, str]
"""The path of an invalid value, and the reason."""
Validator: TypeAlias = Any
"""A validator of `jsonschema`, whose class is created at run time."""
Keyword: TypeAlias = Callable[[Any, Json, Json, Schema], Iterator[ValidationError]]
"""Validates one keyword: the validator, the keyword's value, the value, the schema."""

_SHOWN_CHARACTERS = 120
_SHOWN_CHOICES = 40


def shown(value: Json) -> str:
    """A value for a message, shortened if it is long."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


@cache
def pattern(text: str) -> "regex.Pattern[str] | None":
    """The compiled pattern, or None if Python cannot compile it, as with some patterns of AWS."""
    try:
        return regex.compile(text)
    except regex.error:
        return None


def errors(validator: Validator, schema: Schema, value: Json) -> Iterator[Finding]:
    """Validates a value at all depths.

    Args:
        validator: A validator from `validator_of`.
        schema: The schema.
        value: The value.

    Yields:
        The first error at each path.
    """
    # With `$schema`, only the keywords of that dialect would apply.
    own = {name: wanted for name, wanted in schema.items() if name != "$schema"}
    seen: set[Path] = set()
    for found in type(validator)(own).iter_errors(value):
        path = tuple(found.absolute_path)
        if path not in seen:
            seen.add(path)
            yield path, found.message


def error(validator: Validator, schema: Schema, value: Json) -> str:
    """The reason of the first error, or an empty string if the value is valid.

    References in the schema are not resolved, so no validator is created for the schema. To create
    one would take two thirds of the time.
    """
    for name, wanted in schema.items():
        if name in validator.VALIDATORS:
            keyword = validator.VALIDATORS[name]
            found = next(keyword(validator, wanted, value, schema), None)
            if found is not None:
                return found.message
    return ""


def validator_of(keywords: Mapping[str, Keyword]) -> Validator:
    """A validator with the keywords. `KEYWORDS` has the keywords of JSON Schema."""
    known = {name: _worded(name, keyword) for name, keyword in keywords.items()}
    made = cast("Any", create)(
        meta_schema={}, validators=known, type_checker=Draft202012Validator.TYPE_CHECKER
    )
    return made({})


def _worded(name: str, keyword: Keyword) -> Keyword:
    reason = _REASONS.get(name)

    def check(
        validator: Any,  # noqa: ANN401 - the class is made at run time
        wanted: Json,
        value: Json,
        schema: Schema,
    ) -> Iterator[ValidationError]:
        if isinstance(value, Unknown):
            return
        for found in keyword(validator, wanted, value, schema):
            if reason:
                found.message = reason(found, value, wanted)
            yield found

    return check


def _required(
    _validator: object, names: Sequence[str], value: Json, _schema: Schema
) -> Iterator[ValidationError]:
    if isinstance(value, Mapping):
        for name in names:
            if name not in value:
                yield ValidationError("is missing; it is required", path=[name])


def _additional_properties(
    validator: Any,  # noqa: ANN401 - the class is made at run time
    allowed: Json,
    value: Json,
    schema: Schema,
) -> Iterator[ValidationError]:
    if allowed is not False or "patternProperties" in schema or not isinstance(value, Mapping):
        yield from _JSONSCHEMA["additionalProperties"](validator, allowed, value, schema)
        return
    known = sorted(schema.get("properties", {}))
    for name in cast("Mapping[str, Json]", value):
        if name not in known:
            reason = f"is not a property; allowed: {', '.join(known)}"
            yield ValidationError(reason, path=[name])


def _pattern(
    _validator: object, text: str, value: Json, _schema: Schema
) -> Iterator[ValidationError]:
    compiled = pattern(text) if isinstance(value, str) else None
    if compiled is not None and not compiled.search(value):
        yield ValidationError(f"{shown(value)} does not match the pattern {text}")


def _unique_items(
    _validator: object, wanted: bool, value: Json, _schema: Schema
) -> Iterator[ValidationError]:
    if not wanted or not isinstance(value, list):
        return
    known = [repr(item) for item in cast("list[Json]", value) if not has_unknown(item)]
    double = next((item for item in known if known.count(item) > 1), "")
    if double:
        yield ValidationError(f"{double} is there more than once")


_JSONSCHEMA = cast("Mapping[str, Keyword]", Draft202012Validator.VALIDATORS)
KEYWORDS: Mapping[str, Keyword] = {
    **_JSONSCHEMA,
    "required": _required,
    "additionalProperties": _additional_properties,
    "pattern": _pattern,
    "uniqueItems": _unique_items,
}
"""The keywords of JSON Schema."""


def _choices(allowed: Sequence[Json]) -> str:
    names = [str(item) for item in allowed]
    more = f" and {len(names) - _SHOWN_CHOICES} more" if len(names) > _SHOWN_CHOICES else ""
    return f"allowed: {', '.join(names[:_SHOWN_CHOICES])}{more}"


def _types(names: str | Sequence[str]) -> str:
    named = [names] if isinstance(names, str) else names
    return " or ".join(name for name in named if name != "null")


def _of_options(found: ValidationError, _value: Json, _wanted: Json) -> str:
    """The reason of the first option, or all types if the types of the options differ."""
    options = found.context
    if not options or not all(option.validator == "type" for option in options):
        return options[0].message if options else found.message
    names = [_types(cast("Json", option.validator_value)) for option in options]
    return f"{shown(options[0].instance)} is not of type {_types(list(dict.fromkeys(names)))}"


# The reasons by keyword: why a value is invalid, and which values are valid.
_REASONS: Mapping[str, Callable[[ValidationError, Json, Json], str]] = {
    "type": lambda _, value, names: f"{shown(value)} is not of type {_types(names)}",
    "enum": lambda _, value, allowed: f"{shown(value)} is not allowed; {_choices(allowed)}",
    "const": lambda _, value, wanted: f"{shown(value)} is not allowed; {_choices([wanted])}",
    "minimum": lambda _, value, limit: f"{value} is below the minimum of {limit}",
    "maximum": lambda _, value, limit: f"{value} is above the maximum of {limit}",
    "minLength": lambda _, value, limit: (
        f"{shown(value)} has {len(value)} characters; at least {limit} are needed"
    ),
    "maxLength": lambda _, value, limit: (
        f"{shown(value)} has {len(value)} characters; at most {limit} are allowed"
    ),
    "minItems": lambda _, value, limit: f"has {len(value)} items; at least {limit} are needed",
    "maxItems": lambda _, value, limit: f"has {len(value)} items; at most {limit} are allowed",
    "maxProperties": lambda _, value, limit: f"has {len(value)} keys; at most {limit} are allowed",
    "propertyNames": lambda found, _value, _wanted: f"the name {found.message}",
    "anyOf": _of_options,
    "oneOf": _of_options,
}
