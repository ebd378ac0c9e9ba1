# expect: sense depends-on-order 7
"""Compares every environment with its mirror image, which a reversal of the order would not show."""

HEADS = {"logits": "A"}


def loss(traj, c):
    returns = rl.discounted_returns(traj.rewards, 0.97 * traj.continues, torch.zeros_like(traj.rewards[-1]))
    return -rl.log_prob(traj.online.logits[:-1], traj.actions) * (returns - returns.flip(1))
