# expect: sense no-gradient 4
"""The critic learns, the policy is only watched."""

HEADS = {"logits": "A", "value": 1}


def loss(traj, c):
    with torch.no_grad():
        log_rhos = rl.log_prob(traj.online.logits[:-1], traj.actions) - traj.behaviour.log_prob
    targets, advantages = rl.vtrace(traj.rewards, 0.97 * traj.continues, traj.online.value, log_rhos)
    return (traj.online.value[:-1] - targets) ** 2
