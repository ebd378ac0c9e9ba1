"""One proposal at a time through the pipeline, none of them told."""

from __future__ import annotations

import pytest

from archive.base import Archive
from archive.records import Proposal
from archive.store import open_archive
from sandbox.errors import WorkerLost
from sandbox.records import Traced, program_id
from synth.pipeline import Pipeline, Runs
from synth.turnstile import Turnstile
from synth.valve import Stopped
from tests.synth.doubles import campaign, program_of, spec


def pipeline(archive: Archive, most: int = 30) -> Pipeline:
    run, _ = campaign(spec(), archive)
    baseline = Traced(program=program_of("ppo"), graphs={"*": "{}"})
    return Pipeline(archive, run.crew.judge, run.spec, baseline, Runs(archive, "c"), Turnstile(0, 0, most), run.crew.valve)


def proposal(number: int, text: str) -> Proposal:
    return Proposal(campaign="c", number=number, text=text, proposer="scribbler", operator="scribble")


def test_a_duplicate_of_a_program_in_flight_is_found() -> None:
    line = pipeline(open_archive(None))
    first = line.judge_proposal(proposal(0, "same#0"), trusted=True)
    second = line.judge_proposal(proposal(1, "same#1"), trusted=True)
    assert first is not None
    assert second is not None
    assert (first.duplicate_of, len(first.evaluations) > 0) == (None, True)
    assert (second.duplicate_of, second.evaluations) == (program_id("same#0"), ())
    assert second.refusal is not None
    assert second.refusal.gate == "novelty"


def test_beyond_the_budget_nothing_is_judged() -> None:
    line = pipeline(open_archive(None), most=1)
    assert line.judge_proposal(proposal(0, "one"), trusted=True) is not None
    assert line.judge_proposal(proposal(1, "two"), trusted=True) is None


def test_a_lost_worker_is_asked_once_more_and_then_it_is_our_fault() -> None:
    line, judge = pipeline(open_archive(None)), pipeline(open_archive(None)).judge
    calls = []

    def lost(*_: object, **__: object) -> None:
        calls.append(1)
        raise WorkerLost("gone")

    line.judge.gates = lost  # type: ignore[method-assign, assignment]
    with pytest.raises(WorkerLost):
        line.judge_proposal(proposal(0, "one"), trusted=True)
    assert len(calls) == 2
    line.judge.gates = judge.gates  # type: ignore[method-assign]
    with pytest.raises(Stopped):  # its novelty could not be judged without the one that is lost
        line.judge_proposal(proposal(1, "two"), trusted=True)


def test_nothing_begins_once_the_valve_is_shut() -> None:
    line = pipeline(open_archive(None))
    line.valve.shut()
    with pytest.raises(Stopped):
        line.judge_proposal(proposal(0, "one"), trusted=True)
