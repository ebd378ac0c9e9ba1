"""Self-imitation: beside a policy gradient, replayed actions that did better than expected are made likelier.

Oh et al., "Self-imitation learning", 2018, with the excess bounded.
"""

HEADS = {"logits": "A", "value": 1}
CONSTANTS = {"discount": 0.97, "imitation": 0.1, "most": 5.0}
TRAINING = {"epochs": 1, "minibatches": 2, "replay_ratio": 1}


def loss(traj, c):
    value = traj.online.value
    returns = rl.discounted_returns(traj.rewards, c.discount * traj.continues, value[-1])
    excess = returns - value[:-1]
    log_prob = rl.log_prob(traj.online.logits[:-1], traj.actions)
    ratio = torch.exp(rl.stop_gradient(log_prob) - traj.behaviour.log_prob).clamp(max=1.0)
    better = torch.minimum(F.relu(excess), c.most).detach()
    return -ratio * log_prob * excess.detach() - c.imitation * log_prob * better + 0.5 * ratio * excess**2
