"""What every job needs loaded before it starts: one tiny program, traced, checked and thrown away. Runs inside the sandbox.

A server that forks many tracers traces two large programs more, at the gates' shapes: torch remembers what it has worked out for each
operation at each shape, and a fork finds that. Measured: 0.7 CPU-seconds once, and 40 of 235 ms less for every program.
"""

from __future__ import annotations

from sandbox.language.gates import GATE_SHAPES
from sandbox.language.program import parse
from sandbox.language.trace import trace_reply
from sandbox.records import Act, Constant, Head, Program, Shape
from sandbox.rules.references import reference_text

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
    _trace(PROGRAM, (Shape(2, 2, 2), Shape(3, 1, 4)))


def warm_up_for_many() -> None:
    """See the module. Raises RuntimeError as `warm_up` does."""
    warm_up()
    for name in ("categorical_retrace", "discorl_like"):
        _trace(parse(reference_text(name)), GATE_SHAPES)


def _trace(program: Program, shapes: tuple[Shape, ...]) -> None:
    reply = trace_reply(program, shapes, seed=0)
    if '"graphs"' not in reply:
        raise RuntimeError(f"the warm-up program was refused: {reply}")
