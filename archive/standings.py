"""Who stands where: the grid of every island, with its history, inside the caller's transaction.

A standing is never changed: another score ends it (`until`) and begins a new one (`since`), both counted in told results. So what would
have had to be beaten after any number of results can still be said later, whatever was re-evaluated since.
"""

from __future__ import annotations

import sqlite3
import time

from archive.grid import cell
from archive.records import AddStatus, Result

BEST = """
SELECT number FROM standings WHERE campaign = ? AND island = ? AND cell = ? AND until IS NULL ORDER BY rung DESC, low DESC, number LIMIT 1
"""

# The best of an island: the best of those who hold its cells.
LEADER = """
SELECT s.number, s.cell, s.rung, s.low FROM cells c JOIN standings s
ON s.campaign = c.campaign AND s.number = c.number AND s.island = c.island AND s.until IS NULL
WHERE c.campaign = ? AND c.island = ? ORDER BY s.rung DESC, s.low DESC, s.number LIMIT 1
"""


def settle(connection: sqlite3.Connection, result: Result) -> AddStatus:
    """A new program takes its stand. The earlier of two equal ones keeps a cell."""
    if result.duplicate_of is not None:
        return AddStatus.DUPLICATE
    if result.descriptor is None or result.rung is None or result.score is None:
        return AddStatus.REFUSED
    place = (result.campaign, result.island, cell(result.descriptor))
    before = connection.execute(BEST, place).fetchone()
    _stand(connection, place, result.number, (result.rung, result.score.low), result.number + 1, native=True)
    if _banned(connection, result.campaign, result.program_id):
        _leave(connection, result.campaign, result.number, result.number + 1)  # it stood for no time: whoever lifts the ban finds where
        return AddStatus.NOT_ADDED
    if _hold(connection, *place, came=1) != result.number:
        return AddStatus.NOT_ADDED
    return AddStatus.NEW if before is None else AddStatus.IMPROVED


def resettle(connection: sqlite3.Connection, result: Result) -> AddStatus:
    """The program of proposal `result.again` stands by its new score, wherever it stood. One that has failed stands nowhere."""
    told, number = result.number + 1, result.again
    assert number is not None, "a re-evaluation is of some proposal"
    current = "SELECT island, cell, native FROM standings WHERE campaign = ? AND number = ? AND until IS NULL"
    places = connection.execute(current, (result.campaign, number)).fetchall()
    _leave(connection, result.campaign, number, told)
    status = AddStatus.REFUSED
    for island, name, native in places:
        place = (result.campaign, island, name)
        came = -1
        if result.score is not None and result.rung is not None:
            _stand(connection, place, number, (result.rung, result.score.low), told, native=bool(native))
            status = max(status, AddStatus.NOT_ADDED)
            came = 0
        if _hold(connection, *place, came=came) == number:
            status = AddStatus.IMPROVED
    return status


def withdraw(connection: sqlite3.Connection, campaign: str, program_id: str, told: int) -> None:
    """A program stands nowhere any more: the next best take its cells."""
    for number in _numbers(connection, campaign, program_id):
        current = "SELECT island, cell FROM standings WHERE campaign = ? AND number = ? AND until IS NULL"
        places = connection.execute(current, (campaign, number)).fetchall()
        _leave(connection, campaign, number, told)
        for island, name in places:
            _hold(connection, campaign, island, name, came=-1)


def restore(connection: sqlite3.Connection, campaign: str, program_id: str, told: int) -> None:
    """It stands again wherever it ever stood, by the score that it has now. One that stands already, or has none, is left as it is."""
    for number in _numbers(connection, campaign, program_id):
        rung, low = connection.execute("SELECT rung, low FROM results WHERE campaign = ? AND number = ?", (campaign, number)).fetchone()
        left = "SELECT island, cell, MAX(native) FROM standings WHERE campaign = ? AND number = ?"
        left += " GROUP BY island HAVING COUNT(until) = COUNT(*)"
        for island, name, native in connection.execute(left, (campaign, number)).fetchall() if low is not None else ():
            _stand(connection, (campaign, island, name), number, (rung, low), told, native=bool(native))
            _hold(connection, campaign, island, name, came=1)


def move(connection: sqlite3.Connection, campaign: str, islands: int, told: int) -> int:
    """Copies the best of each island to the next, unless it stands there already; once for every `told`. Returns how many came."""
    if not connection.execute("INSERT OR IGNORE INTO migrations VALUES (?, ?)", (campaign, told)).rowcount:
        return 0
    leaders = [(island, connection.execute(LEADER, (campaign, island)).fetchone()) for island in range(islands)]
    came = 0
    for island, leader in leaders:
        if leader is None:
            continue
        number, name, rung, low = leader
        there = (campaign, number, (island + 1) % islands)
        known = "SELECT 1 FROM standings WHERE campaign = ? AND number = ? AND island = ? AND until IS NULL"
        if connection.execute(known, there).fetchone() is None:
            place = (campaign, there[2], name)
            _stand(connection, place, number, (rung, low), told, native=False)
            _hold(connection, *place, came=1)
            _log(connection, campaign, f"The best of island {island}, proposal {number}, was copied to island {there[2]}.")
            came += 1
    return came


def _numbers(connection: sqlite3.Connection, campaign: str, program_id: str) -> list[int]:
    """Of the told proposals with this text that ever stood somewhere."""
    query = "SELECT number FROM results WHERE program_id = ? AND campaign = ? AND cell IS NOT NULL ORDER BY number"
    return [number for (number,) in connection.execute(query, (program_id, campaign)).fetchall()]


def _banned(connection: sqlite3.Connection, campaign: str, program_id: str) -> bool:
    query = "SELECT 1 FROM marks WHERE campaign = ? AND program_id = ? AND held = 'ban'"
    return connection.execute(query, (campaign, program_id)).fetchone() is not None


def _leave(connection: sqlite3.Connection, campaign: str, number: int, told: int) -> None:
    end = "UPDATE standings SET until = ? WHERE campaign = ? AND number = ? AND until IS NULL"
    connection.execute(end, (told, campaign, number))


def _stand(
    connection: sqlite3.Connection, place: tuple[str, int, str], number: int, score: tuple[int, float], since: int, *, native: bool
) -> None:
    campaign, island, name = place
    row = (campaign, island, name, number, *score, int(native), since, None)
    # Somebody may be banned and let go between two results: the later word is what stood.
    connection.execute(f"INSERT OR REPLACE INTO standings VALUES ({', '.join('?' * len(row))})", row)


def _hold(connection: sqlite3.Connection, campaign: str, island: int, name: str, came: int) -> int | None:
    """Gives the cell to the best who stands in it, of whom there are `came` more than before, and returns that proposal's number."""
    place = (campaign, island, name)
    best = connection.execute(BEST, place).fetchone()
    if best is None:
        connection.execute("DELETE FROM cells WHERE campaign = ? AND island = ? AND cell = ?", place)
        return None
    count = "INSERT INTO cells VALUES (?, ?, ?, ?, 1) ON CONFLICT DO UPDATE SET number = excluded.number, occupants = occupants + ?"
    connection.execute(count, (*place, best[0], came))
    return int(best[0])


def _log(connection: sqlite3.Connection, campaign: str, text: str) -> None:
    connection.execute("INSERT INTO events (time, campaign, kind, text) VALUES (?, ?, 'migration', ?)", (time.time(), campaign, text))
