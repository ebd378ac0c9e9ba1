"""PPO whose terms live in a dict and are added up at the end into a scalar.

The weights stand beside the terms, so that one can be read off from the other.
"""

HEADS = {"logits": "A", "value": 1}
CONSTANTS = {"discount": 0.98, "gae_lambda": 0.9, "clip": 0.2}
TRAINING = {"epochs": 4, "minibatches": 2}
WEIGHTS = (1.0, 0.5, 0.01)


def loss(traj, c):
    advantages, returns = rl.gae(
        rewards=traj.rewards,
        discounts=c.discount * traj.continues,
        values=traj.behaviour.value,
        lambda_=c.gae_lambda,
    )
    advantages -= advantages.mean()
    logits = traj.online.logits[:-1]
    log_ratio = rl.log_prob(logits, traj.actions) - traj.behaviour.log_prob
    ratio = log_ratio.clamp(-5, 5).exp()
    terms = {
        "policy": -torch.minimum(ratio * advantages, ratio.clip(1 - c.clip, 1 + c.clip) * advantages),
        "value": (traj.online.value[:-1] - returns) ** 2,
        "entropy": -rl.entropy(logits),
    }
    total = 0.0
    for weight, (name, term) in zip(WEIGHTS, terms.items()):
        total += weight * term.mean() if name != "unused" else 0.0
    return total
