# expect: annotation 8:10
"""A policy gradient with a baseline."""

HEADS = {"logits": "A", "value": 1}
CONSTANTS = {"discount": 0.97, "value_cost": 0.5, "steps": 5}


def f(x: open('a')):
    return x


def loss(traj, c):
    value = traj.online.value[:-1]
    advantages = traj.rewards - traj.behaviour.value[:-1]
    return value * advantages
