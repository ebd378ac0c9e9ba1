"""Actor-critic whose advantages are divided by a carried average of their own size."""

HEADS = {"logits": "A", "value": 1}
CONSTANTS = {"discount": 0.97, "gae_lambda": 0.9, "decay": 0.95, "value_cost": 0.5, "entropy_cost": 0.01}
TRAINING = {"epochs": 2, "minibatches": 2}


def initial_state(c):
    return {"scale": 1.0}


def loss(traj, c, state):
    advantages, returns = rl.gae(traj.rewards, c.discount * traj.continues, traj.behaviour.value, c.gae_lambda)
    scale = rl.ema(state.scale, advantages.abs().mean(), c.decay)
    advantages = advantages / (scale + 0.001)
    logits = traj.online.logits[:-1]
    ratio = torch.exp(rl.log_prob(logits, traj.actions) - traj.behaviour.log_prob)
    policy_loss = -torch.clamp(ratio, max=2.0) * advantages
    value_loss = F.smooth_l1_loss(traj.online.value[:-1], returns, reduction="none")
    return policy_loss + c.value_cost * value_loss - c.entropy_cost * rl.entropy(logits), {"scale": scale}
