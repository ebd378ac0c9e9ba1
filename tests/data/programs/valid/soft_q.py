"""Soft Q-learning: the bootstrap is a log-sum-exp, and actions are drawn from the same softmax."""

HEADS = {"q": "A"}
CONSTANTS = {"discount": 0.95, "temperature": (0.1, 0.01, 1.0)}
TRAINING = {"epochs": 2, "replay_ratio": 1, "target_decay": 0.95}
ACT = {"head": "q", "kind": "softmax", "temperature": "temperature"}


def loss(traj, c):
    soft_value = c.temperature * torch.logsumexp(traj.target.q / c.temperature, dim=-1)
    goal = traj.rewards + c.discount * traj.continues * soft_value[1:]
    error = rl.select(traj.online.q[:-1], traj.actions) - goal
    return torch.log(torch.cosh(torch.clamp(error, -20, 20))) + F.relu(error.abs() - 20)
