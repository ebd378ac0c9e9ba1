"""`lossmith baseline evaluate` and `show`, for real."""

from __future__ import annotations

from pathlib import Path

import pytest

from archive.baseline.curves import summarise
from tests.networks import write_network
from tests.synth.cli.command import lossmith

POINTS = [{"step": step, "entropy": 1.0, "gradient_norm": 0.1, "scores": {"probe:catch": step / 10}} for step in range(1, 11)]


@pytest.fixture
def network(tmp_path: Path) -> Path:
    return write_network(tmp_path / "mine.safetensors", card={"name": "mine", "curve": summarise(POINTS).model_dump_json()})


def test_show_prints_the_way_from_first_to_last(network: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    shown = lossmith(capsys, monkeypatch, "baseline", "show", str(network))
    assert shown.code == 0
    assert "10 meta-steps" in shown.out
    assert all(word in shown.out for word in ("probe:catch", "0.10", "1.00"))
    as_json = lossmith(capsys, monkeypatch, "baseline", "show", str(network), "--json").json
    assert as_json["scores"]["probe:catch"][-1] == 1.0
    assert as_json["card"] == {"name": "mine"}


def test_a_network_without_a_curve_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    refused = lossmith(capsys, monkeypatch, "baseline", "show", str(write_network(tmp_path / "bare.safetensors")))
    assert refused.code == 2
    assert "holds no curve" in refused.err


@pytest.mark.parametrize("rates", ["", "fast", "0.5", "1e-3,0"])
def test_impossible_rates_are_refused(
    network: Path, rates: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = lossmith(capsys, monkeypatch, "baseline", "evaluate", str(network), "--rates", rates)
    assert refused.code == 2
    assert "no learning rates" in refused.err


@pytest.mark.slow
def test_evaluate_trains_fresh_agents(network: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("--tasks", "probe:immediate-credit", "--steps", "1024", "--seeds", "2", "--rates", "4e-3", "--workers", "1")
    (trial,) = lossmith(capsys, monkeypatch, "baseline", "evaluate", str(network), *words, "--json").json["trials"]
    assert trial["held_out"] is True, "a network without a spec was trained on nothing that is known"
    assert (trial["chance"], trial["optimum"]) == (4.0, 8.0)
    assert trial["reinforce_rate"] == 4e-3
    assert trial["word"] in ("better", "level", "worse")
    table = lossmith(capsys, monkeypatch, "baseline", "evaluate", str(network), *words).out
    assert "Held out" in table
    assert "probe:immediate-credit" in table, "it fits"
