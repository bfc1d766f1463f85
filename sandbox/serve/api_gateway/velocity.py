"""Renders the mapping templates of API Gateway.

Facts from the API Gateway Developer Guide ("API Gateway mapping template and access logging
variable reference"). airspeed renders the Velocity language. A template that uses other variables
or functions than those below is an error, so that no response is silently wrong.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import airspeed

_PATH = re.compile(r"\$((?:\.\w+)*)")
_ARGUMENTS = re.compile(r"\.replaceAll\([^)]*\)")
_OVERRIDE = "responseOverride"


class TemplateError(Exception):
    """A template that cannot be rendered or uses an unsupported feature."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """The result of a template.

    Attributes:
        text: The text.
        status: The status that it sets for the response, or None.
    """

    text: str
    status: int | None


def render(
    template: str,
    *,
    context: Mapping[str, str],
    body: str,
    parameters: Mapping[str, str] | None = None,
) -> Rendered:
    """Renders a mapping template.

    AWS does not document the value of `$input.path` for an absent path. The template is therefore
    rendered with null and with an empty string, and both results must be the same.

    Args:
        template: The template. It may use `$context.<name>`, `$input.body`, `$input.json("$…")`,
            `$input.path("$…")`, `$input.params("<name>")`, `$util.escapeJavaScript(…)`, and
            `replaceAll("…","…")` and `contains("…")` of their strings. It may set variables and
            `$context.responseOverride.status`.
        context: The values of `$context`; all others are empty strings.
        body: The value of `$input`.
        parameters: The values of `$input.params`.

    Returns:
        The text and the status.

    Raises:
        TemplateError: the template cannot be rendered, uses an unsupported feature, or depends on
            the value of an absent path.
    """
    given = parameters or {}
    rendered = _rendered(template, context, _Input(body, given, absent=None))
    if rendered != _rendered(template, context, _Input(body, given, absent=_Text(""))):
        raise TemplateError(
            "the mapping template depends on whether an absent path is null or an empty string, "
            f"which AWS does not document: {rendered.text[:200]}"
        )
    return rendered


def _rendered(template: str, context: Mapping[str, str], given: "_Input") -> Rendered:
    override: dict[str, Any] = {}
    known = {name: _Text(value) for name, value in context.items()}
    names = _Names(
        context=_Context(known | {_OVERRIDE: override}),
        input=given,
        util=_Util(),
    )
    try:
        text: str = cast("Any", airspeed).Template(_escaped_once(template)).merge(names)
    except cast("type[Exception]", airspeed.TemplateError) as error:
        if isinstance(error.__cause__, TemplateError):
            raise error.__cause__ from error
        raise TemplateError(f"the mapping template cannot be rendered: {error}") from error
    status = override.get("status")
    return Rendered(text, None if status is None else int(status))


def _escaped_once(template: str) -> str:
    """Escapes backslashes: airspeed reads them as escapes, Velocity does not."""
    return _ARGUMENTS.sub(lambda found: found[0].replace("\\", "\\\\"), template)


def _unknown(name: str) -> TemplateError:
    return TemplateError(
        f"the mapping template uses {name}, which the sandbox does not support. Supported: "
        "$context.<name>, $input.body, .json(…), .path(…), .params(…), $util.escapeJavaScript(…), "
        ".replaceAll(…), .contains(…)"
    )


class _Names(dict[str, object]):
    """The variables of a template."""

    def __missing__(self, name: str) -> object:
        raise _unknown(f"${name}")


class _Context(dict[str, object]):
    def __missing__(self, name: str) -> object:
        return _Text("")


class _Text(str):
    """A string with methods of Java's strings."""

    __slots__ = ()

    def replaceAll(self, pattern: str, new: str) -> "_Text":  # noqa: N802 - Java's name
        return _Text(re.sub(pattern, lambda _: new, self))

    def contains(self, part: str) -> bool:
        return part in self

    def __getattr__(self, name: str) -> object:
        raise _unknown(f".{name}")


class _Input:
    def __init__(self, body: str, parameters: Mapping[str, str], *, absent: "_Text | None") -> None:
        self.body = _Text(body)
        self._absent = absent
        self._parameters = parameters

    def json(self, path: str) -> _Text:
        return _Text(json.dumps(self._at(path), ensure_ascii=False, separators=(",", ":")))

    def path(self, path: str) -> object:
        found = self._at(path)
        if found is None:
            return self._absent
        return _Text(found) if isinstance(found, str) else found

    def params(self, name: str) -> _Text:
        return _Text(self._parameters.get(name, ""))

    def _at(self, path: str) -> object:
        found = _PATH.fullmatch(path)
        if found is None:
            raise _unknown(f"the path {path}")
        value: object = json.loads(self.body)
        for name in found[1].split(".")[1:]:
            value = (
                cast("Mapping[str, object]", value).get(name) if isinstance(value, dict) else None
            )
        return value

    def __getattr__(self, name: str) -> object:
        raise _unknown(f"$input.{name}")


class _Util:
    def escapeJavaScript(self, text: str) -> _Text:  # noqa: N802 - Velocity's name
        """Escapes a string as Velocity does: ASCII only, both kinds of quotes escaped."""
        return _Text(json.dumps(text)[1:-1].replace("/", r"\/").replace("'", r"\'"))

    def __getattr__(self, name: str) -> object:
        raise _unknown(f"$util.{name}")
