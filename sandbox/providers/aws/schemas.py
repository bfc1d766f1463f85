"""AWS's CloudFormation resource schemas, read as the plain JSON files that cfn-lint ships.

Importing cfnlint takes more than a second; its files have all the data.
"""

import importlib.util
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import cast

from sandbox.values.json_schema import Schema
from sandbox.values.wire import Json

# cfn-lint keeps one schema per type and region. They differ only in enumerations of what a region
# offers; us-east-1 offers the most.
_REGION = "us-east-1"


@cache
def _folder() -> Path:
    spec = importlib.util.find_spec("cfnlint")
    if spec is None or spec.origin is None:
        raise RuntimeError("the package cfn-lint is not installed")
    return Path(spec.origin).parent / "data" / "schemas"


def _load(name: str) -> Schema:
    return cast("Schema", json.loads((_folder() / name).read_text(encoding="utf-8")))


@cache
def _index() -> Mapping[str, str]:
    return _load(f"providers/{_REGION}.json")


@cache
def _by_spelling() -> Mapping[str, str]:
    return {name.lower().replace("::", ":"): name for name in _index()}


def named(service: str, name: str) -> str:
    """The CloudFormation type with this service and name in any spelling, or an empty string."""
    return _by_spelling().get(f"aws:{service}:{name}".lower(), "")


@cache
def resource(type_: str) -> Schema:
    """A type's schema, such as that of ``AWS::ECS::Service``; empty when there is none."""
    file = _index().get(type_)
    return _load(f"resources/{file}.json") if file else {}


@cache
def extension(name: str) -> Schema:
    """One of cfn-lint's extra rules, such as ``aws_ecs_taskdefinition/fargate_cpu_memory``."""
    return _load(f"extensions/{name}.json")


@cache
def other(name: str) -> Schema:
    """A schema that does not describe a resource, such as ``step_functions/statemachine``."""
    return _load(f"other/{name}.json")


def resolve(root: Schema, schema: Schema) -> Schema:
    """A schema with its reference, if it is one, followed within the root's definitions."""
    seen = 0
    while "$ref" in schema and seen < 5:  # noqa: PLR2004 - schemas nest references twice at most
        target: Json = root
        for part in str(schema["$ref"]).removeprefix("#/").split("/"):
            target = target.get(part, {})
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
        seen += 1
    return schema


def _singular(name: str) -> str:
    lower = name.lower()
    if lower.endswith("ies"):
        return lower[:-3] + "y"
    return lower[:-1] if lower.endswith("s") and not lower.endswith("ss") else lower


def twin(name: str, properties: Schema, owner: str = "") -> str:
    """The schema's property that means the same as a Pulumi property, or an empty string.

    Names match when they differ in case or plural alone, or when the schema repeats the type's
    name: the name of a role is RoleName.
    """
    spellings = {_singular(key): key for key in properties}
    for candidate in (name, f"{owner}{name}" if owner else ""):
        found = spellings.get(_singular(candidate)) if candidate else None
        if found:
            return found
    return ""


def pointers(schema: Schema, keyword: str) -> Iterator[tuple[str, ...]]:
    """The property paths that a keyword such as createOnlyProperties lists."""
    for pointer in cast("list[str]", schema.get(keyword, ())):
        yield tuple(part for part in re.split("/", pointer)[2:] if part != "*")
