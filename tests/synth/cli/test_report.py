"""Curves and tables by hand."""

from collections.abc import Callable

import pytest

from sandbox.errors import RunFault, Verdict
from sandbox.evaluate import Evaluator, ShortMemory
from sandbox.records import Act, AgentSettings, CurvePoint, Program, Rung, RunResult, Traced, TrainJob
from sandbox.tasks.human import human_normalised
from synth.cli.report import Report, measure, sparkline
from synth.curves import mean_curve
from tests.sandbox.doubles import InstantExecutor


def curve(*scores: float | None) -> tuple[CurvePoint, ...]:
    return tuple(CurvePoint(step=step, score=score) for step, score in enumerate(scores))


def run(*scores: float | None) -> RunResult:
    return RunResult(task="t", seed=0, steps=1, final_return=0, episode_returns=(), curve=curve(*scores), device_seconds=0)


def test_mean_curve_leaves_out_seeds_without_an_episode() -> None:
    assert mean_curve([run(None, 1.0, 3.0), run(None, None, 5.0)]) == curve(None, 1.0, 4.0)


def test_sparkline() -> None:
    assert sparkline(curve(0.0, None, 3.5, 7.0)) == "▁ ▅█"
    assert sparkline(curve(2.0, 2.0)) == "▁▁"
    assert sparkline(curve(None, None)) == ""


def test_human_normalised() -> None:
    assert human_normalised("atari-ram:Pong", -20.7) == 0.0
    assert human_normalised("atari:Breakout", 30.5) == 1.0
    assert human_normalised("probe:catch", 1.0) is None


def judge(train: Callable[[TrainJob], float], baseline: bool = True) -> Report:
    program = Program(text="p", title="p", description="", heads=(), act=Act(head="logits"))
    traced = Traced(program=program, graphs={"*": "{}"})
    evaluator = Evaluator(InstantExecutor(train), None, AgentSettings())
    rung = Rung(name="r", tasks=("probe:a", "probe:b"), steps=10, seeds=1)
    return measure(evaluator, traced, rung, ("p", traced) if baseline else None, ShortMemory(), lambda run: None)


def learned(job: TrainJob) -> float:
    return 0.0 if job.rule == "random" else 4.0


def test_the_baseline_measured_against_itself_scores_one() -> None:
    report = judge(learned)
    assert [task.score for task in report.tasks] == [1.0, 1.0]
    assert report.score is not None
    assert (report.score.mean, report.score.n, report.verdict) == (1.0, 2, "ok")


def test_without_a_baseline_there_are_returns_and_no_score() -> None:
    report = judge(learned, baseline=False)
    assert [(task.returns, task.score, task.baseline) for task in report.tasks] == [((4.0,), None, None)] * 2
    assert (report.score, report.baseline) == (None, None)


def test_a_task_that_cannot_normalise_has_no_score_and_the_others_do(capsys: pytest.CaptureFixture[str]) -> None:
    report = judge(lambda job: 0.0 if job.task == "probe:b" else learned(job))
    assert [task.score for task in report.tasks] == [1.0, None]
    assert report.score is None
    assert "probe:b" in capsys.readouterr().err


def test_a_training_that_fails_is_told_with_what_was_done_before() -> None:
    def train(job: TrainJob) -> float:
        if job.task == "probe:b" and job.rule != "random":
            raise RunFault(Verdict.NOT_FINITE, "not finite")
        return learned(job)

    report = judge(train)
    assert (report.verdict, report.fault, report.score) == ("not-finite", "not finite", None)
    assert [task.task for task in report.tasks] == ["probe:a"]
