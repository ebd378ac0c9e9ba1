"""A program's update as a function that may be differentiated in the program's constants.

Source: Xu et al. 2018, "Meta-Gradient Reinforcement Learning", section 2: the agent's own gradient is that of the program, its
cuts included, but seen from outside its dependence on a constant goes through whatever the program cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from sandbox.graph.cuts import with_copied_heads
from sandbox.graph.influence import meta_differentiable
from sandbox.graph.run import Function, compile_graph
from sandbox.records import Shape
from sandbox.rules.base import Batch, Heads, State
from sandbox.rules.program_rule import ProgramRule


class Pull(NamedTuple):
    """Where the program pulls the agent's heads. Everything may be differentiated once more."""

    cotangents: Heads  # gradient of the mean loss in each online head
    loss: Tensor  # its mean
    state: State


class DifferentiableRule:
    """The graphs of a `ProgramRule` with their cuts opened for everybody but the agent."""

    def __init__(self, rule: ProgramRule) -> None:
        self.rule = rule
        self._calls: dict[Shape, Function] = {}

    def pull(self, batch: Batch, state: State, constants: Mapping[str, Tensor]) -> Pull:
        """One call of the loss with these constants, 0-dim each. Raises as `ProgramRule.__call__`."""
        call = self._call(self.rule.shape_of(batch))
        copies = [batch.online[head.name] for head in self.rule.traced.program.heads]

        def loss_of(online: Heads) -> tuple[Tensor, tuple[Tensor, list[Tensor]]]:
            inputs = self.rule.flat_inputs(replace(batch, online=online), state, constants)
            loss, *carried = call([*inputs, *copies])
            return loss.mean(), (loss.mean(), carried)

        cotangents, (loss, carried) = torch.func.grad(loss_of, has_aux=True)(batch.online)
        return Pull(cotangents, loss, dict(zip(sorted(self.rule.traced.initial_state), carried, strict=True)))

    def tunable(self, shape: Shape) -> frozenset[str]:
        """The constants whose meta-gradient may be other than zero; the others are for a search that needs none."""
        return meta_differentiable(self.rule.graph(shape))

    def _call(self, shape: Shape) -> Function:
        if shape not in self._calls:
            self._calls[shape] = compile_graph(with_copied_heads(self.rule.graph(shape)))
        return self._calls[shape]
