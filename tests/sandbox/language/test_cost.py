"""The cost gate: each limit refuses by its own code, and references stay far below all of them."""

from __future__ import annotations

import pytest

from sandbox.errors import Gate, Refusal
from sandbox.language import cost
from sandbox.records import Shape
from sandbox.rules.program_rule import ProgramRule
from sandbox.rules.references import reference_text
from tests.support import traced

SMALL = Shape(32, 8, 6)
WIDE = Shape(128, 64, 18)

EVERY_PAIR = '''"""Compares every step with every other step of all environments."""

HEADS = {"logits": "A"}


def loss(traj, c):
    returns = rl.discounted_returns(traj.rewards, 0.97 * traj.continues, torch.zeros_like(traj.rewards[-1]))
    flat = returns.flatten()
    wins = torch.tanh(flat.unsqueeze(0) - flat.unsqueeze(1)).mean(0).reshape(returns.shape)
    return -rl.log_prob(traj.online.logits[:-1], traj.actions) * wins
'''


def rule(text: str, shape: Shape) -> ProgramRule:
    return ProgramRule(traced(text, (shape,)))


@pytest.mark.parametrize("name", ["ppo", "discorl_like", "categorical_retrace"])
def test_references_are_cheap(name: str) -> None:
    cost.check_cost(rule(reference_text(name), SMALL), (SMALL,))


def test_too_much_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "MAX_MEMORY", 256 << 20)
    monkeypatch.setattr(cost, "evaluate", None)  # refused before anything runs
    with pytest.raises(Refusal, match=r"128, 64, 18.*MiB") as caught:
        cost.check_cost(rule(EVERY_PAIR, WIDE), (WIDE,))
    assert (caught.value.gate, caught.value.code, caught.value.line) == (Gate.COST, "too-much-memory", 6)


def test_too_much_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "MAX_WORK", 100_000_000)
    with pytest.raises(Refusal, match=r"operations") as caught:
        cost.check_cost(rule(EVERY_PAIR, WIDE), (WIDE,))
    assert caught.value.code == "too-much-work"


def test_too_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "MAX_SECONDS", 1e-6)
    with pytest.raises(Refusal, match=r"128, 64, 18") as caught:
        cost.check_cost(rule(reference_text("ppo"), WIDE), (WIDE,))
    assert caught.value.code == "too-slow"


def test_one_slow_call_on_a_busy_machine_is_forgiven(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 60.0, 60.0, 60.01])
    monkeypatch.setattr(cost.time, "perf_counter", lambda: next(times))
    cost.check_cost(rule(reference_text("ppo"), SMALL), (SMALL,))
