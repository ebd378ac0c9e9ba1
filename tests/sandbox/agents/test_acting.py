"""How heads become actions: the true behaviour distribution, and draws from it."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.agents.acting import action_log_probs, action_preferences, epsilon_at, expectation, sample
from sandbox.records import Act


def probabilities(act: Act, output: list, progress: float = 1.0) -> list:
    return action_log_probs(act, {act.head: torch.tensor(output)}, progress).exp().tolist()


def test_sample_is_the_softmax() -> None:
    (row,) = probabilities(Act(head="logits"), [[0.0, math.log(3.0)]])
    assert row == pytest.approx([0.25, 0.75])


def test_softmax_divides_by_the_temperature() -> None:
    (row,) = probabilities(Act(head="q", kind="softmax", temperature=0.5), [[0.0, math.log(3.0)]])
    assert row == pytest.approx([0.1, 0.9])


def test_epsilon_greedy_by_hand_with_ties_broken_evenly() -> None:
    act = Act(head="q", kind="epsilon_greedy", epsilon=(1.0, 0.2, 0.5))
    best, tied, equal = probabilities(act, [[0.0, 1.0, -1.0, 0.5], [2.0, 1.0, 2.0, 0.5], [3.0, 3.0, 3.0, 3.0]])
    assert best == pytest.approx([0.05, 0.85, 0.05, 0.05])
    assert tied == pytest.approx([0.45, 0.05, 0.45, 0.05])
    assert equal == pytest.approx([0.25] * 4)


def test_epsilon_falls_linearly_and_stays() -> None:
    act = Act(head="q", kind="epsilon_greedy", epsilon=(1.0, 0.2, 0.5))
    assert [epsilon_at(act, progress) for progress in (0.0, 0.25, 0.5, 1.0)] == pytest.approx([1.0, 0.6, 0.2, 0.2])
    assert epsilon_at(Act(head="q", kind="epsilon_greedy", epsilon=(1.0, 0.1, 0.0)), 0.0) == pytest.approx(0.1)


def test_greedy_without_exploration_never_draws_another_action() -> None:
    act = Act(head="q", kind="epsilon_greedy", epsilon=(0.0, 0.0, 1.0))
    log_probs = action_log_probs(act, {"q": torch.tensor([[0.0, 1.0, 0.5]]).expand(5000, 3)}, 0.5)
    actions, log_prob = sample(log_probs, torch.Generator().manual_seed(0))
    assert (actions == 1).all()
    assert not log_prob.any()


def test_a_vector_is_reduced_to_its_mean_or_its_expectation() -> None:
    output = torch.tensor([[[0.0, 0.0, 0.0], [0.0, 0.0, math.log(2.0)]]])  # [1, 2, 3]
    assert action_preferences(Act(head="q", reduce="mean"), output)[0].tolist() == pytest.approx([0.0, math.log(2.0) / 3])
    points = Act(head="q", reduce="support", support=(-2.0, 2.0))  # -2, 0, 2
    assert action_preferences(points, output)[0].tolist() == pytest.approx([0.0, 0.5])
    assert expectation(torch.zeros(4), 1.0, 4.0) == pytest.approx(2.5)


def test_a_transformed_head_is_mapped_back() -> None:
    """signed_hyperbolic(3) = sqrt(4) - 1 + 0.003 = 1.003."""
    act = Act(head="q", kind="softmax", transform="signed_hyperbolic")
    assert action_preferences(act, torch.tensor([[1.003, -1.003, 0.0]]))[0].tolist() == pytest.approx([3.0, -3.0, 0.0], abs=1e-3)
    (row,) = probabilities(act, [[1.003, 0.0]])
    assert row[0] / row[1] == pytest.approx(math.exp(3.0), rel=1e-2)


@pytest.mark.parametrize("act", [Act(head="x"), Act(head="x", kind="epsilon_greedy"), Act(head="x", kind="softmax", temperature=0.1)])
@settings(deadline=None, max_examples=20)
@given(values=st.lists(st.floats(-50, 50, width=32), min_size=2, max_size=6), progress=st.floats(0, 1))
def test_probabilities_sum_to_one(act: Act, values: list[float], progress: float) -> None:
    (row,) = probabilities(act, [values], progress)
    assert sum(row) == pytest.approx(1.0, abs=1e-4)
    assert min(row) >= 0


def test_draws_follow_the_probabilities() -> None:
    wanted = torch.tensor([0.5, 0.3, 0.2, 0.0])
    actions, log_prob = sample(wanted.log().expand(200_000, 4), torch.Generator().manual_seed(0))
    shares = torch.bincount(actions, minlength=4) / len(actions)
    torch.testing.assert_close(shares, wanted, atol=0.005, rtol=0)
    assert shares[3] == 0
    torch.testing.assert_close(log_prob, wanted.log()[actions])
    assert actions.dtype == torch.int64


def test_draws_come_from_the_generator_alone() -> None:
    log_probs = torch.log_softmax(torch.zeros(64, 5), -1)
    state = torch.get_rng_state()
    one, two = (sample(log_probs, torch.Generator().manual_seed(4))[0] for _ in range(2))
    assert torch.equal(one, two)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(one, sample(log_probs, torch.Generator().manual_seed(5))[0])
