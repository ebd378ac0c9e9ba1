"""What is written when a proposal is made and when its result is told, inside the caller's transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from archive.grid import Standing, cell
from archive.queries import RUNS, pack
from archive.records import AddStatus, Proposal, Result
from sandbox.errors import ArchiveError
from sandbox.records import Evaluation, Score, program_id

HOLDER = """
SELECT r.rung, r.low FROM cells c JOIN results r ON r.campaign = c.campaign AND r.number = c.number
WHERE c.campaign = ? AND c.cell = ?
"""


def insert_proposal(connection: sqlite3.Connection, proposal: Proposal) -> None:
    """Records text and origin, and counts it as a child of its parents, unless its order did."""
    row = (
        proposal.campaign,
        proposal.number,
        program_id(proposal.text),
        proposal.proposer,
        proposal.operator,
        json.dumps(proposal.parents),
        proposal.cost,
        proposal.tokens,
        proposal.note,
    )
    connection.execute("INSERT OR IGNORE INTO programs VALUES (?, ?)", (row[2], proposal.text))
    if not connection.execute("INSERT OR IGNORE INTO proposals VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row).rowcount:
        kept = connection.execute("SELECT * FROM proposals WHERE campaign = ? AND number = ?", row[:2]).fetchone()
        if kept != row:
            raise ArchiveError(
                f"Proposal {proposal.number} of {proposal.campaign} is recorded with other contents.",
                "Do not run one campaign with two versions of Lossmith: resume it with the version that began it.",
            )
        return
    for parent in dict.fromkeys(proposal.parents):
        connection.execute("INSERT INTO parentage VALUES (?, ?, ?)", (proposal.campaign, parent, proposal.number))
    if connection.execute("SELECT 1 FROM orders WHERE campaign = ? AND number = ?", row[:2]).fetchone() is None:
        count_children(connection, proposal.campaign, proposal.parents)


def count_children(connection: sqlite3.Connection, campaign: str, parents: Sequence[str]) -> None:
    """Counts one more child of each."""
    for parent in dict.fromkeys(parents):
        connection.execute("INSERT INTO children VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET count = count + 1", (campaign, parent))


def insert_result(connection: sqlite3.Connection, result: Result) -> AddStatus:
    """Records the result and gives it its place in the grid."""
    (told,) = connection.execute("SELECT COALESCE(MAX(number) + 1, 0) FROM results WHERE campaign = ?", (result.campaign,)).fetchone()
    if result.number != told:
        raise ArchiveError(f"Result {result.number} of {result.campaign} was told when {told} was due.", "Run `lossmith resume`.")
    place = cell(result.descriptor) if result.descriptor and result.score else None
    status = _contest(connection, result, place)
    connection.execute(f"INSERT INTO results VALUES ({', '.join('?' * 26)})", _columns(result, status, place))
    for position, evaluation in enumerate(result.evaluations):
        row = (result.campaign, result.number, position, *_evaluation(evaluation))
        connection.execute(f"INSERT INTO evaluations VALUES ({', '.join('?' * 12)})", row)
    return status


def _contest(connection: sqlite3.Connection, result: Result, place: str | None) -> AddStatus:
    """Who holds the cell after this result: a later program must stand higher, not as high."""
    if result.duplicate_of is not None:
        return AddStatus.DUPLICATE
    if place is None or result.rung is None or result.score is None:
        return AddStatus.REFUSED
    holder = connection.execute(HOLDER, (result.campaign, place)).fetchone()
    if holder is None:
        connection.execute("INSERT INTO cells VALUES (?, ?, ?, 1)", (result.campaign, place, result.number))
        return AddStatus.NEW
    better = Standing(result.rung, result.score.low) > Standing(*holder)
    connection.execute(
        "UPDATE cells SET occupants = occupants + 1, number = CASE WHEN ? THEN ? ELSE number END WHERE campaign = ? AND cell = ?",
        (better, result.number, result.campaign, place),
    )
    return AddStatus.IMPROVED if better else AddStatus.NOT_ADDED


def _columns(result: Result, status: AddStatus, place: str | None) -> tuple[object, ...]:
    identity, refusal = result.identity, result.refusal
    return (
        result.campaign,
        result.number,
        result.program_id,
        result.title,
        int(status),
        result.stage,
        refusal.gate if refusal else None,
        refusal.code if refusal else None,
        refusal.model_dump_json() if refusal else None,
        result.duplicate_of,
        *((identity.key, identity.structure, identity.fingerprint, identity.settings) if identity else (None,) * 4),
        *_traits(result),
        place,
        result.rung,
        *_numbers(result.score),
        result.gate_seconds,
        pack(result.traced) if result.traced else None,
    )


def _traits(result: Result) -> tuple[object, ...]:
    descriptor = result.descriptor
    if descriptor is None:
        return (None,) * 4
    return (descriptor.family, descriptor.nodes, int(descriptor.free_predictions), int(descriptor.carried_state))


def _evaluation(evaluation: Evaluation) -> tuple[object, ...]:
    runs = pack(RUNS.dump_json(evaluation.runs).decode())
    return (evaluation.rung, *_numbers(evaluation.score), evaluation.verdict, evaluation.fault, evaluation.device_seconds, runs)


def _numbers(score: Score | None) -> tuple[object, ...]:
    return (None,) * 4 if score is None else (score.mean, score.low, score.high, score.n)
