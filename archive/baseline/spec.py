"""The spec of a meta-training: one TOML file, frozen when it is read."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from sandbox.errors import UsageError
from sandbox.records import AgentSettings, Record, TaskSettings
from sandbox.rules.meta.config import PRESETS, MetaNetworkConfig


class TaskEntry(Record):
    """Agents that live on one task. Each agent's environments are seeded apart, so a world drawn at reset differs between agents."""

    task: str
    agents: int = Field(1, ge=1)
    lifetimes: tuple[int, ...] = Field((50, 100, 200), min_length=1)  # updates; one is drawn for each life
    settings: TaskSettings = TaskSettings()


class MetaSettings(Record):
    """How the rule itself is learned. Defaults are what worked on two CPU cores; the paper's are in the comments."""

    steps: int = Field(1000, ge=1)  # meta-updates
    updates: int = Field(5, ge=1, le=64)  # K agent updates in a window; 20
    validation_length: int = Field(64, ge=2)  # transitions of the fresh trajectories that the outer loss is taken on; 29
    gate_bias: float = 1.0  # of the fresh network: at 0 newborn agents would get constant targets for y and z
    learning_rate: float = Field(2e-3, gt=0)  # Adam, one state for each agent, the mean of their updates; 1e-3
    final_learning_rate: float = Field(1e-4, gt=0)  # reached by half a cosine
    take_off: float | None = Field(None, gt=0)  # median norm of meta-gradients in 20 steps from which on the next two hold; None: never
    settled_learning_rate: float = Field(5e-4, gt=0)  # from there by half a cosine to the final one
    settled_policy_entropy: float = Field(5e-2, ge=0)
    averaged: int = Field(0, ge=0)  # meta-steps at the end whose mean weights are kept; the last weights alone where 0; the paper's 0
    gradient: Literal["normalize", "clip"] = "normalize"  # each agent's, to or at norm 1; clip
    policy_entropy: float = Field(1e-2, ge=0)
    prediction_entropy: float = Field(1e-3, ge=0)
    mean_square: float = Field(1e-3, ge=0)
    target_divergence: float = Field(1e-2, ge=0)
    value_discount: float = Field(0.99, gt=0, le=1)  # 0.997
    value_lambda: float = Field(0.96, ge=0, le=1)  # 0.95
    value_learning_rate: float = Field(1e-3, gt=0)  # 3e-4
    keep_every: int | None = Field(None, ge=1)  # meta-steps between networks that are kept on the way; None: the last alone
    recorded: bool = True  # a third less time a meta-step, for half a minute at the start

    @model_validator(mode="after")
    def _mean_of_steps_taken(self) -> MetaSettings:
        if self.averaged > self.steps:
            raise ValueError(f"averaged = {self.averaged} must be at most steps = {self.steps}")
        return self


class BaselineSpec(Record):
    """A whole meta-training."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    seed: int = Field(0, ge=0)
    task: tuple[TaskEntry, ...] = Field(min_length=1)
    network: MetaNetworkConfig = PRESETS["small"]
    agent: AgentSettings = AgentSettings(torso="mlp-linear", hidden=(64, 32), action_model="lstm", action_lstm=16, action_hidden=16)
    meta: MetaSettings = MetaSettings()
    recommended_rate: float | None = Field(None, ge=1e-5, le=1e-1)  # for those who use the network; default agent.learning_rate

    @model_validator(mode="after")
    def _agents_fit(self) -> BaselineSpec:
        if self.agent.action_model != "lstm":
            raise ValueError('agent.action_model must be "lstm": the meta-network is defined for agents with that module')
        if self.agent.device != "cpu":
            raise ValueError('agent.device must be "cpu": populations are not yet moved to another device')
        return self


def load_baseline_spec(path: Path) -> BaselineSpec:
    """Reads a spec. UsageError says what is wrong and where."""
    try:
        return BaselineSpec.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(f"Cannot read the spec {path}: {error.strerror}.", "Start from examples/baseline.toml.") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not valid TOML: {error}.", "Start from examples/baseline.toml.") from error
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"])) or "the spec"
        raise UsageError(
            f"{path}: {place}: {problem['msg'].removeprefix('Value error, ')}.", "Start from examples/baseline.toml."
        ) from error
