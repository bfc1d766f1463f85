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

    Args:
        template: The template. It may use `$context.<name>`, `$input.body`, `$input.json("$…")`,
            `$input.path("$…")`, `$input.params("<name>")`, `$util.escapeJavaScript(…)`, and
            `replaceAll("…","…")` of their texts; `$context.responseOverride.status` may be set.
        context: What `$context` has; what it does not have is an empty text.
        body: What `$input` is.
        parameters: What `$input.params` has.

    Returns:
        The text, and the status that was set.

    Raises:
        TemplateError: the template cannot be read, or uses something else.
    """
    override: dict[str, Any] = {}
    known = {name: _Text(value) for name, value in context.items()}
    names = _Names(
        context=_Context(known | {_OVERRIDE: override}),
        input=_Input(body, parameters or {}),
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
        ".replaceAll(…)"
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

    def __getattr__(self, name: str) -> object:
        raise _unknown(f".{name}")


class _Input:
    def __init__(self, body: str, parameters: Mapping[str, str]) -> None:
        self.body = _Text(body)
        self._parameters = parameters

    def json(self, path: str) -> _Text:
        return _Text(json.dumps(self._at(path), ensure_ascii=False, separators=(",", ":")))

    def path(self, path: str) -> object:
        found = self._at(path)
        return _Text("" if found is None else found) if isinstance(found, str | None) else found

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
