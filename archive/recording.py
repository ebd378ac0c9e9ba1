"""What is written when a proposal is made and when its result is told, inside the caller's transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from archive.grid import cell
from archive.queries import RUNS, pack
from archive.records import AddStatus, Proposal, Result
from archive.standings import resettle, settle
from sandbox.errors import ArchiveError
from sandbox.records import Evaluation, Score, program_id


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
        proposal.again,
    )
    connection.execute("INSERT OR IGNORE INTO programs VALUES (?, ?)", (row[2], proposal.text))
    if not connection.execute("INSERT OR IGNORE INTO proposals VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row).rowcount:
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
    """Records the result and gives its program its place in the grid."""
    (told,) = connection.execute("SELECT COALESCE(MAX(number) + 1, 0) FROM results WHERE campaign = ?", (result.campaign,)).fetchone()
    if result.number != told:
        raise ArchiveError(f"Result {result.number} of {result.campaign} was told when {told} was due.", "Run `lossmith resume`.")
    status = settle(connection, result) if result.again is None else _reevaluate(connection, result)
    row = _columns(result, status)
    connection.execute(f"INSERT INTO results VALUES ({', '.join('?' * len(row))})", row)
    program = result.number if result.again is None else result.again
    for position, evaluation in enumerate(result.evaluations):
        values = (result.campaign, program, position, *_evaluation(evaluation))
        connection.execute(f"INSERT INTO evaluations VALUES ({', '.join('?' * len(values))})", values)
    return status


def _reevaluate(connection: sqlite3.Connection, result: Result) -> AddStatus:
    """The earlier proposal's scores become those of all seeds. This result's own row says only that it happened."""
    again = (result.campaign, result.again)
    change = "UPDATE results SET rung = ?, mean = ?, low = ?, high = ?, n = ?, evaluated = evaluated + 1 WHERE campaign = ? AND number = ?"
    connection.execute(change, (result.rung, *_numbers(result.score), *again))
    connection.execute("DELETE FROM evaluations WHERE campaign = ? AND number = ?", again)
    return resettle(connection, result)


def _columns(result: Result, status: AddStatus) -> tuple[object, ...]:
    if result.again is not None:
        result = result.model_copy(update={"identity": None, "descriptor": None, "evaluations": (), "traced": None})
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
        cell(result.descriptor) if result.descriptor and result.score else None,
        result.rung,
        *_numbers(result.score),
        result.gate_seconds,
        pack(result.traced) if result.traced else None,
        1,
    )


def _traits(result: Result) -> tuple[object, ...]:
    descriptor = result.descriptor
    if descriptor is None:
        return (None,) * 4
    return (descriptor.family, descriptor.nodes, int(descriptor.free_predictions), int(descriptor.carried_state))


def _evaluation(evaluation: Evaluation) -> tuple[object, ...]:
    runs = pack(RUNS.dump_json(evaluation.runs).decode())
    return (
        evaluation.rung,
        *_numbers(evaluation.score),
        evaluation.verdict,
        evaluation.fault,
        evaluation.device_seconds,
        runs,
        evaluation.bar,
        evaluation.saved,
        int(evaluation.won),
    )


def _numbers(score: Score | None) -> tuple[object, ...]:
    return (None,) * 4 if score is None else (score.mean, score.low, score.high, score.n)
