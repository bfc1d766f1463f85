"""A fleet that moves between targets: its data, and the demonstration on each target."""

import os
import subprocess
import sys
from dataclasses import dataclass

import pytest

from tests.engine.sandbox_run import ROOT, Sandbox, create
from tests.serve.served import serving
from tests.workloads.support import text

pytestmark = pytest.mark.engine

WALK = ("ecs", "lambda", "eks", "ecs")


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The results on a target: the existing notes, and the output of the demonstration."""

    notes: str
    demo: "subprocess.CompletedProcess[str]"


def _demo(sandbox: Sandbox) -> "subprocess.CompletedProcess[str]":
    """Runs the demonstration of `make demo` on a deployed fleet."""
    return subprocess.run(
        [sys.executable, "-m", "sandbox.demo"],
        cwd=ROOT,
        env={**os.environ, "SANDBOX_HOME": str(sandbox.folder / "home")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> list[Seen]:
    """The results of the example fleet on each target in turn; each adds a note."""
    sandbox = create(tmp_path_factory.mktemp("walk"))
    seen: list[Seen] = []
    for target in WALK:
        sandbox.configure("target", target)
        sandbox.up()
        with serving(sandbox) as served:
            notes = text(served.call("notes", "list_notes", {}, {}))
            note = {"name": f"on-{target}", "text": "kept", "replace": True}
            written = served.call("notes", "add_note", note, {})
            assert not written.is_error, text(written)
        seen.append(Seen(notes=notes, demo=_demo(sandbox)))
    return seen


def test_a_note_that_was_written_before_a_switch_is_there_after_it(walk: list[Seen]) -> None:
    # The demonstration also adds a note.
    assert [sorted(seen.notes.split()) for seen in walk[1:]] == [
        ["on-ecs", "tokyo"],
        ["on-ecs", "on-lambda", "tokyo"],
        ["on-ecs", "on-eks", "on-lambda", "tokyo"],
    ]


@pytest.mark.parametrize("step", range(len(WALK)), ids=WALK)
def test_the_demonstration_shows_question_calls_and_answer(walk: list[Seen], step: int) -> None:
    demo = walk[step].demo
    assert demo.returncode == 0, demo.stdout + demo.stderr
    lines = demo.stdout.splitlines()
    assert sum(line.startswith("POST http://127.0.0.1:") for line in lines) == 1
    assert sum(line.startswith("question  what time is it") for line in lines) == 1
    calls = [line.removeprefix("tool call ") for line in lines if line.startswith("tool call ")]
    assert calls == ["clock · now", "notes · add_note", "notes · read_note"]
    answer = demo.stdout.partition("\nanswer\n")[2]
    assert "Asia/Tokyo" in answer
    assert "kept note tokyo" in answer
