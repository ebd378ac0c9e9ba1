"""Multi-step Q-learning whose number of steps is structural, with loops and branches on Python numbers."""

HEADS = {"q": "A"}
CONSTANTS = {"discount": 0.95, "steps": (3, 1, 10)}
TRAINING = {"epochs": 2, "replay_ratio": 2, "target_decay": 0.97}
ACT = {"head": "q", "kind": "epsilon_greedy"}


def shifted(x, n, fill):
    """x moved n rows up, the end filled with the last row or zeros."""
    if n == 0:
        return x
    rest = x[n:]
    missing = x.shape[0] - rest.shape[0]
    tail = x[-1:] if fill == "last" else torch.zeros_like(x[:1])
    return torch.cat([rest] + [tail] * missing)


def loss(traj, c):
    T, B = traj.rewards.shape
    best = torch.amax(traj.target.q, dim=-1)[1:]
    goal = torch.zeros(T, B)
    weight = torch.ones(T, B)
    steps = c.steps if 1 <= c.steps <= 10 and not c.steps == 0 else 1
    for n in range(steps):
        inside = torch.ones(T, B)
        inside[max(T - n, 0) :] = 0.0
        goal = goal + weight * inside * shifted(traj.rewards, n, "zero")
        gamma = c.discount * shifted(traj.continues, n, "zero")
        weight = torch.where(inside > 0, weight * gamma, weight)
    last = torch.stack([best[min(t + steps - 1, T - 1)] for t in range(T)])
    error = rl.select(traj.online.q[:-1], traj.actions) - (goal + weight * last)
    return error**2
