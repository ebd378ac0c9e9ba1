# expect: sense leaks-over-episodes 7
"""Adds the bootstrap value to the last step by hand and forgets that an episode may end there."""

HEADS = {"logits": "A", "value": 1}


def loss(traj, c):
    rewards = torch.cat([traj.rewards[:-1], (traj.rewards[-1] + 0.97 * traj.behaviour.value[-1]).unsqueeze(0)])
    returns = rl.discounted_returns(rewards, 0.97 * traj.continues, torch.zeros_like(traj.rewards[-1]))
    policy_loss = -rl.log_prob(traj.online.logits[:-1], traj.actions) * (returns - traj.behaviour.value[:-1])
    return policy_loss + (traj.online.value[:-1] - returns) ** 2
