"""Runs `bin/sandbox`, each time with a separate home."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sandbox.cloud.store import Cloud

ROOT = Path(__file__).resolve().parents[2]
STACK = "dev"

# By default, the engine writes the state after every step, which is a third of the time of a first
# `up`. The tests never kill it, so the state at the end of a run is sufficient.
_NO_CHECKPOINTS = {"PULUMI_EXPERIMENTAL": "true", "PULUMI_SKIP_CHECKPOINTS": "true"}


@dataclass(frozen=True)
class Sandbox:
    """A sandbox with its state, cloud and stack files in one folder."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def cloud(self) -> Cloud:
        return Cloud(self.folder / "home" / "cloud.sqlite")

    @property
    def stack_file(self) -> Path:
        return self.folder / f"Pulumi.{STACK}.yaml"

    def run(self, *args: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs `bin/sandbox ARGS` in a folder outside of the checkout."""
        return subprocess.run(
            [ROOT / "bin" / "sandbox", *args],
            cwd=self.folder,
            env={
                **os.environ,
                **_NO_CHECKPOINTS,
                "SANDBOX_HOME": str(self.folder / "home"),
                "SANDBOX_STACKS": str(self.folder),
                **self.environment,
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )

    def must(self, *args: str, **environment: str) -> str:
        """Runs a command that must succeed, and returns its output."""
        done = self.run(*args, **environment)
        assert done.returncode == 0, f"{args}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def up(self, **environment: str) -> str:
        return self.must("up", "--yes", "--stack", STACK, "--skip-preview", **environment)

    def changes(self) -> dict[str, list[str]]:
        """The changes of a preview: the names of the resources by operation, without `same`."""
        steps = json.loads(self.must("preview", "--stack", STACK, "--json"))["steps"]
        result: dict[str, list[str]] = {}
        for step in steps:
            if step["op"] != "same":
                result.setdefault(step["op"], []).append(step["urn"].split("::")[-1])
        return result

    def resources(self) -> list[dict[str, Any]]:
        """The resources in the state, without the stack resource."""
        state = json.loads(self.must("stack", "export", "--stack", STACK))
        resources: list[dict[str, Any]] = state["deployment"].get("resources") or []
        return [each for each in resources if each["type"] != "pulumi:pulumi:Stack"]

    def outputs(self) -> dict[str, Any]:
        return json.loads(self.must("stack", "output", "--json", "--stack", STACK))

    def configure(self, path: str, value: Any) -> None:
        """Sets a value in the stack file, at a dotted path in the project's namespace."""
        content = yaml.safe_load(self.stack_file.read_text())
        first, *rest = path.split(".")
        keys = [first if ":" in first else f"mcp-platform:{first}", *rest]
        place = content["config"]
        for key in keys[:-1]:
            place = place.setdefault(key, {})
        place[keys[-1]] = value
        self.stack_file.write_text(yaml.safe_dump(content))

    def copy(self, folder: Path) -> "Sandbox":
        """Copies the sandbox to a folder."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return Sandbox(folder, self.environment)


def create(folder: Path) -> Sandbox:
    """Creates a sandbox with the example stack file."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / f"Pulumi.{STACK}.yaml", folder)
    return Sandbox(folder)
