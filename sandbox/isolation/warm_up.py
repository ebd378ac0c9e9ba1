"""What every job needs loaded before it starts: programs of ours, traced, checked and thrown away. Runs inside the sandbox.

The tiny one loads the code. The large ones are traced at the gates' shapes: torch remembers what it has worked out for each operation at
each shape. A server does that once for all its forks; a fork then traces the tiny one again while it waits, so that the thousands of
pages which every trace writes are its own already.
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

SHAPES = (Shape(2, 2, 2), Shape(3, 1, 4))
PROGRAM = Program(
    text=TEXT,
    title="Warm-up",
    description="",
    heads=(Head(name="logits", per_action=True, size=1), Head(name="value", per_action=False, size=1)),
    constants=(Constant(name="discount", value=0.9),),
    act=Act(head="logits"),
    carries_state=True,
)


def rehearse(name: str) -> None:
    """Traces the reference `name`, or the tiny program where it is empty, and throws the graph away.

    Raises RuntimeError if a program that is known to be good does not trace: then the machinery is broken.
    """
    program, shapes = (parse(reference_text(name)), GATE_SHAPES) if name else (PROGRAM, SHAPES)
    reply = trace_reply(program, shapes, seed=0)
    if '"graphs"' not in reply:
        raise RuntimeError(f"the warm-up program was refused: {reply}")
