"""Categorical Retrace: a distribution over transformed returns for every action, trained towards Retrace targets.

Every action has 41 numbers, the softmax of which is a distribution over even points of a squashed return. Its expectation is the action's
value, a sharp softmax over the values is the policy that is judged, and Retrace corrects old trajectories to it step by step. The target,
spread over its two nearest points, is learned by cross-entropy.

Munos et al., "Safe and efficient off-policy reinforcement learning", 2016; two-hot targets and the squashing after Schrittwieser et al.,
"Mastering Atari, Go, chess and shogi by planning with a learned model", 2020, appendix F.
"""

HEADS = {"q": ("A", 41)}
CONSTANTS = {"discount": 0.97, "lambda_": 0.9, "temperature": 0.2}
TRAINING = {"epochs": 4, "minibatches": 8, "replay_ratio": 4, "learning_rate": 3e-3, "target_decay": 0.98}
ACT = {
    "head": "q",
    "kind": "epsilon_greedy",
    "epsilon": (1.0, 0.05, 0.5),
    "support": (-10.0, 10.0),
    "transform": "signed_hyperbolic",
}
LOW = -10.0
HIGH = 10.0
POINTS = 41


def expected(logits):
    """Values of the actions, [T+1, B, A], in the units of the rewards."""
    return rl.signed_parabolic(rl.from_two_hot(F.softmax(logits, -1), LOW, HIGH))


def loss(traj, c):
    """Per-step loss [T, B]."""
    q = expected(traj.target.q)
    log_policy = F.log_softmax(q / c.temperature, -1)
    v = torch.sum(torch.exp(log_policy) * q, -1)
    log_rhos = rl.select(log_policy[:-1], traj.actions) - traj.behaviour.log_prob
    returns = rl.retrace(traj.rewards, c.discount * traj.continues, q, v, traj.actions, log_rhos, c.lambda_)
    goal = rl.two_hot(rl.signed_hyperbolic(returns), LOW, HIGH, POINTS)
    predicted = F.log_softmax(rl.select(traj.online.q[:-1], traj.actions), -1)
    return -torch.sum(goal * predicted, -1)
