"""Quantile regression Q-learning: sixteen quantiles of the return for every action, acting by their mean.

Dabney et al., "Distributional reinforcement learning with quantile regression", 2018.
"""

HEADS = {"quantiles": ("A", 16)}
CONSTANTS = {"discount": 0.97}
TRAINING = {"epochs": 2, "minibatches": 2, "replay_ratio": 2, "target_decay": 0.98}
ACT = {"head": "quantiles", "kind": "epsilon_greedy", "epsilon": (1.0, 0.05, 0.4), "reduce": "mean"}
N = 16


def loss(traj, c):
    slow = traj.target.quantiles[1:]
    greedy = slow.mean(-1).argmax(-1)
    future = rl.select(slow, greedy)
    goal = traj.rewards.unsqueeze(-1) + (c.discount * traj.continues).unsqueeze(-1) * future
    taken = rl.select(traj.online.quantiles[:-1], traj.actions)
    error = goal.unsqueeze(-2) - taken.unsqueeze(-1)
    levels = (torch.arange(N, dtype=torch.float32) + 0.5) / N
    weight = torch.abs(levels.unsqueeze(-1) - (error < 0).float())
    huber = torch.where(error.abs() < 1, 0.5 * error**2, error.abs() - 0.5)
    return (weight * huber).mean(-1).sum(-1)
