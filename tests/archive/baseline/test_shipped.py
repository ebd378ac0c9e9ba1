"""The meta-network that ships: whatever can be named finds it, it is what its card says, and it teaches."""

from __future__ import annotations

import tomllib
from fnmatch import fnmatch
from pathlib import Path
from statistics import fmean

import pytest

from archive.baseline import library
from archive.baseline.curves import read_curve
from archive.baseline.spec import BaselineSpec, load_baseline_spec
from sandbox.records import TrainJob
from sandbox.rules.meta.weights import load
from sandbox.training.trainer import train
from synth.network import learned_rule
from tests.networks import write_network

ROOT = Path(__file__).parents[3]
NAME = library.OURS


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOSSMITH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def spec_of_card() -> BaselineSpec:
    return BaselineSpec.model_validate_json(library.card(library.find(NAME))["spec"])


def test_it_is_small_and_installed() -> None:
    path = library.find(NAME)
    assert path.parent == library.SHIPPED
    assert path.stat().st_size < 1_000_000
    installed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["archive.baseline"]
    assert any(fnmatch(f"{path.parent.name}/{path.name}", pattern) for pattern in installed)


def test_it_is_what_the_example_trains() -> None:
    example = load_baseline_spec(ROOT / "examples" / "baseline.toml")
    assert spec_of_card() == example
    assert load(library.find(NAME)).config == example.network


def test_its_curve_rises_on_every_task() -> None:
    curve = read_curve(library.find(NAME))
    assert curve.steps == spec_of_card().meta.steps
    for task, scores in curve.scores.items():
        known = [score for score in scores if score is not None]
        assert fmean(known[-10:]) > max(known[:2]), f"{task}: agents of all ages do better at the end than at the start"


def test_a_user_may_have_another_of_the_name_and_disco103_comes_first(cache: Path) -> None:
    assert library.default() == NAME
    write_network(cache / f"{NAME}.safetensors")
    assert library.find(NAME).parent == cache
    write_network(cache / "disco103.safetensors")
    assert library.default() == "disco103"


def test_agents_learn_under_it() -> None:
    agent = spec_of_card().agent
    job = TrainJob(rule=learned_rule(NAME), task="probe:immediate-credit", agent=agent, steps=20_000, seed=1, evaluation_episodes=64)
    assert train(job).final_return > 4 + 0.9 * 4  # nine tenths of the way from chance to the optimum
