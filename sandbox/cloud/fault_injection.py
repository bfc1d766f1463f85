"""Latency, failures and throttling that a test or a user asks of the sandbox.

The file that SANDBOX_FAULTS names is a YAML list; each entry is one rule:

    - type: aws:ecs/service:*     # glob over type tokens (or function tokens for invoke)
      operation: create           # check, diff, create, read, update, delete, invoke or *
      latency: 1.5                # seconds that the call takes longer
      fail: "no capacity"         # message that the call fails with
      after: kept                 # create, update: the call is carried out before it fails, and the
                                  # provider leaves the new state behind, as it does when what it
                                  # waits for does not come; the cloud has what was made (kept), or
                                  # after an update what was there before it (undone)
      throttle: 3                 # throttled replies before the call goes through
      count: 1                    # how many calls the rule touches; absent: all
      skip: 0                     # how many calls it lets pass first

The counts are kept in the cloud's file, so they hold over processes.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, cast

import yaml

from sandbox.cloud.store import Cloud

# The AWS provider gives a throttled call up after 25 attempts (its `maxRetries` default).
MAX_ATTEMPTS = 25
FAILED = "sandboxFailed"
"""The property of what the cloud has made and a fault then made fail: it does not work."""
_AFTER = ("kept", "undone")
_FIRST_BACKOFF_SECONDS = 0.05
_LONGEST_BACKOFF_SECONDS = 2.0


class FaultError(Exception):
    """A failure that was asked for."""


class AfterwardsError(FaultError):
    """A failure that comes after the call is carried out.

    Attributes:
        undone: whether the cloud then has what was there before.
    """

    def __init__(self, message: str, *, undone: bool) -> None:
        super().__init__(message)
        self.undone = undone


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One rule of the faults file; the module's docstring says what each field means."""

    type: str = "*"
    operation: str = "*"
    latency: float = 0.0
    fail: str = ""
    after: str = ""
    throttle: int = 0
    count: int | None = None
    skip: int = 0


def load(path: str | Path | None) -> tuple[Fault, ...]:
    """Read the faults file; no path means no faults.

    Raises:
        ValueError: the file is not a list of rules, or a rule has an unknown key.
    """
    if not path:
        return ()
    data: object = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or []
    known = {item.name for item in fields(Fault)}
    if not isinstance(data, list) or not all(isinstance(entry, dict) for entry in data):  # pyright: ignore[reportUnknownVariableType] - YAML
        raise ValueError(f"{path}: expected a list of rules, each a mapping")
    rules: list[Fault] = []
    for number, rule in enumerate(cast("list[dict[str, Any]]", data)):
        unknown = sorted(set(rule) - known)
        if unknown:
            raise ValueError(
                f"{path}: rule {number} has unknown key {unknown[0]!r}; known: {sorted(known)}"
            )
        if rule.get("after") not in (None, *_AFTER):
            raise ValueError(f"{path}: rule {number}: after {rule['after']!r}; known: {_AFTER}")
        rules.append(Fault(**rule))
    return tuple(rules)


def inject(
    rules: Sequence[Fault],
    cloud: Cloud,
    type_: str,
    operation: str,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Do to one call what the rules ask: wait, throttle, fail.

    Args:
        rules: the rules, as loaded.
        cloud: where the counts are kept.
        type_: type or function token of the call.
        operation: check, diff, create, read, update, delete or invoke.
        sleep: waits the given seconds.

    Raises:
        FaultError: a rule asks for a failure, or for more throttling than the provider bears.
        AfterwardsError: a rule asks for a failure after the call.
    """
    for number, rule in enumerate(rules):
        if not fnmatchcase(type_, rule.type) or not fnmatchcase(operation, rule.operation):
            continue
        if rule.skip or rule.count is not None:
            seen = cloud.count(f"fault {number} {rule.type} {rule.operation}")
            last = None if rule.count is None else rule.skip + rule.count
            if seen <= rule.skip or (last is not None and seen > last):
                continue
        if rule.latency:
            sleep(rule.latency)
        for attempt in range(min(rule.throttle, MAX_ATTEMPTS)):
            sleep(min(_FIRST_BACKOFF_SECONDS * 2**attempt, _LONGEST_BACKOFF_SECONDS))
        if rule.throttle >= MAX_ATTEMPTS:
            raise FaultError(
                f"{operation} {type_}: ThrottlingException: Rate exceeded"
                f" (gave up after {MAX_ATTEMPTS} attempts)"
            )
        if rule.fail and rule.after and operation in ("create", "update"):
            raise AfterwardsError(
                f"{operation} {type_}: {rule.fail}", undone=rule.after == "undone"
            )
        if rule.fail:
            raise FaultError(f"{operation} {type_}: {rule.fail}")
