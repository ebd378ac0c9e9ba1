"""The gates after tracing, in order: verify, sense, identity and descriptor, cost; and the comparison that makes the novelty gate.

`run_gates` needs torch and is called in a worker; everything else here does not, so that a campaign's parent process can import it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from enum import IntEnum

from sandbox.errors import Gate, Refusal
from sandbox.records import GateJob, GateReport, Identity, Record, RefusalRecord, Shape, Traced

GATE_SHAPES: tuple[Shape, ...] = (Shape(20, 8, 18), Shape(20, 1, 2), Shape(1, 8, 2), Shape(1, 1, 18))
"""Where every program must trace and verify: T of 1 and 20, B of 1 and 8, A of 2 and 18, every pair of sizes once."""


class NoveltyStatus(IntEnum):
    """How new a program is, ordered."""

    NEW = 0  # computes what none before it did
    VARIANT = 1  # the structure of an earlier one with other constants or training
    DUPLICATE = 2  # computes and trains the same as an earlier one


class Novelty(Record):
    """What the novelty gate found; `of` is the id of the earlier program, None where the status is new."""

    status: NoveltyStatus
    of: str | None = None


def check_novelty(identity: Identity, known: Iterable[tuple[Identity, str]]) -> Novelty:
    """Compares an identity with all known ones (and their program ids), oldest first. The first duplicate wins, else the first variant."""
    variant = None
    for other, program_id in known:
        if other.key == identity.key:
            return Novelty(status=NoveltyStatus.DUPLICATE, of=program_id)
        if variant is None and other.structure == identity.structure:
            variant = program_id
    return Novelty(status=NoveltyStatus.NEW) if variant is None else Novelty(status=NoveltyStatus.VARIANT, of=variant)


def duplicate_refusal(of: str) -> RefusalRecord:
    """The novelty gate's refusal, as data."""
    return _record(
        Refusal(
            Gate.NOVELTY,
            "duplicate",
            f"It computes and trains the same as {of}.",
            "Change what the loss computes, a constant, TRAINING or ACT.",
        )
    )


def run_gates(job: GateJob) -> GateReport:
    """Verifies a trace and asks everything that can be asked before training. A refusal becomes part of the report."""
    start = time.perf_counter()
    try:
        report = _pass_gates(job)
    except Refusal as refusal:
        report = GateReport(refusal=_record(refusal))
    return report.model_copy(update={"seconds": time.perf_counter() - start})


def _pass_gates(job: GateJob) -> GateReport:
    from sandbox.language.cost import check_cost  # these load torch, which the parent of a campaign must not
    from sandbox.language.descriptor import describe
    from sandbox.language.identity import identify
    from sandbox.language.sense import check_sense
    from sandbox.language.tracing import traced_from_reply
    from sandbox.rules.program_rule import ProgramRule

    shapes = tuple(dict.fromkeys((*GATE_SHAPES, *job.shapes)))
    traced: Traced = traced_from_reply(job.program, job.trace, shapes)
    rule = ProgramRule(traced)
    check_sense(rule)
    identity, descriptor = identify(rule), describe(rule)
    check_cost(rule, job.shapes)
    return GateReport(traced=traced, identity=identity, descriptor=descriptor)


def _record(refusal: Refusal) -> RefusalRecord:
    return RefusalRecord(
        gate=refusal.gate.value,
        code=refusal.code,
        line=refusal.line,
        column=refusal.column,
        message=refusal.message,
        remedy=refusal.remedy,
    )
