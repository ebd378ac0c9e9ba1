"""An ensemble of four Q-functions: each learns from the smaller of two slow ones, and their mean acts."""

HEADS = {"q": ("A", 4)}
CONSTANTS = {"discount": 0.97}
TRAINING = {"epochs": 2, "replay_ratio": 2, "target_decay": 0.97}
ACT = {"head": "q", "kind": "epsilon_greedy", "epsilon": (1.0, 0.05, 0.3), "reduce": "mean"}


def loss(traj, c):
    total = torch.zeros_like(traj.rewards)
    slow = traj.target.q[1:]
    for i in range(4):
        other = (i + 1) % 4
        cautious = torch.minimum(slow[..., i], slow[..., other])
        goal = traj.rewards + c.discount * traj.continues * cautious.amax(-1)
        taken = rl.select(traj.online.q[:-1, :, :, i], traj.actions)
        total += F.smooth_l1_loss(taken, goal, reduction="none")
    return total / 4
