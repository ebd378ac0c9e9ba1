"""Rows into records, and the statements that fetch them. Every statement walks an index; none loads a campaign."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter

from archive.database import Database, Row
from archive.records import Activity, Elite, OperatorCount, Proposal, Result, Stage
from sandbox.records import Descriptor, Evaluation, Identity, RefusalRecord, RunResult, Score

RUNS = TypeAdapter(tuple[RunResult, ...])

ELITE = """
SELECT p.program_id, r.title, t.text, p.proposer, p.operator, p.parents, p.number, p.campaign, r.rung,
       r.mean, r.low, r.high, r.n, r.family, r.nodes, r.free_predictions, r.carried_state,
       COALESCE((SELECT count FROM children c WHERE c.campaign = p.campaign AND c.program_id = p.program_id), 0), r.evaluated
"""

BY_NUMBER = f"""{ELITE}
FROM proposals p JOIN programs t ON t.id = p.program_id LEFT JOIN results r ON r.campaign = p.campaign AND r.number = p.number
WHERE p.campaign = ? AND p.number = ?
"""

# The same text may have been proposed more than once: told before untold, sound before duplicate, the newest campaign first.
BY_ID = f"""{ELITE}
FROM proposals p JOIN programs t ON t.id = p.program_id JOIN campaigns k ON k.name = p.campaign
LEFT JOIN results r ON r.campaign = p.campaign AND r.number = p.number
WHERE p.program_id = ?1 AND p.again IS NULL AND (?2 IS NULL OR p.campaign = ?2)
ORDER BY r.status IS NULL, r.duplicate_of IS NOT NULL, k.position DESC, p.number LIMIT 1
"""

ALLOWED = "NOT EXISTS (SELECT 1 FROM marks m WHERE m.campaign = r.campaign AND m.program_id = r.program_id AND m.wish = 'ban')"

TOP = f"""{ELITE}
FROM results r JOIN proposals p ON p.campaign = r.campaign AND p.number = r.number JOIN programs t ON t.id = r.program_id
WHERE r.low IS NOT NULL AND {ALLOWED}"""
TOP_OF_CAMPAIGN = f"{TOP} AND r.campaign = ? ORDER BY r.rung DESC, r.low DESC, r.number LIMIT ?"
TOP_ANYWHERE = f"{TOP} ORDER BY r.rung DESC, r.low DESC, r.campaign, r.number LIMIT ?"

# All that were tested on a rung lately, those who have climbed on included: in their light a score is believed.
POPULATION = "SELECT mean, high - low FROM evaluations WHERE campaign = ? AND number >= ? AND position = ? AND low IS NOT NULL"

# Programs that are being evaluated again.
RESTING = """
SELECT again FROM orders WHERE campaign = ?1 AND again IS NOT NULL
AND number >= (SELECT COALESCE(MAX(number) + 1, 0) FROM results WHERE campaign = ?1)
"""

# Who holds a cell, and who is pinned and stands in one. CROSS JOIN keeps SQLite from walking all standings to find the few pinned.
CANDIDATES = f"""
SELECT r.number, r.rung, r.mean, r.low, r.high, r.n, COALESCE(n.count, 0), c.occupants, m.wish IS NOT NULL
FROM cells c JOIN results r ON r.campaign = c.campaign AND r.number = c.number
LEFT JOIN children n ON n.campaign = r.campaign AND n.program_id = r.program_id
LEFT JOIN marks m ON m.campaign = r.campaign AND m.program_id = r.program_id AND m.wish = 'pin'
WHERE c.campaign = ?1 AND c.island = ?2 AND r.number NOT IN ({RESTING})
UNION
SELECT r.number, r.rung, r.mean, r.low, r.high, r.n, COALESCE(n.count, 0), c.occupants, 1
FROM marks m CROSS JOIN results r ON r.campaign = m.campaign AND r.program_id = m.program_id
CROSS JOIN standings s ON s.campaign = r.campaign AND s.number = r.number AND s.island = ?2 AND s.until IS NULL
JOIN cells c ON c.campaign = s.campaign AND c.island = s.island AND c.cell = s.cell
LEFT JOIN children n ON n.campaign = r.campaign AND n.program_id = r.program_id
WHERE m.campaign = ?1 AND m.wish = 'pin' AND r.number NOT IN ({RESTING})
"""

# Scored programs, in the order of proposals: among them `Archive.sample` draws.
SCORED = f"FROM results r WHERE r.campaign = ?1 AND r.low IS NOT NULL AND {ALLOWED}"

# Who would have to be beaten, as it was known after a number of results.
BAR = """
SELECT rung, low FROM standings WHERE campaign = ?1 AND island = ?2 AND cell = ?3 AND since <= ?4 AND (until IS NULL OR until > ?4)
ORDER BY rung DESC, low DESC, number LIMIT 1
"""

# Who has climbed on stands by another rung's score: the one of this rung is among its evaluations, and is never changed any more.
LOWS = """
SELECT CASE WHEN s.rung = ?4 THEN s.low ELSE e.low END FROM standings s JOIN evaluations e
ON e.campaign = s.campaign AND e.number = s.number AND e.position = ?4
WHERE s.campaign = ?1 AND s.number >= ?2 AND s.number < ?3 AND s.native = 1 AND s.since <= ?3 AND (s.until IS NULL OR s.until > ?3)
AND s.rung >= ?4
"""

OCCUPANCY = """
SELECT CASE WHEN c.island THEN c.island || ': ' || c.cell ELSE c.cell END, r.program_id
FROM cells c JOIN results r ON r.campaign = c.campaign AND r.number = c.number
WHERE c.campaign = ? ORDER BY c.island, c.cell
"""

RESULT = """
SELECT program_id, title, refusal, duplicate_of, structure, fingerprint, settings, family, nodes, free_predictions, carried_state,
       traced, gate_seconds
