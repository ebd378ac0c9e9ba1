# expect: sense not-finite 9
"""Averages over the steps that ended an episode: there may be none."""

HEADS = {"q": "A"}
ACT = {"head": "q", "kind": "epsilon_greedy"}


def loss(traj, c):
    ended = (traj.rewards * (1 - traj.continues)).sum() / (1 - traj.continues).sum()
    target = traj.rewards + 0.97 * traj.continues * torch.amax(traj.target.q[1:], -1) + 0 * ended
    return (rl.select(traj.online.q[:-1], traj.actions) - target) ** 2
