"""V-trace by hand: importance weights and a loop, as the paper writes it."""

HEADS = {"logits": "A", "value": 1}
CONSTANTS = {"discount": 0.97, "rho": 1.0, "entropy_cost": 0.01}
TRAINING = {"epochs": 2, "replay_ratio": 1}


def loss(traj, c):
    log_policy = F.log_softmax(traj.online.logits[:-1], dim=-1)
    log_prob = (log_policy * F.one_hot(traj.actions, log_policy.shape[-1])).sum(-1)
    with torch.no_grad():
        value = traj.online.value
        rho = torch.minimum(torch.exp(log_prob - traj.behaviour.log_prob), c.rho)
        discounts = c.discount * traj.continues
        deltas = rho * (traj.rewards + discounts * value[1:] - value[:-1])
        excess = [torch.zeros_like(deltas[0])]
        for delta, discount, weight in zip(deltas.flip(0), discounts.flip(0), rho.flip(0)):
            excess.insert(0, delta + discount * weight * excess[0])
        targets = torch.stack(excess) + value
        advantages = rho * (traj.rewards + discounts * targets[1:] - value[:-1])
    entropy = -(log_policy.exp() * log_policy).sum(-1)
    return -log_prob * advantages + 0.5 * (targets[:-1] - traj.online.value[:-1]) ** 2 - c.entropy_cost * entropy
