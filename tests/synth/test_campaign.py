"""The loop: the same campaign whatever the timing, whatever kills it, whatever ends it."""

from __future__ import annotations

import contextlib
import math
import threading
from pathlib import Path

import pytest

from archive.records import Order
from archive.store import open_archive
from sandbox.errors import ArchiveError, BudgetExhausted, PrerequisiteMissing, UsageError, WorkerLost
from sandbox.records import TrainJob
from synth.budget import Ending
from synth.holdout import read_holdout
from tests.synth.doubles import campaign, spec, story


def test_a_whole_campaign() -> None:
    archive = open_archive(None)
    run, executor = campaign(spec(), archive)
    assert run.run() == Ending.EVALUATIONS
    funnel = archive.funnel("c", ("low", "high"))
    assert funnel["novel"] == funnel["low"] == 30
    assert funnel["proposed"] > funnel["parsed"] == funnel["sensible"] > funnel["novel"]
    assert 0 < funnel["high"] < funnel["low"]
    assert [p.operator for p in archive.proposals("c", 0)[:3]] == ["a2c", "ppo", "scribble"]
    assert 60 < archive.device_seconds("c") <= len(executor.trained)  # what a failure cancelled is not paid for
    report = read_holdout(archive, "c")
    assert report is not None
    assert [finalist.id for finalist in report.finalists] == [e.id for e in archive.top("c", 3) if "def loss" not in e.text][:2]
    assert report.baseline.score is not None
    assert [event.kind for event in archive.events("c")] == ["started", "finished"]


def test_timing_changes_nothing() -> None:
    stories = []
    for jitter, workers in ((0.0, 1), (0.02, 4), (0.02, 2)):
        archive = open_archive(None)
        campaign(spec(), archive, jitter=jitter, workers=workers)[0].run()
        stories.append(story(archive))
    assert stories[0] == stories[1] == stories[2]
    assert len(stories[0]) > 30


@pytest.mark.parametrize("share", [0.2, 0.05])
def test_who_climbs_is_good_enough_and_among_the_share_that_may(share: float) -> None:
    """Among those of whom its judges may know: results up to k - lag."""
    archive = open_archive(None)
    low, high = spec().rung
    run, _ = campaign(spec(rung=(low.model_copy(update={"share": share}), high), evaluations=60, search={"reevaluations": 0}), archive)
    run.run()
    lows: dict[int, float] = {}
    held_back = 0
    for number in range(archive.progress("c")[1]):
        result = archive.result_of("c", number)
        score = result.evaluations[0].score if result is not None and result.evaluations else None
        if result is None or score is None:
            continue
        known = [other for earlier, other in lows.items() if earlier <= number - run.spec.lag]
        belongs = sum(other > score.low for other in known) < math.ceil(share * (len(known) + 1))
        assert (len(result.evaluations) == 2) == (score.high >= 0.8 and belongs)
        held_back += score.high >= 0.8 and not belongs
        lows[number] = score.low
    assert held_back > 5
    assert archive.funnel("c", ("low", "high"))["high"] > 0


def test_where_a_few_are_kept_races_are_run_against_the_last_of_them() -> None:
    archive = open_archive(None)
    rung = {"name": "only", "tasks": ("probe:catch", "probe:chain"), "steps": 10, "seeds": 6, "race": True, "keep": 2}
    campaign(spec(rung=(rung,), lag=1, evaluations=20, search={"reevaluations": 0}), archive)[0].run()
    lows: list[float] = []
    bars, saved = [], 0
    for number in range(archive.progress("c")[1]):
        result = archive.result_of("c", number)
        assert result is not None
        for evaluation in result.evaluations:
            bars.append(evaluation.bar)
            assert evaluation.bar == (sorted(lows)[-2] if len(lows) > 1 else None)
            saved += evaluation.saved
        lows += [evaluation.score.low for evaluation in result.evaluations if evaluation.score is not None]
    assert saved > len(bars)


def test_the_seed_changes_it() -> None:
    stories = []
    for seed in (0, 1):
        archive = open_archive(None)
        campaign(spec(seed=seed, evaluations=8), archive)[0].run()
        stories.append([row[0] for row in story(archive)])
    assert stories[0] != stories[1]


def test_proposal_k_is_made_exactly_after_result_k_minus_lag() -> None:
    archive = open_archive(None)
    run, _ = campaign(spec(lag=4), archive, jitter=0.01)
    seen: list[tuple[int, int]] = []
    place = archive.letters.place

    def spy(order: Order) -> bool:
        seen.append(archive.progress("c"))
        return place(order)

    archive.letters.place = spy  # type: ignore[method-assign]
    run.run()
    assert seen == [(k, max(0, k - 3)) for k in range(len(seen))]


class Killed(BaseException):
    """As a SIGKILL: nothing of ours catches it."""


@pytest.mark.parametrize("fatal", [1, 2, 7, 16, 33, 60])
def test_a_campaign_killed_between_any_two_writes_goes_on_as_if_it_never_had_been(fatal: int, tmp_path: Path) -> None:
    whole = open_archive(None)
    campaign(spec(evaluations=12), whole)[0].run()
    archive = open_archive(tmp_path / "a.sqlite")
    run, _ = campaign(spec(evaluations=12), archive, jitter=0.005)
    writes = 0
    for owner, name in ((archive.letters, "place"), (archive, "tell")):

        def dying(record: object, write: object = getattr(owner, name)) -> object:
            nonlocal writes
            writes += 1
            if writes == fatal:
                raise Killed
            return write(record)  # type: ignore[operator]

        setattr(owner, name, dying)
    try:
        run.run()
    except Killed:
        archive.close()
    resumed = open_archive(tmp_path / "a.sqlite")
    with contextlib.suppress(BudgetExhausted):  # it had come to its end
        campaign(spec(evaluations=12), resumed, jitter=0.005)[0].run()
    assert story(resumed) == story(whole)
    assert read_holdout(resumed, "c") == read_holdout(whole, "c")


