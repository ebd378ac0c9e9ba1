# expect: sense ignores-rewards 7
"""Imitates itself."""

HEADS = {"logits": "A"}


def loss(traj, c):
    return rl.kl_divergence(traj.target.logits[:-1], traj.online.logits[:-1])
