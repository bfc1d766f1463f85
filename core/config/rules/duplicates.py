"""Rules about lists whose entries must be distinct."""

from collections.abc import Iterator, Mapping
from typing import cast

from pydantic import BaseModel

from core.config.errors import Fault, KeyPath, rm_command
from core.config.rules.facts import Facts

# Lists of distinct entries that no other rule checks.
_DISTINCT = frozenset(
    {"addons", "admin_groups", "instance_types", "models", "namespaces", "scopes"}
)


def check_duplicates(facts: Facts) -> Iterator[Fault]:
    """Each entry of a list in `_DISTINCT` must appear once."""
    for path, values in _lists((), facts.fleet):
        for position, value in enumerate(values):
            if path[-1] in _DISTINCT and value in values[:position]:
                yield duplicate((*path, position), value, "each entry at most once")


def duplicate(path: KeyPath, value: object, allowed: str) -> Fault:
    """The fault of an entry that is already in its list."""
    return Fault(path=path, got=f"{value}, a duplicate", allowed=allowed, fix=rm_command(path))


def _lists(path: KeyPath, value: object) -> Iterator[tuple[KeyPath, tuple[object, ...]]]:
    """Every list in a part of the configuration, with its path."""
    match value:
        case BaseModel():
            for name in type(value).model_fields:
                yield from _lists((*path, name), getattr(value, name))
        case Mapping():
            for key, item in cast("Mapping[str, object]", value).items():
                yield from _lists((*path, key), item)
        case tuple():
            yield path, cast("tuple[object, ...]", value)
        case _:
            pass
