"""Variables that hold JSON, and the words for what is wrong with JSON."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from .settings import SettingError

_Value = TypeVar("_Value")


def faults(error: ValidationError) -> str:
    """Tell every fault with its place, and never the value, which may be a caller's or a secret."""
    return "; ".join(
        f"{'.'.join(map(str, fault['loc'])) or 'body'}: {fault['msg']}" for fault in error.errors()
    )


def json_object(
    env: Mapping[str, str], name: str, shape: TypeAdapter[_Value], meaning: str
) -> _Value:
    """Read a JSON object from the environment.

    Args:
        env: The environment.
        name: The variable's name; empty counts as unset, which means an empty object.
        shape: What the object must be.
        meaning: The same in words, for the error.

    Returns:
        The object.

    Raises:
        SettingError: If it is another one.
    """
    try:
        return shape.validate_json(env.get(name) or "{}")
    except ValidationError as error:
        raise SettingError(f"{name} must be a JSON object, {meaning}: {faults(error)}") from error
