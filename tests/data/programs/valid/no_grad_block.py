"""Q(lambda) towards the slow network's greedy value, with the targets in a block without gradient."""

import torch
import torch.nn.functional as F

HEADS = {"q": "A"}
CONSTANTS = {"discount": 0.97, "lambda_": 0.7}
TRAINING = {"epochs": 2, "replay_ratio": 2, "target_decay": 0.98}
ACT = {"head": "q", "kind": "epsilon_greedy", "epsilon": (1.0, 0.05, 0.3)}


def loss(traj, c):
    with torch.no_grad():
        best = traj.target.q.max(dim=-1).values
        goal = rl.lambda_returns(traj.rewards, c.discount * traj.continues, best, c.lambda_)
    taken = traj.online.q[:-1].gather(-1, traj.actions.unsqueeze(-1)).squeeze(-1)
    return F.huber_loss(taken, goal, reduction="none")
