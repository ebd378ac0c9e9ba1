# expect: module-statement 16:1
"""A policy gradient with a baseline."""

HEADS = {"logits": "A", "value": 1}
CONSTANTS = {"discount": 0.97, "value_cost": 0.5, "steps": 5}


def loss(traj, c):
    value = traj.online.value
    returns = rl.n_step_returns(traj.rewards, c.discount * traj.continues, value, c.steps)
    advantages = rl.stop_gradient(returns - value[:-1])
    policy_loss = -rl.log_prob(traj.online.logits[:-1], traj.actions) * advantages
    return policy_loss + c.value_cost * (returns - value[:-1]) ** 2


if True:
    pass
