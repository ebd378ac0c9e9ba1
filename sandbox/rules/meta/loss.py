"""The agent's loss under the meta-network: divergences from the targets, an auxiliary policy prediction, categorical values.

Source: Oh et al. 2025, equation 2 and Methods. All terms are per step, rows 0 to T-1.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from sandbox.language import toolkit as rl
from sandbox.rules.base import Heads
from sandbox.rules.meta.config import MetaNetworkConfig
from sandbox.rules.meta.network import Targets
from sandbox.rules.meta.values import Trajectory, categorical_mean, two_hot


class LossTerms(NamedTuple):
    """Each term `[T, B]`, before its cost. A tuple, so that function transforms can return it."""

    policy: Tensor
    y: Tensor
    z: Tensor
    aux_policy: Tensor
    value: Tensor

    def total(self, config: MetaNetworkConfig) -> Tensor:
        """Their sum, each times its cost, `[T, B]`."""
        policy_side = config.policy_cost * self.policy + config.y_cost * self.y + config.z_cost * self.z
        return policy_side + config.aux_policy_cost * self.aux_policy + config.value_cost * self.value


def agent_loss(trajectory: Trajectory, online: Heads, targets: Targets, q_td: Tensor, config: MetaNetworkConfig) -> LossTerms:
    """The terms of the loss. `targets` and `q_td` are constants for the agent unless the caller passes them uncut."""
    actions = trajectory.actions
    taken_q = taken(online["q"], actions)
    next_policy = online["logits"][1:].detach()
    return LossTerms(
        policy=rl.kl_divergence(targets.policy, online["logits"][:-1]),
        y=rl.kl_divergence(targets.y, online["y"][:-1]),
        z=rl.kl_divergence(targets.z, taken(online["z"], actions)),
        aux_policy=trajectory.continues * rl.kl_divergence(next_policy, taken(online["aux_pi"], actions)),
        value=value_loss(taken_q, q_td, config),
    )


def taken(x: Tensor, actions: Tensor) -> Tensor:
    """The entries of the actions taken, `[T+1, B, A, n]` and `[T, B]` to `[T, B, n]`.

    Selected before the last row is left out: the other way round the gradient of the whole head would be written twice.
    """
    return rl.select(x, torch.cat([actions, actions[-1:]]))[:-1]


def value_loss(logits: Tensor, td: Tensor, config: MetaNetworkConfig) -> Tensor:
    """Cross-entropy of `[…, num_bins]` logits against the two-hot code of (their own value + td)."""
    goal = rl.signed_hyperbolic((categorical_mean(logits, config) + td).detach())
    return -(two_hot(goal, config) * logits.log_softmax(-1)).sum(-1)


def masked_mean(per_step: Tensor, mask: Tensor) -> Tensor:
    """Mean over unmasked steps, a scalar."""
    return (mask * per_step).sum() / (mask.sum() + 1e-8)


def loss_mask(arrived: Tensor, config: MetaNetworkConfig) -> Tensor:
    """Which steps the loss is the mean of, `[T, B]`, from the `continues` that arrived with their observations.

    The published rule drops rows that follow an end, where its environments take no action. Ours do, and a rule that never trains first
    steps cannot learn what is decided there, so a network may be made for all of them (`first_steps`).
    """
    return torch.ones_like(arrived) if config.first_steps else (arrived > 0).to(arrived.dtype)
