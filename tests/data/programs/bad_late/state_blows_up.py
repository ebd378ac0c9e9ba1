# expect: sense not-finite 14
"""Carries a scale that becomes infinite with large rewards."""

HEADS = {"q": "A"}
ACT = {"head": "q", "kind": "epsilon_greedy"}


def initial_state(c):
    return {"scale": 1.0}


def loss(traj, c, state):
    target = traj.rewards + 0.97 * traj.continues * torch.amax(traj.target.q[1:], -1)
    scale = torch.exp(traj.rewards.abs().mean())
    error = rl.select(traj.online.q[:-1], traj.actions) - target
    return error**2 / torch.clamp(state.scale, 1.0, 10.0), {"scale": scale}
