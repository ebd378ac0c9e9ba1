"""V-MPO: on-policy maximum a posteriori policy optimisation.

The better half of a batch, weighted by the exponential of its advantages, becomes a target distribution that the policy is fitted to. Two
temperatures, one for the weights and one for the pull back to the acting policy, are carried from call to call and follow the gradients of
their dual losses, so that both constraints are met on average.

Song et al., "V-MPO: on-policy maximum a posteriori policy optimization for discrete and continuous control", 2019, equations 4-8.
"""

HEADS = {"logits": "A", "value": 1}
CONSTANTS = {
    "discount": 0.97,
    "gae_lambda": 0.95,
    "epsilon_eta": 0.1,
    "epsilon_alpha": 0.01,
    "dual_rate": 0.05,
    "value_cost": 0.5,
}
TRAINING = {"epochs": 4, "minibatches": 4, "learning_rate": 3e-3}


def initial_state(c):
    """Logarithms of the two temperatures."""
    return {"log_eta": 0.0, "log_alpha": 0.0}


def dual_step(log_temperature, gradient, c):
    """One step down the dual loss in the logarithm, within bounds that keep the exponential finite."""
    return torch.clamp(log_temperature - c.dual_rate * torch.clamp(gradient, -1, 1), -5, 5)


def loss(traj, c, state):
    """Per-step loss [T, B] and the new temperatures."""
    advantages, returns = rl.gae(traj.rewards, c.discount * traj.continues, traj.behaviour.value, c.gae_lambda)
    advantages = rl.normalize(advantages)
    eta, alpha = torch.exp(state.log_eta), torch.exp(state.log_alpha)
    better = advantages >= torch.median(advantages)
    best = torch.max(advantages)
    weights = torch.where(better, torch.exp((advantages - best) / eta), torch.zeros_like(advantages))
    share = weights / torch.sum(weights)
    log_mean = torch.log(torch.sum(weights) / torch.sum(better.float())) + best / eta
    logits = traj.online.logits[:-1]
    policy_loss = -weights / torch.mean(weights) * rl.log_prob(logits, traj.actions)
    divergence = rl.kl_divergence(traj.behaviour.logits[:-1], logits)
    value_loss = 0.5 * (traj.online.value[:-1] - returns) ** 2
    slope_eta = eta * (c.epsilon_eta + log_mean) - torch.sum(share * advantages)
    slope_alpha = alpha * (c.epsilon_alpha - torch.mean(divergence))
    new_state = {
        "log_eta": dual_step(state.log_eta, slope_eta, c),
        "log_alpha": dual_step(state.log_alpha, slope_alpha, c),
    }
    return policy_loss + alpha * divergence + c.value_cost * value_loss, new_state
