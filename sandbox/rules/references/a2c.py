"""A2C: advantage actor-critic on ten-step returns.

The critic is trained towards returns that bootstrap after ten steps, and the actor follows the advantage over the critic with an entropy
bonus that keeps it exploring. Advantages are standardised, so that one learning rate does for rewards of any size.

Mnih et al., "Asynchronous methods for deep reinforcement learning", 2016 (its synchronous form).
"""

HEADS = {"logits": "A", "value": 1}
CONSTANTS = {"discount": 0.97, "value_cost": 0.5, "entropy_cost": 0.05, "steps": 10}
TRAINING = {"epochs": 1, "minibatches": 8, "learning_rate": 4e-3}


def loss(traj, c):
    """Per-step loss [T, B]."""
    logits = traj.online.logits[:-1]
    value = traj.online.value
    returns = rl.n_step_returns(traj.rewards, c.discount * traj.continues, value, c.steps)
    advantages = rl.normalize(rl.stop_gradient(returns - value[:-1]))
    policy_loss = -rl.log_prob(logits, traj.actions) * advantages
    value_loss = (returns - value[:-1]) ** 2
    return policy_loss + c.value_cost * value_loss - c.entropy_cost * rl.entropy(logits)
