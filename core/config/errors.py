"""Faults of a configuration: what is wrong, where, what is allowed, the command that fixes it."""

import json
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

NAMESPACE = "mcp-platform"
"""The project's name, and so the namespace of its configuration keys."""

KeyPath = tuple[str | int, ...]
"""A place in the configuration: keys, and positions in lists."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that is wrong with the configuration.

    Attributes:
        path: Where it stands, from the configuration key on: `("servers", "clock", "cpu")`; numbers
            are positions in lists.
        got: The value found there, rendered; a secret's value is never put here.
        allowed: What would be accepted, as a phrase or a sentence.
        fix: The command that fixes it, or None where no single command does.
    """

    path: KeyPath
    got: str
    allowed: str
    fix: str | None = None


class ConfigurationError(ValueError):
    """Every fault of one configuration, rendered for a person.

    Attributes:
        faults: The faults, in the order of the configuration.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        count = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        super().__init__(
            "\n\n".join(
                [f"the configuration has {count}; nothing was created", *map(_render, self.faults)]
            )
        )


def show(value: object) -> str:
    """Renders a value as one would write it in the stack file, shortened to a line."""
    plain = isinstance(value, str) and value and value.isprintable()
    text = str(value) if plain else json.dumps(value, default=str)
    return text if len(text) <= 80 else f"{text[:77]}..."  # noqa: PLR2004 - a line of a terminal


def set_command(path: KeyPath, value: object) -> str:
    """The command that sets a value at a path of the configuration.

    For an object or a list, it is one command for each single value in it, joined with `&&`:
    `pulumi config set` sets one at a time.
    """
    return " && ".join(
        f"pulumi config set --path {_quoted(place)} {_argument(text)}"
        for place, text in _singles(path, value)
    )


def rm_command(path: KeyPath) -> str:
    """The command that removes a key of the configuration, or one value at a path of it."""
    return f"pulumi config rm {'--path ' if path[1:] else ''}{_quoted(path)}"


def without_command(path: KeyPath, positions: Sequence[int]) -> str:
    """The commands that take these out of a list, from its end on, so that none moves before."""
    return " && ".join(rm_command((*path, position)) for position in reversed(positions))


def dotted(path: KeyPath) -> str:
    """A path as pulumi writes it: `mcp-platform:servers.clock.cpu`, list positions in brackets."""
    head, *rest = path
    key = str(head) if ":" in str(head) else f"{NAMESPACE}:{head}"
    return key + "".join(map(_step, rest))


def _argument(text: str) -> str:
    """A value in the shell's quotes, and behind what ends the options if it looks like one."""
    return f"-- {shlex.quote(text)}" if text.startswith("-") else shlex.quote(text)


def _singles(path: KeyPath, value: object) -> Iterator[tuple[KeyPath, str]]:
    """Every single value in a value, as text, with its path."""
    if isinstance(value, dict):
        for key, inner in cast("dict[str, object]", value).items():
            yield from _singles((*path, key), inner)
    elif isinstance(value, list):
        for position, inner in enumerate(cast("list[object]", value)):
            yield from _singles((*path, position), inner)
    else:
        yield path, value if isinstance(value, str) else json.dumps(value)


def _step(part: str | int) -> str:
    """One step of a path: `.cpu`, `[0]`, or `["cost.center"]` where a key has what a path reads."""
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
