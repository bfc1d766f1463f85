"""Parts of requests to API Gateway, as its events and policies name them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast
from urllib.parse import parse_qs

from sandbox.serve.fleet import Scope
from sandbox.serve.http.gateway_responses import Headers


def path(scope: Scope) -> str:
    """The path of a request, not decoded.

    Args:
        scope: The request's.

    Returns:
        The path, without a query.
    """
    raw = scope.get("raw_path") or str(scope["path"]).encode()
    return cast("bytes", raw).partition(b"?")[0].decode("latin-1")


def with_path(scope: Scope, path_: str) -> Scope:
    """The same request for another path.

    Args:
        scope: The request's.
        path_: The path, not decoded.

    Returns:
        A new scope.
    """
    return {**scope, "path": path_, "raw_path": path_.encode("latin-1")}


def headers(scope: Scope) -> list[tuple[str, str]]:
    """The headers as text.

    Args:
        scope: The request's.

    Returns:
        Lowercase names and values, in the order of the request.
    """
    return [
        (name.decode("latin-1").lower(), value.decode("latin-1"))
        for name, value in cast("Headers", scope["headers"])
    ]


def query(scope: Scope) -> str:
    """The query string.

    Args:
        scope: The request's.

    Returns:
        The query string, not decoded.
    """
    return cast("bytes", scope.get("query_string", b"")).decode("latin-1")


def event(given: Sequence[tuple[str, str]], query_: str) -> dict[str, Any]:
    """The headers and the query in an event: the last value of each name, and all values.

    Args:
        given: The headers.
        query_: The query string.

    Returns:
        The parts of the event.
    """
    parameters = parse_qs(query_, keep_blank_values=True)
    return {
        "headers": dict(given),
        "multiValueHeaders": _grouped(given),
        "queryStringParameters": {name: values[-1] for name, values in parameters.items()},
        "multiValueQueryStringParameters": parameters,
    }


def _grouped(pairs: Iterable[tuple[str, str]]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found
