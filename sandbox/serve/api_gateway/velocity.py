"""What API Gateway's mapping templates make of a request or of an answer.

Facts from the API Gateway Developer Guide ("API Gateway mapping template and access logging
variable reference"). airspeed reads the Velocity language; what a template says beyond the
variables and functions here is refused, so that no answer is quietly a wrong one.
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
    """A template that cannot be read, or uses what is not known here."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a template made.

    Attributes:
        text: The text.
        status: The status that it set for the answer, or None.
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

    What `$input.path` gives for what is not there is not documented, so the template is rendered
    with null and with an empty text, and must say the same.

    Args:
        template: The template. It may use `$context.<name>`, `$input.body`, `$input.json("$…")`,
            `$input.path("$…")`, `$input.params("<name>")`, `$util.escapeJavaScript(…)`, and
            `replaceAll("…","…")` and `contains("…")` of their texts; names may be set, and
            `$context.responseOverride.status`.
        context: What `$context` has; what it does not have is an empty text.
        body: What `$input` is.
        parameters: What `$input.params` has.

    Returns:
        The text, and the status that was set.

    Raises:
        TemplateError: the template cannot be read, uses something else, or depends on what an
            absent path gives.
    """
    given = parameters or {}
    rendered = _rendered(template, context, _Input(body, given, absent=None))
    if rendered != _rendered(template, context, _Input(body, given, absent=_Text(""))):
        raise TemplateError(
            "the mapping template depends on whether a path that is absent gives null or an empty "
            f"text, which AWS does not say: {rendered.text[:200]}"
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
    """In Velocity a backslash in a text is one; airspeed takes two for one."""
    return _ARGUMENTS.sub(lambda found: found[0].replace("\\", "\\\\"), template)


def _unknown(name: str) -> TemplateError:
    return TemplateError(
        f"the mapping template uses {name}, which the sandbox does not know; what it knows: "
        "$context.<name>, $input.body, .json(…), .path(…), .params(…), $util.escapeJavaScript(…), "
        ".replaceAll(…), .contains(…)"
    )


class _Names(dict[str, object]):
    """What a template can name, and what it has set."""

    def __missing__(self, name: str) -> object:
        raise _unknown(f"${name}")


class _Context(dict[str, object]):
    def __missing__(self, name: str) -> object:
        return _Text("")


class _Text(str):
    """A text, with what Java's have."""

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
        """A text as Velocity's function writes it: in ASCII, with both kinds of quotes."""
        return _Text(json.dumps(text)[1:-1].replace("/", r"\/").replace("'", r"\'"))

    def __getattr__(self, name: str) -> object:
        raise _unknown(f"$util.{name}")
