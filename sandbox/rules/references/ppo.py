"""PPO: clipped policy gradient with generalised advantages.

Several passes over each batch; the probability ratio is clipped, so that no single pass can move the policy far from the one that acted.

Schulman et al., "Proximal policy optimization algorithms", 2017; advantages after Schulman et al., 2015.
"""

HEADS = {"logits": "A", "value": 1}
CONSTANTS = {"discount": 0.99, "gae_lambda": 0.95, "clip": 0.2, "entropy_cost": 0.01, "value_cost": 0.5}
TRAINING = {"epochs": 4, "minibatches": 4, "learning_rate": 2.5e-3}


def loss(traj, c):
    """Per-step loss [T, B]."""
    advantages, returns = rl.gae(traj.rewards, c.discount * traj.continues, traj.behaviour.value, c.gae_lambda)
    advantages = rl.normalize(advantages)
    logits = traj.online.logits[:-1]
    ratio = torch.exp(rl.log_prob(logits, traj.actions) - traj.behaviour.log_prob)
    surrogate = torch.minimum(ratio * advantages, torch.clamp(ratio, 1 - c.clip, 1 + c.clip) * advantages)
    value_loss = 0.5 * (traj.online.value[:-1] - returns) ** 2
    return -surrogate + c.value_cost * value_loss - c.entropy_cost * rl.entropy(logits)
