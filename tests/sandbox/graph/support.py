"""Graphs for tests: plain functions caught by the project's own tracer, and the losses that several tests speak of."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from sandbox.graph.graph import Graph
from sandbox.graph.signature import Input
from sandbox.graph.verify import verify
from sandbox.language import toolkit as rl
from sandbox.language.trace_capture import capture
from sandbox.language.trace_encode import encode
from sandbox.language.trace_functionalise import functionalise

TYPES = {"float32": torch.float32, "int64": torch.int64, "bool": torch.bool}
Loss = Callable[[Mapping[str, Tensor]], Tensor | tuple[Tensor, ...]]


def signature(
    steps: int = 5, envs: int = 3, num_actions: int = 4, constants: tuple[str, ...] = ("a", "b", "discount")
) -> tuple[Input, ...]:
    """Inputs like a program's: trajectory, two heads in three views, constants and one state."""
    rows = (steps, envs)
    inputs = [Input("actions", rows, "int64")]
    inputs += [Input(name, rows, "float32") for name in ("rewards", "continues", "behaviour.log_prob")]
    inputs.append(Input("progress", (), "float32"))
    for view in ("online", "behaviour", "target"):
        inputs += [Input(f"{view}.logits", (steps + 1, envs, num_actions), "float32"), Input(f"{view}.value", (steps + 1, envs), "float32")]
        inputs.append(Input(f"{view}.other", (steps + 1, envs), "float32"))
    inputs += [Input(f"c.{name}", (), "float32") for name in constants]
    inputs += [Input("state.mean", (), "float32"), Input("state.scale", (), "float32")]
    return tuple(inputs)


def text_of(loss: Loss, inputs: tuple[Input, ...] | None = None, outputs: tuple[str, ...] = ("loss",)) -> str:
    """Graph JSON of a function from named tensors to its outputs."""
    inputs = inputs or signature()
    names = [entry.name for entry in inputs]

    def flat(*tensors: Tensor) -> list[Tensor]:
        made = loss(dict(zip(names, tensors, strict=True)))
        return list(made) if isinstance(made, tuple) else [made]

    module = capture(flat, {entry.name: torch.zeros(entry.shape, dtype=TYPES[entry.dtype]) for entry in inputs})
    return json.dumps(encode(module, functionalise(module), outputs))


def graph_of(
    loss: Loss, inputs: tuple[Input, ...] | None = None, outputs: tuple[str, ...] = ("loss",), num_actions: int | None = 4
) -> Graph:
    """The verified graph of a function."""
    inputs = inputs or signature()
    return verify(text_of(loss, inputs, outputs), inputs, outputs, num_actions)


def graph_json(nodes: list[Any], loss: Any = None, **outputs: Any) -> str:
    """Graph JSON by hand; the loss is the last node unless said otherwise."""
    return json.dumps(
        {"nodes": nodes, "outputs": {"loss": loss or {"n": len(nodes) - 1}, **outputs}, "lines": list(range(1, len(nodes) + 1))}
    )


def random_inputs(inputs: tuple[Input, ...], seed: int = 0, dtype: torch.dtype = torch.float32, num_actions: int = 4) -> list[Tensor]:
    """One random tensor an input; those of `online` heads require gradients."""
    stream = torch.Generator().manual_seed(seed)
    made = []
    for entry in inputs:
        if entry.dtype == "int64":
            made.append(torch.randint(0, num_actions, entry.shape, generator=stream))
        else:
            # Drawn in float32, so that every dtype sees the same numbers.
            made.append(torch.randn(entry.shape, generator=stream).to(dtype).requires_grad_(entry.name.startswith("online.")))
    return made


def named(inputs: tuple[Input, ...], tensors: list[Tensor]) -> dict[str, Tensor]:
    """Tensors by the names of the inputs."""
    return {entry.name: tensor for entry, tensor in zip(inputs, tensors, strict=True)}


def ppo(t: Mapping[str, Tensor]) -> Tensor:
    """PPO as a function of named tensors."""
    advantages, returns = rl.gae(t["rewards"], t["c.discount"] * t["continues"], t["behaviour.value"], 0.95)
    advantages = rl.normalize(advantages)
    logits = t["online.logits"][:-1]
    ratio = torch.exp(rl.log_prob(logits, t["actions"]) - t["behaviour.log_prob"])
    surrogate = torch.minimum(ratio * advantages, torch.clamp(ratio, 1 - t["c.a"], 1 + t["c.a"]) * advantages)
    value_loss = 0.5 * (t["online.value"][:-1] - returns) ** 2
    return -surrogate + t["c.b"] * value_loss - 0.01 * rl.entropy(logits)


def q_learning(t: Mapping[str, Tensor]) -> Tensor:
    """Double Q-learning with a Huber loss and a two-hot prediction: indices, argmax, one_hot, literals and a sort."""
    q = t["online.logits"]
    best = torch.argmax(q[1:], -1)
    goal = t["rewards"] + t["c.discount"] * t["continues"] * rl.select(t["target.logits"][1:], best)
    chosen = (q[:-1] * torch.nn.functional.one_hot(t["actions"], 4)).sum(-1)
    weights = torch.tensor([0.5, 1.0, 0.25, 0.1])[t["actions"]]
    spread = rl.two_hot(goal, -5, 5, 11)
    expected = rl.from_two_hot(spread, -5, 5)
    ranked = torch.sort(q[:-1], -1).values
    return weights * torch.nn.functional.smooth_l1_loss(chosen, goal.detach(), reduction="none") + expected.detach() * ranked[..., 0]


def with_state(t: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """A loss that carries a running mean and scale."""
    mean = rl.ema(t["state.mean"], t["rewards"].mean(), 0.9)
    scale = torch.maximum(t["state.scale"] * 0.99, t["rewards"].abs().max())
    error = (t["rewards"] - mean) / (scale + 1e-3) - t["online.value"][:-1]
    return error.square(), mean.detach(), scale.detach()


STATE_OUTPUTS = ("loss", "state.mean", "state.scale")
