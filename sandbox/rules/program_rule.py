"""A traced program as an update rule: its verified graph, run natively.

The program's text never runs here. What runs is the graph that came out of the sandbox, verified again before it is compiled, since a
stored trace is data like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from sandbox.errors import RunFault, Verdict
from sandbox.graph.graph import Graph
from sandbox.graph.run import compile_graph
from sandbox.graph.signature import graph_inputs, graph_outputs
from sandbox.graph.simplify import simplify
from sandbox.graph.verify import verify
from sandbox.records import Act, Head, Shape, Traced, Training
from sandbox.rules.base import ALL_VIEWS, Batch, Heads, State

Call = Callable[[Sequence[Tensor]], list[Tensor]]


class ProgramRule:
    """An `UpdateRule` over the graphs of one traced program.

    `constants` maps each tunable constant's name to a 0-dim tensor, moved to a batch's float type and device at every call; a caller
    who tunes replaces its values. Calls work under `torch.func.grad` and `torch.func.vmap` over a leading axis of agents.
    """

    act: Act
    training: Training

    def __init__(self, traced: Traced) -> None:
        self.traced = traced
        self.act = traced.program.act
        self.training = traced.program.training
        self.constants: dict[str, Tensor] = {
            constant.name: torch.tensor(float(constant.value), dtype=torch.float64) for constant in traced.program.tunable
        }
        self._state_names = tuple(sorted(traced.initial_state))
        self._graphs: dict[Shape, Graph] = {}
        self._calls: dict[Shape, Call] = {}

    def heads(self, num_actions: int) -> tuple[Head, ...]:
        """What the network must predict; the records hold for any number of actions."""
        return self.traced.program.heads

    def uses(self, shape: Shape) -> frozenset[str]:
        """The views of which the loss or the new state depends on at least one head."""
        live = self.live_inputs(shape) - {"behaviour.log_prob"}
        return frozenset(name.split(".")[0] for name in live) & ALL_VIEWS

    def live_inputs(self, shape: Shape) -> frozenset[str]:
        """Names of the graph's inputs on which the loss or the new state depends."""
        return frozenset(str(node.args[0]) for node in simplify(self.graph(shape)).nodes if node.op == "input")

    def initial_state(self, device: torch.device) -> State:
        """The state a newborn agent carries, float32: numbers are 0-dim, lists are vectors."""
        values = self.traced.initial_state
        return {name: torch.tensor(values[name], dtype=torch.float32, device=device) for name in self._state_names}

    def __call__(self, batch: Batch, state: State) -> tuple[Tensor, State]:
        """Loss `[T, B]` or scalar, and the new state, cut from the gradient.

        Raises RunFault at a shape the program was not traced for, Refusal if its graph does not pass verification there.
        """
        outputs = self._call(self.shape_of(batch))(self.flat_inputs(batch, state))
        return outputs[0], {name: value.detach() for name, value in zip(self._state_names, outputs[1:], strict=True)}

    def shape_of(self, batch: Batch) -> Shape:
        """The sizes of a batch; the head that acts tells the number of actions, since its axis after `[T+1, B]` is A."""
        steps, envs = batch.rewards.shape
        return Shape(steps, envs, batch.online[self.act.head].shape[2])

    def graph(self, shape: Shape) -> Graph:
        """The verified graph for `shape`, verified once."""
        if shape not in self._graphs:
            text = self.traced.graph_text(shape)
            if text is None:
                raise _not_traced(shape, self.traced.graphs)
            initial_state = self.traced.initial_state
            self._graphs[shape] = verify(
                text, graph_inputs(self.traced.program, shape, initial_state), graph_outputs(initial_state), shape.A
            )
        return self._graphs[shape]

    def _call(self, shape: Shape) -> Call:
        if shape not in self._calls:
            self._calls[shape] = compile_graph(self.graph(shape))
        return self._calls[shape]

    def flat_inputs(self, batch: Batch, state: State, constants: Mapping[str, Tensor] | None = None) -> list[Tensor]:
        """All inputs in the order of `graph_inputs`, of the batch's own float type; with other constants than the rule's where given."""
        heads = self.traced.program.heads
        constants = self.constants if constants is None else constants
        like = batch.rewards
        views: tuple[Heads, ...] = (batch.online, batch.behaviour, batch.target)
        return [
            *(batch.actions, batch.rewards, batch.continues, batch.truncated, batch.behaviour_log_prob, batch.progress),
            *(view[head.name] for view in views for head in heads),
            *(constants[constant.name].to(like.device, like.dtype) for constant in self.traced.program.tunable),
            *(state[name].to(like.device, like.dtype) for name in self._state_names),
        ]


def _not_traced(shape: Shape, graphs: dict[str, str]) -> RunFault:
    return RunFault(
        Verdict.CRASHED,
        f"The program was not traced for T, B, A = {shape.T}, {shape.B}, {shape.A}, only for {'; '.join(sorted(graphs))}.",
        "Trace it again with this shape among those asked for.",
    )
