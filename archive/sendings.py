"""What was sent to models, try by try, and what became of it: recorded before it is sent, so that a killed process leaves a trace.

A try that was answered is paid as its reply says. One that the endpoint refused, or that never reached it, costs nothing. Of every other
one nobody knows: it may have been paid, and its answer cannot be had again; it counts with the most that it can have cost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from archive.database import Database
from archive.records import Fate, Sending, Spent, StandIn

COLUMNS = "number, turn, attempt, proposer, operator, model, money, prompt_tokens, completion_tokens, fate, why, time, seconds"
WORTH = "fate IN ('sent', 'lost')"
"""Of a try: it may have to be paid."""

HELD = f"""
SELECT TOTAL(money), TOTAL(tokens), TOTAL(calls) FROM (
    SELECT cost AS money, prompt_tokens + completion_tokens AS tokens, tries > 0 AS calls FROM replies WHERE campaign = ?1
    UNION ALL SELECT money, prompt_tokens + completion_tokens, 1 FROM sendings WHERE campaign = ?1 AND {WORTH})
"""
ENDED = "UPDATE sendings SET fate = ?, why = ?, seconds = ? WHERE campaign = ? AND number = ? AND turn = ? AND attempt = ?"
KILLED = "The process ended before the answer came."


class Sendings:
    """The tables `sendings` and `stand_ins` of one archive. Every method commits before it returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, sending: Sending, may: Callable[[Spent], bool]) -> int | None:
        """Records a try that is about to be sent, and gives its number; None, if `may` refuses what all may then have been spent."""
        turn = (sending.campaign, sending.number, sending.turn)
        with self._database.transaction() as connection:
            money, tokens, calls = connection.execute(HELD, (sending.campaign,)).fetchone()
            if not may(Spent(money=money, tokens=int(tokens), calls=int(calls)) + sending.worst):
                return None
            (attempt,) = connection.execute("SELECT COUNT(*) FROM sendings WHERE campaign = ? AND number = ? AND turn = ?", turn).fetchone()
            row = {**sending.model_dump(), "attempt": attempt}
            _insert(connection.executemany, "sendings", [(sending.campaign, *(row[name] for name in COLUMNS.split(", ")))])
        return int(attempt)

    def end(self, sending: Sending, fate: Fate, why: str, seconds: float) -> None:
        """What became of a try that `begin` recorded."""
        with self._database.transaction() as connection:
            connection.execute(ENDED, (fate, why, seconds, sending.campaign, sending.number, sending.turn, sending.attempt))

    def lose(self, campaign: str) -> int:
        """Gives up what another process had sent and was not answered when it ended; says how many tries those are."""
        with self._database.transaction() as connection:
            lost = "UPDATE sendings SET fate = 'lost', why = ? WHERE campaign = ? AND fate = 'sent'"
            return connection.execute(lost, (KILLED, campaign)).rowcount

    def too_long(self, campaign: str, proposer: str, told: int | None = None) -> int:
        """How many prompts a proposer's model could not read, among the `told` first proposals or all."""
        query = "SELECT COUNT(*) FROM sendings WHERE campaign = ? AND proposer = ? AND fate = 'long' AND number < ?"
        return int(self._database.all(query, (campaign, proposer, 2**62 if told is None else told))[0][0])

    def all(self, campaign: str) -> list[Sending]:
        """Every try, in the order of proposals; what a recording has scheduled for later is left out."""
        known = "EXISTS (SELECT 1 FROM orders o WHERE o.campaign = s.campaign AND o.number = s.number)"
        query = f"SELECT {COLUMNS} FROM sendings s WHERE campaign = ? AND {known} ORDER BY number, turn, attempt"
        return [
            Sending.model_validate({"campaign": campaign, **dict(zip(COLUMNS.split(", "), row, strict=True))})
            for row in self._database.all(query, (campaign,))
        ]

    # ------------------------------------------------------------------------------------ who stood in for whom
    def hand_over(self, campaign: str, number: int, standing: StandIn) -> None:
        """Records that a proposal is written by somebody else; an order that is placed is theirs from now on."""
        with self._database.transaction() as connection:
            row = (campaign, number, standing.absent, standing.present, standing.operator)
            connection.execute("INSERT OR IGNORE INTO stand_ins VALUES (?, ?, ?, ?, ?)", row)
            change = "UPDATE orders SET proposer = ?, operator = ? WHERE campaign = ? AND number = ? AND proposer = ?"
            connection.execute(change, (standing.present, standing.operator, campaign, number, standing.absent))

    def stand_ins(self, campaign: str, number: int) -> list[StandIn]:
        """Who stands in for whom at a proposal, one after the other."""
        query = "SELECT absent, present, operator FROM stand_ins WHERE campaign = ? AND number = ? ORDER BY rowid"
        rows = self._database.all(query, (campaign, number))
        return [StandIn(absent=absent, present=present, operator=operator) for absent, present, operator in rows]

    def repeat(self, campaign: str, recording: Sendings, name: str) -> None:
        """Has all of this happen to a campaign as it did to a recorded one. Once only: later calls change nothing."""
        tried = [(campaign, *row) for row in recording._database.all(f"SELECT {COLUMNS} FROM sendings WHERE campaign = ?", (name,))]
        stood = recording._database.all(
            "SELECT number, absent, present, operator FROM stand_ins WHERE campaign = ? ORDER BY rowid", (name,)
        )
        with self._database.transaction() as connection:
            _insert(connection.executemany, "sendings", tried)
            _insert(connection.executemany, "stand_ins", [(campaign, *row) for row in stood])


def _insert(run: Callable[[str, Sequence[tuple[object, ...]]], object], table: str, rows: Sequence[tuple[object, ...]]) -> None:
    if rows:
        run(f"INSERT OR IGNORE INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)
