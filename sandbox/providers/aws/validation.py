"""Validates inputs: the errors that AWS reports before it creates anything."""

import difflib
import ipaddress
import json
import math
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, cast

from sandbox.engine.provider import Call, Checked, Context, Failure
from sandbox.engine.sdk import Kind as ShapeKind
from sandbox.engine.sdk import UnknownTypeError
from sandbox.providers.aws import api_models, embedded_json, schemas
from sandbox.providers.aws.constraints import breach, holds
from sandbox.providers.aws.resource_model import PropertyModel, ResourceModel, model_of
from sandbox.values.json_schema import Schema, pattern, shown
from sandbox.values.tree import at
from sandbox.values.wire import Json, Path, Unknown, has_unknown, hexes

_HEX_DIGITS = 7  # pulumi-aws appends a hyphen and seven hexadecimal digits to a logical name.
# The name under which pulumi-aws records which inputs it filled in.
DEFAULTS = "__defaults"
# Source: "Best practices and strategies: tag naming limits and requirements" (AWS general
# reference): 50 tags, keys of 1 to 128 and values of up to 256 characters, no prefix `aws:`.
_TAGS_MAX = 50
_TAG_KEY_MAX = 128
_TAG_VALUE_MAX = 256


class _Errors(list[Failure]):
    def say(self, path: Path, reason: str) -> None:
        self.append(Failure(path=path, reason=reason))


def check(context: Context, call: Call) -> Checked:
    """Fill in names and default tags, and find the errors in a resource's inputs."""
    try:
        known = model_of(call.type)
    except UnknownTypeError as error:
        return Checked(inputs=call.inputs, failures=[Failure(path=(), reason=str(error))])
    errors = _Errors()
    inputs = {key: value for key, value in call.inputs.items() if key != DEFAULTS}
    inputs = _with_default_tags(context, known, inputs)
    inputs = _with_name(known, call, inputs, errors)
    checked: dict[str, Any] = {}
    for name, value in inputs.items():
        if name == DEFAULTS:
            checked[name] = value
        elif name not in known.properties:
            errors.say((name,), _not_a_property(name, known.properties))
        else:
            checked[name] = _walk(known.properties[name][0], value, (name,), errors)
    for name, (_, required) in known.properties.items():
        if required and checked.get(name) is None:
            errors.say((name,), "is missing; it is required")
    errors += _unsaid(api_models.errors(call.type, checked), errors)
    if not errors:
        _cross(known, checked, errors)
    if not errors:
        errors += api_models.missing(call.type, checked)
    _admit(context, known, call, checked)
    return Checked(inputs=checked, failures=_sentences(call.type, errors))


def _unsaid(found: Iterable[Failure], said: Sequence[Failure]) -> list[Failure]:
    """The errors at paths that have no error yet, and whose parents have none."""
    paths = [error.path for error in said]
    return [error for error in found if not any(error.path[: len(path)] == path for path in paths)]


def _sentences(type_: str, errors: Sequence[Failure]) -> list[Failure]:
    return [
        Failure(path=error.path, reason=f"{type_}: {_where(error.path)} {error.reason}")
        for error in errors
    ]


def _where(path: Path) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "the resource"


