"""Injects latency, failures and throttling into the calls of the providers.

SANDBOX_FAULTS names a YAML file with a list of rules:

    - type: aws:ecs/service:*     # glob pattern of type tokens (for invoke, of function tokens)
      operation: create           # check, diff, create, read, update, delete, invoke or *
      latency: 1.5                # seconds to add to the call
      fail: "no capacity"         # error message of the call
      after: kept                 # create, update: the call takes effect and then fails, as when
                                  # a wait times out. The engine records the new state. The cloud
                                  # keeps the new object (kept), or reverts an update (undone)
      throttle: 3                 # throttled responses before the call succeeds
      count: 1                    # number of calls that the rule applies to; default: all
      skip: 0                     # number of calls before the rule applies

The counts are stored in the cloud's file, so all processes share them.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, cast

import yaml

from sandbox.cloud.store import Cloud

# The AWS provider stops after 25 throttled attempts (the default of its `maxRetries`).
MAX_ATTEMPTS = 25
FAILED = "sandboxFailed"
"""The property that marks an object as broken: a fault failed the call that created it."""
_AFTER = ("kept", "undone")
_FIRST_BACKOFF_SECONDS = 0.05
_LONGEST_BACKOFF_SECONDS = 2.0


class FaultError(Exception):
    """An injected failure."""


class AfterwardsError(FaultError):
    """An injected failure after the call has taken effect.

    Attributes:
        undone: Whether the cloud reverts the change.
    """

    def __init__(self, message: str, *, undone: bool) -> None:
        super().__init__(message)
        self.undone = undone


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """A rule of the faults file; the docstring of the module describes the fields."""

    type: str = "*"
    operation: str = "*"
    latency: float = 0.0
    fail: str = ""
    after: str = ""
    throttle: int = 0
    count: int | None = None
    skip: int = 0


def load(path: str | Path | None) -> tuple[Fault, ...]:
    """Reads the faults file; without a path, there are no faults.

    Raises:
        ValueError: The file is not a list of rules, or a rule has an unknown key.
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
    """Applies the rules to a call: adds latency, throttles it or fails it.

    Args:
        rules: The rules.
        cloud: The cloud, which stores the counts.
        type_: The type token or the function token of the call.
        operation: The operation: check, diff, create, read, update, delete or invoke.
        sleep: Waits for a number of seconds.

    Raises:
        FaultError: A rule fails the call, or throttles it more often than the provider retries.
        AfterwardsError: A rule fails the call after it takes effect.
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
