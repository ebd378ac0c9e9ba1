"""Double Q-learning told with lambdas and functions inside functions."""

HEADS = {"q": "A"}
CONSTANTS = {"discount": 0.97, "delta": 1.0}
TRAINING = {"epochs": 2, "replay_ratio": 3.5, "target_decay": 0.97}
ACT = {"head": "q", "kind": "epsilon_greedy", "epsilon": (0.5, 0.1, 1.0)}


def make_huber(delta):
    def huber(error):
        size = torch.abs(error)
        return torch.where(size <= delta, 0.5 * size**2, delta * (size - 0.5 * delta))

    return huber


def loss(traj, c):
    huber = make_huber(c.delta)
    pick = lambda table, index: table.take_along_dim(index.unsqueeze(-1), dim=-1).squeeze(-1)

    def goal(choices):
        future = pick(traj.target.q[1:], choices)
        return traj.rewards + c.discount * traj.continues * future

    taken = pick(traj.online.q[:-1], traj.actions)
    return huber(taken - goal(traj.online.q[1:].detach().argmax(dim=-1)))
