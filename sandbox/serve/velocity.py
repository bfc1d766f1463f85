"""The few references of API Gateway's mapping templates that the fleet's templates use.

Facts from the API Gateway Developer Guide ("API Gateway mapping template and access logging
variable reference"). What else a template says is refused, so that no answer is quietly a wrong
one.
"""

import json
import re
from collections.abc import Mapping

_STRING = r'"([^"]*)"'
_VARIABLE = r"\$(context\.\w+|input\.body)"
_ESCAPED = r"\$util\.escapeJavaScript\(" + _VARIABLE + r"\)"
_REPLACED = rf"((?:\.replaceAll\({_STRING},{_STRING}\))*)"
# Another property or method behind it makes it another reference.
_REFERENCE = re.compile(rf"(?:{_ESCAPED}|{_VARIABLE}){_REPLACED}(?!\w|\.\w|[(\[])")
_REPLACEMENT = re.compile(rf"\.replaceAll\({_STRING},{_STRING}\)")
_UNKNOWN = re.compile(r"\$!?\{?[a-zA-Z].{0,30}|#\{?(?:set|if|else|elseif|end|foreach|break)\b")


class TemplateError(Exception):
    """A template that uses what is not known here."""


def render(template: str, *, context: Mapping[str, str], body: str) -> str:
    """What a mapping template makes of a request.

    Args:
        template: The template, with no other references than `$context.<name>`, `$input.body`, and
            `$util.escapeJavaScript(…)` of one of them; `.replaceAll("…","…")` may follow.
        context: What `$context` has.
        body: What `$input.body` is.

    Returns:
        The text.

    Raises:
        TemplateError: it uses another reference, or a directive.
    """
    rest = _REFERENCE.sub("", template)
    unknown = _UNKNOWN.search(rest)
    if unknown:
        raise TemplateError(
            f"the mapping template has {unknown[0]!r}, which the sandbox does not know; what it "
            "knows: $context.<name>, $input.body, $util.escapeJavaScript(…), .replaceAll(…)"
        )

    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        text = body if name == "input.body" else context.get(name.removeprefix("context."), "")
        text = _escaped(text) if found[1] else text
        for replacement in _REPLACEMENT.finditer(found[3]):
            pattern, new = replacement[1], replacement[2]
            text = re.sub(pattern, lambda _, new=new: new, text)
        return text

    return _REFERENCE.sub(value, template)


def _escaped(text: str) -> str:
    """A text as Velocity's escapeJavaScript writes it: in ASCII, with both kinds of quotes."""
    return json.dumps(text)[1:-1].replace("/", r"\/").replace("'", r"\'")
