"""Policy gradient held to the slow policy by a divergence whose price grows with progress."""

HEADS = {"logits": "A", "value": 1}
CONSTANTS = {"discount": 0.98, "lambda_": 0.9, "kl_cost": 0.2, "entropy_cost": 0.02}
TRAINING = {"epochs": 4, "minibatches": 2, "target_decay": 0.9, "weight_decay": 0.0001}


def annealed(cost, progress):
    return cost * (1 - progress)


def loss(traj, c):
    logits = traj.online.logits[:-1]
    log_prob = rl.log_prob(logits, traj.actions)
    targets, advantages = rl.vtrace(
        traj.rewards, c.discount * traj.continues, traj.online.value, log_prob - traj.behaviour.log_prob, lambda_=c.lambda_, clip_c=1.5
    )
    pull = rl.kl_divergence(traj.target.logits[:-1], logits)
    error = traj.online.value[:-1] - targets
    return (
        -log_prob * advantages
        + 0.5 * error * error
        + c.kl_cost * traj.progress * pull
        - annealed(c.entropy_cost, traj.progress) * rl.entropy(logits)
    )
