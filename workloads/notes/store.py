"""Stores each note as a JSON file in one folder.

Replicas share the folder (EFS on AWS). Therefore nothing is cached in memory, writes are atomic,
and two replicas that add the same name do not overwrite each other.
"""

import hashlib
import hmac
import json
import os
import re
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, ValidationError

MAX_NOTES = 1000
"""The most notes that a folder takes; replicas that add at once may pass it by a few."""
MAX_TEXT_BYTES = 64 * 1024
"""The longest text of a note, in bytes of UTF-8."""
NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,63}$"
"""What a note may be called: nothing that means anything to a file system."""

_NAME = re.compile(NAME_PATTERN.removeprefix("^").removesuffix("$"))
_SUFFIX = ".json"

# The longest text, with every byte escaped in JSON (`\u0000`), and some margin.
_MAX_FILE_BYTES = 6 * MAX_TEXT_BYTES + 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Note:
    """One note: its name, its text, and when it was written (ISO 8601, UTC)."""

    name: str
    text: str
    written: str


class _Record(BaseModel):
    """The content of a note's file, as JSON; the note has the name of the file."""

    text: str
    written: str
    signature: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Notebook:
    """A folder of notes.

    With a key, every note is signed (HMAC-SHA256). A note that was written without the key, or
    was changed since, is rejected on reading.

    Attributes:
        folder: Where the files are.
        key: The key that signs the notes; None to leave them unsigned.
    """

    folder: Path
    key: bytes | None

    def save(self, note: Note, *, replace: bool) -> None:
        """Write a note durably: it is completely on disk when this returns.

        Args:
            note: The note.
            replace: Whether to overwrite an existing note of that name.

        Raises:
            ToolError: If the name or the text is not allowed, the folder is full, or the name is
                in use and `replace` is false.
        """
        path = self._path(note.name)
        size = len(note.text.encode())
        if size > MAX_TEXT_BYTES:
            raise ToolError(f"the text is {size} bytes long; {MAX_TEXT_BYTES} are allowed")
        if len(self.names()) >= MAX_NOTES and not path.exists():
            raise ToolError(f"there are {MAX_NOTES} notes already; delete one first")
        record = _Record(text=note.text, written=note.written, signature=self._signature(note))
        with tempfile.NamedTemporaryFile(dir=self.folder) as draft:
            draft.write(record.model_dump_json().encode())
            draft.flush()
            os.fsync(draft.fileno())
            _publish(Path(draft.name), path, replace=replace)

    def load(self, name: str) -> Note:
        """Read a note.

        Args:
            name: Its name.

        Returns:
            The note.

        Raises:
            ToolError: If the name is not allowed, the note does not exist, or its file is damaged
                or was changed by another program.
        """
        path = self._path(name)
        try:
            with open(path, "rb", opener=_open_no_link) as file:
                content = file.read(_MAX_FILE_BYTES + 1)
        except FileNotFoundError as error:
            raise ToolError(f"there is no note {name!r}") from error
        except OSError as error:
            raise ToolError(f"the file of note {name!r} cannot be read") from error
        if len(content) > _MAX_FILE_BYTES:
            raise _too_long(name)
        try:
            record = _Record.model_validate_json(content)
        except ValidationError as error:
            raise ToolError(f"the file of note {name!r} is damaged") from error
        if len(record.text.encode()) > MAX_TEXT_BYTES:
            raise _too_long(name)
        note = Note(name=name, text=record.text, written=record.written)
        if self.key is not None and not hmac.compare_digest(
            record.signature.encode(), self._signature(note).encode()
        ):
            raise ToolError(f"note {name!r} was changed by something other than this server")
        return note

    def names(self) -> list[str]:
        """List the names of all notes, sorted."""
        return sorted(
            path.stem
            for path in self.folder.iterdir()
            if path.suffix == _SUFFIX and _NAME.fullmatch(path.stem)
        )

    def delete(self, name: str) -> None:
        """Delete a note.

        Args:
            name: Its name.

        Raises:
            ToolError: If the name is not allowed or the note does not exist.
        """
        try:
            self._path(name).unlink()
        except FileNotFoundError as error:
            raise ToolError(f"there is no note {name!r}") from error
        _sync_folder(self.folder)

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ToolError(
                f"{name!r} is no name for a note: 1 to 64 lower-case letters, digits, '-' and '_', "
                "the first a letter or a digit"
            )
        return self.folder / f"{name}{_SUFFIX}"

    def _signature(self, note: Note) -> str:
        if self.key is None:
            return ""
        signed = json.dumps([note.name, note.text, note.written])
        return hmac.new(self.key, signed.encode(), hashlib.sha256).hexdigest()


def new_note(name: str, text: str) -> Note:
    """Make a note with the current time."""
    return Note(name=name, text=text, written=datetime.now(UTC).isoformat(timespec="seconds"))


def _too_long(name: str) -> ToolError:
    return ToolError(f"the text of note {name!r} is longer than {MAX_TEXT_BYTES} bytes")


def _open_no_link(path: str, flags: int) -> int:
    """Open a file unless it is a link, which could point outside of the folder."""
    return os.open(path, flags | os.O_NOFOLLOW)


def _publish(draft: Path, path: Path, *, replace: bool) -> None:
    """Give the finished draft its name, atomically."""
    if replace:
        # A second name for the draft, because the temporary file removes its own.
        second = draft.with_name(f"{draft.name}.new")
        os.link(draft, second)
        second.replace(path)
    else:
        try:
            os.link(draft, path)  # unlike a rename, it fails if the name is taken
        except FileExistsError as error:
            raise ToolError(
                f"there is a note {path.stem!r} already; set replace to overwrite it"
            ) from error
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
