"""Converts field names between the SDK integrations of Step Functions and the APIs.

The integrations write every name with a capital letter ("Learning to use AWS service SDK
integrations in Step Functions"); botocore's models have the names of the APIs. Documents, which
belong to the caller, are unchanged.
"""

from collections.abc import Callable, Mapping
from typing import Any

from botocore.model import ListShape, Shape, StructureShape


def api_names(value: Any, shape: Shape) -> Any:  # noqa: ANN401 - plain JSON
    """Converts a request of an integration to the names of the API.

    Args:
        value: The request.
        shape: The API's shape of it.

    Returns:
        The request with the API's names; unknown names are unchanged.
    """

    def own(members: Mapping[str, Shape], name: str) -> str:
        return next((one for one in members if _capital(one) == name), name)

    return _renamed(value, shape, own)


def sdk_names(value: Any, shape: Shape) -> Any:  # noqa: ANN401 - plain JSON
    """Converts a response of an API to the names of the integration.

    Args:
        value: The response.
        shape: The API's shape of it.

    Returns:
        The response with the integration's names.
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
