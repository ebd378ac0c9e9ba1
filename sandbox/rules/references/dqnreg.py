"""DQNReg: Q-learning whose values are pulled down a little.

The squared temporal-difference error plus a tenth of the value itself: a rule found by search, which keeps values from being overestimated.

Co-Reyes et al., "Evolving reinforcement learning algorithms", 2021, section 4.3.
"""

HEADS = {"q": "A"}
CONSTANTS = {"discount": 0.97, "pull": 0.1}
TRAINING = {"epochs": 4, "minibatches": 8, "replay_ratio": 4, "learning_rate": 1e-3, "target_decay": 0.98}
ACT = {"head": "q", "kind": "epsilon_greedy", "epsilon": (1.0, 0.05, 0.5)}


def loss(traj, c):
    """Per-step loss [T, B]."""
    taken = rl.select(traj.online.q[:-1], traj.actions)
    target = traj.rewards + c.discount * traj.continues * torch.amax(traj.target.q[1:], -1)
    return c.pull * taken + (taken - target) ** 2
