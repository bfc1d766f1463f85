"""The notes: an MCP server that stores notes in files, which all replicas share."""

import os
import re
import sys
from bisect import bisect_right
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field
from starlette.applications import Starlette

from common.runtime import start
from common.serving import application, mcp_server
from common.settings import SettingError

from .store import MAX_TEXT_BYTES, NAME_PATTERN, Notebook, new_note

# The longest text, with every byte escaped in JSON (`\u0000`), and some margin.
_MAX_BODY_BYTES = 6 * MAX_TEXT_BYTES + 8 * 1024
# The official Python client accepts 1 MiB in one event of a stream (mcp 2.3.0,
# `DEFAULT_MAX_SSE_EVENT_SIZE`). A result has each name twice, as text and structured content.
MAX_NAMES = 1000
"""The most names in one result of `list_notes`."""

_MAX_HITS = 50
_EXCERPT = 40

Name = Annotated[
    str,
    Field(
        pattern=NAME_PATTERN,
        description="1 to 64 lower-case letters, digits, '-' and '_'; first a letter or a digit",
    ),
]
After = Annotated[str, Field(max_length=64, description="Only names that come after this one")]
Text = Annotated[str, Field(description=f"At most {MAX_TEXT_BYTES} bytes of UTF-8")]
Query = Annotated[str, Field(min_length=1, max_length=200, description="Letter case is ignored")]


class Found(BaseModel):
    """A note that contains the query."""

    name: str
    excerpt: str = Field(description="The text around the first hit; its start for a hit by name")


class SearchResult(BaseModel):
    """The result of a search."""

    hits: list[Found]
    more: bool = Field(description=f"Whether there are more than the {_MAX_HITS} hits shown")
    unreadable: list[str] = Field(
        description=f"Notes that are damaged or were changed by others, at most {_MAX_HITS}"
    )


class NoteText(BaseModel):
    """A note."""

    name: str
    text: str
    written: str = Field(description="ISO 8601, UTC")


def _excerpt(text: str, at: int) -> str:
    return text[max(0, at - _EXCERPT) : at + _EXCERPT]


class Tools:
    """The tools of one notebook; the docstring of each method is the description for models."""

    def __init__(self, book: Notebook) -> None:
        self._book = book

    def add_note(self, name: Name, text: Text, replace: bool = False) -> str:
        """Add a note; an existing one is overwritten only if replace is true."""
        self._book.save(new_note(name, text), replace=replace)
        return f"kept note {name}"

    def list_notes(self, after: After = "") -> list[str]:
        """List the names of the notes, at most 1000; to get those after them, give the last one."""
        names = self._book.names()
        return names[bisect_right(names, after) :][:MAX_NAMES]

    def read_note(self, name: Name) -> NoteText:
        """Read a note."""
        note = self._book.load(name)
        return NoteText(name=note.name, text=note.text, written=note.written)

    def search_notes(self, query: Query) -> SearchResult:
        """Find the notes whose name or text contains the query."""
        wanted = re.compile(re.escape(query), re.IGNORECASE)
        hits: list[Found] = []
        unreadable: list[str] = []
        for name in self._book.names():
            try:
                text = self._book.load(name).text
            except ToolError:
                unreadable.append(name)
                continue
            hit = wanted.search(text)
            if hit or wanted.search(name):
                hits.append(Found(name=name, excerpt=_excerpt(text, hit.start() if hit else 0)))
        return SearchResult(
            hits=hits[:_MAX_HITS],
            more=len(hits) > _MAX_HITS,
            unreadable=unreadable[:_MAX_HITS],
        )

    def delete_note(self, name: Name) -> str:
        """Delete a note for good."""
        self._book.delete(name)
        return f"deleted note {name}"


def _notebook(env: Mapping[str, str]) -> Notebook:
    folder = Path(env.get("FILES_DIR") or "/data")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingError(
            f"FILES_DIR is {str(folder)!r}, which cannot be made a folder"
        ) from error
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise SettingError(f"FILES_DIR is {str(folder)!r}, in which this user may not write")
    key = env.get("NOTES_API_KEY", "")
    return Notebook(folder=folder, key=key.encode() or None)


def build(env: Mapping[str, str]) -> Starlette:
    """Make the notes' ASGI application.

    Args:
        env: The variables of the workload contract, and `FILES_DIR` (`/data` if unset), the
            folder of the notes, and `NOTES_API_KEY`, the secret that signs them (without it they
            are not signed).

    Returns:
        The application, which serves `/mcp` and `/health`.

    Raises:
        SettingError: If the environment is invalid, or the folder is not writable.
    """
    tools = Tools(_notebook(env))
    server = mcp_server("notes", "Keeps short notes under names, and finds them again.", env)
    for tool in (
        tools.add_note,
        tools.list_notes,
        tools.read_note,
        tools.search_notes,
        tools.delete_note,
    ):
        server.add_tool(tool)
    return application(server, env, _MAX_BODY_BYTES)


def main() -> int:
    """Serve the notes; see `runtime.start` for the exit status."""
    return start(build, "notes", secrets=["NOTES_API_KEY"])


if __name__ == "__main__":
    sys.exit(main())
