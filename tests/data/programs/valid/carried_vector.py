"""Three horizons at once; how far each horizon's critic has been off is carried as a vector and weighs its advantage."""

HEADS = {"logits": "A", "values": 3}
CONSTANTS = {"short": 0.8, "middle": 0.95, "long": 0.99, "decay": 0.9}
TRAINING = {"epochs": 1, "minibatches": 2}


def initial_state(c):
    return {"error": [1.0, 1.0, 1.0], "calls": 0.0}


def loss(traj, c, state):
    discounts = [c.short, c.middle, c.long]
    critics = [traj.online.values[..., i] for i in range(3)]
    returns = [
        rl.lambda_returns(traj.rewards, discount * traj.continues, critic, 0.9)
        for discount, critic in zip(discounts, critics)
    ]
    errors = torch.stack([goal - critic[:-1] for goal, critic in zip(returns, critics)], dim=-1)
    size = errors.detach().abs().mean(dim=(0, 1))
    error = c.decay * state.error + (1 - c.decay) * size
    weights = 1 / (error + 0.01)
    advantages = (errors.detach() * weights).sum(-1) / weights.sum()
    log_prob = rl.log_prob(traj.online.logits[:-1], traj.actions)
    new_state = {"error": error, "calls": state.calls + 1}
    return -log_prob * advantages + 0.5 * (errors**2).sum(-1), new_state
