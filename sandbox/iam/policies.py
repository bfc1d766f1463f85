"""The statements of AWS policies, and the patterns of names and ARNs in them.

Facts from the IAM User Guide ("IAM JSON policy elements: Statement", "… Resource", "… Condition
operators").
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

Statement = Mapping[str, Any]

_ARN_PARTS = 6


def statements(document: object) -> Iterator[Statement]:
    """The statements of a policy.

    Args:
        document: The policy, its JSON, or None.

    Yields:
        Its statements, in their order.

    Raises:
        ValueError: The document is not a policy.
    """
    if not document:
        return
    read: object = json.loads(document) if isinstance(document, str) else document
    if not isinstance(read, Mapping):
        raise ValueError(  # noqa: TRY004 - the document may be of any type
            f"a policy is an object with statements, not {read!r}"
        )
    found: object = cast("Mapping[str, object]", read).get("Statement") or []
    yield from cast("list[Statement]", [found] if isinstance(found, Mapping) else found)


def listed(value: object) -> list[str]:
    """The values of an element, which can have one, several or no values.

    Args:
        value: The element.

    Returns:
        The values as strings.
    """
    if value is None:
        return []
    if isinstance(value, str | bool | int):
        return [str(value)]
    return [str(one) for one in cast("Sequence[object]", value)]


def like(pattern: str, text: str) -> bool:
    """Whether a text matches a pattern: `*` is any text, and `?` is any character.

    Args:
        pattern: The pattern.
        text: The text.

    Returns:
        Whether the whole text matches.
    """
    wild = {"*": ".*", "?": "."}
    expression = "".join(wild.get(one) or re.escape(one) for one in pattern)
    return re.fullmatch(expression, text, re.DOTALL) is not None


def arn_like(pattern: str, arn: str) -> bool:
    """Whether an ARN matches a pattern. A wildcard does not match the first five colons.

    Args:
        pattern: A pattern of ARNs, or `*` for all.
        arn: An ARN.

    Returns:
        Whether it matches.
    """
    if pattern in ("*", arn):
        return True
    ours, theirs = (one.split(":", _ARN_PARTS - 1) for one in (pattern, arn))
    return len(ours) == len(theirs) == _ARN_PARTS and all(map(like, ours, theirs))
