"""Only the modules of the targets, and the table that chooses one, depend on the target."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]

# The model has the default target and two facts about it (`has_cluster`, `is_state_machine`).
_ALLOWED = {"core/config/model.py"}


def _modules() -> list[str]:
    paths = [path.relative_to(_ROOT) for path in (_ROOT / "core").rglob("*.py")]
    return sorted(str(path) for path in paths if path.parts[1] != "targets")


def _members_of_target(module: str) -> Iterator[int]:
    for node in ast.walk(ast.parse((_ROOT / module).read_text())):
        match node:
            case ast.Attribute(value=ast.Name(id="Target")):
                yield node.lineno
            case ast.Compare(left=ast.Attribute(attr="target")):
                yield node.lineno
            case ast.Match(subject=ast.Attribute(attr="target")):
                yield node.lineno
            case _:
                pass


@pytest.mark.parametrize("module", sorted({*_modules()} - _ALLOWED))
def test_a_module_outside_of_core_targets_does_not_switch_on_the_target(module: str):
    assert list(_members_of_target(module)) == []


def test_a_switch_is_found_where_there_is_one():
    assert list(_members_of_target("core/targets/dispatch.py"))
