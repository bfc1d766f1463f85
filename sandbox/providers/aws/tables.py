"""The table of facts that pulumi-aws and AWS's schemas lack; tables.yaml explains its keys."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, cast

import yaml


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of identifier.

    Attributes:
        pattern: the pattern of such an identifier.
        says: its name in a message.
        types: resource types that it may belong to; none: it is not looked up.
    """

    pattern: str
    says: str
    types: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Entry:
    """The table's entry for one resource type; the head of tables.yaml explains each key."""

    schema: str = ""
    id: str = ""
    key: str = ""
    outputs: Mapping[str, Any] = field(default_factory=dict[str, Any])
    volatile: tuple[str, ...] = ()
    publishes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    properties: Mapping[str, str | None] = field(default_factory=dict[str, "str | None"])
    constraints: Mapping[str, Mapping[str, Any]] = field(
        default_factory=dict[str, "Mapping[str, Any]"]
    )
    kinds: Mapping[str, str | None] = field(default_factory=dict[str, "str | None"])
    documents: Mapping[str, str] = field(default_factory=dict[str, str])
    name: Mapping[str, Any] = field(default_factory=dict[str, Any])
    claims: tuple[str, ...] = ()
    taken: str = ""
    handles: tuple[Any, ...] = ()
    replace: tuple[str, ...] = ()
    update: tuple[str, ...] = ()
    refuses: tuple[Mapping[str, Any], ...] = ()
    unordered: tuple[str, ...] = ()
    rules: tuple[Mapping[str, Any], ...] = ()
    inside: Mapping[str, str] = field(default_factory=dict[str, str])
    attached: Mapping[str, Mapping[str, Any]] = field(
        default_factory=dict[str, "Mapping[str, Any]"]
    )
    preconditions: tuple[Mapping[str, Any], ...] = ()
    held_by: tuple[str, ...] = ()
    held_error: str = "DependencyViolation"
    unless: str = ""
    spares: tuple[str, ...] = ()
    delete_first: bool = False
    protected: str = ""
    secret: tuple[str, ...] = ()
    deployed: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, kw_only=True)
class Tables:
    """The whole table."""

    services: Mapping[str, str]
    schemas: Mapping[str, str]
    plain: frozenset[str]
    kinds: Mapping[str, Kind]
    formats: Mapping[str, str]
    named: Mapping[str, str]
    external: tuple[str, ...]
    types: Mapping[str, Entry]


def _frozen(cls: type[Any], data: Mapping[str, Any]) -> Any:  # noqa: ANN401 - an instance of cls
    known = {item.name: item for item in fields(cls)}
    unknown = set(data) - set(known)
    if unknown:
        raise ValueError(f"tables.yaml: unknown key {sorted(unknown)[0]!r}")
    return cls(
        **{
            key: tuple(cast("list[Any]", value)) if isinstance(value, list) else value
            for key, value in data.items()
        }
    )


@cache
def tables() -> Tables:
    """The table, read once."""
    # The C loader reads the file ten times as fast; wheels of PyYAML all have it.
    text = Path(__file__).with_name("tables.yaml").read_text(encoding="utf-8")
    data = cast("dict[str, Any]", yaml.load(text, Loader=yaml.CSafeLoader))
    return Tables(
        services=data["services"],
        schemas=data["schemas"],
        plain=frozenset(data["plain"]),
        kinds={name: _frozen(Kind, kind) for name, kind in data["kinds"].items()},
        formats=data["formats"],
        named=data["named"],
        external=tuple(data["external"]),
        types={f"aws:{token}": _frozen(Entry, entry) for token, entry in data["types"].items()},
    )


def entry(type_: str) -> Entry:
    """The table's entry for a type; empty if there is none."""
    return tables().types.get(type_, Entry())
