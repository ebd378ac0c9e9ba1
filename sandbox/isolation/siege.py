"""One program against every wall, each with those before it taken away: which of them would have stopped it?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import NamedTuple

from sandbox.errors import ProgramFault, Refusal, Verdict
from sandbox.execution.local import LocalExecutor
from sandbox.isolation.base import Isolation, Reply
from sandbox.language.program import parse
from sandbox.language.tracing import trace
from sandbox.records import Act, GateJob, GateReport, Head, Limits, Program, Shape

HEADS = (Head(name="logits", per_action=True, size=1), Head(name="value", per_action=False, size=1))
SHAPES = (Shape(3, 2, 4), Shape(2, 1, 2))
LIMITS = Limits(seconds=20.0)


class Outcome(NamedTuple):
    """What one wall did."""

    wall: str
    stopped: bool
    how: str


def unparsed(text: str) -> Program:
    """A program with ordinary declarations around a text that nothing has looked at."""
    state = "def initial_state" in text
    return Program(text=text, title="Unparsed", description="", heads=HEADS, act=Act(head="logits"), carries_state=state)


def run_unparsed(text: str, isolation: Isolation, limits: Limits = LIMITS) -> Reply:
    """Sends a text into a sandbox past the parse gate."""
    request = {"version": 1, "program": unparsed(text).model_dump(), "shapes": SHAPES, "seed": 0}
    return isolation.run(json.dumps(request).encode(), limits)


def besiege(text: str, isolation: Isolation) -> Iterator[Outcome]:
    """The parse gate; then, whatever that said, the sandbox; then, where a trace came out of it, the gates that judge it as data."""
    try:
        program = parse(text)
        yield Outcome("parse gate", False, "lets it pass")
    except Refusal as refusal:
        program = unparsed(text)
        yield Outcome("parse gate", True, f"{refusal.code} in line {refusal.line}: {refusal.message}")
    reply = run_unparsed(text, isolation)
    if reply.verdict is not Verdict.OK:
        yield Outcome(f"{isolation.name} sandbox", True, f"{reply.verdict.value} after {reply.seconds:.1f} s")
        return
    yield Outcome(f"{isolation.name} sandbox", False, f"ran for {reply.seconds:.1f} s and answered; nothing but the answer came out")
    yield Outcome("gates on the answer", *_judge(program, isolation))


def _judge(program: Program, isolation: Isolation) -> tuple[bool, str]:
    try:
        answer = trace(program, SHAPES, isolation, LIMITS)
        with closing(LocalExecutor(1)) as executor:
            report = executor.submit(GateJob(program=program, trace=answer, shapes=SHAPES), LIMITS).result()
    except ProgramFault as fault:
        return True, fault.message
    assert isinstance(report, GateReport)
    if report.refusal is not None:
        return True, f"{report.refusal.code}: {report.refusal.message}"
    return False, "a graph of allowed operations, verified: as data it may train"
