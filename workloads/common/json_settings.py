"""Variables with JSON values, and the messages of JSON validation errors."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from .settings import SettingError

_Value = TypeVar("_Value")


def faults(error: ValidationError) -> str:
    """List every error with its path, and never the value, which may be a caller's or a secret."""
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
        shape: The type of the object.
        meaning: A description of the type, for the error.

    Returns:
        The object.

    Raises:
        SettingError: If the value does not have this type.
    """
    try:
        return shape.validate_json(env.get(name) or "{}")
    except ValidationError as error:
        raise SettingError(f"{name} must be a JSON object, {meaning}: {faults(error)}") from error
