# expect: sense not-finite 9
"""The square root of a divergence: finite where the policies agree, its gradient not."""

HEADS = {"logits": "A"}


def loss(traj, c):
    returns = rl.discounted_returns(traj.rewards, 0.97 * traj.continues, torch.zeros_like(traj.rewards[-1]))
    distance = torch.sqrt(((traj.online.logits[:-1] - traj.behaviour.logits[:-1]) ** 2).sum(-1))
    return distance - rl.log_prob(traj.online.logits[:-1], traj.actions) * rl.normalize(returns)
