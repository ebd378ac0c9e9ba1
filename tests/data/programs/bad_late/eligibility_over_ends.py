# expect: sense leaks-over-episodes 7
"""A running mean of rewards over time that ends of episodes do not cut: it looks back over them."""

HEADS = {"logits": "A"}


def loss(traj, c):
    past = torch.cumsum(traj.rewards, 0) - traj.rewards
    returns = rl.discounted_returns(traj.rewards, 0.97 * traj.continues, torch.zeros_like(traj.rewards[-1]))
    return -rl.log_prob(traj.online.logits[:-1], traj.actions) * rl.normalize(returns - 0.1 * past)
