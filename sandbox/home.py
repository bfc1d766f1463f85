"""The folders of the program and of the sandbox's state."""

import os
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The checkout, with the Python environment of the engine and of the providers."""


def program() -> Path:
    """The folder of the program's Pulumi.yaml: `$SANDBOX_PROGRAM`, or the checkout.

    Relative paths of the deployed builds are relative to it.
    """
    return Path(os.environ.get("SANDBOX_PROGRAM") or ROOT).resolve()


def sandbox_home() -> Path:
    """The folder of the sandbox's state: `$SANDBOX_HOME`, or `.sandbox` in the program's folder."""
    return Path(os.environ.get("SANDBOX_HOME") or program() / ".sandbox").resolve()


def cloud_path(home: Path, environment: Mapping[str, str]) -> Path:
    """The file of the sandbox's cloud: `$SANDBOX_CLOUD`, or `cloud.sqlite` in its home."""
    return Path(environment.get("SANDBOX_CLOUD") or home / "cloud.sqlite")
