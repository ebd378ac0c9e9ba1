"""The final claim in a whole campaign: who is judged, against whom, and the same again."""

from __future__ import annotations

import pytest

from archive.store import SqliteArchive, open_archive
from sandbox.records import TrainJob
from synth.claims import Word
from synth.holdout import PROFILE, HoldoutReport, judge_finalists, read_holdout
from tests.synth.doubles import campaign, program_of, spec

REFERENCES = ("a2c", "ppo", "dqn")


def judged(**changes: object) -> tuple[SqliteArchive, HoldoutReport, list[TrainJob]]:
    archive = open_archive(None)
    run, executor = campaign(spec(references=REFERENCES, finalists=3, **changes), archive)
    run.run()
    report = read_holdout(archive, "c")
    assert report is not None
    return archive, report, executor.trained


def test_finalists_meet_the_baseline_and_every_reference_that_did_not_fail() -> None:
    _, report, _ = judged()
    assert report.baseline_name == "ppo"
    assert [reference.id for reference in report.references] == ["a2c", "dqn"]
    sound = [each.id for each in report.references if each.evaluation.score]
    assert len(report.finalists) == 3
    for finalist in report.finalists:
        assert finalist.evaluation.score is not None
        rivals = [comparison.rival for comparison in finalist.against]
        assert rivals[0] == "ppo"
        assert set(rivals) <= {"ppo", *sound}
        assert all(comparison.confidence == pytest.approx(1 - 0.05 / 3) for comparison in finalist.against)
        assert len(finalist.profile) == len(report.thresholds) == len(PROFILE)


def test_words_follow_skill() -> None:
    """a2c plays at random here, so it is worse than the baseline; whoever is above both says so."""
    _, report, _ = judged()
    (against,) = report.references[0].against
    assert (against.rival, against.word) == ("ppo", Word.WORSE)
    assert against.difference.value == pytest.approx(-1, abs=0.1)
    best = report.finalists[0]
    words = {comparison.rival: comparison for comparison in best.against}
    assert words["a2c"].word == Word.BETTER
    assert words["a2c"].improvement.value == 1.0
    score, base = best.evaluation.score, report.baseline.score
    assert score is not None
    assert base is not None
    assert words["ppo"].difference.value == pytest.approx(score.mean - base.mean)


def test_no_task_and_no_seed_of_the_holdout_was_ever_searched_on() -> None:
    _, report, trained = judged()
    searched = {(job.task, job.seed) for job in trained if job.task != "probe:two-armed"}
    held_out = {(run.task, run.seed) for each in report.finalists for run in each.evaluation.runs}
    assert {task for task, _ in held_out} == {"probe:two-armed"}
    assert not {seed for _, seed in searched} & {seed for _, seed in held_out}


def test_the_same_seed_gives_the_same_report_and_judging_again_trains_nothing() -> None:
    _, first, _ = judged()
    archive, second, trained = judged()
    assert first == second
    before = len(trained)
    run, executor = campaign(spec(references=REFERENCES, finalists=3), archive)
    assert judge_finalists(archive, run.crew.judge, run.spec, run._memory) == second
    assert (len(executor.trained), len(trained)) == (0, before)
    assert judged(seed=1)[1] != first


def test_a_finalist_that_is_a_reference_is_not_compared_with_itself() -> None:
    archive = open_archive(None)
    run, _ = campaign(spec(references=("ppo", "a2c"), finalists=3, evaluations=2), archive)
    run.run()
    report = read_holdout(archive, "c")
    assert report is not None
    (finalist,) = report.finalists
    assert finalist.id == program_of("a2c").id
    assert [comparison.rival for comparison in finalist.against] == ["ppo"]
