"""Files that cannot be used: one trouble, one test."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from archive.database import Database
from archive.migrations import APPLICATION, FIRST, STEPS, migrate
from archive.store import open_archive
from sandbox.errors import ArchiveError
from tests.archive.making import proposal, scored, tell


def test_no_database(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    path.write_text("certainly not a database, but long enough to be looked at as one" * 20)
    with pytest.raises(ArchiveError, match="not a SQLite database") as caught:
        open_archive(path)
    assert caught.value.exit_code == 5
    assert "--archive" in caught.value.remedy


def test_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with_content = open_archive(path)
    with_content.create_campaign("c", "{}")
    for number in range(200):
        tell(with_content, scored(number, 0.1))
    with_content.close()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match="damaged"):
        open_archive(path).top("c", 10)


def test_of_another_program(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE bookmarks (url TEXT)")
    other.close()
    with pytest.raises(ArchiveError, match="another program"):
        open_archive(path)


def test_of_a_newer_version(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    open_archive(path).close()
    with sqlite3.connect(path) as newer:
        newer.execute(f"PRAGMA user_version = {len(STEPS) + 3}")
    newer.close()
    with pytest.raises(ArchiveError, match="schema") as caught:
        open_archive(path)
    assert "newer" in caught.value.remedy


def test_locked(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    database = Database(path, busy_seconds=0.05)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(ArchiveError, match="locked by another process"), database.transaction():
        pass
    other.execute("ROLLBACK")
    with database.transaction() as connection:
        connection.execute("INSERT INTO campaigns (name, position, spec) VALUES ('c', 0, '')")
    other.close()
    database.close()


def test_read_only(tmp_path: Path) -> None:
    archive = open_archive(tmp_path / "a.sqlite")
    archive._database.all("PRAGMA query_only = ON")
    with pytest.raises(ArchiveError, match="read-only"):
        archive.create_campaign("c", "{}")
    archive.close()


def test_full_disk_loses_nothing(tmp_path: Path) -> None:
    archive = open_archive(tmp_path / "a.sqlite")
    archive.create_campaign("c", "{}")
    tell(archive, scored(0, 0.1))
    ((pages,),) = archive._database.all("PRAGMA page_count")
    archive._database.all(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(ArchiveError, match="disk is full"):
        archive.propose(proposal(1, text="x" * 500_000))
    assert len(archive.top("c", 5)) == 1
    archive.close()


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="cannot be opened"):
        open_archive(tmp_path / "none" / "a.sqlite")


def test_a_transaction_is_undone_by_any_exception(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.sqlite")

    def interrupted() -> None:
        with database.transaction() as connection:
            connection.execute("INSERT INTO campaigns (name, position, spec) VALUES ('c', 0, '')")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert database.all("SELECT * FROM campaigns") == []
    database.close()


def test_an_older_file_is_brought_forward_with_its_contents(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "a.sqlite", isolation_level=None)
    migrate(connection, (FIRST,))
    connection.execute("INSERT INTO campaigns (name, position, spec) VALUES ('c', 0, '{}')")
    later = "ALTER TABLE campaigns ADD COLUMN owner TEXT NOT NULL DEFAULT 'nobody'"
    migrate(connection, (FIRST, later))
    assert connection.execute("SELECT name, owner FROM campaigns").fetchall() == [("c", "nobody")]
    assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    migrate(connection, (FIRST, later))  # nothing left to do
    connection.close()


def test_a_failing_step_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "a.sqlite", isolation_level=None)
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, (FIRST, "CREATE TABLE campaigns (x TEXT)"))
    assert connection.execute("SELECT COUNT(*) FROM sqlite_schema").fetchone() == (0,)
    assert connection.execute("PRAGMA application_id").fetchone() != (APPLICATION,)
    connection.close()
