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
    if _hold(connection, *place) != result.number:
        return AddStatus.NOT_ADDED
    return AddStatus.NEW if before is None else AddStatus.IMPROVED


def resettle(connection: sqlite3.Connection, result: Result) -> AddStatus:
    """The program of proposal `result.again` stands by its new score, wherever it stood. One that has failed stands nowhere."""
    told, number = result.number + 1, result.again
    assert number is not None, "a re-evaluation is of some proposal"
    current = "SELECT island, cell, native FROM standings WHERE campaign = ? AND number = ? AND until IS NULL"
    places = connection.execute(current, (result.campaign, number)).fetchall()
    end = "UPDATE standings SET until = ? WHERE campaign = ? AND number = ? AND until IS NULL"
    connection.execute(end, (told, result.campaign, number))
    status = AddStatus.REFUSED
    for island, name, native in places:
        place = (result.campaign, island, name)
        if result.score is not None and result.rung is not None:
            _stand(connection, place, number, (result.rung, result.score.low), told, native=bool(native))
            status = max(status, AddStatus.NOT_ADDED)
        if _hold(connection, *place) == number:
            status = AddStatus.IMPROVED
    return status


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
            _hold(connection, *place)
            _log(connection, campaign, f"The best of island {island}, proposal {number}, was copied to island {there[2]}.")
            came += 1
    return came


def _stand(
    connection: sqlite3.Connection, place: tuple[str, int, str], number: int, score: tuple[int, float], since: int, *, native: bool
) -> None:
    campaign, island, name = place
    row = (campaign, island, name, number, *score, int(native), since, None)
    connection.execute(f"INSERT INTO standings VALUES ({', '.join('?' * len(row))})", row)


def _hold(connection: sqlite3.Connection, campaign: str, island: int, name: str) -> int | None:
    """Gives the cell to the best who stands in it, and returns that proposal's number."""
    place = (campaign, island, name)
    best = connection.execute(BEST, place).fetchone()
    if best is None:
        connection.execute("DELETE FROM cells WHERE campaign = ? AND island = ? AND cell = ?", place)
        return None
    count = "SELECT COUNT(*) FROM standings WHERE campaign = ? AND island = ? AND cell = ? AND until IS NULL"
    (occupants,) = connection.execute(count, place).fetchone()
    connection.execute("INSERT OR REPLACE INTO cells VALUES (?, ?, ?, ?, ?)", (*place, best[0], occupants))
    return int(best[0])


def _log(connection: sqlite3.Connection, campaign: str, text: str) -> None:
    connection.execute("INSERT INTO events (time, campaign, kind, text) VALUES (?, ?, 'migration', ?)", (time.time(), campaign, text))
