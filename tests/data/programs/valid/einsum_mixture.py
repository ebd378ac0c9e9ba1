"""Two policies' worth of logits mixed by a learned gate; the first head acts and is drawn to the mixture's better half."""

HEADS = {"logits": "A", "value": 1, "gate": 2, "second": "A"}
CONSTANTS = {"discount": 0.97, "gae_lambda": 0.9, "draw": 0.3}
TRAINING = {"epochs": 2, "minibatches": 2}


def loss(traj, c):
    online = traj.online
    advantages, returns = rl.gae(traj.rewards, c.discount * traj.continues, traj.behaviour.value, c.gae_lambda)
    advantages = rl.normalize(advantages)
    policies = torch.stack([torch.softmax(online.logits[:-1], -1), torch.softmax(online.second[:-1], -1)], dim=-2)
    mixture = torch.einsum("tbk,tbka->tba", torch.softmax(online.gate[:-1], dim=-1), policies)
    log_mixture = torch.log(rl.select(mixture, traj.actions) + 1e-6)
    policy_loss = -rl.log_prob(online.logits[:-1], traj.actions) * advantages
    return policy_loss - c.draw * log_mixture * advantages + 0.5 * (online.value[:-1] - returns) ** 2
