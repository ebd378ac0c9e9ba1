# expect: sense unused-head 4
"""A policy gradient that declares a head it never looks at."""

HEADS = {"logits": "A", "value": 1, "curiosity": 8}


def loss(traj, c):
    advantages, returns = rl.gae(traj.rewards, 0.97 * traj.continues, traj.behaviour.value, 0.95)
    policy_loss = -rl.log_prob(traj.online.logits[:-1], traj.actions) * advantages
    return policy_loss + (traj.online.value[:-1] - returns) ** 2
