"""PPO with type hints everywhere and the clip written as a minimum and a maximum."""

import math

import torch

HEADS: dict[str, object] = {"logits": "A", "value": 1}
CONSTANTS: dict[str, float] = {"discount": 0.99, "gae_lambda": 0.95, "clip": 0.2, "value_cost": 0.5}
TRAINING = {"epochs": 3, "minibatches": 2, "learning_rate": 1e-3, "max_grad_norm": 0.5}
LOG_TWO: float = 0.6931471805599453


def clipped(ratio: torch.Tensor, width: torch.Tensor) -> torch.Tensor:
    low: torch.Tensor = 1 - width
    return torch.maximum(torch.minimum(ratio, 1 + width), low)


def loss(traj, c) -> torch.Tensor:
    advantages, returns = rl.gae(traj.rewards, c.discount * traj.continues, traj.behaviour.value, c.gae_lambda)
    advantages = rl.normalize(advantages)
    ratio = torch.exp(rl.log_prob(traj.online.logits[:-1], traj.actions) - traj.behaviour.log_prob)
    policy_loss = -torch.minimum(ratio * advantages, clipped(ratio, c.clip) * advantages)
    bonus = 0.01 * rl.entropy(traj.online.logits[:-1]) / (LOG_TWO * math.sqrt(4.0))
    return policy_loss + c.value_cost * (traj.online.value[:-1] - returns).pow(2) - bonus
