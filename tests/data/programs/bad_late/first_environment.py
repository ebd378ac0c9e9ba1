# expect: sense depends-on-order 7
"""Only the first environment counts."""

HEADS = {"logits": "A"}


def loss(traj, c):
    returns = rl.discounted_returns(traj.rewards, 0.97 * traj.continues, torch.zeros_like(traj.rewards[-1]))
    return (-rl.log_prob(traj.online.logits[:-1], traj.actions) * returns)[:, 0].mean()
