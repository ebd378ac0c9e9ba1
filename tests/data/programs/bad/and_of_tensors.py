# expect: branch-on-tensor 11:21
"""A policy gradient with a baseline."""

HEADS = {"logits": "A", "value": 1}
CONSTANTS = {"discount": 0.97, "value_cost": 0.5, "steps": 5}


def loss(traj, c):
    value = traj.online.value[:-1]
    advantages = traj.rewards - traj.behaviour.value[:-1]
    x = torch.where(value > 0 and advantages > 0, 1, 0)
    return value * advantages
