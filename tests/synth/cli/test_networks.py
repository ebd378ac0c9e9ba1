"""Meta-networks on the command line: named as a rule, as a baseline, in a spec; and what is said where they are missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.networks import write_network
from tests.synth.cli.conftest import Command

SPEC = """
baseline = "{baseline}"
[campaign]
name = "c"
references = ["a2c", "ppo"]
[budget]
evaluations = 5
[[rung]]
name = "low"
tasks = ["probe:catch"]
steps = 10
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOSSMITH_CACHE", str(tmp_path / "cache"))
    write_network(tmp_path / "cache" / "mine.safetensors")
    return tmp_path / "cache"


def evaluate(*words: str) -> dict[str, object]:
    """For real, in processes of its own."""
    command = [sys.executable, "-m", "synth.cli.main", "evaluate", *words, "--steps", "512", "--seeds", "1", "--episodes", "4", "--json"]
    done = subprocess.run(command, capture_output=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_a_network_is_evaluated_by_name_and_may_be_the_baseline_too(cache: Path) -> None:
    alone = evaluate("mine", "--tasks", "probe:immediate-credit", "--baseline", "none")
    assert str(alone["title"]).startswith("mine, meta-network ")
    assert alone["baseline"] is None
    path = str(cache / "mine.safetensors")
    against = evaluate(path, "--tasks", "probe:immediate-credit", "--baseline", "mine", "--network-learning-rate", "0.02")
    assert against["baseline"] == "mine"
    assert against["program"] != alone["program"]  # trained at another rate


@pytest.mark.parametrize("words", [("evaluate", "disco103"), ("evaluate", "ppo", "--baseline", "disco103"), ("evaluate", "no.safetensors")])
def test_a_network_that_is_not_here_exits_3_and_says_how_to_get_it(cache: Path, command: Command, words: tuple[str, ...]) -> None:
    done = command(*words, "--tasks", "probe:catch")
    assert (done.code, done.out) == (3, "")
    assert "lossmith baseline" in done.err


def test_a_campaign_freezes_its_network(cache: Path, command: Command) -> None:
    Path("spec.toml").write_text(SPEC.format(baseline="mine"))
    plan = command("run", "spec.toml", "--dry-run")
    assert plan.code == 0, plan.err
    assert "the meta-network of SHA-256" in plan.out
    assert command("run", "spec.toml").code == 0
    write_network(cache / "mine.safetensors", seed=1)
    changed = command("run", "spec.toml")
    assert (changed.code, "another spec" in changed.err) == (2, True)
    gone = command("resume", "--set", "budget.evaluations=6")
    assert (gone.code, "lossmith baseline import" in gone.err) == (3, True)


def test_a_campaign_without_its_network_exits_3(cache: Path, command: Command) -> None:
    Path("spec.toml").write_text(SPEC.format(baseline="disco103"))
    done = command("run", "spec.toml")
    assert (done.code, done.out) == (3, "")
    assert "lossmith baseline fetch disco103" in done.err
    assert not Path("lossmith.sqlite").exists()


def test_no_network_may_have_the_name_of_a_reference(cache: Path, command: Command) -> None:
    done = command("baseline", "import", str(cache / "mine.safetensors"), "--name", "ppo")
    assert done.code == 2
    assert "reference" in done.err
