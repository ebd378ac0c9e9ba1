"""Double DQN: the fast network picks the next action, the slow one says what it is worth.

Splitting choice from judgement takes away the upward bias of a maximum over noisy estimates.

van Hasselt, Guez & Silver, "Deep reinforcement learning with double Q-learning", 2016, equation 4.
"""

HEADS = {"q": "A"}
CONSTANTS = {"discount": 0.97}
TRAINING = {"epochs": 4, "minibatches": 8, "replay_ratio": 4, "learning_rate": 1e-3, "target_decay": 0.98}
ACT = {"head": "q", "kind": "epsilon_greedy", "epsilon": (1.0, 0.05, 0.5)}


def loss(traj, c):
    """Per-step loss [T, B]."""
    taken = rl.select(traj.online.q[:-1], traj.actions)
    choice = torch.argmax(traj.online.q[1:], -1)
    target = traj.rewards + c.discount * traj.continues * rl.select(traj.target.q[1:], choice)
    return F.smooth_l1_loss(taken, target, reduction="none")
