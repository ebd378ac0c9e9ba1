"""Actor-critic whose advantages are computed by a plain loop over time, written into a tensor of its own."""

HEADS = {"logits": "A", "value": 1}
CONSTANTS = {"discount": 0.97, "gae_lambda": (0.9, 0.0, 1.0), "value_cost": 0.5, "entropy_cost": 0.01}


def loss(traj, c):
    rewards, continues = traj.rewards, traj.continues
    value = rl.stop_gradient(traj.online.value)
    T = rewards.shape[0]
    advantages = torch.zeros_like(rewards)
    carry = torch.zeros_like(rewards[0])
    for t in reversed(range(T)):
        delta = rewards[t] + c.discount * continues[t] * value[t + 1] - value[t]
        carry = delta + c.discount * c.gae_lambda * continues[t] * carry
        advantages[t] = carry
    returns = advantages + value[:-1]
    logits = traj.online.logits[:-1]
    policy_loss = -rl.log_prob(logits, traj.actions) * advantages
    value_loss = (traj.online.value[:-1] - returns) ** 2
    return policy_loss + c.value_cost * value_loss - c.entropy_cost * rl.entropy(logits)
