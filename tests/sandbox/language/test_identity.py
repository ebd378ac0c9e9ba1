"""Identity: what is the same program in other words, and what is not."""

from __future__ import annotations

import pytest
import torch

from sandbox.language.fingerprint import FREQUENCIES, SHAPE, canonical_heads, tensor_print
from sandbox.language.gates import NoveltyStatus, check_novelty
from sandbox.language.identity import identify
from sandbox.records import Identity
from sandbox.rules.program_rule import ProgramRule
from sandbox.rules.references import reference_names, reference_text
from tests.support import traced

PPO = reference_text("ppo")
DQN = reference_text("dqn")
VMPO = reference_text("vmpo")

LOOP_GAE = """    values = traj.behaviour.value
    step = torch.zeros_like(traj.rewards[0])
    advantages = torch.zeros_like(traj.rewards)
    for t in reversed(range(traj.rewards.shape[0])):
        error = traj.rewards[t] + c.discount * traj.continues[t] * values[t + 1] - values[t]
        step = error + c.discount * traj.continues[t] * c.gae_lambda * step
        advantages[t] = step
    returns = advantages + values[:-1]
"""
RL_GAE = "    advantages, returns = rl.gae(traj.rewards, c.discount * traj.continues, traj.behaviour.value, c.gae_lambda)\n"

TWO_CRITICS = '''"""Two critics, of which one is pessimistic, and a policy."""

HEADS = {"logits": "A", "value": 1, "second": 1}
CONSTANTS = {"discount": 0.97, "bound": 1e7}


def initial_state(c):
    return {"scale": 1.0}


def loss(traj, c, state):
    low = torch.minimum(traj.behaviour.value, traj.behaviour.second)
    advantages, returns = rl.gae(traj.rewards, c.discount * traj.continues, low, 0.95)
    returns = torch.minimum(returns, c.bound)
    late = torch.where(traj.progress > 0.95, 0.5, 1.0)
    policy_loss = -rl.log_prob(traj.online.logits[:-1], traj.actions) * advantages / state.scale
    first = (traj.online.value[:-1] - returns) ** 2
    second = 3 * (traj.online.second[:-1] - returns) ** 2
    return late * policy_loss + first + second, {"scale": rl.ema(state.scale, 1 + advantages.abs().mean(), 0.9)}
'''


def changed(text: str, *swaps: tuple[str, str]) -> str:
    for old, new in swaps:
        assert old in text, old
        text = text.replace(old, new)
    return text


SAME = {
    "other words": (PPO, changed(PPO, ("advantages", "a"), ("surrogate", "gain"), ("clipped policy gradient", "by another name"))),
    "constants written in": (
        PPO,
        changed(PPO, ("c.clip", "0.2"), ("c.value_cost", "0.5"), ('"clip": 0.2, ', ""), (', "value_cost": 0.5', "")),
    ),
    "a constant renamed": (PPO, changed(PPO, ("c.clip", "c.range"), ('"clip"', '"range"'))),
    "a constant nobody reads": (PPO, changed(PPO, ('"clip": 0.2', '"clip": 0.2, "spare": 3.0'))),
    "loop for recursion": (PPO, changed(PPO, (RL_GAE, LOOP_GAE))),
    "the mean taken early": (
        PPO,
        changed(PPO, ("return -surrogate", "return (-surrogate"), ("rl.entropy(logits)", "rl.entropy(logits)).mean()")),
    ),
    "clip for clamp": (PPO, changed(PPO, ("torch.clamp", "torch.clip"))),
    "min for minimum": (PPO, changed(PPO, ("torch.minimum(", "torch.min("))),
    "factors by hand": (
        PPO,
        changed(PPO, ("0.5 * (traj.online.value[:-1] - returns) ** 2", "(returns - traj.online.value[:-1]).square() / 2")),
    ),
    "dead code": (PPO, changed(PPO, (RL_GAE, RL_GAE + "    unused = torch.exp(traj.rewards)\n"))),
    "heads in another order": (PPO, changed(PPO, ('{"logits": "A", "value": 1}', '{"value": 1, "logits": "A"}'))),
    "a head renamed": (DQN, changed(DQN, ('"q"', '"worth"'), ("online.q", "online.worth"), ("target.q", "target.worth"))),
    "two heads exchanged": (
        TWO_CRITICS,
        changed(TWO_CRITICS, ("second", "third"), ("value", "second"), ("third", "value")),
    ),
    "two heads in another order": (TWO_CRITICS, changed(TWO_CRITICS, ('"value": 1, "second": 1', '"second": 1, "value": 1'))),
    "what sampling does not read": (PPO, PPO + 'ACT = {"head": "logits"}\n'),
}

