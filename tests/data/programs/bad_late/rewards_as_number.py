# expect: sense ignores-rewards 8
"""Rewards are added to the loss, where no gradient sees them."""

HEADS = {"logits": "A", "value": 1}
CONSTANTS = {"entropy_cost": 0.01}


def loss(traj, c):
    entropy = rl.entropy(traj.online.logits[:-1])
    return (traj.online.value[:-1] - 1) ** 2 - c.entropy_cost * entropy - traj.rewards
