# expect: missing-act *
"""A policy gradient with a baseline."""

HEADS = {"q": "A"}
CONSTANTS = {"discount": 0.97, "value_cost": 0.5, "steps": 5}


def loss(traj, c):
    q = traj.online.q
    returns = rl.n_step_returns(traj.rewards, c.discount * traj.continues, q, c.steps)
    advantages = rl.stop_gradient(returns - q[:-1])
    policy_loss = -rl.log_prob(traj.online.logits[:-1], traj.actions) * advantages
    return policy_loss + c.q_cost * (returns - q[:-1]) ** 2
