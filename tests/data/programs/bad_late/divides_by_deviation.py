# expect: sense not-finite 9
"""Standardises by hand, without a floor under the deviation: all rewards zero give 0 / 0."""

HEADS = {"logits": "A"}


def loss(traj, c):
    returns = rl.discounted_returns(traj.rewards, 0.97 * traj.continues, torch.zeros_like(traj.rewards[-1]))
    advantages = (returns - returns.mean()) / returns.std(correction=0)
    return -rl.log_prob(traj.online.logits[:-1], traj.actions) * advantages
