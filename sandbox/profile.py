"""The sandbox's settings for the program that it runs; profile.yaml describes each setting."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """The settings for a program; the comments of profile.yaml describe each field."""

    target_key: str
    first_stack: str
    stack_paths: Sequence[str]
    create_command: str
    port: int
    health_path: str
    function_alias: str
    gateway_name_suffix: str
    token_variables: Mapping[str, str]
    discovery_parameter: str
    server_path: str
    agent_path: str
    ask_path: str
    demo_agent: str
    demo_question: str


def load(path: Path) -> Profile:
    """Reads a profile.

    Args:
        path: The file. A key that it omits has the value of the sandbox's own profile.

    Returns:
        The profile.

    Raises:
        ValueError: The file has an unknown key.
    """
    own = Path(__file__).with_name("profile.yaml")
    facts: dict[str, Any] = yaml.safe_load(own.read_text())
    facts |= yaml.safe_load(path.read_text()) or {}
    try:
        return Profile(**facts)
    except TypeError as error:
        raise ValueError(f"{path}: {error}") from error


@cache
def profile() -> Profile:
    """The profile in `$SANDBOX_PROFILE`, or the sandbox's own. The file is read once."""
    named = os.environ.get("SANDBOX_PROFILE")
    return load(Path(named) if named else Path(__file__).with_name("profile.yaml"))
