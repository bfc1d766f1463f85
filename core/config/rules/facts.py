"""The input of the rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.config.model import Fleet


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The input of the rules.

    Attributes:
        fleet: The fleet, without the entries that could not be parsed.
        names: The names in `servers`, `agents` and `secrets`, including entries that could not be
            parsed. A section that could not be parsed at all is missing.
        region: The value of `aws:region`, empty where it is not set.
        assumed_roles: The value of `aws:assumeRoles`.
        root: The project's root. Image contexts are relative to it.
        secret_keys: The keys `secret-<name>` that have a value.
        encrypted: The keys whose value is encrypted.
    """

    fleet: Fleet
    names: Mapping[str, frozenset[str]]
    region: str
    assumed_roles: Sequence[Mapping[str, Any]]
    root: Path
    secret_keys: frozenset[str]
    encrypted: frozenset[str]
