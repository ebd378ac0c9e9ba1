# expect: not-ascii 8:12
"""A policy gradient with a baseline."""

HEADS = {"logits": "A", "value": 1}


def loss(traj, c):
    name = "é"
    return traj.online.value[:-1]
