"""Advantage actor-critic in plain torch, one step ahead, nothing from the toolkit."""

HEADS = {"logits": "A", "value": 1}
CONSTANTS = {"discount": 0.9, "value_cost": 0.25, "entropy_cost": 0.02}


def loss(traj, c):
    log_policy = torch.log_softmax(traj.online.logits[:-1], dim=-1)
    entropy = -(log_policy.exp() * log_policy).sum(dim=-1)
    log_prob = torch.gather(log_policy, -1, traj.actions[..., None])[..., 0]
    value = traj.online.value
    goal = (traj.rewards + c.discount * traj.continues * value[1:]).detach()
    advantage = (goal - value[:-1]).detach()
    return -(log_prob * advantage) + c.value_cost * F.mse_loss(value[:-1], goal, reduction="none") - c.entropy_cost * entropy