FROM results WHERE campaign = ? AND number = ?
"""

EVALUATIONS = """
SELECT rung, mean, low, high, n, verdict, fault, device_seconds, runs, bar, saved, won FROM evaluations
WHERE campaign = ? AND number = ? ORDER BY position
"""

STAGES = "SELECT stage, COUNT(*), SUM(status >= 3) FROM results WHERE campaign = ? GROUP BY stage"

REFUSALS = """
SELECT gate || ': ' || code, COUNT(*) FROM results WHERE campaign = ? AND gate IS NOT NULL GROUP BY gate, code ORDER BY 2 DESC, 1
"""

OPERATORS = """
SELECT p.proposer, p.operator, COUNT(*), COUNT(r.low), SUM(r.status >= 3), SUM(p.cost), SUM(p.tokens)
FROM proposals p LEFT JOIN results r ON r.campaign = p.campaign AND r.number = p.number
WHERE p.campaign = ? GROUP BY p.proposer, p.operator ORDER BY p.proposer, p.operator
"""

PROPOSALS = """
SELECT p.campaign, p.number, t.text, p.proposer, p.operator, p.parents, p.cost, p.tokens, p.note, p.again
FROM proposals p JOIN programs t ON t.id = p.program_id WHERE p.campaign = ? AND p.number >= ? ORDER BY p.number
"""

# The first duplicate wins, else the first variant: one indexed step each.
ALIKE = """
SELECT structure, fingerprint, settings, program_id FROM (
    SELECT * FROM (SELECT structure, fingerprint, settings, program_id FROM results
                   WHERE campaign = ?1 AND identity_key = ?2 ORDER BY number LIMIT 1)
    UNION ALL
    SELECT * FROM (SELECT structure, fingerprint, settings, program_id FROM results
                   WHERE campaign = ?1 AND structure = ?3 ORDER BY number LIMIT 1))
