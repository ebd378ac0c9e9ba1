# expect: sense leaks-over-episodes 8
"""Q-learning that bootstraps over the end of an episode."""

HEADS = {"q": "A"}
ACT = {"head": "q", "kind": "epsilon_greedy"}


def loss(traj, c):
    target = traj.rewards + 0.97 * torch.amax(traj.target.q[1:], -1)
    return (rl.select(traj.online.q[:-1], traj.actions) - target) ** 2
