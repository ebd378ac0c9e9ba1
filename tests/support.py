"""What several tests need: trusted program texts run eagerly, and traced in this process."""

from __future__ import annotations

import json
import logging
import math
from functools import cache
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F

from sandbox.language import toolkit
from sandbox.language.gates import GATE_SHAPES
from sandbox.language.program import parse
from sandbox.language.trace import trace, trace_reply
from sandbox.records import Act, Head, Program, Shape, Traced, Training
from sandbox.rules.base import ALL_VIEWS, Batch, State

logging.getLogger("torch.__trace").propagate = False  # pytest would keep every one of its thousands of messages

PROBES = (Shape(20, 8, 18), Shape(1, 1, 18))
"""The two shapes at which the gates probe a program."""


class EagerRule:
    """A trusted program's own text, executed line by line. What its graph must agree with."""

    act: Act
    training: Training

    def __init__(self, program: Program) -> None:
        self.program = program
        self.act, self.training = program.act, program.training
        self.space: dict[str, Any] = {"torch": torch, "F": F, "math": math, "rl": toolkit}
        exec(compile(program.text, "<program>", "exec"), self.space)

    def heads(self, num_actions: int) -> tuple[Head, ...]:
        return self.program.heads

    def uses(self, shape: Any) -> frozenset[str]:
        return ALL_VIEWS

    def initial_state(self, device: torch.device) -> State:
        if not self.program.carries_state:
            return {}
        values = self.space["initial_state"](self._constants(torch.float32))
        return {name: torch.tensor(value, dtype=torch.float32, device=device) for name, value in sorted(values.items())}

    def __call__(self, batch: Batch, state: State) -> tuple[torch.Tensor, State]:
        constants = self._constants(batch.rewards.dtype)
        traj = SimpleNamespace(
            actions=batch.actions,
            rewards=batch.rewards,
            continues=batch.continues,
            truncated=batch.truncated,
            progress=batch.progress,
            online=SimpleNamespace(**batch.online),
            behaviour=SimpleNamespace(**batch.behaviour, log_prob=batch.behaviour_log_prob),
            target=SimpleNamespace(**batch.target),
        )
        if not self.program.carries_state:
            return self.space["loss"](traj, constants), {}
        carried = SimpleNamespace(**{name: value.to(batch.rewards.dtype) for name, value in state.items()})
        loss, new_state = self.space["loss"](traj, constants, carried)
        return loss, {name: value.detach() for name, value in sorted(new_state.items())}

    def _constants(self, dtype: torch.dtype) -> SimpleNamespace:
        values = {c.name: c.value if c.structural else torch.tensor(float(c.value), dtype=dtype) for c in self.program.constants}
        return SimpleNamespace(**values)


@cache
def traced(text: str, shapes: tuple[Shape, ...] = PROBES) -> Traced:
    """A trusted text traced in this process, once a test session; by default where the gates' probes need it."""
    program = parse(text)
    reply = trace(program, shapes, seed=0)
    graphs = {name: json.dumps(graph) for name, graph in reply["graphs"].items()}
    return Traced(program=program, initial_state=reply["initial_state"], graphs=graphs)


@cache
def reply_text(text: str, shapes: tuple[Shape, ...] = GATE_SHAPES) -> str:
    """The sandbox's whole reply to a trusted text, made in this process."""
    return trace_reply(parse(text), shapes, seed=0)