"""


AGAIN = int(Stage.AGAIN)
REEVALUATIONS = f"""
SELECT COALESCE(MAX(number) + 1, 0), COUNT(*) FILTER (WHERE stage = {AGAIN}), MAX(number) FILTER (WHERE stage = {AGAIN})
FROM results WHERE campaign = ?
"""

# One that came is a standing more whenever it is evaluated again: only the first says when it came.
MIGRATIONS = """
SELECT COUNT(*), MAX(came)
FROM (SELECT MIN(since) AS came FROM standings WHERE campaign = ? AND native = 0 GROUP BY number, island)
"""

RACES = """
SELECT COUNT(*), COUNT(*) FILTER (WHERE saved > 0), TOTAL(n), TOTAL(saved), TOTAL(device_seconds) FROM evaluations WHERE campaign = ?
"""


def pack(text: str) -> bytes:
    """JSON as it lies in the file."""
    return zlib.compress(text.encode(), 6)


def unpack(blob: bytes) -> str:
    """And back."""
    return zlib.decompress(blob).decode()


def elite(row: Row) -> Elite:
    """One row of `ELITE`."""
    program_id, title, text, proposer, operator, parents, number, campaign, rung, *rest, children, evaluated = row
    return Elite(
        id=program_id,
        title=title or "",
        text=text,
        proposer=proposer,
        operator=operator,
        parents=tuple(json.loads(parents)),
        number=number,
        campaign=campaign,
        rung=rung or 0,
        score=score(rest[:4]),
        descriptor=_descriptor(rest[4:]),
        children=children,
        evaluated=evaluated or 1,
    )


def proposal(row: Row) -> Proposal:
    """One row of `PROPOSALS`."""
    campaign, number, text, proposer, operator, parents, cost, tokens, note, again = row
    return Proposal(
        campaign=campaign,
        number=number,
        text=text,
        proposer=proposer,
        operator=operator,
        parents=tuple(json.loads(parents)),
        cost=cost,
        tokens=tokens,
        note=note,
        again=again,
    )


def operator_count(row: Row) -> OperatorCount:
    """One row of `OPERATORS`."""
    proposer, operator, proposed, scored, kept, cost, tokens = row
    return OperatorCount(proposer=proposer, operator=operator, proposed=proposed, scored=scored, kept=kept or 0, cost=cost, tokens=tokens)


def result(database: Database, campaign: str, number: int) -> Result | None:
    """All that was told about one proposal, or None if nothing was yet."""
    row = database.one(RESULT, (campaign, number))
    if row is None:
        return None
    program_id, title, refusal, duplicate_of, structure, fingerprint, settings, *traits, traced, gate_seconds = row
    return Result(
        campaign=campaign,
        number=number,
        program_id=program_id,
        title=title,
        refusal=RefusalRecord.model_validate_json(refusal) if refusal else None,
        duplicate_of=duplicate_of,
        identity=Identity(structure=structure, fingerprint=fingerprint, settings=settings) if structure else None,
        descriptor=_descriptor(traits),
        traced=unpack(traced) if traced else None,
        evaluations=tuple(_evaluation(row) for row in database.all(EVALUATIONS, (campaign, number))),
        gate_seconds=gate_seconds,
    )


def funnel(database: Database, campaign: str, rungs: Sequence[str]) -> dict[str, int]:
    """How many proposals got how far; see `Archive.funnel`."""
    stages = [row for row in database.all(STAGES, (campaign,)) if row[0] != Stage.AGAIN]
    made = database.one("SELECT COUNT(*) FROM proposals WHERE campaign = ? AND again IS NULL", (campaign,))
    names = {
        "parsed": Stage.PARSED,
        "traced": Stage.TRACED,
        "sensible": Stage.SENSIBLE,
        "novel": Stage.NOVEL,
        **{rung: Stage.NOVEL + 1 + i for i, rung in enumerate(rungs)},
    }
    reached = {name: sum(count for stage, count, _ in stages if stage >= least) for name, least in names.items()}
    return {"proposed": made[0] if made else 0, **reached, "kept": sum(kept for *_, kept in stages)}


def activity(database: Database, campaign: str, islands: int) -> Activity:
    """What a campaign's mechanisms have done; see `Archive.activity`."""
    held: dict[int, int] = dict(database.all("SELECT island, COUNT(*) FROM cells WHERE campaign = ? GROUP BY island", (campaign,)))
    (told, again, newest), (came, last), raced = (database.all(query, (campaign,))[0] for query in (REEVALUATIONS, MIGRATIONS, RACES))
    *counts, device_seconds = raced
    evaluations, stopped, runs, saved = map(int, counts)
    return Activity(
        told=told,
        elites=tuple(held.get(island, 0) for island in range(islands)),
        migrations=came,
        last_migration=last,
        reevaluations=again,
        last_reevaluation=newest,
        evaluations=evaluations,
        stopped=stopped,
        runs=runs,
        saved=saved,
        device_seconds=device_seconds,
    )


def score(columns: Sequence[Any]) -> Score | None:
    """Mean, low, high and n; None where they are null."""
    mean, low, high, n = columns
    return None if low is None else Score(mean=mean, low=low, high=high, n=n)


def _descriptor(columns: Sequence[Any]) -> Descriptor | None:
    family, nodes, free, state = columns
    if family is None:
        return None
    return Descriptor(family=family, nodes=nodes, free_predictions=bool(free), carried_state=bool(state))


def _evaluation(row: Row) -> Evaluation:
    rung, *numbers, verdict, fault, device_seconds, runs, bar, saved, won = row
    return Evaluation(
        rung=rung,
        score=score(numbers),
        runs=RUNS.validate_json(unpack(runs)),
        verdict=verdict,
        fault=fault,
        device_seconds=device_seconds,
        bar=bar,
        saved=saved,
        won=bool(won),
    )