def _not_a_property(name: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"is not a property{hint} Allowed: {', '.join(sorted(known))}"


def _with_default_tags(
    context: Context, known: ResourceModel, inputs: Mapping[str, Any]
) -> dict[str, Any]:
    """The provider's default tags, under the resource's own."""
    merged = dict(inputs)
    defaults = context.config.get("defaultTags")
    tags = (
        cast("Mapping[str, Any]", defaults).get("tags") if isinstance(defaults, Mapping) else None
    )
    node = known.properties.get("tags")
    own: Json = inputs.get("tags") or dict[str, Json]()
    if tags and node is not None and node[0].shape.kind == "map" and isinstance(own, dict):
        merged["tags"] = {**tags, **cast("dict[str, Json]", own)}
    return merged


def _name_property(known: ResourceModel) -> str:
    """The property that gets a generated name if it is not set, or an empty string."""
    name = known.table.name.get("property", "name")
    node = known.properties.get(name)
    if known.table.name.get("auto") is False or node is None:
        return ""
    return name if node[0].shape.kind == "string" and not node[1] else ""


def _with_name(
    known: ResourceModel, call: Call, inputs: Mapping[str, Any], errors: _Errors
) -> dict[str, Any]:
    """The name that pulumi-aws gives a resource without one: logical name, hyphen, 7 hex."""
    named = dict(inputs)
    name = _name_property(known)
    rules = known.table.name
    prefix = str(rules.get("prefix", f"{name}Prefix"))
    if not name or inputs.get(name) is not None:
        return named
    old = call.old_inputs.get(name)
    if old is not None and name in call.old_inputs.get(DEFAULTS, ()):
        named[name] = old
    elif call.proposed_name:
        named[name] = call.proposed_name
    elif isinstance(inputs.get(prefix), str):
        # Terraform's own suffix for a prefix: a date and a counter, 26 digits.
        named[name] = inputs[prefix] + hexes(26, _seed(call), call.urn)
    else:
        start = f"{rules.get('start', '')}{call.name}-"
        named[name] = start + hexes(_HEX_DIGITS, _seed(call), call.urn) + str(rules.get("end", ""))
        if rules.get("lower"):
            named[name] = named[name].lower()
        longest = _longest_name(known, name)
        if len(named[name]) > longest:
            errors.say(
                (name,),
                f"the name made from the logical name, {named[name]!r}, has {len(named[name])}"
                f" characters; at most {longest} are allowed",
            )
    named[DEFAULTS] = [name]
    return named


def _seed(call: Call) -> bytes:
    return call.seed or secrets.token_bytes(16)


def _longest_name(known: ResourceModel, name: str) -> float:
    longest = known.table.name.get("max") or known.properties[name][0].schema.get("maxLength")
    return longest or math.inf


def _walk(node: PropertyModel, value: Json, path: Path, errors: _Errors) -> Json:
    """Check one value and everything below it; returns the value as the provider takes it."""
    if value is None or isinstance(value, Unknown):
        return value
    if node.document:
        return _document(node, value, path, errors)
    coerced = _coerced(node.shape.kind, value)
    if coerced is None:
        errors.say(path, f"{shown(value)} is not {_ARTICLES[node.shape.kind]}")
        return value
    reason = _wrong_kind(node, coerced)
    if not reason and _comparable(node):
        reason = breach(coerced, node.schema)
    if reason:
        errors.say(path, reason)
    elif node.schema.get("format") in ("ipv4-network", "ipv6-network"):
        _network(coerced, path, errors)
    return _walk_below(node, coerced, path, errors)


def _walk_below(node: PropertyModel, value: Json, path: Path, errors: _Errors) -> Json:
    if node.shape.kind == "list":
        items = cast("list[Json]", value)
        return [_walk(node.item, item, (*path, i), errors) for i, item in enumerate(items)]
    if node.shape.kind == "map":
        if path == ("tags",):
            _tags(value, errors)
        pairs = cast("Mapping[str, Json]", value).items()
        return {key: _walk(node.item, item, (*path, key), errors) for key, item in pairs}
    if node.shape.kind == "object":
        return _object(node, value, path, errors)
    return value


def _object(node: PropertyModel, value: Mapping[str, Json], path: Path, errors: _Errors) -> Json:
    checked: dict[str, Any] = {}
    for name, item in value.items():
        if name == DEFAULTS:
            continue
        if name not in node.fields:
            errors.say((*path, name), _not_a_property(name, node.fields))
        else:
            checked[name] = _walk(node.fields[name][0], item, (*path, name), errors)
    for name, (_, required) in node.fields.items():
        if required and checked.get(name) is None:
            errors.say((*path, name), "is missing; it is required")
    return checked


_ARTICLES: Mapping[ShapeKind, str] = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "list": "a list",
    "map": "a map",
    "object": "an object",
    "asset": "an asset or an archive",
    "any": "a value",
}


def _coerced(kind: ShapeKind, value: Json) -> Json:
    """The value as pulumi-aws converts it to a type, or None if it does not.

    It converts numbers and booleans to strings and back if the text can be parsed.
    """
    if kind == "string":
        return _text(value)
    if kind in ("integer", "number"):
        return _numeric(kind, value)
    if kind == "boolean":
        return (
            {"true": True, "false": False}.get(value)
            if isinstance(value, str)
            else _same(value, bool)
        )
    if kind == "list":
        return _same(value, list)
    if kind in ("map", "object", "asset"):
        return _same(value, dict)
    return value


