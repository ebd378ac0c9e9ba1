"""The example of docs/custom-environments.md: a sound Gymnasium environment that Lossmith trains on from its folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import gymnasium
import pytest
from gymnasium.utils.env_checker import check_env

from synth.spec import load_spec

FOLDER = Path(__file__).parents[2] / "examples" / "heater"


@pytest.fixture(scope="module")
def heater() -> Iterator[ModuleType]:
    sys.path.insert(0, str(FOLDER))
    yield import_module("heater")
    sys.path.remove(str(FOLDER))
    for name in ("Heater-v0", "HeaterCold-v0"):
        gymnasium.registry.pop(name)


def day(env: Any, act: Callable[[Any], int], seed: int) -> float:
    """The return of one episode, which lasts 96 steps and is cut by the time limit."""
    env.reset(seed=seed)
    rewards, truncated = [], False
    while not truncated:
        _, reward, terminated, truncated, _ = env.step(act(env.unwrapped))
        assert not terminated
        rewards.append(reward)
    assert len(rewards) == 96
    return float(sum(rewards))


def test_gymnasiums_own_checker_finds_nothing(heater: ModuleType) -> None:
    check_env(heater.Heater(), skip_render_check=True)


def test_one_quarter_hour_by_hand(heater: ModuleType) -> None:
    env = heater.Heater()
    env.reset(seed=0)
    env.room, env.floor, env.day = 20.0, 24.0, 7.0  # midnight, 4 degrees between floor and room; outside 7 - 4 cos(-60 degrees) = 5
    _, reward, *_ = env.step(2)
    assert env.floor == pytest.approx(24.0 + 0.25 * (2.0 - 1.0))
    assert env.room == pytest.approx(20.0 + 0.25 * (2.0 - 15.0 / 12.0))
    assert reward == pytest.approx(-0.25 * ((21.0 - 20.1875) + 0.15 * 2.0))


def test_a_thermostat_beats_full_heat_and_none(heater: ModuleType) -> None:
    env = gymnasium.make("Heater-v0", disable_env_checker=True)

    def mean(act: Callable[[Any], int]) -> float:
        return sum(day(env, act, seed) for seed in range(10)) / 10

    thermostat = mean(lambda house: 2 * (house.room < 21.0))
    assert thermostat > -20.0
    assert max(mean(lambda house: 0), mean(lambda house: 2)) < -40.0


def test_the_campaign_names_its_worlds() -> None:
    spec = load_spec(FOLDER / "heater.toml")
    spec.check_names()
    assert spec.holdout is not None


def test_evaluate_trains_on_it_from_its_folder() -> None:
    words = ["evaluate", "ppo", "--tasks", "gymnasium:heater:Heater-v0", "--steps", "512", "--seeds", "1", "--episodes", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "synth.cli.main", *words, "--baseline", "none", "--json"],
        cwd=FOLDER,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    (task,) = json.loads(done.stdout)["tasks"]
    assert task["task"] == "gymnasium:heater:Heater-v0"
    assert -150 < task["returns"][0] < 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_campaign_finds_rules_that_beat_random_play_and_says_how_they_stand_to_ppo(tmp_path: Path) -> None:
    """As docs/custom-environments.md runs it, with fewer programs. A score of 0 is random play."""
    archive = ["--archive", str(tmp_path / "a.sqlite")]
    command = [sys.executable, "-m", "synth.cli.main"]
    run = [*command, "run", "heater.toml", *archive, "--set", "budget.evaluations=6"]
    done = subprocess.run(run, cwd=FOLDER, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    state = json.loads(subprocess.run([*command, "status", *archive, "--json"], capture_output=True, check=True).stdout)
    best = state["leaderboard"][0]
    assert best["score"]["low"] > 0
    for finalist in state["holdout"]["finalists"]:
        (against, *_) = finalist["against"]
        assert (against["rival"], against["word"] in {"better", "level", "worse"}) == ("ppo", True)
