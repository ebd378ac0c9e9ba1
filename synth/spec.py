"""The campaign's spec: one TOML file, every field with its unit, contradictions refused when it is built."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from sandbox.errors import UsageError
from sandbox.records import AgentSettings, Record, Rung


class CampaignSection(Record):
    """Name and seed: the same spec and seed give the same campaign."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    seed: int = Field(0, ge=0)
    lag: int | None = Field(None, ge=1, le=1024)  # proposal k is made after result k - lag; default 4 x workers
    workers: int = Field(2, ge=1, le=1024)


class BudgetSection(Record):
    """Hard limits; the first one reached ends the campaign."""

    evaluations: int = Field(ge=1)  # programs that reach the first rung
    proposals: int | None = Field(None, ge=1)  # programs written, however they end; default 10 x evaluations
    wall_clock_minutes: float | None = Field(None, gt=0)
    device_seconds: float | None = Field(None, gt=0)


class ProposerSection(Record):
    """Who writes the programs."""

    kind: Literal["mutation"] = "mutation"


class SandboxSection(Record):
    """Where untrusted text is traced."""

    backend: Literal["auto", "bubblewrap", "unsafe"] = "auto"
    trace_seconds: float = Field(20.0, gt=0, le=600)
    run_seconds: float = Field(600.0, gt=0)
    memory_gb: float = Field(4.0, gt=0)


class CampaignSpec(Record):
    """A whole campaign."""

    campaign: CampaignSection
    budget: BudgetSection
    proposer: ProposerSection = ProposerSection()
    rung: tuple[Rung, ...] = Field(min_length=1)
    holdout: Rung | None = None
    agent: AgentSettings = AgentSettings()
    sandbox: SandboxSection = SandboxSection()
    baseline: str = "ppo"

    @model_validator(mode="after")
    def _consistent(self) -> CampaignSpec:
        names = [rung.name for rung in self.rung]
        if len(set(names)) != len(names):
            raise ValueError("two rungs share a name: give every [[rung]] a name of its own")
        if self.rung[-1].promote is not None:
            raise ValueError(f"the last rung {names[-1]!r} has `promote`, but there is nothing to promote to: remove it")
        if any(rung.promote is None for rung in self.rung[:-1]):
            raise ValueError("every rung but the last needs `promote`, the score at which a program climbs on")
        return self


def load_spec(path: Path, overrides: tuple[str, ...] = ()) -> CampaignSpec:
    """Reads a spec and applies `key.path=value` overrides (values in TOML). UsageError says what is wrong and where."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"Cannot read the spec {path}: {error.strerror}.", "Write one with `lossmith init`.") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not valid TOML: {error}.", "`lossmith init` writes a commented example.") from error
    for override in overrides:
        _override(data, override)
    try:
        return CampaignSpec.model_validate(data)
    except ValidationError as error:
        raise UsageError(f"{path}: {_first_problem(error)}.", "`lossmith init` writes a commented example.") from error


def _override(data: dict[str, Any], text: str) -> None:
    key, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--set {text!r} has no '='.", "Write --set key.path=value, such as --set budget.evaluations=50.")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value  # a bare word is a string
    node: Any = data
    *path, last = key.strip().split(".")
    for part in path:
        node = node[int(part)] if isinstance(node, list) and part.isdigit() else node.setdefault(part, {})
    if isinstance(node, list) and last.isdigit():
        node[int(last)] = parsed
    else:
        node[last] = parsed


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    place = ".".join(map(str, problem["loc"])) or "the spec"
    return f"{place}: {problem['msg'].removeprefix('Value error, ')}"
