"""The official tools, as `bin/setup conformance` installs them."""

import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.conformance.verdicts import Check, read_results, required_scenarios

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ROOT / ".npm-conformance" / "node_modules"
REVISIONS = ("2026-07-28", "2025-11-25")

# The suite ends a scenario after 30 s, and has about 50 of them; a healthy run takes 2 s.
_RUN_SECONDS = 600


class NotInstalledError(Exception):
    """The tools are not installed; the text names the command that installs them."""


def run(tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a tool with the Node.js that was installed beside it.

    Args:
        tool: `conformance` or `mcp-inspector`.
        arguments: Its arguments.

    Returns:
        The ended process, with its output as text.

    Raises:
        NotInstalledError: If it is not installed.
        subprocess.TimeoutExpired: If it runs for longer than ten minutes.
    """
    node, script = PACKAGES / ".bin" / "node", PACKAGES / ".bin" / tool
    for path in (node, script):
        if not path.exists():
            raise NotInstalledError(f"there is no {path}; run `bin/setup conformance`")
    return subprocess.run(
        [node, script, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=_RUN_SECONDS,
        stdin=subprocess.DEVNULL,
    )


def requirements(revision: str) -> list[str]:
    """The scenarios for servers that the suite runs for a revision.

    Raises:
        NotInstalledError: If the suite is not installed.
    """
    folder = PACKAGES / "@modelcontextprotocol" / "conformance" / "requirements"
    path = folder / f"{revision}.yaml"
    if not path.exists():
        raise NotInstalledError(f"there is no {path}; run `bin/setup conformance`")
    document: dict[str, Any] = yaml.safe_load(path.read_text())
    return required_scenarios(document)


def conformance(url: str, revision: str, folder: Path) -> dict[str, list[Check]]:
    """Run the suite's requirements of a revision against a server.

    Args:
        url: The server's `/mcp`.
        revision: One of `REVISIONS`.
        folder: Where the suite's own results go.

    Returns:
        Scenario to its checks; a scenario that the suite did not get to is missing.

    Raises:
        NotInstalledError: If the suite is not installed.
    """
    done = run("conformance", "server", "--url", url, "--requirements", revision, "-o", str(folder))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "output.log").write_text(done.stdout + done.stderr)
    return read_results(folder)
