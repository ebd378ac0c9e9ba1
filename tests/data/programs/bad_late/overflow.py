# expect: sense not-finite 9
"""Exponential weights without a bound: large rewards overflow."""

HEADS = {"logits": "A", "value": 1}


def loss(traj, c):
    advantages, returns = rl.gae(traj.rewards, 0.97 * traj.continues, traj.behaviour.value, 0.95)
    weights = torch.exp(advantages)
    policy_loss = -rl.log_prob(traj.online.logits[:-1], traj.actions) * weights
    return policy_loss + (traj.online.value[:-1] - returns) ** 2
