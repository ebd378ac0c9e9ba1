"""Returns, advantages and off-policy targets: golden numbers by hand, and what they must reduce to."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sandbox.language import toolkit as rl

few = settings(deadline=None, max_examples=20)
sizes = {"steps": st.integers(1, 12), "seed": st.integers(0, 1000)}

# T = 3, B = 1. Half discount, and the episode ends at t = 1.
R = torch.tensor([[1.0], [2.0], [3.0]])
G = torch.tensor([[0.5], [0.0], [0.5]])
V = torch.tensor([[1.0], [2.0], [4.0], [8.0]])


def column(tensor: Tensor) -> list[float]:
    return [round(number, 6) for number in tensor.squeeze(1).tolist()]


def trajectory(steps: int, seed: int, envs: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    """Rewards, discounts with an end here and there, values."""
    stream = torch.Generator().manual_seed(seed)
    rewards, values = (torch.randn(rows, envs, generator=stream, dtype=torch.float64) for rows in (steps, steps + 1))
    discounts = 0.9 * (torch.rand(steps, envs, generator=stream) > 0.2)
    return rewards, discounts.double(), values


def monte_carlo(rewards: Tensor, discounts: Tensor, values: Tensor) -> Tensor:
    return rl.discounted_returns(rewards, discounts, values[-1])


# ---------------------------------------------------------------------------------------------------------------- golden
def test_discounted_returns_golden() -> None:
    # G2 = 3 + 0.5*8 = 7, G1 = 2, G0 = 1 + 0.5*2 = 2
    assert column(rl.discounted_returns(R, G, V[-1])) == [2, 2, 7]


def test_n_step_returns_golden() -> None:
    # n = 1: r + γ v'; at the end v_3 = 8
    assert column(rl.n_step_returns(R, G, V, 1)) == [1 + 0.5 * 2, 2, 3 + 0.5 * 8]
    # n = 2, no end: r0 + 0.5 r1 + 0.25 v2; r1 + 0.5 r2 + 0.25 v3; r2 + 0.5 v3
    assert column(rl.n_step_returns(R, torch.full_like(G, 0.5), V, 2)) == [1 + 1 + 1, 2 + 1.5 + 2, 3 + 4]


def test_lambda_returns_golden() -> None:
    # G2 = 3 + 0.5*8 = 7; G1 = 2; G0 = 1 + 0.5*(0.5*v1 + 0.5*G1) = 1 + 0.5*(1 + 1)
    assert column(rl.lambda_returns(R, G, V, 0.5)) == [2, 2, 7]
    # without an end G1 = 2 + 0.5*(0.5*4 + 0.5*7) = 4.75; G0 = 1 + 0.5*(1 + 2.375)
    assert column(rl.lambda_returns(R, torch.full_like(G, 0.5), V, 0.5)) == [2.6875, 4.75, 7]


def test_gae_golden() -> None:
    # δ = (1 + 0.5*2 - 1, 2 - 2, 3 + 0.5*8 - 4) = (1, 0, 3); A0 = 1 + 0.5*0.5*0
    advantages, returns = rl.gae(R, G, V, 0.5)
    assert column(advantages) == [1, 0, 3]
    assert column(returns) == [2, 2, 7]
    # without an end δ1 = 2 + 0.5*4 - 2 = 2; A1 = 2 + 0.25*3; A0 = 1 + 0.25*2.75
    assert column(rl.gae(R, torch.full_like(G, 0.5), V, 0.5)[0]) == [1.6875, 2.75, 3]


def test_vtrace_golden() -> None:
    # ρ = (2, 0.5, 1), clipped (1, 0.5, 1). δ = (1*1, 0.5*0, 1*3); with an end at 1: u - v = (1 + 0.5*1*0, 0, 3)
    targets, advantages = rl.vtrace(R, G, V, torch.tensor([[math.log(2)], [math.log(0.5)], [0.0]]))
    assert column(targets) == [2, 2, 7]
    # advantages: 1*(1 + 0.5*u1 - 1) = 1; 0.5*(2 - 2); 1*(3 + 0.5*8 - 4)
    assert column(advantages) == [1, 0, 3]
    # no end: δ1 = 0.5*2 = 1; u1 - v1 = 1 + 0.5*0.5*3 = 1.75; u0 - v0 = 1 + 0.5*1.75
    targets, advantages = rl.vtrace(R, torch.full_like(G, 0.5), V, torch.tensor([[math.log(2)], [math.log(0.5)], [0.0]]))
    assert column(targets) == [2.875, 3.75, 7]
    assert column(advantages) == [1 + 0.5 * 3.75 - 1, 0.5 * (2 + 0.5 * 7 - 2), 3]


def test_vtrace_clips_golden() -> None:
    # One step, ρ = 4: δ = min(clip_rho, 4) * (1 + 0.5*2 - 1)
    for clip in (1.0, 3.0, torch.tensor(3.0), 10.0):
        targets, advantages = rl.vtrace(R[:1], G[:1], V[:2], torch.full((1, 1), math.log(4)), clip_rho=clip)
        assert targets.item() == pytest.approx(1 + min(4, float(clip)))
        assert advantages.item() == pytest.approx(min(4, float(clip)))


def test_retrace_golden() -> None:
    q = torch.tensor([[[1.0, 5.0]], [[2.0, 6.0]], [[3.0, 7.0]], [[4.0, 8.0]]])
    actions = torch.tensor([[0], [1], [0]])
    log_rhos = torch.tensor([[0.0], [math.log(4)], [math.log(0.5)]])  # c = λ (1, 1, 0.5)
    half = torch.full_like(G, 0.5)
    # G2 = 3 + 0.5*8 = 7; c2 = 0.4: G1 = 2 + 0.5*(4 + 0.4*(7 - 3)) = 4.8; c1 = 0.8: G0 = 1 + 0.5*(2 + 0.8*(4.8 - 6)) = 1.52
    assert column(rl.retrace(R, half, q, V, actions, log_rhos, 0.8)) == [1.52, 4.8, 7]


# ------------------------------------------------------------------------------------------------------------ properties
@few
@given(**sizes)
def test_one_step_at_a_time(steps: int, seed: int) -> None:
    rewards, discounts, values = trajectory(steps, seed)
    once = rl.n_step_returns(rewards, discounts, values, 1)
    torch.testing.assert_close(once, rewards + discounts * values[1:])
    torch.testing.assert_close(once, rl.lambda_returns(rewards, discounts, values, 0.0))
    torch.testing.assert_close(rl.gae(rewards, discounts, values, 0.0)[1], once)


@few
@given(**sizes)
def test_lambda_one_is_monte_carlo(steps: int, seed: int) -> None:
    rewards, discounts, values = trajectory(steps, seed)
    whole = monte_carlo(rewards, discounts, values)
    torch.testing.assert_close(rl.lambda_returns(rewards, discounts, values, torch.tensor(1.0)), whole)
    advantages, returns = rl.gae(rewards, discounts, values, 1.0)
    torch.testing.assert_close(advantages, whole - values[:-1])
    torch.testing.assert_close(returns, whole)
    torch.testing.assert_close(rl.n_step_returns(rewards, discounts, values, steps), whole)
    torch.testing.assert_close(rl.n_step_returns(rewards, discounts, values, steps + 5), whole)


@few
@given(**sizes, n=st.integers(1, 15))
def test_n_step_returns_are_the_loop(steps: int, seed: int, n: int) -> None:
    rewards, discounts, values = trajectory(steps, seed)
    found = rl.n_step_returns(rewards, discounts, values, n)
    for t in range(steps):
        wanted = values[min(t + n, steps)]
        for k in reversed(range(t, min(t + n, steps))):
            wanted = rewards[k] + discounts[k] * wanted
        torch.testing.assert_close(found[t], wanted)


@few
@given(**sizes)
def test_vtrace_on_policy(steps: int, seed: int) -> None:
    rewards, discounts, values = trajectory(steps, seed)
    targets, advantages = rl.vtrace(rewards, discounts, values, torch.zeros_like(rewards))
    whole = monte_carlo(rewards, discounts, values)
    torch.testing.assert_close(targets, whole)
    torch.testing.assert_close(advantages, whole - values[:-1])
    some, _ = rl.vtrace(rewards, discounts, values, torch.zeros_like(rewards), 0.7)
    torch.testing.assert_close(some, rl.lambda_returns(rewards, discounts, values, 0.7))


@few
@given(**sizes, lambda_=st.floats(0, 1))
def test_retrace_on_policy_where_q_is_v(steps: int, seed: int, lambda_: float) -> None:
    rewards, discounts, values = trajectory(steps, seed)
    actions = torch.zeros(steps, 2, dtype=torch.int64)
    q = values.unsqueeze(-1).expand(-1, -1, 3)
    found = rl.retrace(rewards, discounts, q, values, actions, torch.zeros_like(rewards), lambda_)
    torch.testing.assert_close(found, rl.lambda_returns(rewards, discounts, values, lambda_))


@few
@given(**sizes)
def test_nothing_comes_back_over_an_end(steps: int, seed: int) -> None:
    rewards, _, values = trajectory(steps, seed)
    ended = torch.zeros_like(rewards)
    for found in (
        monte_carlo(rewards, ended, values),
        rl.n_step_returns(rewards, ended, values, 4),
        rl.gae(rewards, ended, values, 0.9)[1],
    ):
        torch.testing.assert_close(found, rewards)


# ------------------------------------------------------------------------------------------------------------- gradients
CALLS: dict[str, Any] = {
    "discounted_returns": lambda v, q, **k: rl.discounted_returns(R, G, v[-1], **k),
    "n_step_returns": lambda v, q, **k: rl.n_step_returns(R, G, v, 2, **k),
    "lambda_returns": lambda v, q, **k: rl.lambda_returns(R, G, v, 0.9, **k),
    "gae": lambda v, q, **k: rl.gae(R, G, v, 0.9, **k)[0] + rl.gae(R, G, v, 0.9, **k)[1],
    "vtrace": lambda v, q, **k: rl.vtrace(R, G, v, torch.zeros_like(R), **k)[0] + rl.vtrace(R, G, v, torch.zeros_like(R), **k)[1],
    "retrace": lambda v, q, **k: rl.retrace(R, G, q, v, torch.zeros(3, 1, dtype=torch.int64), torch.zeros_like(R), 0.9, **k),
}


@pytest.mark.parametrize("name", CALLS)
def test_gradients_are_cut_unless_asked_for(name: str) -> None:
    v = V.clone().requires_grad_()
    q = torch.zeros(4, 1, 2, requires_grad=True)
    assert not CALLS[name](v, q).requires_grad
    (gradient,) = torch.autograd.grad(CALLS[name](v, q, stop_gradient=False).sum(), v)
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize("shape", [(5, 2), (1, 1), (3, 2, 4), (6,)])
def test_any_axes_after_time(shape: tuple[int, ...]) -> None:
    rewards, discounts, values = torch.ones(shape), torch.full(shape, 0.5), torch.ones(shape[0] + 1, *shape[1:])
    assert rl.gae(rewards, discounts, values, 0.9)[0].shape == shape
    assert rl.n_step_returns(rewards, discounts, values, 3).shape == shape
    assert rl.vtrace(rewards, discounts, values, torch.zeros(shape), torch.tensor(0.9))[1].shape == shape


def test_lambda_may_differ_from_step_to_step() -> None:
    lambdas = torch.tensor([[1.0], [0.0], [1.0]])
    half = torch.full_like(G, 0.5)
    # G1 = 2 + 0.5*v2 = 4; G0 = 1 + 0.5*G1 = 3
    assert column(rl.lambda_returns(R, half, V, lambdas)) == [3, 4, 7]
