"""Categorical values on a fixed support, trained by cross-entropy to two-hot targets; acts by a softmax with a named temperature."""

LIMIT = 4.0
POINTS = 21
HEADS = {"z": ("A", POINTS)}
CONSTANTS = {"discount": 0.95, "heat": 0.2}
TRAINING = {"epochs": 2, "replay_ratio": 1, "target_decay": 0.95}
ACT = {"head": "z", "kind": "softmax", "temperature": "heat", "support": (-LIMIT, LIMIT), "transform": "signed_hyperbolic"}


def worth(logits):
    """Expected return of every action."""
    return rl.signed_parabolic(rl.from_two_hot(torch.softmax(logits, dim=-1), -LIMIT, LIMIT))


def loss(traj, c):
    policy = torch.softmax(worth(traj.target.z) / c.heat, -1)
    value = (policy * worth(traj.target.z)).sum(-1)
    goal = traj.rewards + c.discount * traj.continues * value[1:]
    spread = rl.two_hot(rl.signed_hyperbolic(goal), -LIMIT, LIMIT, POINTS)
    chosen = rl.select(traj.online.z[:-1], traj.actions)
    return F.cross_entropy(chosen.flatten(0, 1), spread.flatten(0, 1), reduction="none").reshape(traj.rewards.shape)
