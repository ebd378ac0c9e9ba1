"""One SQLite file, opened for several threads and processes: WAL, foreign keys, one writer at a time, errors as sentences."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from archive.migrations import migrate
from sandbox.errors import ArchiveError

BUSY_SECONDS = 30.0

Row = tuple[Any, ...]

_FULL = ("cannot grow, the disk is full", "Free some space and run `lossmith resume`: nothing recorded is lost.")

# SQLite's name for what went wrong, by its beginning, the longer one first: what to say and what to do.
TROUBLES = {
    "SQLITE_NOTADB": ("is not a SQLite database", "Name another file with --archive."),
    "SQLITE_CORRUPT": ("is damaged", "Restore it from a copy, or rescue what is readable with `sqlite3 FILE .recover`."),
    "SQLITE_BUSY": ("is locked by another process", "Wait for it to end, or end it."),
    "SQLITE_LOCKED": ("is locked by another process", "Wait for it to end, or end it."),
    "SQLITE_READONLY": ("is read-only", "Make the file and its folder writable, or copy the archive to where they are."),
    "SQLITE_PERM": ("may not be opened", "Make the file and its folder readable and writable."),
    "SQLITE_CANTOPEN": ("cannot be opened", "Name a file in an existing folder that you may write to, with --archive."),
    "SQLITE_FULL": _FULL,
    "SQLITE_IOERR_SHMSIZE": _FULL,  # of the file beside it that all its readers share
    "SQLITE_IOERR": ("cannot be read or written", "Check the disk and run `lossmith resume`: nothing recorded is lost."),
}


class Database:
    """A connection behind a lock. `path=None` lives in memory and ends with the object."""

    def __init__(self, path: Path | None, busy_seconds: float = BUSY_SECONDS) -> None:
        self.path = path
        self._lock = threading.RLock()
        with self._explained():
            self._connection = sqlite3.connect(
                ":memory:" if path is None else path, timeout=busy_seconds, isolation_level=None, check_same_thread=False
            )
        try:
            with self._explained():
                self._connection.execute("PRAGMA foreign_keys = ON")
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = NORMAL")  # survives a kill of every process; not a power cut's last second
                migrate(self._connection)
        except BaseException:
            self._connection.close()
            raise

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing: committed on leaving, undone by any exception, a KeyboardInterrupt included."""
        with self._lock, self._explained():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def all(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """The rows of a query."""
        with self._lock, self._explained():
            return self._connection.execute(sql, values).fetchall()

    def one(self, sql: str, values: Sequence[object] = ()) -> Row | None:
        """The first row of a query."""
        rows = self.all(sql, values)
        return rows[0] if rows else None

    def close(self) -> None:
        """Closes the file; twice is harmless."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise explain(error, self.path) from error


def explain(error: sqlite3.Error, path: Path | None) -> ArchiveError:
    """SQLite's error as a sentence with a remedy."""
    name = getattr(error, "sqlite_errorname", "")
    place = "in memory" if path is None else str(path)
    for beginning, (trouble, remedy) in TROUBLES.items():
        if name.startswith(beginning):
            return ArchiveError(f"The archive {place} {trouble}.", remedy)
    return ArchiveError(f"The archive {place} refused: {error}.", "Check that no other program writes to it.")
