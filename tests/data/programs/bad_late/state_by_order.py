# expect: sense depends-on-order 11
"""Carries the first environment's reward."""

HEADS = {"logits": "A"}


def initial_state(c):
    return {"baseline": 0.0}


def loss(traj, c, state):
    returns = rl.discounted_returns(traj.rewards, 0.97 * traj.continues, torch.zeros_like(traj.rewards[-1]))
    policy_loss = -rl.log_prob(traj.online.logits[:-1], traj.actions) * (returns - state.baseline)
    return policy_loss, {"baseline": returns[:, 0].mean()}