def test_a_resumed_campaign_trains_nothing_twice(tmp_path: Path) -> None:
    jobs = []
    stop = threading.Event()
    archive = open_archive(tmp_path / "a.sqlite")
    run, first = campaign(spec(), archive, jitter=0.04, interrupted=stop)
    first.before = lambda job: stop.set() if len(first.trained) > 15 else None
    assert run.run() == Ending.INTERRUPTED
    jobs += first.trained
    assert archive.funnel("c", ())["novel"] < 30
    assert archive.events("c")[-1].kind == "paused"
    run, second = campaign(spec(), archive)
    assert run.run() == Ending.EVALUATIONS
    jobs += second.trained
    keys = [job.model_dump_json() for job in jobs]
    failed = {key for key in keys if keys.count(key) > 1}
    assert all(archive.recall(TrainJob.model_validate_json(key)) is None for key in failed), "only failures are tried again"


def test_a_raised_budget_goes_on_as_if_it_had_always_been_that() -> None:
    whole, archive = open_archive(None), open_archive(None)
    campaign(spec(evaluations=20), whole)[0].run()
    campaign(spec(evaluations=9), archive)[0].run()
    with pytest.raises(BudgetExhausted, match="9 evaluations"):
        campaign(spec(evaluations=9), archive)[0].run()
    raised = spec(evaluations=20)
    archive.amend_campaign("c", raised.model_dump_json())
    campaign(raised, archive)[0].run()
    assert story(archive) == story(whole)


def test_the_budget_of_proposals_ends_it() -> None:
    archive = open_archive(None)
    assert campaign(spec(proposals=7), archive)[0].run() == Ending.PROPOSALS
    assert archive.progress("c") == (7, 7)


def test_the_budget_of_device_seconds_ends_it() -> None:
    archive = open_archive(None)
    run, executor = campaign(spec(device_seconds=40, holdout=None), archive, jitter=0.02)
    assert run.run() == Ending.DEVICE_SECONDS
    assert 40 <= len(executor.trained) < 80
    with pytest.raises(BudgetExhausted, match="device-seconds"):
        campaign(spec(device_seconds=40, holdout=None), archive)[0].run()


def test_the_wall_clock_ends_it_and_the_holdout_still_follows() -> None:
    archive = open_archive(None)
    run, _ = campaign(spec(evaluations=10_000, wall_clock_minutes=2 / 60), archive, jitter=0.01)
    assert run.run() == Ending.WALL_CLOCK
    assert run.clock.seconds() < 10
    assert read_holdout(archive, "c") is not None
    made, told = archive.progress("c")
    assert made - told <= 5


@pytest.mark.parametrize("phase", ["anchors", "search", "hold-out"])
def test_a_worker_lost_once_is_forgiven(phase: str) -> None:
    archive = open_archive(None)
    run, executor = campaign(spec(evaluations=5), archive)
    lost = threading.Event()

    def lose(job: object) -> None:
        if isinstance(job, TrainJob) and run.phase == phase and not lost.is_set():
            lost.set()
            raise WorkerLost("The worker vanished.")

    executor.before = lose
    assert run.run() == Ending.EVALUATIONS
    assert lost.is_set()
    assert read_holdout(archive, "c") is not None


def test_our_fault_pauses_and_blames_nobody() -> None:
    archive = open_archive(None)
    run, executor = campaign(spec(), archive)

    def lose(job: object) -> None:
        if len(executor.trained) > 20:
            raise WorkerLost("The worker vanished.", "Look at the machine.")

    executor.before = lose
    with pytest.raises(WorkerLost):
        run.run()
    event = archive.events("c")[-1]
    assert (event.kind, event.text) == ("paused", "The worker vanished. Look at the machine.")
    assert all(result.refusal is None or result.refusal.code == "odd" or result.duplicate_of for *_, result in story(archive))
    whole = open_archive(None)
    campaign(spec(), whole)[0].run()
    campaign(spec(), archive)[0].run()
    assert story(archive) == story(whole)


def test_a_full_disk_under_a_run_pauses() -> None:
    archive = open_archive(None)
    run, _ = campaign(spec(), archive)

    def full(*_: object) -> None:
        raise ArchiveError("The disk is full.", "Free some.")

    run.crew.valve._remember = full
    with pytest.raises(ArchiveError):
        run.run()


def test_a_missing_sandbox_pauses() -> None:
    archive = open_archive(None)
    run, _ = campaign(spec(), archive)

    def missing(*_: object, **__: object) -> None:
        raise PrerequisiteMissing("No sandbox.", "Install one.")

    run.crew.judge.gates = missing  # type: ignore[method-assign, assignment]
    with pytest.raises(PrerequisiteMissing):
        run.run()
    assert archive.progress("c")[1] == 0


def test_a_task_that_tells_nothing_apart_is_refused_before_the_search() -> None:
    archive = open_archive(None)
    run, _ = campaign(spec(baseline="a2c"), archive)
    with pytest.raises(UsageError, match="not clearly above random"):
        run.run()
    assert archive.progress("c") == (0, 0)


def test_faults_are_results() -> None:
    archive = open_archive(None)
    campaign(spec(), archive)[0].run()
    faulty = [result for *_, result in story(archive) if any(evaluation.fault for evaluation in result.evaluations)]
    assert faulty
    assert all(result.evaluations[-1].verdict == "not-finite" for result in faulty)
