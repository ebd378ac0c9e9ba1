"""V-trace actor-critic (IMPALA).

An actor-critic that may learn from old trajectories: importance weights, clipped so that they cannot explode, correct the value targets and
the advantages for the policy having moved on since the actions were chosen. Each fresh trajectory brings a replayed one with it.

Espeholt et al., "IMPALA: scalable distributed deep-RL with importance weighted actor-learner architectures", 2018, section 4.
"""

HEADS = {"logits": "A", "value": 1}
CONSTANTS = {"discount": 0.97, "lambda_": 0.95, "clip_rho": 1.0, "clip_c": 1.0, "entropy_cost": 0.01, "value_cost": 0.5}
TRAINING = {"epochs": 2, "minibatches": 8, "replay_ratio": 1, "learning_rate": 3e-3}


def loss(traj, c):
    """Per-step loss [T, B]."""
    logits = traj.online.logits[:-1]
    log_prob = rl.log_prob(logits, traj.actions)
    targets, advantages = rl.vtrace(
        traj.rewards,
        c.discount * traj.continues,
        traj.online.value,
        log_prob - traj.behaviour.log_prob,
        c.lambda_,
        c.clip_rho,
        c.clip_c,
    )
    value_loss = 0.5 * (targets - traj.online.value[:-1]) ** 2
    return -log_prob * advantages + c.value_cost * value_loss - c.entropy_cost * rl.entropy(logits)
