"""The cloud of the sandbox: a SQLite file that the processes of the providers share.

Each object is a row with the key (provider, type, id). Three more tables contain the names that are
in use (claims), the strings that identify an object (handles: its id, its ARN, its name …) and what
an object refers to (links). Triggers update them, so a row can be edited or deleted with any SQLite
client to cause drift.
"""

import json
import sqlite3
import threading
import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
  provider TEXT NOT NULL, type TEXT NOT NULL, id TEXT NOT NULL, created REAL NOT NULL,
  inputs TEXT NOT NULL, properties TEXT NOT NULL, PRIMARY KEY (provider, type, id)
);
CREATE TABLE IF NOT EXISTS claims (
  claim TEXT PRIMARY KEY, provider TEXT NOT NULL, type TEXT NOT NULL, id TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS handles (
  handle TEXT NOT NULL, provider TEXT NOT NULL, type TEXT NOT NULL, id TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS links (
  target TEXT NOT NULL, path TEXT NOT NULL,
  provider TEXT NOT NULL, type TEXT NOT NULL, id TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS claims_owner ON claims (provider, type, id);
CREATE INDEX IF NOT EXISTS handles_handle ON handles (handle);
CREATE INDEX IF NOT EXISTS handles_owner ON handles (provider, type, id);
CREATE INDEX IF NOT EXISTS links_target ON links (target);
CREATE INDEX IF NOT EXISTS links_owner ON links (provider, type, id);
CREATE TRIGGER IF NOT EXISTS forget_owned AFTER DELETE ON objects BEGIN
  DELETE FROM claims WHERE (provider, type, id) = (OLD.provider, OLD.type, OLD.id);
  DELETE FROM handles WHERE (provider, type, id) = (OLD.provider, OLD.type, OLD.id);
  DELETE FROM links WHERE (provider, type, id) = (OLD.provider, OLD.type, OLD.id);
END;
"""
_BUSY_SECONDS = 60.0


class TakenError(Exception):
    """A claim or an id of another object.

    Attributes:
        claim: The claim or the id.
        owner: The id of the object that has it.
    """

    def __init__(self, claim: str, owner: str) -> None:
        super().__init__(f"{claim} is taken by {owner}")
        self.claim = claim
        self.owner = owner


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredResource:
    """One object of the cloud.

    Attributes:
        provider: The name of the package, such as ``aws``.
        type: The type token.
        id: The id.
        inputs: The checked inputs (plain JSON values).
        properties: The current properties (plain JSON values), which a refresh reads.
        created: Seconds since the epoch; 0 is the current time.
        claims: Strings that no other object can claim while this object exists.
        handles: Strings, in addition to the id, by which other objects can refer to it.
        links: Pairs of a property path and the string with which it refers to another object.
    """

    provider: str
    type: str
    id: str
    inputs: Mapping[str, Any]
    properties: Mapping[str, Any]
    created: float = 0.0
    claims: Iterable[str] = field(default=())
    handles: Iterable[str] = field(default=())
    links: Iterable[tuple[str, str]] = field(default=())


class Cloud:
    """Access to the cloud's file, for any number of threads and processes.

    Args:
        path: The SQLite file. It is created if it does not exist, and so is its folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._local = threading.local()
        self._all: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._connection()

    def _connection(self) -> sqlite3.Connection:
        known: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if known is not None:
            return known
        connection = sqlite3.connect(
            self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA journal_mode = WAL")
        # The last writes of a sandbox may be lost in a power failure.
        connection.execute("PRAGMA synchronous = OFF")
        connection.executescript(_SCHEMA)
        self._local.connection = connection
        with self._lock:
            self._all.append(connection)
        return connection

    def close(self) -> None:
        """Closes the connections of all threads. The object cannot be used afterwards."""
        with self._lock:
            while self._all:
                self._all.pop().close()

    @contextmanager
    def transaction(self) -> Generator[None]:
        """Locks the file for a transaction, which is rolled back on an exception."""
        connection = self._connection()
        if connection.in_transaction:
            yield
            return
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    def put(self, stored: StoredResource, *, new: bool = False) -> None:
        """Writes an object with its claims, handles and links, and replaces an earlier version.

        Args:
            stored: The object.
            new: Whether an earlier version is another object, which keeps its claims.

        Raises:
            TakenError: Another object has one of its claims.
        """
        key = (stored.provider, stored.type, stored.id)
        with self.transaction():
            connection = self._connection()
            before = None if new else self.get(*key)
            if before is not None:
                self.delete(*key)
            for claim in stored.claims:
                row = connection.execute(
                    "SELECT id FROM claims WHERE claim = ?", (claim,)
                ).fetchone()
                if row is not None:
                    raise TakenError(claim, row[0])
                connection.execute("INSERT INTO claims VALUES (?, ?, ?, ?)", (claim, *key))
            connection.execute("DELETE FROM handles WHERE (provider, type, id) = (?, ?, ?)", key)
            connection.execute("DELETE FROM links WHERE (provider, type, id) = (?, ?, ?)", key)
            connection.execute(
                "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?)",
                (
                    *key,
                    before.created if before else stored.created or time.time(),
                    json.dumps(dict(stored.inputs)),
                    json.dumps(dict(stored.properties)),
                ),
            )
            connection.executemany(
                "INSERT INTO handles VALUES (?, ?, ?, ?)",
                [
                    (handle, *key)
                    for handle in dict.fromkeys((stored.id, *stored.handles))
                    if handle
                ],
            )
            connection.executemany(
                "INSERT INTO links VALUES (?, ?, ?, ?, ?)",
                [(target, path, *key) for path, target in stored.links],
            )

    def get(self, provider: str, type_: str, id_: str) -> StoredResource | None:
        """The object with an id, or None."""
        found = self._select("WHERE (provider, type, id) = (?, ?, ?)", (provider, type_, id_))
        return found[0] if found else None

    def list(self, provider: str | None = None, type_: str | None = None) -> "list[StoredResource]":
        """The objects, or those of a provider or a type, in the order of creation."""
        return self._select(
            "WHERE provider = coalesce(?, provider) AND type = coalesce(?, type)"
            " ORDER BY created, rowid",
            (provider, type_),
        )

    def edit(self, provider: str, type_: str, id_: str, changes: Mapping[str, Any]) -> None:
        """Changes properties of an object without the engine (None removes a property).

        Raises:
            KeyError: The object does not exist.
        """
        with self.transaction():
            stored = self.get(provider, type_, id_)
            if stored is None:
                raise KeyError((provider, type_, id_))
            kept = {k: v for k, v in {**stored.properties, **changes}.items() if v is not None}
            self._connection().execute(
                "UPDATE objects SET properties = ? WHERE (provider, type, id) = (?, ?, ?)",
                (json.dumps(kept), provider, type_, id_),
            )

    def delete(self, provider: str, type_: str, id_: str) -> bool:
        """Deletes an object, and returns whether it existed."""
        cursor = self._connection().execute(
            "DELETE FROM objects WHERE (provider, type, id) = (?, ?, ?)", (provider, type_, id_)
        )
        return cursor.rowcount > 0

    def find(self, handle: str) -> "list[StoredResource]":
        """The objects with a handle: an id, an ARN or a name."""
        return self._select("JOIN handles USING (provider, type, id) WHERE handle = ?", (handle,))

    def users(self, provider: str, type_: str, id_: str) -> "list[tuple[str, StoredResource]]":
        """The objects that refer to an object by any handle, each with the property path."""
        rows = self._connection().execute(
            "SELECT DISTINCT links.path, links.provider, links.type, links.id FROM handles"
            " JOIN links ON links.target = handles.handle"
            " WHERE (handles.provider, handles.type, handles.id) = (?1, ?2, ?3)"
            " AND (links.provider, links.type, links.id) != (?1, ?2, ?3)",
            (provider, type_, id_),
        )
        found = [(row[0], self.get(row[1], row[2], row[3])) for row in rows.fetchall()]
        return [(path, stored) for path, stored in found if stored is not None]

    def links(self, provider: str, type_: str, id_: str) -> "list[tuple[str, str]]":
        """The links of an object: pairs of a property path and a string."""
        rows = self._connection().execute(
            "SELECT path, target FROM links WHERE (provider, type, id) = (?, ?, ?)",
            (provider, type_, id_),
        )
        return [(row[0], row[1]) for row in rows.fetchall()]

    def count(self, name: str) -> int:
        """Increments a counter that all processes share, and returns its new value (first: 1)."""
        row = self._connection().execute(
            "INSERT INTO counters VALUES (?, 1)"
            " ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value",
            (name,),
        )
        return int(row.fetchall()[0][0])

    def _select(self, where: str, values: tuple[Any, ...]) -> "list[StoredResource]":
        rows = self._connection().execute(
            "SELECT objects.provider, objects.type, objects.id, created, inputs, properties"  # noqa: S608 - `where` is one of the literals above, values are bound
            f" FROM objects {where}",
            values,
        )
        return [
            StoredResource(
                provider=row[0],
                type=row[1],
                id=row[2],
                created=row[3],
                inputs=json.loads(row[4]),
                properties=json.loads(row[5]),
            )
            for row in rows.fetchall()
        ]
