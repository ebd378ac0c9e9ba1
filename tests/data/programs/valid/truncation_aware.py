"""Actor-critic that learns nothing from a step at which only the clock ended the episode."""

HEADS = {"logits": "A", "value": 1}
CONSTANTS = {"discount": 0.97, "lambda_": 0.9, "value_cost": 0.5}


def loss(traj, c):
    value = traj.online.value
    trusted = 1.0 - traj.truncated
    returns = rl.lambda_returns(traj.rewards, c.discount * traj.continues, value, c.lambda_)
    error = trusted * (returns - value[:-1])
    log_prob = rl.log_prob(traj.online.logits[:-1], traj.actions)
    return -log_prob * error.detach() + c.value_cost * torch.pow(error, 2)
