"""Configurations as Pulumi holds them, and a small `pulumi config` that works on them."""

import json
import re
import shlex
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from core.config.errors import NAMESPACE, ConfigurationError, Fault
from core.config.model import Fleet
from core.config.parse import parse
from core.resolved import ResolvedFleet
from core.stack import Stack
from core.targets.dispatch import resolve

DIGEST_URI = "public.ecr.aws/example/clock@sha256:" + "0" * 64
HERE_URI = "210987654321.dkr.ecr.us-east-1.amazonaws.com/team/clock@sha256:" + "0" * 64
SMALLEST: dict[str, Any] = {"servers": {"clock": {"image": {"context": "workloads/clock"}}}}


@dataclass(frozen=True)
class Configuration:
    """The keys of a stack: their values, structured ones as data, and which are encrypted."""

    values: dict[str, Any]
    encrypted: frozenset[str] = frozenset()

    def read(self, root: Path) -> tuple[Fleet, str]:
        bag = {
            key: value if isinstance(value, str) else json.dumps(value)
            for key, value in self.values.items()
        }
        return parse(bag, encrypted=self.encrypted, root=root)

    def faults(self, root: Path) -> tuple[Fault, ...]:
        try:
            self.read(root)
        except ConfigurationError as error:
            return error.faults
        return ()


def configuration(
    own: Mapping[str, Any], *, region: str | None = "us-east-1", encrypted: Mapping[str, str] = {}
) -> Configuration:
    """A configuration from its keys without namespace; `encrypted` ones hold a secret's value."""
    values = {f"{NAMESPACE}:{key}": value for key, value in {**own, **encrypted}.items()}
    return Configuration(
        values | ({"aws:region": region} if region else {}),
        frozenset(f"{NAMESPACE}:{key}" for key in encrypted),
    )


def resolved(fleet: Fleet) -> ResolvedFleet:
    """A fleet as it is deployed in a stack."""
    stack = Stack(project="mcp-platform", name="dev", region="us-east-1", production=False)
    return resolve(fleet, stack)


def changed(own: Mapping[str, Any], *path: str, value: object) -> dict[str, Any]:
    """A copy of a configuration's keys with one value set, objects on the way made."""
    result = json.loads(json.dumps(own))  # a deep copy in which nothing is shared
    inner: dict[str, Any] = result
    for part in path[:-1]:
        inner = inner.setdefault(part, {})
    inner[path[-1]] = value
    return result


def clock(*path: str, value: object) -> dict[str, Any]:
    """The smallest configuration with one value of its server set."""
    return changed(SMALLEST, "servers", "clock", *path, value=value)


def many(count: int, **fields: Any) -> dict[str, dict[str, Any]]:
    """So many entries of a section."""
    return {f"w{number}": {"image": {"uri": DIGEST_URI}, **fields} for number in range(count)}


def only_fault(own: Mapping[str, Any], root: Path) -> Fault:
    """The one fault of a configuration."""
    faults = configuration(own).faults(root)
    assert len(faults) == 1, faults
    return faults[0]


def fixed(before: Configuration, fix: str) -> Configuration:
    """What `pulumi config` makes of a configuration with the commands of a fix."""
    words = shlex.split(fix)
    while "&&" in words:
        end = words.index("&&")
        before = _run(before, words[:end])
        words = words[end + 1 :]
    return _run(before, words)


def _run(before: Configuration, words: list[str]) -> Configuration:
    values = deepcopy(before.values)
    match words:
        case ["pulumi", "config", "set", "--secret", key]:
            name = key if ":" in key else f"{NAMESPACE}:{key}"
            return Configuration(values | {name: "typed in"}, before.encrypted | {name})
        case ["pulumi", "config", "set", key, text]:
            return Configuration(values | {key: text}, before.encrypted)
        case ["pulumi", "config", "set", "--path", path, "--", text] | [
            "pulumi",
            "config",
            "set",
            "--path",
            path,
            text,
        ]:
            key, *way = steps(path)
            # Pulumi replaces a plain value on the path only at the top level.
            held = None if isinstance(values.get(str(key)), str) else values.get(str(key))
            value = {"true": True, "false": False}.get(text, int(text) if _whole(text) else text)
            new = _placed(held, way, value) if way else text
            return Configuration(values | {str(key): new}, before.encrypted)
        case ["pulumi", "config", "rm", key]:
            return Configuration(
                {name: value for name, value in values.items() if name != key},
                before.encrypted - {key},
            )
        case ["pulumi", "config", "rm", "--path", path]:
            *way, last = steps(path)
            inner: Any = values
            for step in way:
                inner = inner[step]
            del inner[last]
            return Configuration(values, before.encrypted)
        case _:
            pytest.fail(f"not a command of pulumi: {words}")


_STEP = re.compile(r'\.([^.\[\]"]+)|\[(\d+)\]|\["((?:\\"|[^"])*)"\]')


def steps(path: str) -> list[str | int]:
    """A path as pulumi reads it (`resource.ParsePropertyPath`): the whole key, then what is in."""
    head = re.match(r"[^.\[]+", path)
    assert head, path
    found: list[str | int] = [head.group()]
    position = head.end()
    while position < len(path):
        step = _STEP.match(path, position)
        assert step, path
        plain, number, quoted = step.groups()
        found.append(int(number) if number else plain or quoted.replace('\\"', '"'))
        position = step.end()
    return found


def _whole(text: str) -> bool:
    return re.fullmatch("-?[0-9]+", text) is not None


def _placed(held: Any, way: list[str | int], value: object) -> Any:
    """What is held with the value put into it, as `pulumi config set --path` does and refuses."""
    if not way:
        return value
    step, *rest = way
    kind: type[Any] = list if isinstance(step, int) else dict
    inner: Any = kind() if held is None else held
    assert isinstance(inner, kind), f"pulumi refuses to put {way} into {held!r}"
    if isinstance(step, int):
        assert step <= len(inner), f"pulumi refuses to put {way} into {held!r}"
        old = inner[step] if step < len(inner) else None
        return [*inner[:step], _placed(old, rest, value), *inner[step + 1 :]]
    return {**inner, step: _placed(inner.get(step), rest, value)}
