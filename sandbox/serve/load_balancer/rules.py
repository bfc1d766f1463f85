"""Conditions and transforms of the rules of an Application Load Balancer.

Facts from the Elastic Load Balancing User Guide for Application Load Balancers ("Condition types
for listener rules", "Transforms for listener rules"). AWS does not document whether a regular
expression must match the complete value; here a partial match is enough. `url-rewrite` applies to
the query as well ("You can modify the path or query string of a URL").
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from sandbox.serve.fleet import Scope
from sandbox.serve.http.forwarding import Headers
from sandbox.serve.http.router import host
from sandbox.values.tree import part, parts

_WILDCARDS = {"*": ".*", "?": "."}
_GROUP = re.compile(r"\$(\d)")


def matches(rule: Mapping[str, Any], scope: Scope) -> bool:
    """Whether all conditions of a rule hold for a request.

    Args:
        rule: The rule's properties.
        scope: The request's.

    Returns:
        Whether they do. A condition on the caller's address always holds: every client of the
        sandbox has an allowed address.
    """
    return all(_holds(condition, scope) for condition in parts(rule, "conditions"))


def raw_path(scope: Scope) -> str:
    """The path of a request, not decoded.

    Args:
        scope: The request's.

    Returns:
        The path without the query.
    """
    raw: bytes = scope.get("raw_path") or str(scope["path"]).encode()
    return raw.decode("latin-1").partition("?")[0]


def transformed(rule: Mapping[str, Any], scope: Scope) -> tuple[str, bytes, Headers]:
    """Applies the transforms of a rule to a request.

    Args:
        rule: The rule's properties.
        scope: The request's.

    Returns:
        Path, query and headers of the forwarded request.
    """
    path, query = raw_path(scope), _query(scope)
    headers: list[tuple[bytes, bytes]] = list(scope["headers"])
    for transform in parts(rule, "transforms"):
        if transform["type"] == "url-rewrite":
            rewrite = part(transform, "urlRewriteConfig", "rewrite")
            whole = _rewritten(rewrite, f"{path}?{query}" if query else path)
            path, _, query = whole.partition("?")
        else:
            rewrite = part(transform, "hostHeaderRewriteConfig", "rewrite")
            headers = [
                (name, _rewritten(rewrite, value.decode("latin-1")).encode("latin-1"))
                if name == b"host"
                else (name, value)
                for name, value in headers
            ]
    return path, query.encode("latin-1"), headers


def _holds(condition: Mapping[str, Any], scope: Scope) -> bool:
    if one := part(condition, "pathPattern"):
        return _any(one, raw_path(scope))
    if one := part(condition, "hostHeader"):
        return _any(one, host(scope)[0], re.IGNORECASE)
    if one := part(condition, "httpRequestMethod"):
        return scope.get("method", "GET") in one["values"]  # a WebSocket begins with a GET
    if one := part(condition, "httpHeader"):
        wanted = str(one["httpHeaderName"]).lower().encode()
        values = [value.decode("latin-1") for name, value in scope["headers"] if name == wanted]
        return any(_any(one, value, re.IGNORECASE) for value in values)
    if wanted := parts(condition, "queryStrings"):
        return any(_in_query(one, scope) for one in wanted)
    return bool(part(condition, "sourceIp"))


def _any(one: Mapping[str, Any], text: str, flags: int = 0) -> bool:
    patterns = [_pattern(str(value)) for value in one.get("values") or ()]
    return any(re.fullmatch(pattern, text, flags) for pattern in patterns) or any(
        re.search(str(expression), text, flags) for expression in one.get("regexValues") or ()
    )


def _pattern(value: str) -> str:
    return "".join(_WILDCARDS.get(letter) or re.escape(letter) for letter in value)


def _in_query(one: Mapping[str, Any], scope: Scope) -> bool:
    name, pattern = str(one.get("key") or "*"), _pattern(str(one.get("value")))
    return any(
        re.fullmatch(_pattern(name), key, re.IGNORECASE)
        and re.fullmatch(pattern, value, re.IGNORECASE)
        for key, value in parse_qsl(_query(scope), keep_blank_values=True)
    )


def _query(scope: Scope) -> str:
    raw: bytes = scope.get("query_string", b"")
    return raw.decode("latin-1")


def _rewritten(rewrite: Mapping[str, Any], text: str) -> str:
    """Replaces the matches in a text; $1 to $9 are the groups and $0 is the match."""
    found = re.search(str(rewrite["regex"]), text)
    if found is None:
        return text
    new = _GROUP.sub(lambda group: found[int(group[1])] or "", str(rewrite["replace"]))
    return text[: found.start()] + new + text[found.end() :]
