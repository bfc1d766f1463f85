"""Access to nested values by path. Any part of the path can be absent."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from sandbox.values.wire import Json, Unknown


def at(values: Json, path: str) -> Json:
    """The value at a dotted path, such as `vpcConfig.subnetIds.0`.

    Args:
        values: An object or a list.
        path: The path. A number is the index of an item; a name after a list is a key of its first
            item.

    Returns:
        The value, None if it is absent, or UNKNOWN if the path goes through an unknown value.
    """
    return _follow(values, path.split("."))


def part(values: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """The map at a path.

    Args:
        values: An object.
        keys: The path.

    Returns:
        The map, or an empty one.
    """
    found = _follow(values, keys)
    return cast("dict[str, Any]", found) if isinstance(found, Mapping) else {}


def parts(values: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    """The list of maps at a key.

    Args:
        values: An object.
        key: The key.

    Returns:
        The list, or an empty one.
    """
    return cast("list[dict[str, Any]]", items(values, key))


def items(values: Mapping[str, Any], key: str) -> list[Json]:
    """The list at a key.

    Args:
        values: An object.
        key: The key.

    Returns:
        The list, or an empty one if it is absent or unknown.
    """
    found: Json = values.get(key)
    return cast("list[Json]", found) if isinstance(found, list) else []


def _follow(values: Json, keys: Sequence[str]) -> Json:
    found = values
    for key in keys:
        if isinstance(found, list):
            found = _item(cast("list[Json]", found), int(key) if key.isdigit() else 0)
            if key.isdigit():
                continue
        if isinstance(found, Unknown):
            return found
        found = cast("Mapping[str, Json]", found).get(key) if isinstance(found, Mapping) else None
    return found


def _item(values: list[Json], index: int) -> Json:
    return values[index] if index < len(values) else None
