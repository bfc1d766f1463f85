"""What a fleet has kept is there on every target that it moves to."""

from pathlib import Path

import pytest

from tests.engine.sandbox_run import create
from tests.serve.served import serving
from tests.workloads.support import text

pytestmark = pytest.mark.engine


def test_a_note_that_was_written_before_a_switch_is_there_after_it(tmp_path: Path) -> None:
    sandbox = create(tmp_path)
    kept: list[str] = []
    for target in ("ecs", "lambda", "eks", "ecs"):
        sandbox.configure("target", target)
        sandbox.up()
        with serving(sandbox) as served:
            kept.append(text(served.call("notes", "list_notes", {}, {})))
            note = {"name": f"on-{target}", "text": "kept", "replace": True}
            written = served.call("notes", "add_note", note, {})
            assert not written.is_error, text(written)
            assert '"text": "kept"' in text(
                served.call("notes", "read_note", {"name": note["name"]}, {})
            )
    assert [sorted(names.split()) for names in kept[1:]] == [
        ["on-ecs"],
        ["on-ecs", "on-lambda"],
        ["on-ecs", "on-eks", "on-lambda"],
    ]
