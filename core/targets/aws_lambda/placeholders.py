"""Placeholders in the template files of this folder: `${name}` stands for a value.

A placeholder without a value is an error, and so is a value without a placeholder. Values are not
scanned for placeholders.
"""

import json
import re
from collections.abc import Mapping
from typing import cast

_PLACEHOLDER = re.compile(r"\$\{([^}]*)\}?")


def names(text: str) -> set[str]:
    """The placeholders in a text."""
    return set(_PLACEHOLDER.findall(text))


def fill(template: str, values: Mapping[str, object]) -> str:
    """Replaces the placeholders in a text.

    Raises:
        ValueError: If the placeholders are not exactly those of the values.
    """
    _check(template, values)
    return _text(template, values)


def fill_json(document: object, values: Mapping[str, object]) -> object:
    """Replaces the placeholders in the strings of a JSON document.

    A string that is one placeholder becomes the value, of any type.

    Raises:
        ValueError: If the placeholders are not exactly those of the values.
    """
    _check(json.dumps(document), values)
    return _filled(document, values)


def _check(text: str, values: Mapping[str, object]) -> None:
    found = names(text)
    if missing := sorted(found - values.keys()):
        raise ValueError(f"placeholders without a value: {', '.join(missing)}")
    if unused := sorted(values.keys() - found):
        raise ValueError(f"values without a placeholder: {', '.join(unused)}")


def _filled(document: object, values: Mapping[str, object]) -> object:
    if isinstance(document, dict):
        members = cast("dict[str, object]", document)
        return {_text(key, values): _filled(value, values) for key, value in members.items()}
    if isinstance(document, list):
        return [_filled(value, values) for value in cast("list[object]", document)]
    if isinstance(document, str):
        whole = _PLACEHOLDER.fullmatch(document)
        return values[whole[1]] if whole else _text(document, values)
    return document


def _text(template: str, values: Mapping[str, object]) -> str:
    return _PLACEHOLDER.sub(lambda found: str(values[found[1]]), template)
