"""Simplifying with real trainings: what is useless goes and the return stays; what a term of a published rule is worth is said."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sandbox.rules.references import reference_text
from synth.simplify.records import Ground, Simplification

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

RETURNED = "    return -surrogate + c.value_cost * value_loss - c.entropy_cost * rl.entropy(logits)\n"
USELESS = """    nothing = rl.normalize(traj.rewards)
    return (
        -surrogate
        + c.value_cost * value_loss
        - c.entropy_cost * rl.entropy(logits)
        + c.nothing_cost * nothing
        - c.entropy_cost * rl.entropy(logits)
    )
"""


def simplified(program: str) -> Simplification:
    """As a user does it: on Catch, 20,000 steps, five seeds and more where that decides nothing."""
    command = [sys.executable, "-m", "synth.cli.main", "simplify", program, "--unsafe", "--json"]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return Simplification.model_validate(json.loads(done.stdout))


def test_ppo_loses_two_useless_terms_and_keeps_its_return(tmp_path: Path) -> None:
    """A constant times numbers whose mean is always zero, and the entropy term a second time."""
    text = reference_text("ppo")
    assert RETURNED in text
    (tmp_path / "padded.py").write_text(
        text.replace(RETURNED, USELESS).replace('"value_cost": 0.5', '"value_cost": 0.5, "nothing_cost": 0.3')
    )
    report = simplified(str(tmp_path / "padded.py"))
    taken = {step.term: step.ground for step in report.steps if step.taken}
    assert taken[3] == Ground.IDLE
    assert taken.keys() & {2, 4}, "one of the twins"
    assert not taken.keys() & {0, 1}
    assert "nothing" not in report.text.split('"""')[-1]
    assert report.difference is not None
    assert report.difference.low >= -report.tolerance
    assert np.mean(report.simple_returns["probe:catch"]) > np.mean(report.returns["probe:catch"]) - 0.1


def test_what_the_pull_of_dqnreg_is_worth_is_in_the_table() -> None:
    report = simplified("dqnreg")
    pull, error = report.ablations
    assert pull.code == "c.pull * taken"
    assert pull.difference is not None
    assert (pull.difference.low >= -report.tolerance) == any(step.taken and step.term == 0 for step in report.steps)
    assert error.ground == Ground.REFUSED, "without the error nothing is learned: a gate says so"
