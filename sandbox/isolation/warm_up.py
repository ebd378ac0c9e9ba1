"""What every job needs loaded before it starts: one tiny program, traced, checked and thrown away. Runs inside the sandbox."""

from __future__ import annotations

from sandbox.language.trace import trace_reply
from sandbox.records import Act, Constant, Head, Program, Shape

TEXT = """
def initial_state(c):
    return {"mean": 0.0}


def loss(traj, c, state):
    advantages, returns = rl.gae(traj.rewards, c.discount * traj.continues, traj.behaviour.value, 0.9)
    weights = torch.zeros_like(advantages)
    weights[0] = 1.0
    with torch.no_grad():
        scale = advantages.abs().mean()
    policy = -rl.log_prob(traj.online.logits[:-1], traj.actions) * weights * advantages / scale
    return policy + F.mse_loss(traj.online.value[:-1], returns), {"mean": rl.ema(state.mean, scale, 0.9)}
"""

PROGRAM = Program(
    text=TEXT,
    title="Warm-up",
    description="",
    heads=(Head(name="logits", per_action=True, size=1), Head(name="value", per_action=False, size=1)),
    constants=(Constant(name="discount", value=0.9),),
    act=Act(head="logits"),
    carries_state=True,
)


def warm_up() -> None:
    """Raises RuntimeError if a program that is known to be good does not trace: then the machinery is broken."""
    reply = trace_reply(PROGRAM, (Shape(2, 2, 2), Shape(3, 1, 4)), seed=0)
    if '"graphs"' not in reply:
        raise RuntimeError(f"the warm-up program was refused: {reply}")