DIFFERENT = {
    "epochs": (PPO, changed(PPO, ('"epochs": 4', '"epochs": 5'))),
    "replay": (DQN, changed(DQN, ('"replay_ratio": 4', '"replay_ratio": 2'))),
    "the campaign's learning rate": (PPO, changed(PPO, (', "learning_rate": 2.5e-3', ""))),
    "exploration": (DQN, changed(DQN, ("(1.0, 0.05, 0.5)", "(1.0, 0.1, 0.5)"))),
    "how it acts": (DQN, changed(DQN, ('"epsilon_greedy", "epsilon": (1.0, 0.05, 0.5)', '"softmax", "temperature": 0.1'))),
    "a constant": (PPO, changed(PPO, ('"clip": 0.2', '"clip": 0.21'))),
    "a constant of the carried state": (VMPO, changed(VMPO, ('"dual_rate": 0.05', '"dual_rate": 0.06'))),
    "a bound never reached": (TWO_CRITICS, changed(TWO_CRITICS, ("1e7", "1e8"))),
    "late progress": (TWO_CRITICS, changed(TWO_CRITICS, ("0.5, 1.0)", "0.6, 1.0)"))),
    "how state is carried": (TWO_CRITICS, changed(TWO_CRITICS, (", 0.9)}", ", 0.8)}"))),
    "where state begins": (TWO_CRITICS, changed(TWO_CRITICS, ('"scale": 1.0', '"scale": 2.0'))),
    "which critic is trained harder": (TWO_CRITICS, changed(TWO_CRITICS, ("3 * (traj.online.second", "4 * (traj.online.second"))),
    "another idea": (DQN, reference_text("double_dqn")),
    "a sum for a mean": (
        PPO,
        changed(PPO, ("return -surrogate", "return (-surrogate"), ("rl.entropy(logits)", "rl.entropy(logits)).sum()")),
    ),
    "a head's size": (
        reference_text("categorical_retrace"),
        changed(reference_text("categorical_retrace"), ("41", "42")),
    ),
}

VARIANTS = ("epochs", "replay", "the campaign's learning rate", "exploration", "how it acts", "a constant", "a bound never reached")


def identity(text: str) -> Identity:
    return identify(ProgramRule(traced(text, (SHAPE,))))


@pytest.mark.parametrize("pair", SAME)
def test_same(pair: str) -> None:
    first, second = (identity(text) for text in SAME[pair])
    assert first.fingerprint == second.fingerprint
    assert first.key == second.key


@pytest.mark.parametrize("pair", DIFFERENT)
def test_different(pair: str) -> None:
    first, second = (identity(text) for text in DIFFERENT[pair])
    assert first.key != second.key


@pytest.mark.parametrize("pair", VARIANTS)
def test_variant_of_the_same_structure(pair: str) -> None:
    first, second = (identity(text) for text in DIFFERENT[pair])
    novelty = check_novelty(second, [(first, "first")])
    assert (novelty.status, novelty.of) == (NoveltyStatus.VARIANT, "first")


def test_references_are_all_new() -> None:
    known: list[tuple[Identity, str]] = []
    for name in reference_names():
        found = identity(reference_text(name))
        assert check_novelty(found, known).status is NoveltyStatus.NEW
        known.append((found, name))


def test_heads_of_a_kind_are_ordered_by_what_becomes_of_them() -> None:
    exchanged = SAME["two heads exchanged"][1]
    first = [head.name for head in canonical_heads(ProgramRule(traced(TWO_CRITICS, (SHAPE,))))]
    second = [head.name for head in canonical_heads(ProgramRule(traced(exchanged, (SHAPE,))))]
    assert {first.index("value"), first.index("second")} == {second.index("value"), second.index("second")}
    assert first.index("value") == second.index("second")


def test_print_golden() -> None:
    """x = (1, -1): mean |x| = 1, projections (cos w - cos 2w) / sqrt 2, in units of 1e-4."""
    x = torch.tensor([1.0, -1.0], dtype=torch.float64)
    w = torch.tensor(FREQUENCIES, dtype=torch.float64)
    expected = ((torch.cos(w) - torch.cos(2 * w)) / 2**0.5 * 1e4).round()
    assert tensor_print(x) == (0, *map(int, expected))


def test_print_is_relative_and_blind_to_rounding() -> None:
    x = torch.randn(50, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert tensor_print(x) == tensor_print(x * (1 + 1e-13))
    assert tensor_print(1e6 * x)[1:] == tensor_print(x)[1:]
    assert tensor_print(1e6 * x)[0] != tensor_print(x)[0]
    assert tensor_print(x) != tensor_print(-x)
    assert tensor_print(x) != tensor_print(1.001 * x)
    assert tensor_print(0 * x + 1e-17) == ()