def _same(value: Json, wanted: type) -> Json:
    return value if isinstance(value, wanted) else None


def _text(value: Json) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None


def _numeric(kind: ShapeKind, value: Json) -> Json:
    if isinstance(value, str):
        try:
            value = int(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return None if kind == "integer" and not float(value).is_integer() else value


def _comparable(node: PropertyModel) -> bool:
    """Whether the schema has the same type of value as pulumi-aws."""
    wanted = node.schema.get("type")
    if wanted is None or isinstance(wanted, list):
        return True
    same: Mapping[str, Sequence[str]] = {
        "string": ("string",),
        "integer": ("integer", "number"),
        "number": ("integer", "number"),
        "boolean": ("boolean",),
        "array": ("list",),
        "object": ("object", "map"),
    }
    return node.shape.kind in same.get(str(wanted), ())


def _wrong_kind(node: PropertyModel, value: Json) -> str:
    if node.kind is None or not isinstance(value, str):
        return ""
    compiled = pattern(node.kind.pattern)
    wrong = compiled is not None and not compiled.search(value)
    return f"{shown(value)} is not {node.kind.says}" if wrong else ""


def _network(value: Json, path: Path, errors: _Errors) -> None:
    try:
        ipaddress.ip_network(str(value))
    except ValueError as error:
        errors.say(path, f"{shown(value)} is not a network in CIDR notation: {error}")


def _tags(value: Mapping[str, Json], errors: _Errors) -> None:
    if len(value) > _TAGS_MAX:
        errors.say(("tags",), f"has {len(value)} tags; at most {_TAGS_MAX} are allowed")
    for key, text in value.items():
        if not 1 <= len(key) <= _TAG_KEY_MAX:
            errors.say(
                ("tags", key), f"the key has {len(key)} characters; 1 to {_TAG_KEY_MAX} are allowed"
            )
        if key.lower().startswith("aws:"):
            errors.say(("tags", key), "keys that begin with aws: are AWS's own")
        if isinstance(text, str) and len(text) > _TAG_VALUE_MAX:
            errors.say(
                ("tags", key),
                f"the value has {len(text)} characters; at most {_TAG_VALUE_MAX} are allowed",
            )


def _document(node: PropertyModel, value: Json, path: Path, errors: _Errors) -> Json:
    if has_unknown(value):
        return value
    if not isinstance(value, str | Mapping | list):
        errors.say(path, f"{shown(value)} is not a JSON document")
        return value
    for inner, reason in embedded_json.errors(node.document, value):
        errors.say(path, f"{inner}{inner and ' '}{reason}")
    return value if isinstance(value, str) else json.dumps(value)


def _admit(context: Context, known: ResourceModel, call: Call, inputs: Mapping[str, Any]) -> None:
    """Warn of properties that were checked for their type only."""
    if not known.schema and not known.table.id and not known.table.constraints:
        context.warn(
            call.urn,
            f"{call.type}: the sandbox validates only the names and types of its properties",
        )
        return
    for path in sorted(_unchecked(known, inputs)):
        context.warn(call.urn, f"{call.type}: property {path} was checked for its type only")


def _unchecked(known: ResourceModel, inputs: Mapping[str, Any]) -> Iterator[str]:
    for name in inputs:
        if name in known.properties:
            node = known.properties[name][0]
            if not node.known and node.kind is None and node.shape.kind != "boolean":
                yield node.path


# Rules over several properties, by the key of the rule in the table.


def _there(inputs: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    return [name for name in names if at(inputs, name) not in (None, [], {}, "")]


def _because(inputs: Mapping[str, Any], when: Mapping[str, Any]) -> str:
    conditions = [
        f"{name} is {shown(at(inputs, name)) if isinstance(value, Mapping) else value}"
        for name, value in when.items()
    ]
    return f" where {', '.join(conditions)}" if conditions else ""


def _one_of(inputs: Mapping[str, Any], names: Sequence[str]) -> str:
    there = _there(inputs, names)
    if len(there) == 1:
        return ""
    return f"exactly one of {', '.join(names)} is needed; got {', '.join(there) or 'none'}"


def _any_of(inputs: Mapping[str, Any], names: Sequence[str]) -> str:
    return "" if _there(inputs, names) else f"at least one of {', '.join(names)} is needed"


def _not_both(inputs: Mapping[str, Any], names: Sequence[str]) -> str:
    there = _there(inputs, names)
    return f"{' and '.join(there)} cannot be combined" if len(there) > 1 else ""


def _require(inputs: Mapping[str, Any], names: Sequence[str]) -> str:
    absent = [name for name in names if name not in _there(inputs, names)]
    return f"{', '.join(absent)} must be set" if absent else ""


def _forbid(inputs: Mapping[str, Any], names: Sequence[str]) -> str:
    there = _there(inputs, names)
    return f"{', '.join(there)} is not allowed" if there else ""


def _at_most(inputs: Mapping[str, Any], names: Sequence[str]) -> str:
    small, large = (at(inputs, name) for name in names)
    if isinstance(small, int | float) and isinstance(large, int | float) and small > large:
        return f"{names[0]} ({small}) is above {names[1]} ({large})"
    return ""


def _limits(inputs: Mapping[str, Any], limits: Mapping[str, Schema]) -> str:
    for name, schema in limits.items():
        value = at(inputs, name)
        reason = "" if value is None or isinstance(value, Unknown) else breach(value, schema)
        if reason:
            return reason
    return ""


@cache
def _fargate_sizes() -> Mapping[int, tuple[int, ...]]:
    """CPU units to the MiB of memory that Fargate offers with them, from cfn-lint's own rule."""
    rule = schemas.extension("aws_ecs_taskdefinition/fargate_cpu_memory")
    sizes: dict[int, tuple[int, ...]] = {}
    for option in rule["then"]["anyOf"]:
        cpu, memory = (option["properties"][key]["then"] for key in ("Cpu", "Memory"))
        wanted = [int(item) for item in memory.get("enum", ())] or list(
            range(int(memory["minimum"]), int(memory["maximum"]) + 1, int(memory["multipleOf"]))
        )
        for units in cpu["enum"]:
            sizes[int(units)] = tuple(wanted)
    return sizes


def _fargate(inputs: Mapping[str, Any], names: Sequence[str]) -> str:
    cpu, memory = (at(inputs, name) for name in names)
    if isinstance(cpu, Unknown) or isinstance(memory, Unknown):
        return ""
    sizes = _fargate_sizes()
    if not str(cpu).isdigit() or int(cpu) not in sizes:
        return f"cpu {shown(cpu)} is not a Fargate size; allowed: {', '.join(map(str, sizes))}"
    allowed = sizes[int(cpu)]
    if not str(memory).isdigit() or int(memory) not in allowed:
        return (
            f"memory {shown(memory)} is not supported with cpu {cpu};"
            f" allowed: {', '.join(map(str, allowed))}"
        )
    return ""


_RULES: Mapping[str, Callable[[Mapping[str, Any], Any], str]] = {
    "one_of": _one_of,
    "any_of": _any_of,
    "not_both": _not_both,
    "require": _require,
    "forbid": _forbid,
    "at_most": _at_most,
    "limits": _limits,
    "fargate": _fargate,
}


def _cross(known: ResourceModel, inputs: Mapping[str, Any], errors: _Errors) -> None:
    for rule in known.table.rules:
        when = cast("Mapping[str, Any]", rule.get("when", {}))
        if not all(holds(at(inputs, name), wanted) for name, wanted in when.items()):
            continue
        for key, judge in _RULES.items():
            if key in rule:
                reason = judge(inputs, rule[key])
                if reason:
                    text = f"{reason}{_because(inputs, when)}"
                    says = f"{rule['says']} ({text})" if "says" in rule else text
                    errors.say((next(iter(rule[key])),), says)
    for one, others in cast(
        "Mapping[str, list[str]]", known.schema.get("dependentExcluded", {})
    ).items():
        names = [known.twins.get((one,), ""), *(known.twins.get((o,), "") for o in others)]
        present = [name for name in names[1:] if name and inputs.get(name) is not None]
        if names[0] and names[0] < (present or [""])[0] and inputs.get(names[0]) is not None:
            errors.say((names[0],), f"cannot be combined with {', '.join(present)}")
