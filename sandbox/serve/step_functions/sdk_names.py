"""Names of fields as the SDK integrations of Step Functions write them, and as the APIs do.

The integrations write every name with a capital letter ("Learning to use AWS service SDK
integrations in Step Functions"); botocore's models know the APIs' own names. Documents, which
belong to the caller, stay as they are.
"""

from collections.abc import Callable, Mapping
from typing import Any

from botocore.model import ListShape, Shape, StructureShape


def api_names(value: Any, shape: Shape) -> Any:  # noqa: ANN401 - plain JSON
    """A request of an integration as the API takes it.

    Args:
        value: The request.
        shape: The API's shape of it.

    Returns:
        The request with the API's names; a name that the API does not have stays.
    """

    def own(members: Mapping[str, Shape], name: str) -> str:
        return next((one for one in members if _capital(one) == name), name)

    return _renamed(value, shape, own)


def sdk_names(value: Any, shape: Shape) -> Any:  # noqa: ANN401 - plain JSON
    """An answer of an API as an integration gives it.

    Args:
        value: The answer.
        shape: The API's shape of it.

    Returns:
        The answer with the integration's names.
    """
    return _renamed(value, shape, lambda _, name: _capital(name))


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]


def _renamed(value: Any, shape: Shape, named: Callable[[Mapping[str, Shape], str], str]) -> Any:  # noqa: ANN401 - plain JSON
    if isinstance(shape, StructureShape) and not shape.is_document_type:
        members: Mapping[str, Shape] = shape.members
        by_either = {**members, **{_capital(name): one for name, one in members.items()}}
        return {
            named(members, name): _renamed(one, by_either[name], named)
            if name in by_either
            else one
            for name, one in value.items()
        }
    if isinstance(shape, ListShape):
        return [_renamed(one, shape.member, named) for one in value]
    return value
