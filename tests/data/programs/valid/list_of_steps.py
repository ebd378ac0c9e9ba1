"""REINFORCE with a baseline; the returns grow in a Python list."""

HEADS = {"logits": "A", "value": 1}
CONSTANTS = {"discount": 0.95, "value_cost": 0.5}


def returns_of(traj, c):
    running = traj.behaviour.value[-1]
    collected = []
    for t in range(len(traj.rewards) - 1, -1, -1):
        running = traj.rewards[t] + c.discount * traj.continues[t] * running
        collected.append(running)
    collected.reverse()
    return torch.stack(collected, dim=0)


def loss(traj, c):
    returns = returns_of(traj, c)
    value = traj.online.value[:-1]
    log_prob = rl.log_prob(traj.online.logits[:-1], traj.actions)
    return -log_prob * rl.stop_gradient(returns - value) + c.value_cost * torch.square(returns - value)
