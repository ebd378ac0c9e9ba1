"""Curves and tables by hand."""

from sandbox.records import CurvePoint, RunResult
from sandbox.tasks.human import human_normalised
from synth.cli.report import mean_curve, sparkline


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
