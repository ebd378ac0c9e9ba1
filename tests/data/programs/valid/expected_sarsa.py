"""Expected SARSA: the next state is worth what the acting policy expects of it, exploration included."""

HEADS = {"q": "A"}
CONSTANTS = {"discount": 0.97, "explore": 0.1}
TRAINING = {"epochs": 2, "target_decay": 0.95}
ACT = {"head": "q", "kind": "epsilon_greedy", "epsilon": ("explore", "explore", 1.0)}


def loss(traj, c):
    q = traj.target.q[1:]
    A = q.shape[-1]
    expected = (1 - c.explore) * torch.amax(q, -1) + c.explore * q.sum(-1) / A
    goal = traj.rewards + c.discount * traj.continues * expected
    return 0.5 * (rl.select(traj.online.q[:-1], traj.actions) - goal).square()
