"""Definitions of state machines, in the Amazon States Language.

The JSON schema is the one that cfn-lint ships for its rule E3601; the graph of states is checked
here. Sources: Amazon States Language specification (states-language.net/spec.html);
Step Functions API reference, CreateStateMachine and ValidateStateMachineDefinition.
"""

import copy
import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, cast

from jsonschema import ValidationError

from sandbox.providers.aws import schemas
from sandbox.values import json_schema
from sandbox.values.json_schema import Schema
from sandbox.values.wire import Json

_MAX_BYTES = 1_048_576
_MAX_NAME_CHARACTERS = 80
# JSONata sets these by expressions, which the schema, written for JSONPath, does not allow.
_EXPRESSIONS = (
    "Arguments",
    "Assign",
    "HeartbeatSeconds",
    "ItemSelector",
    "Items",
    "MaxConcurrency",
    "Output",
    "Seconds",
    "TimeoutSeconds",
    "ToleratedFailureCount",
    "ToleratedFailurePercentage",
)
_PATHS = ("InputPath", "OutputPath", "Parameters", "ResultPath", "ResultSelector", "ItemsPath")

# Fields of the other query language: unlike a schema of `false`, the error has a path.
_NEVER: Mapping[str, Any] = {"never": True}

Finding = tuple[str, str]


def errors(document: Json) -> Iterator[Finding]:
    """The errors in a definition: (path, reason) pairs."""
    size = len(json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode())
    if size > _MAX_BYTES:
        yield "", f"the definition has {size} bytes; at most {_MAX_BYTES} are allowed"
    found = list(_by_schema(document))
    yield from found
    if not found:
        machine = cast("Mapping[str, Json]", document)
        yield from _doubles([name for name, _ in _states(machine)])
        yield from _graph(machine, "")


def _by_schema(document: Json) -> Iterator[Finding]:
    is_object = isinstance(document, Mapping)
    language = cast("Mapping[str, Json]", document).get("QueryLanguage") if is_object else None
    schema = _schema(is_jsonata=language == "JSONata")
    for path, reason in json_schema.errors(_VALIDATOR, schema, document):
        yield ".".join(map(str, path)), reason


def _never(
    _validator: object, _wanted: Json, _value: Json, _schema: Schema
) -> Iterator[ValidationError]:
    yield ValidationError("is not allowed in this query language")


def _required_xor(
    _validator: object, names: list[str], instance: Json, _schema: object
) -> Iterator[ValidationError]:
    """cfn-lint's own keyword that requires exactly one of several properties."""
    if isinstance(instance, Mapping):
        there = [name for name in names if name in instance]
        if len(there) != 1:
            got = ", ".join(there) or "none"
            yield ValidationError(f"exactly one of {', '.join(names)} is needed; got {got}")


_VALIDATOR = json_schema.validator_of(
    {**json_schema.KEYWORDS, "never": _never, "requiredXor": _required_xor}
)


@cache
def _schema(*, is_jsonata: bool) -> Schema:
    # The schema uses "#/" for its root, which in a JSON pointer is "#".
    text = json.dumps(schemas.other("step_functions/statemachine")).replace('"#/"', '"#"')
    schema: dict[str, Any] = json.loads(text)
    common = json.dumps(schema["definitions"]["common"])
    schema["definitions"]["common"] = json.loads(common.replace("false", json.dumps(_NEVER)))
    iterating = schema["definitions"]["map"]["properties"]
    iterating["Iterator"] = iterating["ItemProcessor"]
    # A state that succeeds may choose of its input (specification, "Succeed State").
    succeed = schema["definitions"]["succeed"]["properties"]
    succeed |= {name: {} for name in ("InputPath", "OutputPath", "QueryLanguage")}
    return _for_jsonata(schema) if is_jsonata else schema


def _for_jsonata(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema for definitions whose states are in JSONata unless they say otherwise."""
    changed = copy.deepcopy(dict(schema))
    definitions: dict[str, Any] = changed["definitions"]
    definitions["common"] = {
        "if": {"not": {"properties": {"QueryLanguage": {"const": "JSONPath"}},
                       "required": ["QueryLanguage"]}},
        "then": {"properties": dict.fromkeys(_PATHS, _NEVER)},
    }  # fmt: skip
    choice = definitions["choice"]
    choice["allOf"] = [
        {"properties": {"Choices": {"items": choice["definitions"]["JSONataChoice"]}}}
    ]
    for definition in definitions.values():
        properties = definition.get("properties", {})
        for name in properties.keys() & set(_EXPRESSIONS):
            properties[name] = {}
    return changed


def _states(machine: Mapping[str, Json]) -> Iterator[tuple[str, Mapping[str, Json]]]:
    """All states of a machine, with those within others."""
    for name, state in cast("Mapping[str, Mapping[str, Json]]", machine["States"]).items():
        yield name, state
        for _, inner in _machines(state):
            yield from _states(inner)


def _machines(state: Mapping[str, Json]) -> Iterator[tuple[str, Mapping[str, Json]]]:
    """The machines within a state: those of a Map, and the branches of a Parallel."""
    for key in ("ItemProcessor", "Iterator"):
        if isinstance(state.get(key), Mapping):
            yield key, state[key]
    for index, branch in enumerate(state.get("Branches", ())):
        yield f"Branches[{index}]", branch


def _doubles(names: list[str]) -> Iterator[Finding]:
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield "", f"the state name {name!r} is used more than once"


def _graph(machine: Mapping[str, Json], path: str) -> Iterator[Finding]:
    """Errors in the transitions between the states of one machine, and of nested machines."""
    states = cast("Mapping[str, Mapping[str, Json]]", machine["States"])
    for name in states:
        if len(name) > _MAX_NAME_CHARACTERS:
            yield (
                f"{path}States.{name}",
                f"the name has {len(name)} characters; at most {_MAX_NAME_CHARACTERS} are allowed",
            )
    ways = [(f"{path}StartAt", "", str(machine["StartAt"]))]
    for name, state in states.items():
        ways += [(f"{path}States.{name}.{key}", name, to) for key, to in _ways(state)]
    for where, _, target in ways:
        if target not in states:
            yield where, f"{target!r} is not a state here; states: {', '.join(states)}"
    reached = {""}
    while new := {to for _, origin, to in ways if origin in reached and to not in reached}:
        reached |= new
    for name, state in states.items():
        if name not in reached:
            yield f"{path}States.{name}", "no transition leads to this state"
        for key, inner in _machines(state):
            yield from _graph(inner, f"{path}States.{name}.{key}.")


def _ways(state: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    """(path within the state, name of a state) of all possible next states."""
    for key in ("Next", "Default"):
        if key in state:
            yield key, str(state[key])
    for key in ("Choices", "Catch"):
        for index, item in enumerate(cast("list[Mapping[str, Json]]", state.get(key, []))):
            yield f"{key}[{index}].Next", str(item["Next"])
