"""Runs a program in another folder in the sandbox, with the program's project file.

Files that the program writes into its folder are then outside of the checkout.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import yaml

from sandbox.cli import engine_environment, write_project
from tests.engine.sandbox_run import ROOT, STACK, Sandbox, create

# The files that the program of the checkout reads.
_PROGRAM = ("__main__.py", "components", "core", "workloads")


@dataclass(frozen=True, kw_only=True)
class Elsewhere(Sandbox):
    """A sandbox whose program is in another folder.

    Attributes:
        program: The folder of the program.
    """

    program: Path

    def run(self, *args: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs `pulumi ARGS` for the program, as `bin/sandbox` does."""
        home = self.folder / "home"
        project = write_project(home, self.folder) / "Pulumi.yaml"
        content = yaml.safe_load(project.read_text())
        content["main"] = str(self.program)
        project.write_text(yaml.safe_dump(content))
        setup = subprocess.run([ROOT / "bin" / "setup"], capture_output=True, text=True, check=True)
        path = [setup.stdout.strip(), str(ROOT / ".venv" / "bin"), os.environ["PATH"]]
        outer = {
            **os.environ,
            "PATH": os.pathsep.join(path),
            "PYTHONPATH": str(ROOT),
            **self.environment,
            **environment,
        }
        return subprocess.run(
            ["pulumi", "-C", str(project.parent), *args],
            env=engine_environment(outer, home),
            capture_output=True,
            text=True,
            check=False,
        )


def create_elsewhere(folder: Path, program: Path) -> Elsewhere:
    """Creates a sandbox with the example stack file, for the program in a folder."""
    sandbox = Elsewhere(folder=create(folder).folder, program=program)
    sandbox.must("stack", "init", STACK)
    return sandbox


def copy_program(folder: Path) -> Path:
    """Copies the checkout's program to a folder, and returns it."""
    for name in _PROGRAM:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, folder)
    return folder
