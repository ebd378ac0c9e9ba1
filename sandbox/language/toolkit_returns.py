"""Returns, advantages and off-policy targets of the toolkit, all through the one linear recurrence.

Indices: r_t is the reward after the action at t, γ_t the discount that joins step t to t+1 (0 where an episode ended at t), v_t a value of
the state at t; t = 0 … T-1, and v_T bootstraps. Shapes `[T, B]` unless said otherwise. All results are cut from the agent's gradient
unless `stop_gradient=False`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sandbox.graph.recurrence import linear_recurrence
from sandbox.language.toolkit_checks import (
    ToolkitError,
    check_bootstrapped,
    check_broadcast,
    check_leading,
    check_time_major,
)
from sandbox.language.toolkit_maths import select

Number = Tensor | float
"""A number, or a 0-dim tensor such as a constant of the program."""


def discounted_returns(rewards: Tensor, discounts: Tensor, bootstrap: Tensor, stop_gradient: bool = True) -> Tensor:
    """G_t = r_t + γ_t G_{t+1}, with G_T = bootstrap `[B]`. Source: rlax `discounted_returns`."""
    check_time_major("discounted_returns", rewards=rewards, discounts=discounts)
    if bootstrap.shape != rewards.shape[1:]:
        raise ToolkitError(
            "discounted_returns", f"bootstrap {list(bootstrap.shape)} must be [B], here {list(rewards.shape[1:])}: write values[-1]."
        )
    return _cut(linear_recurrence(discounts, rewards, bootstrap), stop_gradient)


def n_step_returns(rewards: Tensor, discounts: Tensor, values: Tensor, n: int, stop_gradient: bool = True) -> Tensor:
    """G_t = r_t + γ_t r_{t+1} + … + γ_t … γ_{k-1} v_k, k = min(t + n, T); values `[T+1, B]`. Source: rlax `n_step_bootstrapped_returns`.

    Every step's window of n rewards is one row of a batch; past the end, steps with r = 0 and γ = 1 carry v_T back.
    """
    check_time_major("n_step_returns", rewards=rewards, discounts=discounts)
    check_bootstrapped("n_step_returns", rewards, values=values)
    if not isinstance(n, int) or n < 1:
        raise ToolkitError("n_step_returns", "n must be a Python int of at least 1: give the constant an integer value.")
    last = values[-1:].repeat(n - 1, *[1] * (values.ndim - 1))
    beyond = torch.zeros_like(last)
    window_rewards = torch.cat([rewards, beyond]).unfold(0, n, 1).movedim(-1, 0)
    window_discounts = torch.cat([discounts, beyond + 1]).unfold(0, n, 1).movedim(-1, 0)
    ends = torch.cat([values[1:], last])[n - 1 :]
    return _cut(linear_recurrence(window_discounts, window_rewards, ends)[0], stop_gradient)


def lambda_returns(rewards: Tensor, discounts: Tensor, values: Tensor, lambda_: Number, stop_gradient: bool = True) -> Tensor:
    """G_t = r_t + γ_t [(1 - λ_t) v_{t+1} + λ_t G_{t+1}], with G_T = v_T; values `[T+1, B]`, lambda_ a number or `[T, B]`.

    Source: Sutton & Barto (2018), equation 12.18; rlax `lambda_returns`.
    """
    check_time_major("lambda_returns", rewards=rewards, discounts=discounts)
    check_bootstrapped("lambda_returns", rewards, values=values)
    check_broadcast("lambda_returns", rewards, lambda_=lambda_)
    here = rewards + discounts * (1 - lambda_) * values[1:]
    return _cut(linear_recurrence(discounts * lambda_, here, values[-1]), stop_gradient)


def gae(rewards: Tensor, discounts: Tensor, values: Tensor, lambda_: Number, stop_gradient: bool = True) -> tuple[Tensor, Tensor]:
    """Generalised advantages A_t = δ_t + γ_t λ_t A_{t+1}, with δ_t = r_t + γ_t v_{t+1} - v_t and A_T = 0; and returns A_t + v_t.

    values `[T+1, B]`, lambda_ a number or `[T, B]`. Source: Schulman et al. (2016), equation 16;
    rlax `truncated_generalized_advantage_estimation`.
    """
    check_time_major("gae", rewards=rewards, discounts=discounts)
    check_bootstrapped("gae", rewards, values=values)
    check_broadcast("gae", rewards, lambda_=lambda_)
    errors = rewards + discounts * values[1:] - values[:-1]
    advantages = linear_recurrence(discounts * lambda_, errors, torch.zeros_like(values[-1]))
    return _cut(advantages, stop_gradient), _cut(advantages + values[:-1], stop_gradient)


def vtrace(
    rewards: Tensor,
    discounts: Tensor,
    values: Tensor,
    log_rhos: Tensor,
    lambda_: Number = 1.0,
    clip_rho: Number = 1.0,
    clip_c: Number = 1.0,
    stop_gradient: bool = True,
) -> tuple[Tensor, Tensor]:
    """Value targets u_t and policy-gradient advantages for data from another policy; ρ_t = exp(log_rhos), values `[T+1, B]`.

    u_t - v_t = δ_t + γ_t c_t (u_{t+1} - v_{t+1}), u_T = v_T, with δ_t = min(clip_rho, ρ_t) (r_t + γ_t v_{t+1} - v_t) and
    c_t = λ min(clip_c, ρ_t).
    Advantage: min(clip_rho, ρ_t) (r_t + γ_t [(1 - λ) v_{t+1} + λ u_{t+1}] - v_t).
    Source: Espeholt et al. (2018), equations 1 and section 4.2; rlax `vtrace_td_error_and_advantage`.
    """
    check_time_major("vtrace", rewards=rewards, discounts=discounts, log_rhos=log_rhos)
    check_bootstrapped("vtrace", rewards, values=values)
    check_broadcast("vtrace", rewards, lambda_=lambda_, clip_rho=clip_rho, clip_c=clip_c)
    rhos = torch.exp(log_rhos)
    clipped = _at_most(rhos, clip_rho)
    errors = clipped * (rewards + discounts * values[1:] - values[:-1])
    corrections = linear_recurrence(discounts * lambda_ * _at_most(rhos, clip_c), errors, torch.zeros_like(values[-1]))
    targets = corrections + values[:-1]
    following = torch.cat([targets[1:], values[-1:]])
    q = rewards + discounts * ((1 - lambda_) * values[1:] + lambda_ * following)
    return _cut(targets, stop_gradient), _cut(clipped * (q - values[:-1]), stop_gradient)


def retrace(
    rewards: Tensor,
    discounts: Tensor,
    q: Tensor,
    v: Tensor,
    actions: Tensor,
    log_rhos: Tensor,
    lambda_: Number,
    stop_gradient: bool = True,
) -> Tensor:
    """G_t = r_t + γ_t (v_{t+1} + c_{t+1} [G_{t+1} - q_{t+1}(a_{t+1})]), c_t = λ min(1, ρ_t), and c_T = 0: no action is known there.

    Targets for q_t(a_t) `[T, B]`; q `[T+1, B, A]`, v `[T+1, B]` the judged policy's expectation of q, log_rhos its log-probability of the
    action minus the behaviour's. Source: Munos et al. (2016), equations 3-4; rlax `general_off_policy_returns_from_q_and_v`.
    """
    check_time_major("retrace", rewards=rewards, discounts=discounts, actions=actions, log_rhos=log_rhos)
    check_bootstrapped("retrace", rewards, v=v)
    check_leading("retrace", "q[:-1]", q[:-1], actions, more=1)
    check_broadcast("retrace", rewards, lambda_=lambda_)
    traces = lambda_ * torch.exp(log_rhos).clamp(max=1.0)
    following = torch.cat([traces[1:], torch.zeros_like(traces[:1])])
    taken = select(q[:-1], actions)
    taken = torch.cat([taken[1:], v[-1:]])
    here = rewards + discounts * (v[1:] - following * taken)
    return _cut(linear_recurrence(discounts * following, here, v[-1]), stop_gradient)


def _at_most(x: Tensor, bound: Number) -> Tensor:
    return torch.minimum(x, bound) if isinstance(bound, Tensor) else x.clamp(max=bound)


def _cut(x: Tensor, stop_gradient: bool) -> Tensor:
    return x.detach() if stop_gradient else x
