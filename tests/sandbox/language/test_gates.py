"""The gates after tracing as one: what a worker answers to a GateJob."""

from __future__ import annotations

import itertools
import subprocess
import sys

import pytest

from sandbox.errors import Gate
from sandbox.language import cost
from sandbox.language.gates import GATE_SHAPES, NoveltyStatus, check_novelty, duplicate_refusal, run_gates
from sandbox.language.program import parse
from sandbox.records import GateJob, GateReport, Identity, Shape
from sandbox.rules.references import reference_names, reference_text
from tests.sandbox.language.corpus import PROGRAMS, valid_programs
from tests.support import reply_text

CAMPAIGN = (Shape(32, 4, 6),)
SOUND = {name: reference_text(name) for name in reference_names()}
VALID = valid_programs()


def gates(text: str, reply: str | None = None) -> GateReport:
    trace = reply_text(text, GATE_SHAPES + CAMPAIGN) if reply is None else reply
    return run_gates(GateJob(program=parse(text), trace=trace, shapes=CAMPAIGN))


@pytest.mark.parametrize("name", VALID)
@pytest.mark.slow
def test_sound_programs_pass(name: str) -> None:
    assert gates(VALID[name]).refusal is None


@pytest.mark.parametrize("name", SOUND)
def test_references_pass(name: str) -> None:
    report = gates(SOUND[name])
    assert report.refusal is None
    assert report.traced is not None
    assert report.traced.graph_text(CAMPAIGN[0]) is not None
    assert report.identity is not None
    assert report.descriptor is not None
    assert report.seconds > 0
    assert GateReport.model_validate_json(report.model_dump_json()) == report


def test_shapes_meet_in_every_pair() -> None:
    sizes = ((1, 20), (1, 8), (2, 18))
    for (i, first), (j, second) in itertools.combinations(enumerate(sizes), 2):
        assert {(shape[i], shape[j]) for shape in GATE_SHAPES} == set(itertools.product(first, second))


def test_refusal_becomes_a_record() -> None:
    report = gates((PROGRAMS / "bad_late" / "forgets_continues.py").read_text())
    assert report.refusal is not None
    assert (report.refusal.gate, report.refusal.code, report.refusal.line) == ("sense", "leaks-over-episodes", 8)
    assert report.traced is report.identity is report.descriptor is None


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "[]",
        '{"version": 1}',
        '{"version": 1, "initial_state": {}, "graphs": {"*": {"nodes": [["os.system", ["true"], {}]], "outputs": {"loss": {"n": 0}}}}}',
        '{"version": 1, "initial_state": {}, "graphs": {"*": {"nodes": [], "outputs": {}, "lines": []}}}',
        '{"version": 1, "refusal": {"code": "loss-shape", "line": 9, "column": 1, "name": ""}}',
    ],
)
def test_whatever_the_sandbox_says_nothing_but_a_refusal_comes_out(reply: str) -> None:
    report = gates(SOUND["ppo"], reply)
    assert report.refusal is not None
    assert report.refusal.gate == "trace"


def test_cost_comes_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "MAX_SECONDS", 0.0)
    report = gates(SOUND["ppo"])
    assert report.refusal is not None
    assert (report.refusal.gate, report.refusal.code) == ("cost", "too-slow")


def test_gate_report_is_the_same_every_time() -> None:
    first, second = gates(SOUND["vmpo"]), gates(SOUND["vmpo"])
    assert first.model_copy(update={"seconds": 0.0}) == second.model_copy(update={"seconds": 0.0})


def named(structure: str, fingerprint: str, settings: str = "s") -> Identity:
    return Identity(structure=structure, fingerprint=fingerprint, settings=settings)


@pytest.mark.parametrize(
    ("identity", "status", "of"),
    [
        (named("c", "3"), NoveltyStatus.NEW, None),
        (named("a", "3"), NoveltyStatus.VARIANT, "first"),
        (named("b", "2"), NoveltyStatus.DUPLICATE, "second"),
        (named("a", "2"), NoveltyStatus.DUPLICATE, "second"),  # a duplicate counts more than an earlier variant
        (named("c", "1"), NoveltyStatus.DUPLICATE, "first"),  # written otherwise, computes the same
        (named("a", "1", "other"), NoveltyStatus.VARIANT, "first"),
    ],
)
def test_novelty(identity: Identity, status: NoveltyStatus, of: str | None) -> None:
    novelty = check_novelty(identity, [(named("a", "1"), "first"), (named("b", "2"), "second")])
    assert (novelty.status, novelty.of) == (status, of)


def test_statuses_have_an_order() -> None:
    assert NoveltyStatus.NEW < NoveltyStatus.VARIANT < NoveltyStatus.DUPLICATE


def test_duplicate_names_the_other() -> None:
    record = duplicate_refusal("0123456789ab")
    assert (record.gate, record.code) == (Gate.NOVELTY, "duplicate")
    assert "0123456789ab" in record.message


def test_a_campaigns_parent_can_import_this_without_torch() -> None:
    code = "import sys, sandbox.language.gates; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
