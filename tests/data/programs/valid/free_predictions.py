"""An actor-critic with a prediction that means nothing by itself: it is learned from its own future and the reward's size."""

HEADS = {"logits": "A", "value": 1, "y": 11}
CONSTANTS = {"discount": 0.97, "gae_lambda": 0.9, "horizon": 0.7, "prediction_cost": 0.3}
TRAINING = {"epochs": 2, "target_decay": 0.95}


def loss(traj, c):
    advantages, returns = rl.gae(traj.rewards, c.discount * traj.continues, traj.behaviour.value, c.gae_lambda)
    surprise = rl.two_hot(rl.signed_log(advantages), -5.0, 5.0, 11)
    keep = (c.horizon * traj.continues)[..., None]
    goal = (1 - keep) * surprise + keep * torch.softmax(traj.target.y[1:], -1)
    prediction_loss = -(goal * F.log_softmax(traj.online.y[:-1], dim=-1)).sum(-1)
    confidence = 1 - rl.entropy(traj.target.y[:-1]) / math.log(11)
    policy_loss = -rl.log_prob(traj.online.logits[:-1], traj.actions) * rl.normalize(advantages) * (1 + confidence)
    value_loss = (traj.online.value[:-1] - returns) ** 2
    return policy_loss + 0.5 * value_loss + c.prediction_cost * prediction_loss
