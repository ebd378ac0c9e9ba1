"""Dueling Q-learning: a value and advantages with zero mean; the greedy action of the advantages is that of their sum."""

HEADS = {"advantage": "A", "value": 1}
CONSTANTS = {"discount": 0.97}
TRAINING = {"epochs": 2, "minibatches": 2, "replay_ratio": 1, "target_decay": 0.97}
ACT = {"head": "advantage", "kind": "epsilon_greedy", "epsilon": (1.0, 0.1, 0.5)}


def q_of(view):
    centred = view.advantage - view.advantage.mean(-1, keepdim=True)
    return view.value.unsqueeze(-1) + centred


def loss(traj, c):
    slow = q_of(traj.target)
    goal = traj.rewards + c.discount * traj.continues * slow[1:].amax(-1)
    return F.smooth_l1_loss(rl.select(q_of(traj.online)[:-1], traj.actions), goal, reduction="none")
