"""Munchausen DQN: the scaled log-policy is added to the reward.

Q-values define a softmax policy. Its log-probability of the action taken, clipped from below, joins the reward, which is an implicit pull
to the previous policy; the bootstrap is the soft value under the same policy.

Vieillard, Pietquin & Geist, "Munchausen reinforcement learning", 2020, equation 2.
"""

HEADS = {"q": "A"}
CONSTANTS = {"discount": 0.97, "temperature": 0.03, "scale": 0.9, "floor": -1.0}
TRAINING = {"epochs": 4, "minibatches": 8, "replay_ratio": 4, "learning_rate": 1e-3, "target_decay": 0.98}
ACT = {"head": "q", "kind": "epsilon_greedy", "epsilon": (1.0, 0.05, 0.5)}


def loss(traj, c):
    """Per-step loss [T, B]."""
    q = traj.target.q
    log_policy = F.log_softmax(q / c.temperature, -1)
    soft_value = torch.sum(torch.exp(log_policy) * (q - c.temperature * log_policy), -1)
    log_taken = c.temperature * rl.select(log_policy[:-1], traj.actions)
    bonus = c.scale * torch.minimum(torch.maximum(log_taken, c.floor), torch.zeros_like(log_taken))
    target = traj.rewards + bonus + c.discount * traj.continues * soft_value[1:]
    taken = rl.select(traj.online.q[:-1], traj.actions)
    return F.smooth_l1_loss(taken, target, reduction="none")
