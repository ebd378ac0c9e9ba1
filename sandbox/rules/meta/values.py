"""The value side of the rule: categorical action values, Retrace, debiased moving averages.

Source: Oh et al. 2025, Methods, "Meta-network"; Retrace is Munos et al. 2016, equation 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sandbox.language import toolkit as rl
from sandbox.rules.base import Heads
from sandbox.rules.meta.config import MetaNetworkConfig

BLOCK = 1 << 17
"""Numbers in a block, half a megabyte of float32: a block and its softmax fit the second-level cache."""

TWO_HOT_EPSILON = 1e-5
"""The release divides by `upper - lower + 1e-5`, which biases its two-hot codes slightly upward; kept for parity."""


@dataclass(frozen=True)
class Trajectory:
    """What the value side and the network read of a batch besides the heads."""

    actions: Tensor  # [T, B] int64
    rewards: Tensor  # [T, B]
    continues: Tensor  # [T, B]


@dataclass(frozen=True)
class Values:
    """Every quantity the rule derives from the categorical values. None carries a gradient."""

    q: Tensor  # [T+1, B, A] online
    target_q: Tensor  # [T+1, B, A]
    v: Tensor  # [T+1, B] of the current policy under q
    target_v: Tensor  # [T+1, B] of the current policy under target_q
    rho: Tensor  # [T, B]
    q_target: Tensor  # [T, B] Retrace
    advantage: Tensor  # [T, B]
    normalized_advantage: Tensor  # [T, B]
    q_td: Tensor  # [T, B]
    normalized_q_td: Tensor  # [T, B], logged only
    qv_advantage: Tensor  # [T+1, B, A]
    normalized_qv_advantage: Tensor  # [T+1, B, A]
    advantage_average: Tensor  # [3] updated
    td_average: Tensor  # [3] updated


def support(config: MetaNetworkConfig, like: Tensor) -> Tensor:
    """The bins `[num_bins]`, in signed-hyperbolic space."""
    return torch.linspace(-config.max_abs_value, config.max_abs_value, config.num_bins, dtype=like.dtype, device=like.device)


def softmax_linear(logits: Tensor, weight: Tensor) -> Tensor:
    """softmax(x) W for logits `[…, n]` and W `[n, m]` or `[n]`, to `[…, m]` or `[…]`.

    In blocks that stay in a core's cache: a softmax over thousands of rows is as large as the heads themselves, and to write it to memory
    and read it back takes several times as long as to compute it. These products are most of the rule's time.
    """
    rows = logits.flatten(0, -2)
    parts = torch.split(rows, max(1, BLOCK // rows.shape[-1]))
    product = torch.cat([part.softmax(-1) @ weight for part in parts])
    return product.reshape(*logits.shape[:-1], *weight.shape[1:])


def categorical_mean(logits: Tensor, config: MetaNetworkConfig) -> Tensor:
    """Value of a categorical over the bins, mapped back from signed-hyperbolic space: `[…, num_bins]` to `[…]`."""
    return rl.signed_parabolic(softmax_linear(logits, support(config, logits)))


def two_hot(x: Tensor, config: MetaNetworkConfig) -> Tensor:
    """Codes `[…, num_bins]` of scalars in signed-hyperbolic space, clipped to the bins; see TWO_HOT_EPSILON."""
    bins = support(config, x)
    step = 2 * config.max_abs_value / (config.num_bins - 1)
    position = (x.clamp(-config.max_abs_value, config.max_abs_value) + config.max_abs_value) / step
    lower, upper = position.floor().long(), position.ceil().long().clamp(max=config.num_bins - 1)
    clipped = x.clamp(-config.max_abs_value, config.max_abs_value)
    below = (bins[upper] - clipped) / (bins[upper] - bins[lower] + TWO_HOT_EPSILON)
    codes = torch.zeros(*x.shape, config.num_bins, dtype=x.dtype, device=x.device)
    codes = codes.scatter_add(-1, lower.unsqueeze(-1), below.unsqueeze(-1))
    return codes.scatter_add(-1, upper.unsqueeze(-1), (1 - below).unsqueeze(-1))


def update_average(average: Tensor, x: Tensor, decay: float) -> Tensor:
    """(m1, m2, p) after one batch: m1 <- decay m1 + (1-decay) mean(x), m2 likewise of x², p <- decay p."""
    return torch.stack(
        [
            decay * average[0] + (1 - decay) * x.mean(),
            decay * average[1] + (1 - decay) * (x**2).mean(),
            decay * average[2],
        ]
    )


def normalize(x: Tensor, average: Tensor, *, center: bool) -> Tensor:
    """Divides by the debiased deviation of the average, after taking its mean away if `center`."""
    mean = average[0] / (1 - average[2])
    variance = (average[1] / (1 - average[2]) - mean**2).clamp(min=0)
    return (x - mean if center else x) / ((variance + 1e-12).sqrt() + 1e-6)


def estimate(
    trajectory: Trajectory,
    online: Heads,
    target: Heads,
    behaviour_logits: Tensor,
    averages: tuple[Tensor, Tensor],
    config: MetaNetworkConfig,
) -> Values:
    """All value estimates of one batch; `averages` are those of the advantage and of the TD error, both (m1, m2, p)."""
    with torch.no_grad():
        policy = online["logits"].softmax(-1)
        q = categorical_mean(online["q"], config)
        target_q = categorical_mean(target["q"], config)
        v, target_v = (policy * q).sum(-1), (policy * target_q).sum(-1)
        log_rho = rl.log_prob(online["logits"][:-1], trajectory.actions) - rl.log_prob(behaviour_logits[:-1], trajectory.actions)
        discounts = config.value_discount * trajectory.continues
        returns = rl.retrace(trajectory.rewards, discounts, target_q, target_v, trajectory.actions, log_rho, config.value_lambda)
        advantage, q_td = returns - target_v[:-1], returns - rl.select(q[:-1], trajectory.actions)
        qv_advantage = target_q - target_v.unsqueeze(-1)
        advantage_average = update_average(averages[0], advantage, config.average_decay)
        td_average = update_average(averages[1], q_td, config.average_decay)
        return Values(
            q=q,
            target_q=target_q,
            v=v,
            target_v=target_v,
            rho=log_rho.exp(),
            q_target=returns,
            advantage=advantage,
            normalized_advantage=normalize(advantage, advantage_average, center=True),
            q_td=q_td,
            normalized_q_td=normalize(q_td, td_average, center=False),
            qv_advantage=qv_advantage,
            normalized_qv_advantage=normalize(qv_advantage, advantage_average, center=True),
            advantage_average=advantage_average,
            td_average=td_average,
        )
