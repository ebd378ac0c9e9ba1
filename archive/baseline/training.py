"""Meta-training: the loop in the paper's order, resumable at any step, with its curves kept beside the weights.

A run is a folder: `spec.json`, `state.pt` (written atomically), `curves.jsonl`, where the spec asks for it networks on the way
(`network-STEP.safetensors`), and at the end `network.safetensors`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

from archive.baseline.curves import read_points, summarise, whole_lines
from archive.baseline.meta_gradient import Weights
from archive.baseline.population import Group, make_groups, parameters_of
from archive.baseline.spec import BaselineSpec, MetaSettings
from sandbox.errors import UsageError
from sandbox.randomness import torch_stream
from sandbox.records import Record
from sandbox.rules.meta.network import MetaNetwork
from sandbox.rules.meta.optimiser import AdamState, adam
from sandbox.rules.meta.weights import save
from sandbox.rules.meta_network import MetaNetworkRule

ENTER_EVERY = 50
"""Meta-steps between two points where a killed run may go on. All agents enter their worlds again there, killed or not."""

WATCHED = 20
"""Meta-steps of whose gradients the median says whether the population has begun to learn."""


class CurvePoint(Record):
    """What one meta-step looked like; scores are means of the episodes that ended since the point before, by task."""

    step: int
    loss: float
    gradient_norm: float  # median over agents, before it is normalised
    learning_rate: float
    entropy: float  # nats, of the agents' policies on the validation
    scores: dict[str, float]


class MetaTraining:
    """The meta-network, its population, and an Adam state for each agent."""

    def __init__(self, spec: BaselineSpec, folder: Path) -> None:
        self.spec, self.folder = spec, folder
        self.network = first_network(spec)
        self.weights: Weights = parameters_of(self.network)
        self.mean = self.weights  # of the last steps
        self.groups = make_groups(spec, MetaNetworkRule(self.network))
        agents = sum(len(group.agents) for group in self.groups)
        self.adam = AdamState.fresh({name: value.expand(agents, *value.shape) for name, value in self.weights.items()})
        self.step = 0
        self.settled: int | None = None  # the step at which the population had begun to learn
        self.norms: list[float] = []  # the newest
        folder.mkdir(parents=True, exist_ok=True)
        self._open()

    def run(self, on_step: Callable[[CurvePoint], None] | None = None) -> MetaNetwork:
        """Takes the remaining meta-steps and writes the network."""
        while self.step < self.spec.meta.steps:
            if self.step % ENTER_EVERY == 0:
                self._save()
                for group in self.groups:
                    group.enter()
            point = self.advance()
            with (self.folder / "curves.jsonl").open("a", encoding="utf-8") as file:
                file.write(point.model_dump_json() + "\n")
            if self.spec.meta.keep_every and self.step % self.spec.meta.keep_every == 0:
                self._write(f"network-{self.step}.safetensors")
            if on_step is not None:
                on_step(point)
        self._save()
        return self._write("network.safetensors")

    def _write(self, name: str) -> MetaNetwork:
        """The network of this moment, with its card, into the run's folder."""
        network = self.current()
        save(network, self.folder / name, self._card())
        return network

    def _card(self) -> dict[str, str]:
        """What the network's file says of itself."""
        spec = self.spec
        rate = spec.recommended_rate or spec.agent.learning_rate
        curve = summarise(read_points(self.folder)).model_dump_json(exclude={"card"})
        return {"name": spec.name, "spec": spec.model_dump_json(), "learning_rate": f"{rate:g}", "curve": curve}

    def advance(self) -> CurvePoint:
        """One meta-step: every agent's window, its meta-gradient through its own Adam, and the mean of the updates."""
        windows = [group.window(self.weights, self.step) for group in self.groups]
        gradients = {name: torch.cat([window.gradient[name] for window in windows]) for name in self.weights}
        norms = torch.stack([value.flatten(1).square().sum(1) for value in gradients.values()]).sum(0).sqrt()
        scale = rescale(norms, self.spec.meta)
        scaled = {name: value * scale.view(-1, *[1] * (value.ndim - 1)) for name, value in gradients.items()}
        rate = learning_rate(self.step, self.spec.meta, self.settled)
        updates, self.adam = adam(scaled, self.adam, rate, max_abs_update=math.inf)
        self.weights = {name: value + updates[name].mean(0) for name, value in self.weights.items()}
        self.step += 1
        self._average()
        self._watch(norms.median().item())
        losses = torch.cat([window.loss for window in windows])
        entropies = torch.cat([window.outer.entropy for window in windows])
        return CurvePoint(
            step=self.step,
            loss=losses.mean().item(),
            gradient_norm=norms.median().item(),
            learning_rate=rate,
            entropy=entropies.mean().item(),
            scores=scores(self.groups),
        )

    def _average(self) -> None:
        """The mean of the weights over the last steps (Polyak and Juditsky 1992), and before these the weights themselves."""
        meta = self.spec.meta
        taken = max(1, self.step - (meta.steps - meta.averaged))
        self.mean = (
            self.weights if taken == 1 else {name: value + (self.weights[name] - value) / taken for name, value in self.mean.items()}
        )

    def _watch(self, norm: float) -> None:
        """Settles once meta-gradients have grown: rates that let a random network find its way make one that has found it worse again."""
        threshold = self.spec.meta.take_off
        self.norms = [*self.norms, norm][-WATCHED:]
        if self.settled is None and threshold is not None and len(self.norms) == WATCHED and median(self.norms) > threshold:
            self.settled = self.step
            self._settle()

    def _settle(self) -> None:
        for group in self.groups:
            group.settle()

    def current(self) -> MetaNetwork:
        """The network as it would be kept if the run ended now."""
        self.network.load_state_dict(self.mean)
        return self.network

    def _open(self) -> None:
        """Starts a folder, or takes up the run that is in it."""
        spec_file, state_file = self.folder / "spec.json", self.folder / "state.pt"
        if spec_file.exists() and BaselineSpec.model_validate_json(spec_file.read_text()) != self.spec:
            raise UsageError(f"{self.folder} holds the run of another spec.", "Give another --out, or the spec it was begun with.")
        spec_file.write_text(self.spec.model_dump_json())
        if not state_file.exists():
            return
        state: dict[str, Any] = torch.load(state_file, weights_only=True)
        if "mean" not in state:
            raise UsageError(f"{self.folder} holds the run of an older version, whose worlds were drawn otherwise.", "Give another --out.")
        self.step, self.weights, self.mean = state["step"], state["weights"], state["mean"]
        self.settled, self.norms = state["settled"], state["norms"]
        self.adam = AdamState(*state["adam"])
        for group, saved in zip(self.groups, state["groups"], strict=True):
            group.restore(saved)
        if self.settled is not None:
            self._settle()
        self._trim_curves()

    def _trim_curves(self) -> None:
        """Drops the points after the state that was saved: their steps are taken again."""
        path = self.folder / "curves.jsonl"
        points = [line for line in whole_lines(path) if json.loads(line)["step"] <= self.step]
        path.write_text("".join(f"{line}\n" for line in points), encoding="utf-8")

    def _save(self) -> None:
        state = {
            "step": self.step,
            "settled": self.settled,
            "norms": self.norms,
            "weights": self.weights,
            "mean": self.mean,
            "adam": tuple(self.adam),
            "groups": [group.state() for group in self.groups],
        }
        partial = self.folder / "state.partial"
        torch.save(plain(state), partial)
        partial.replace(self.folder / "state.pt")


