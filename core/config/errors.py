"""Faults of a configuration: the key, its value, the allowed values and the command to fix it."""

import json
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

NAMESPACE = "mcp-platform"
"""The name of the Pulumi project, which is also the namespace of its configuration keys."""

KeyPath = tuple[str | int, ...]
"""A path in the configuration: keys, and positions in lists."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One error in the configuration.

    Attributes:
        path: The path of the value: `("servers", "clock", "cpu")`. Numbers are positions in lists.
        got: The rendered value. It never contains the value of a secret.
        allowed: The allowed values, as a phrase or a sentence.
        fix: The command that fixes the error, or None if no single command does.
    """

    path: KeyPath
    got: str
    allowed: str
    fix: str | None = None


class ConfigurationError(ValueError):
    """All faults of a configuration.

    Attributes:
        faults: The faults, in the order of the configuration.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        count = "1 error" if len(self.faults) == 1 else f"{len(self.faults)} errors"
        summary = f"The configuration has {count}. No resources were changed."
        super().__init__("\n\n".join([summary, *map(_render, self.faults)]))


def show(value: object) -> str:
    """Renders a value as in the stack file, shortened to one line."""
    plain = isinstance(value, str) and value and value.isprintable()
    text = str(value) if plain else json.dumps(value, default=str)
    return text if len(text) <= 80 else f"{text[:77]}..."  # noqa: PLR2004 - a line of a terminal


def set_command(path: KeyPath, value: object) -> str:
    """The command that sets a value at a path of the configuration.

    An object or a list needs one command per scalar value, joined with `&&`.
    """
    return " && ".join(
        f"pulumi config set --path {_quoted(place)} {_argument(text)}"
        for place, text in _singles(path, value)
    )


def rm_command(path: KeyPath) -> str:
    """The command that removes a key, or the value at a path."""
    return f"pulumi config rm {'--path ' if path[1:] else ''}{_quoted(path)}"


def without_command(path: KeyPath, positions: Sequence[int]) -> str:
    """The commands that remove entries of a list, from the last to the first.

    In this order, a removal does not change the positions of the entries that follow.
    """
    return " && ".join(rm_command((*path, position)) for position in reversed(positions))


def dotted(path: KeyPath) -> str:
    """A path in the syntax of Pulumi: `mcp-platform:servers.clock.cpu`, list positions in `[]`."""
    head, *rest = path
    key = str(head) if ":" in str(head) else f"{NAMESPACE}:{head}"
    return key + "".join(map(_step, rest))


def _argument(text: str) -> str:
    """The quoted value, after `--` if it starts like an option."""
    return f"-- {shlex.quote(text)}" if text.startswith("-") else shlex.quote(text)


def _singles(path: KeyPath, value: object) -> Iterator[tuple[KeyPath, str]]:
    """The scalar values in a value, as text, with their paths."""
    if isinstance(value, dict):
        for key, inner in cast("dict[str, object]", value).items():
            yield from _singles((*path, key), inner)
    elif isinstance(value, list):
        for position, inner in enumerate(cast("list[object]", value)):
            yield from _singles((*path, position), inner)
    else:
        yield path, value if isinstance(value, str) else json.dumps(value)


def _step(part: str | int) -> str:
    """One step of a path: `.cpu`, `[0]`, or `["cost.center"]` for a key with special characters."""
    if isinstance(part, int):
        return f"[{part}]"
    if re.fullmatch(r"[\w-]+", part):
        return f".{part}"
    escaped = part.replace('"', '\\"')
    return f'["{escaped}"]'


def _quoted(path: KeyPath) -> str:
    return "'" + dotted(path).replace("'", "'\"'\"'") + "'"


def _render(fault: Fault) -> str:
    lines = [
        f"  {dotted(fault.path)}",
        f"    got:     {fault.got}",
        f"    allowed: {fault.allowed}",
    ]
    if fault.fix:
        lines.append(f"    fix:     {fault.fix}")
    return "\n".join(lines)
