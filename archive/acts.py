"""What people do to a campaign while it runs: notes, pins, bans, programs by hand, lessons of their own.

An act is recorded at once and takes effect with the next proposal that is ordered: `adopt` then writes down that proposal's number and how
many results were told. An order that was decided while somebody acted is decided again (`archive.letters.Letters.place`), so that every
proposal was made either wholly with an act or wholly without it, and a campaign whose acts are scheduled at the same numbers makes the
same proposals. `marks` keep, by program, what people wish now and what the search has adopted.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from archive.database import Database, Row
from archive.records import Act, Mark
from archive.standings import restore, withdraw

COLUMNS = "time, campaign, kind, program_id, text, number, told"
STANDING = "(adopted = 1 OR number IS NULL)"  # not yet scheduled by a recording

MARKS: dict[str, Mark] = {"pin": "pin", "unpin": "", "ban": "ban", "unban": ""}

INSERT = f"INSERT INTO acts ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"
WISH = "INSERT INTO marks VALUES (?, ?, ?, '') ON CONFLICT DO UPDATE SET wish = excluded.wish"
HOLD = "INSERT INTO marks VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET wish = excluded.wish, held = excluded.held"
DUE = """
SELECT id, kind, program_id FROM acts
WHERE campaign = ?1 AND adopted = 0 AND (number IS NULL OR (number <= ?2 AND told <= ?3)) ORDER BY id
"""

SAID = {
    "note": "Said",
    "pin": "Pinned",
    "unpin": "No longer pinned",
    "ban": "Banned",
    "unban": "No longer banned",
    "add": "A program by hand:",
    "lessons": "New lessons by hand:",
}


class Acts:
    """The tables `acts` and `marks` of one archive. Every method commits before it returns; safe to call from several threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def do(self, act: Act) -> None:
        """Records what a person does now, and tells it as an event."""
        with self._database.transaction() as connection:
            connection.execute(INSERT, (act.time, act.campaign, act.kind, act.program_id, act.text, None, None))
            if act.kind in MARKS and act.program_id is not None:
                connection.execute(WISH, (act.campaign, act.program_id, MARKS[act.kind]))
            event = (act.time, act.campaign, act.kind, _event(act))
            connection.execute("INSERT INTO events (time, campaign, kind, text) VALUES (?, ?, ?, ?)", event)

    def schedule(self, campaign: str, acts: Sequence[Act]) -> None:
        """Has acts of a recorded campaign take effect in this one when they did there. Once only: later calls change nothing."""
        with self._database.transaction() as connection:
            if connection.execute("SELECT 1 FROM acts WHERE campaign = ?", (campaign,)).fetchone() is None:
                rows = [(a.time, campaign, a.kind, a.program_id, a.text, a.number, a.told) for a in acts if a.number is not None]
                connection.executemany(INSERT, rows)

    def adopt(self, campaign: str, number: int, told: int) -> None:
        """What was done since the last call takes effect from proposal `number` on, which is decided after `told` results."""
        if not self._database.all(DUE, (campaign, number, told)):
            return
        with self._database.transaction() as connection:
            for key, kind, program_id in connection.execute(DUE, (campaign, number, told)).fetchall():
                when = "UPDATE acts SET adopted = 1, number = COALESCE(number, ?), told = COALESCE(told, ?) WHERE id = ?"
                connection.execute(when, (number, told, key))
                if kind in MARKS and program_id is not None:
                    connection.execute(HOLD, (campaign, program_id, MARKS[kind], MARKS[kind]))
                    (withdraw if kind == "ban" else restore)(connection, campaign, program_id, told)

    # ------------------------------------------------------------------------------------ reading: as it is now
    def all(self, campaign: str) -> list[Act]:
        """Everything that was done, oldest first; what a recording has scheduled for later is left out."""
        query = f"SELECT {COLUMNS} FROM acts WHERE campaign = ? AND {STANDING} ORDER BY id"
        return [_act(row) for row in self._database.all(query, (campaign,))]

    def notes(self, campaign: str, program_id: str | None = None) -> list[Act]:
        """What was said of a program, or of the campaign as a whole, oldest first."""
        query = f"SELECT {COLUMNS} FROM acts WHERE campaign = ? AND kind = 'note' AND program_id IS ? AND {STANDING} ORDER BY id"
        return [_act(row) for row in self._database.all(query, (campaign, program_id))]

    def lessons(self, campaign: str) -> Act | None:
        """The newest lessons that a person wrote."""
        query = f"SELECT {COLUMNS} FROM acts WHERE campaign = ? AND kind = 'lessons' AND {STANDING} ORDER BY id DESC LIMIT 1"
        row = self._database.one(query, (campaign,))
        return None if row is None else _act(row)

    def added(self, campaign: str) -> list[Act]:
        """Programs by hand, oldest first: the i-th hand-made proposal of the campaign is the i-th of them."""
        return [act for act in self.all(campaign) if act.kind == "add"]

    def marked(self, campaign: str, mark: Mark) -> list[str]:
        """Ids of the programs that people have pinned, or banned, and not let go since."""
        rows = self._database.all("SELECT program_id FROM marks WHERE campaign = ? AND wish = ? ORDER BY program_id", (campaign, mark))
        return [program_id for (program_id,) in rows]

    def mark(self, campaign: str, program_id: str) -> Mark:
        """What people wish of one program."""
        row = self._database.one("SELECT wish FROM marks WHERE campaign = ? AND program_id = ?", (campaign, program_id))
        return row[0] if row else ""

    def banned_ideas(self, campaign: str) -> list[str]:
        """Ideas that nobody is to try, in the order in which they were banned."""
        ideas: dict[str, None] = {}
        for act in self.all(campaign):
            if act.program_id is None and act.kind == "ban":
                ideas[act.text] = None
            elif act.program_id is None and act.kind == "unban":
                ideas.pop(act.text, None)
        return list(ideas)


def waiting(connection: sqlite3.Connection, campaign: str) -> bool:
    """Whether somebody has done something that no order knows yet."""
    query = "SELECT 1 FROM acts WHERE campaign = ? AND adopted = 0 AND number IS NULL"
    return connection.execute(query, (campaign,)).fetchone() is not None


def _act(row: Row) -> Act:
    return Act.model_validate(dict(zip(COLUMNS.split(", "), row, strict=True)))


def _event(act: Act) -> str:
    return f"{SAID[act.kind]} {act.program or ''} {act.title}".replace("  ", " ").strip()
