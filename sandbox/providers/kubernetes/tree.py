"""Parts of an object, which mostly need not be there."""

from collections.abc import Mapping, Sequence
from typing import Any, cast


def part(values: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """The map at a path.

    Args:
        values: an object.
        keys: the path.

    Returns:
        The map, or an empty one.
    """
    found: Any = values
    for key in keys:
        found = cast("dict[str, Any]", found).get(key) if isinstance(found, Mapping) else None
    return cast("dict[str, Any]", found) if isinstance(found, Mapping) else {}


def parts(values: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    """The list of maps under a key.

    Args:
        values: an object.
        key: the key.

    Returns:
        The list, or an empty one.
    """
    return cast("list[dict[str, Any]]", values.get(key) or [])
