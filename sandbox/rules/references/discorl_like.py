"""DiscoRL-like: two predictions without a fixed meaning help an actor-critic.

`y` describes a state, `z` a state and an action; both are distributions over the same points. What they come to mean follows from their
targets, which bootstrap from each other under the slow parameters: `y` from how the value moved at this step and from the next state's `y`,
`z` of the action taken from the same. No reward enters them. The expectation of `z` then tilts the slow policy, and the fast one is drawn
to the tilted one beside its own clipped policy gradient.

After Oh et al., "Discovering state-of-the-art reinforcement learning algorithms", 2025, whose targets are the outputs of a learned network.
"""

HEADS = {"logits": "A", "value": 1, "y": 21, "z": ("A", 21)}
CONSTANTS = {
    "discount": 0.97,
    "gae_lambda": 0.95,
    "horizon": 0.8,
    "clip": 0.2,
    "tilt": 1.0,
    "draw_cost": 0.3,
    "prediction_cost": 0.5,
    "value_cost": 0.5,
    "entropy_cost": 0.01,
}
TRAINING = {"epochs": 4, "minibatches": 4, "learning_rate": 3e-3, "target_decay": 0.95}
LOW = -3.0
HIGH = 3.0
POINTS = 21


def prediction_loss(goal, logits):
    """Cross-entropy of softmax(logits) [..., n] to the distribution goal [..., n]."""
    return -torch.sum(goal * F.log_softmax(logits, -1), -1)


def tilted(traj, c):
    """Logits of the slow policy, moved to the actions that `z` speaks for, [T, B, A]."""
    preference = rl.from_two_hot(F.softmax(traj.target.z[:-1], -1), LOW, HIGH)
    policy = F.softmax(traj.target.logits[:-1], -1)
    preference = preference - torch.sum(policy * preference, -1, keepdim=True)
    return traj.target.logits[:-1] + torch.clamp(c.tilt * preference, -1, 1)


def loss(traj, c):
    """Per-step loss [T, B]."""
    advantages, returns = rl.gae(traj.rewards, c.discount * traj.continues, traj.behaviour.value, c.gae_lambda)
    advantages = rl.normalize(advantages)
    logits = traj.online.logits[:-1]
    ratio = torch.exp(rl.log_prob(logits, traj.actions) - traj.behaviour.log_prob)
    policy_loss = -torch.minimum(ratio * advantages, torch.clamp(ratio, 1 - c.clip, 1 + c.clip) * advantages)
    draw = rl.kl_divergence(tilted(traj, c), logits)
    keep = (c.horizon * traj.continues).unsqueeze(-1)
    value = traj.behaviour.value
    move = rl.normalize(traj.continues * value[1:] - value[:-1])
    goal = (1 - keep) * rl.two_hot(torch.clamp(move, LOW, HIGH), LOW, HIGH, POINTS) + keep * F.softmax(traj.target.y[1:], -1)
    predictions = prediction_loss(goal, traj.online.y[:-1])
    predictions = predictions + prediction_loss(goal, rl.select(traj.online.z[:-1], traj.actions))
    value_loss = 0.5 * (traj.online.value[:-1] - returns) ** 2
    return (
        policy_loss + c.draw_cost * draw + c.prediction_cost * predictions + c.value_cost * value_loss - c.entropy_cost * rl.entropy(logits)
    )
