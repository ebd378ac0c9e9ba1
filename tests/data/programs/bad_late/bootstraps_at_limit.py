# expect: sense leaks-over-episodes 7
"""Bootstraps where a time limit ended the episode, from what is the next episode's first state."""

HEADS = {"logits": "A", "value": 1}


def loss(traj, c):
    discounts = 0.97 * torch.clamp(traj.continues + traj.truncated, max=1.0)
    advantages, returns = rl.gae(traj.rewards, discounts, traj.behaviour.value, 0.95)
    policy_loss = -rl.log_prob(traj.online.logits[:-1], traj.actions) * rl.normalize(advantages)
    return policy_loss + (traj.online.value[:-1] - returns) ** 2
