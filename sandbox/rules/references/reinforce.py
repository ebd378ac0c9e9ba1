"""REINFORCE with a learned baseline.

Every action is made as much more likely as the return after it beat what the value head expected. Where the rollout cuts an episode short,
the baseline stands in for the rest of its return. What is left is standardised, so that one learning rate does for rewards of any size.

Williams, "Simple statistical gradient-following algorithms for connectionist reinforcement learning", 1992; Sutton & Barto, 2018, 13.4.
"""

HEADS = {"logits": "A", "value": 1}
CONSTANTS = {"discount": 0.97, "value_cost": 0.5}
TRAINING = {"epochs": 1, "minibatches": 8, "learning_rate": 4e-3}


def loss(traj, c):
    """Per-step loss [T, B]."""
    value = traj.online.value
    returns = rl.discounted_returns(traj.rewards, c.discount * traj.continues, value[-1])
    advantages = rl.normalize(rl.stop_gradient(returns - value[:-1]))
    policy_loss = -rl.log_prob(traj.online.logits[:-1], traj.actions) * advantages
    return policy_loss + c.value_cost * (returns - value[:-1]) ** 2
