"""The scanned files use none of the words and phrases of tests/docs/words.yaml."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

_ROOT = Path(__file__).resolve().parents[2]
_WORDS: dict[str, str] = yaml.safe_load((_ROOT / "tests/docs/words.yaml").read_text())
# What may separate the words of a phrase: a line break in a comment or a string, or an underscore.
_BETWEEN = r"""[\s_#"']+"""
# The text of the licence is not ours, and the tests name what they refuse.
_NOT_SCANNED = re.compile(r"^LICENSE$|(^|/)tests/")
_PATTERN = re.compile(
    "(?<![a-z])(?:{})(?![a-z])".format(
        "|".join(_BETWEEN.join(map(re.escape, phrase.split())) for phrase in _WORDS)
    ),
    re.IGNORECASE,
)


def _tracked() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=_ROOT, capture_output=True, check=True, text=True
    )
    return [path for path in listed.stdout.split("\0") if path]


def _found(texts: Mapping[str, str]) -> list[str]:
    """Where the texts use a refused phrase, and what to write instead."""
    found: list[str] = []
    for path, text in texts.items():
        for match in _PATTERN.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            phrase = re.sub(_BETWEEN, " ", match.group().lower())
            found.append(f"{path}:{line}: {phrase!r}; write: {_WORDS[phrase]}")
    return found


def _scanned() -> dict[str, str]:
    paths = [path for path in _tracked() if not _NOT_SCANNED.search(path)]
    return {path: (_ROOT / path).read_text() for path in paths if (_ROOT / path).exists()}


def test_documents_code_and_configuration_are_scanned():
    scanned = _scanned().keys()
    assert {"README.md", "Makefile", "Pulumi.yaml", "__main__.py", "docs/ecs.md"} <= scanned
    for folder in ("bin", "components", "core", "docs/adr", "sandbox", "workloads"):
        assert any(path.startswith(f"{folder}/") for path in scanned), folder


def test_no_scanned_file_uses_a_refused_word():
    assert _found(_scanned()) == []


@pytest.mark.parametrize(
    "text",
    [
        "Mend it.",
        "of its\n    # own accord",
        'of "\n    "its own accord',
        "to_mend = 1",
        "mend-all",
    ],
)
def test_a_phrase_is_found_in_any_case_across_lines_and_in_names(text: str):
    assert len(_found({"page.md": text})) == 1


def test_a_longer_word_is_another_word():
    assert _found({"page.md": "We recommend an amendment."}) == []


def test_the_place_and_the_replacement_are_named():
    assert _found({"page.md": "one\nmend it"}) == ["page.md:2: 'mend'; write: fix"]


def test_the_list_is_sorted_and_every_word_in_it_has_a_replacement():
    assert list(_WORDS) == sorted(_WORDS)
    assert all(type(instead) is str for instead in _WORDS.values())
    assert all(_found({"page.md": phrase}) for phrase in _WORDS)
