"""DQN: Q-learning with a slow target network.

The value of each action taken moves to its reward plus the discounted value that the slow copy gives the best next action.

Mnih et al., "Human-level control through deep reinforcement learning", 2015.
"""

HEADS = {"q": "A"}
CONSTANTS = {"discount": 0.97}
TRAINING = {"epochs": 4, "minibatches": 8, "replay_ratio": 4, "learning_rate": 1e-3, "target_decay": 0.98}
ACT = {"head": "q", "kind": "epsilon_greedy", "epsilon": (1.0, 0.05, 0.5)}


def loss(traj, c):
    """Per-step loss [T, B]."""
    taken = rl.select(traj.online.q[:-1], traj.actions)
    best = torch.amax(traj.target.q[1:], -1)
    target = traj.rewards + c.discount * traj.continues * best
    return F.smooth_l1_loss(taken, target, reduction="none")
