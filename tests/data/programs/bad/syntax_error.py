# expect: syntax 7:18
"""A policy gradient with a baseline."""

HEADS = {"logits": "A", "value": 1}


def loss(traj, c)
    return traj.online.value[:-1]
