"""Short programs for the tests of tracing, as records that no parser has seen."""

from __future__ import annotations

import json
from typing import Any

from sandbox.language.trace import trace, trace_reply
from sandbox.records import Act, Constant, Head, Program, Shape

SHAPES = (Shape(5, 3, 4), Shape(2, 1, 2), Shape(1, 2, 3))
HEADS = (Head(name="logits", per_action=True, size=1), Head(name="value", per_action=False, size=1))
CONSTANTS = (Constant(name="a", value=0.5), Constant(name="n", value=3))
ERROR = "x = traj.online.value[:-1] - traj.rewards\n"
STATE = "def initial_state(c):\n    return {'mean': 0.0, 'pair': [0.0, c.a]}\n\n\n"


def program(body: str, before: str = "", state: bool = False) -> Program:
    """A program whose `loss` has this body."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    text = f"{before}def loss(traj, c{', state' if state else ''}):\n{lines}"
    return Program(text=text, title="Test", description="", heads=HEADS, constants=CONSTANTS, act=Act(head="logits"), carries_state=state)


def graphs(body: str, **options: Any) -> dict[str, Any]:
    """Its graphs by shape; the check against the text has passed."""
    return dict(trace(program(body, **options), SHAPES, seed=0)["graphs"])


def operations(body: str, **options: Any) -> list[str]:
    """The operations of its one graph, inputs left out."""
    (graph,) = graphs(body, **options).values()
    return [op.removeprefix("aten.") for op, _, _ in graph["nodes"] if op != "input"]


def refusal(body: str, **options: Any) -> tuple[str, int, int, str]:
    """Code, line, column and name of what the sandbox would say."""
    told = json.loads(trace_reply(program(body, **options), SHAPES, seed=0))["refusal"]
    return told["code"], told["line"], told["column"], told["name"]