def first_network(spec: BaselineSpec) -> MetaNetwork:
    """Random weights."""
    network = MetaNetwork(spec.network, torch_stream(spec.seed, "meta-network"))
    torch.nn.init.constant_(network.gate.bias, spec.meta.gate_bias)
    return network


def learning_rate(step: int, meta: MetaSettings, settled: int | None = None) -> float:
    """Half a cosine from the first rate to the last; after take-off, at step `settled`, one of its own over the steps that are left."""
    first, start = (meta.learning_rate, 0) if settled is None else (meta.settled_learning_rate, settled)
    share = (1 + math.cos(math.pi * (step - start) / (meta.steps - start))) / 2
    return meta.final_learning_rate + (first - meta.final_learning_rate) * share


def rescale(norms: Tensor, meta: MetaSettings) -> Tensor:
    """What each agent's meta-gradient is multiplied with: newborn agents' are larger by orders of magnitude than others'."""
    return 1 / norms.clamp(min=1e-12) if meta.gradient == "normalize" else 1 / norms.clamp(min=1.0)


def scores(groups: list[Group]) -> dict[str, float]:
    """Mean score of the episodes that ended since last asked, by task."""
    sums: dict[str, tuple[float, int]] = {}
    for agent in (agent for group in groups for agent in group.agents):
        total, count = sums.get(agent.entry.task, (0.0, 0))
        sums[agent.entry.task] = (total + agent.score_sum, count + agent.score_count)
        agent.score_sum, agent.score_count = 0.0, 0
    return {task: total / count for task, (total, count) in sums.items() if count}


def plain(tree: Any) -> Any:
    """Records as plain tuples, which `torch.load(weights_only=True)` reads."""
    if isinstance(tree, tuple):
        return tuple(plain(item) for item in tree)
    if isinstance(tree, list):
        return [plain(item) for item in tree]
    if isinstance(tree, dict):
        return {name: plain(item) for name, item in tree.items()}
    return tree
