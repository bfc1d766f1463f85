"""The sandbox's requirements: complete, and the same versions as the program's."""

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PIN = re.compile(r"^([\w.-]+)(?:\[[\w,]+\])?==(\S+)", re.MULTILINE)


def pins(*files: Path) -> dict[str, str]:
    """The versions by normalized name."""
    found = [pin for file in files for pin in PIN.findall(file.read_text())]
    return {normalized(name): version for name, version in found}


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported() -> Iterator[str]:
    """The top-level packages that the sandbox imports, without its tests."""
    for path in sorted((ROOT / "sandbox").rglob("*.py")):
        if "tests" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module.partition(".")[0]


def test_every_imported_package_is_required():
    required = pins(ROOT / "requirements.txt", ROOT / "sandbox" / "requirements.txt")
    distributions = packages_distributions()
    foreign = set(imported()) - set(sys.stdlib_module_names) - {"sandbox"}
    missing = {
        name
        for name in foreign
        if not {normalized(one) for one in distributions.get(name, ())} & required.keys()
    }
    assert missing == set()


def test_the_versions_are_those_of_the_program_and_of_the_workloads():
    own = pins(ROOT / "sandbox" / "requirements.txt")
    others = [ROOT / "requirements.txt", *ROOT.glob("workloads/*/requirements.txt")]
    for file in others:
        theirs = pins(file)
        assert {name: theirs[name] for name in own.keys() & theirs.keys()} == {
            name: own[name] for name in own.keys() & theirs.keys()
        }, file
