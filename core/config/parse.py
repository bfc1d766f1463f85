"""Parses the raw configuration into a `Fleet` and reports all faults at once."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Any, cast, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from core.config import rules
from core.config.errors import (
    NAMESPACE,
    ConfigurationError,
    Fault,
    KeyPath,
    rm_command,
    set_command,
    show,
)
from core.config.model import SECRET_PREFIX, Fleet
from core.config.patterns import PHRASES
from core.config.rules.facts import Facts

_NAMED = frozenset({"servers", "agents", "secrets", "teams"})

_SECRET_DEPTH = 2
"""Up to this depth, a wrong value in `secrets` may be the secret itself and is not shown."""


def parse(bag: Mapping[str, str], *, encrypted: frozenset[str], root: Path) -> tuple[Fleet, str]:
    """Parses the raw configuration of a stack.

    Args:
        bag: All configuration values of the stack by full key (`mcp-platform:target`), as Pulumi
            passes them: structured values as JSON. The values of secrets are not read.
        encrypted: The keys whose value is encrypted or contains an encrypted value.
        root: The project's root. Image contexts are relative to it.

    Returns:
        The fleet, and the AWS region it is deployed to.

    Raises:
        ConfigurationError: With all faults. If an entry cannot be parsed, the rules still check
            the other entries.
    """
    own = {
        key.removeprefix(f"{NAMESPACE}:"): value
        for key, value in sorted(bag.items())
        if key.startswith(f"{NAMESPACE}:")
    }
    secret_keys = frozenset(key for key in own if key.startswith(SECRET_PREFIX))
    encrypted = frozenset(key.removeprefix(f"{NAMESPACE}:") for key in encrypted)
    data, faults = _decode(
        {key: own[key] for key in own if key not in secret_keys}, encrypted - secret_keys
    )
    sections = {key: data.get(key, {}) for key in _NAMED if key in data or key not in own}
    names = {
        key: frozenset(cast("dict[str, Any]", section))
        for key, section in sections.items()
        if isinstance(section, dict)
    }
    try:
        fleet = Fleet.model_validate(data)
    except ValidationError as error:
        details = error.errors(include_url=False)
        faults += [_fault(detail) for detail in details]
        fleet = Fleet.model_validate(_without(data, details))
    region = bag.get("aws:region", "")
    faults += rules.check(
        Facts(
            fleet=fleet,
            names=names,
            region=region,
            assumed_roles=_assumed_roles(bag.get("aws:assumeRoles", "")),
            root=root,
            secret_keys=secret_keys,
            encrypted=encrypted,
        )
    )
    if faults:
        raise ConfigurationError(faults)
    return fleet, region


def _assumed_roles(text: str) -> list[Mapping[str, Any]]:
    """The chain of roles of the AWS provider, which validates the entries itself."""
    try:
        found: object = json.loads(text or "[]")
    except ValueError:
        return []
    roles = cast("list[object]", found) if isinstance(found, list) else []
    return [cast("Mapping[str, Any]", role) for role in roles if isinstance(role, dict)]


def _decode(
    raw: Mapping[str, str], encrypted: frozenset[str]
) -> tuple[dict[str, Any], list[Fault]]:
    """Parses structured values, and refuses encrypted values inside of them."""
    data: dict[str, Any] = {}
    faults: list[Fault] = []
    for key, value in raw.items():
        if key in encrypted:
            faults.append(
                Fault(
                    path=(key,),
                    got="an encrypted value inside a plain structure",
                    allowed="plain text values; declare the secret in secrets and store its value "
                    f"in {SECRET_PREFIX}<name>",
                    fix=f"pulumi config set --secret {SECRET_PREFIX}NAME",
                )
            )
            continue
        try:
            data[key] = json.loads(value)
        except ValueError:  # not JSON, or a number with more digits than Python parses
            data[key] = value
    return data, faults


def _without(data: Mapping[str, Any], details: list[ErrorDetails]) -> dict[str, Any]:
    """The configuration without the entries that have faults."""
    kept = dict(data)
    for detail in details:
        key, *rest = map(str, detail["loc"])
        if key in _NAMED and rest and rest[0] in kept.get(key, {}):
            kept[key] = {name: entry for name, entry in kept[key].items() if name != rest[0]}
        elif not (key in _NAMED and rest):
            kept.pop(key, None)
    return kept


@dataclass(frozen=True, kw_only=True)
class _Place:
    """The place in the configuration that a pydantic error refers to.

    `model` is the model of the last key, `field` the innermost field on the path, and `example` an
    example of the value at the path, or None.
    """

    path: KeyPath
    model: type[BaseModel]
    field: FieldInfo | None
    example: Any


def _locate(path: KeyPath) -> _Place:
    model: type[BaseModel] = Fleet
    field: FieldInfo | None = None
    annotation: Any = Fleet
    example: Any = None
    for part in path:
        nested = _model_in(annotation)
        if nested:
            model, field = nested, nested.model_fields.get(str(part))
            annotation = field.annotation if field else None
            example = field.examples[0] if field and field.examples else None
        else:
            *_, annotation = (get_args(annotation) or (None,))[:2]
            example = _first(example)
    return _Place(path=path, model=model, field=field, example=example)


def _model_in(annotation: object) -> type[BaseModel] | None:
    """The model in an annotation such as `Model` or `Model | None`."""
    candidates = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    return next(
        (
            candidate
            for candidate in candidates
            if isinstance(candidate, type) and issubclass(candidate, BaseModel)
        ),
        None,
    )


def _fault(detail: ErrorDetails) -> Fault:
    """Converts a pydantic error to a fault."""
    loc, kind, value = detail["loc"], detail["type"], detail["input"]
    # For a wrong key, pydantic adds "[key]" to the location and passes the key as the value.
    is_key = loc[-1] == "[key]" and value == loc[-2]
    place = _locate(loc[:-1] if is_key else loc)
    if kind == "extra_forbidden":
        known = list(place.model.model_fields)
        near = get_close_matches(str(place.path[-1]), known, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        return Fault(
            path=place.path,
            got=f"an unknown key{hint}",
            allowed=f"the keys {', '.join(known)}",
            fix=rm_command(place.path),
        )
    got = "no value" if kind == "missing" else show(value)
    if place.path[0] == "secrets" and len(place.path) <= _SECRET_DEPTH and not is_key:
        got = "a value that is not shown because it may be a secret"
    return Fault(
        path=place.path,
        got=got,
        allowed=_allowed(detail, place.field),
        fix=rm_command(place.path) if is_key else _setting(place, detail),
    )


def _setting(place: _Place, detail: ErrorDetails) -> str:
    """The commands that set the example at a place."""
    if detail["type"] == "too_short":
        # Keep the entries of the list, and add only the missing ones.
        missing = list(enumerate(place.example or ()))[len(detail["input"]) :]
        return " && ".join(set_command((*place.path, at), example) for at, example in missing)
    setting = set_command(place.path, place.example)
    # `pulumi config set --path` does not replace a scalar value with an object or a list.
    return f"{rm_command(place.path)} && {setting}" if detail["type"] in _CONTAINERS else setting


def _first(example: dict[str, Any] | list[Any]) -> object:
    return next(iter(example.values() if isinstance(example, dict) else example))


_WORDS = {
    "bool_type": "true or false",
    "dict_type": "an object",
    "int_type": "a whole number",
    "model_type": "an object",
    "string_too_long": "a string of at most {max_length} characters",
    "string_too_short": "a string that is not empty",
    "string_type": "a string",
    "too_short": "a list with at least {min_length} entries",
    "tuple_type": "a list",
}
_CONTAINERS = frozenset({"dict_type", "model_type", "tuple_type"})


def _allowed(detail: ErrorDetails, field: FieldInfo | None) -> str:
    if detail["type"] == "string_pattern_mismatch":
        return PHRASES[detail.get("ctx", {})["pattern"]]
    if detail["type"] == "missing" and field and field.description:
        return " ".join(field.description.split()).rstrip(".")
    bounds = [
        f"{word} {getattr(rule, name)}"
        for rule in (field.metadata if field else ())
        for name, word in (("ge", "at least"), ("le", "at most"))
        if hasattr(rule, name)
    ]
    if bounds:
        return f"a whole number, {' and '.join(bounds)}"
    words = _WORDS.get(detail["type"])
    if words:
        return words.format_map(detail.get("ctx", {}))
    return detail["msg"].removeprefix("Input should be ")
