"""The picture: a file that is one, the same again, with every rule and task in it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from sandbox.errors import PrerequisiteMissing, UsageError
from sandbox.evaluate import ShortMemory
from sandbox.records import AgentSettings
from synth.benchmark.measure import benchmark
from synth.benchmark.plot import check_plot, draw
from synth.benchmark.records import BenchmarkReport
from tests.synth.benchmark.test_measure import A2C, DQN, HIGH, LOW, PPO
from tests.synth.doubles import ArithmeticExecutor, ArithmeticGates

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def report() -> BenchmarkReport:
    with closing(ArithmeticExecutor()) as executor:
        return benchmark(ArithmeticGates(executor, None, AgentSettings()), [PPO, DQN, A2C], [LOW, HIGH], PPO, ShortMemory())


def test_it_names_every_rule_and_task_and_is_the_same_again(report: BenchmarkReport, tmp_path: Path) -> None:
    for name in ("one.svg", "two.svg"):
        draw(report, tmp_path / name)
    text = (tmp_path / "one.svg").read_text()
    assert text == (tmp_path / "two.svg").read_text()
    words = ("ppo", "dqn", "a2c", "probe:catch", "atari-ram:Breakout", "share of runs above", "0 is random play, 1 is ppo")
    assert [word for word in words if word not in text] == []


def test_a_png_is_one(report: BenchmarkReport, tmp_path: Path) -> None:
    draw(report, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_without_any_score_the_curves_stand_alone(report: BenchmarkReport, tmp_path: Path) -> None:
    rules = tuple(rule.model_copy(update={"over_all": None}) for rule in report.rules)
    draw(report.model_copy(update={"rules": rules}), tmp_path / "plot.svg")
    assert "there is no score" in (tmp_path / "plot.svg").read_text()


def test_what_cannot_be_drawn_is_said_before_anything_is_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"\.png, \.svg, \.pdf"):
        check_plot(tmp_path / "plot.gif")
    with pytest.raises(UsageError, match="no folder"):
        check_plot(tmp_path / "none" / "plot.png")
    monkeypatch.setattr("synth.benchmark.plot.find_spec", lambda name: None)
    with pytest.raises(PrerequisiteMissing, match=r"pip install 'lossmith\[plot\]'"):
        check_plot(tmp_path / "plot.png")
