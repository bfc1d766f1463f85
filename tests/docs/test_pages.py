"""What the pages point to is there: files, pages and headings."""

import re
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_PAGES = sorted(
    str(page.relative_to(_ROOT))
    for pattern in ("*.md", "docs/**/*.md", "examples/*.md", "sandbox/*.md", "workloads/*.md")
    for page in _ROOT.glob(pattern)
)
# A record of a choice may name what was given up.
_OF_TODAY = [page for page in _PAGES if not page.startswith("docs/adr/")]
_FILE = re.compile(r"`((?:bin|components|core|docs|examples|sandbox|tests|workloads)/[\w./-]*)`")
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")


def _anchors(page: Path) -> set[str]:
    """The headings as GitHub links to them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one).strip().lower().replace(" ", "-") for one in headings}


def test_there_are_pages() -> None:
    assert {"README.md", "docs/eks.md", "docs/lambda.md"} <= set(_PAGES)


@pytest.mark.parametrize("page", _OF_TODAY)
def test_every_file_that_a_page_names_is_there(page: str) -> None:
    named = _FILE.findall((_ROOT / page).read_text())
    assert [one for one in named if not (_ROOT / one).exists()] == []


@pytest.mark.parametrize("page", _PAGES)
def test_every_link_of_a_page_leads_somewhere(page: str) -> None:
    here = _ROOT / page
    for target, anchor in _LINK.findall(here.read_text()):
        there = (here.parent / target).resolve() if target else here
        assert there.exists(), target
        if anchor:
            assert anchor in _anchors(there), f"{target}#{anchor}"
