"""The campaign's spec: one TOML file, every field with its unit, contradictions refused when it is built."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from sandbox.errors import UsageError
from sandbox.execution.base import Place
from sandbox.records import AgentSettings, Record, Rung
from sandbox.rules.references import reference_names, reference_text
from synth.network import NetworkSection, find_network, is_network
from synth.proposers.section import PRICES, ProposerSection


class CampaignSection(Record):
    """Name and seed: the same spec and seed give the same campaign."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    seed: int = Field(0, ge=0)
    lag: int | None = Field(None, ge=1, le=1024)  # proposal k is made after result k - lag; default 4 x workers
    workers: int = Field(2, ge=1, le=1024)
    references: tuple[str, ...] | None = None  # hand-written programs that are proposed first; default all
    finalists: int = Field(3, ge=0, le=100)  # programs that are judged on the hold-out


class BudgetSection(Record):
    """Hard limits; the first one reached ends the campaign."""

    evaluations: int = Field(ge=1)  # programs that reach the first rung
    proposals: int | None = Field(None, ge=1)  # programs written, however they end; default 10 x evaluations
    wall_clock_minutes: float | None = Field(None, gt=0)
    device_seconds: float | None = Field(None, gt=0)
    money: float | None = Field(None, gt=0)  # US dollars paid to models
    tokens: int | None = Field(None, gt=0)  # of prompts and answers
    calls: int | None = Field(None, gt=0)  # of models, answered or lost

    @property
    def most_proposals(self) -> int:
        """The limit on programs written."""
        return self.proposals or 10 * self.evaluations


class SearchSection(Record):
    """How the archive is searched. A program's proposal number modulo `islands` is its island; each draws its parents from its own grid.

    `strategy` says what proposals are made from, everything else being equal. `evolve`: parents chosen by score and novelty, prompts that
    show the archive. `best-of-n`: nothing; every proposal is an independent sample, a model's from the prompt `fresh` without any result
    of the search, a mutation of a reference. `random`: mutations alone, of scored programs drawn evenly whatever their score; no model
    is asked.
    """

    strategy: Literal["evolve", "best-of-n", "random"] = "evolve"
    islands: int = Field(1, ge=1, le=64)
    migrate_every: int = Field(20, ge=1)  # results, after which the best of each island is copied to the next
    reevaluations: int = Field(2, ge=0, le=20)  # the most times one program is evaluated again on fresh seeds; 0 trusts first scores


class SandboxSection(Record):
    """Where untrusted text is traced, and where agents are trained with what came of it."""

    backend: Literal["auto", "docker", "bubblewrap", "unsafe"] = "auto"
    trace_seconds: float = Field(20.0, gt=0, le=600)
    run_seconds: float = Field(600.0, gt=0)
    memory_gb: float = Field(4.0, gt=0)
    training: Place = Place.AUTO  # processes, or containers; changes no result


class CampaignSpec(Record):
    """A whole campaign."""

    campaign: CampaignSection
    budget: BudgetSection
    proposer: tuple[ProposerSection, ...] = Field((ProposerSection(),), min_length=1)
    rung: tuple[Rung, ...] = Field(min_length=1)
    holdout: Rung | None = None  # tasks the search never sees; its seeds are its own
    agent: AgentSettings = AgentSettings()
    sandbox: SandboxSection = SandboxSection()
    search: SearchSection = SearchSection()
    baseline: str = "ppo"  # a reference, a meta-network of the library, or the path of one's file
    network: NetworkSection | None = None  # of a baseline that is a meta-network

    @field_validator("proposer", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return [value] if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _proposers(self) -> CampaignSpec:
        labels = [section.label for section in self.proposer]
        if len(set(labels)) != len(labels):
            raise ValueError("two proposers share a name: give each [[proposer]] a `name` of its own")
        asks = any(section.asks_a_model for section in self.proposer)
        if not asks and (self.budget.money or self.budget.tokens or self.budget.calls):
            raise ValueError("a budget of money, tokens or calls is for models, and no proposer asks one: remove it")
        return self

    @model_validator(mode="after")
    def _consistent(self) -> CampaignSpec:
        names = [rung.name for rung in self.rung]
        if len(set(names)) != len(names):
            raise ValueError("two rungs share a name: give every [[rung]] a name of its own")
        if self.rung[-1].promote is not None:
            raise ValueError(f"the last rung {names[-1]!r} has `promote`, but there is nothing to promote to: remove it")
        if any(rung.promote is None for rung in self.rung[:-1]):
            raise ValueError("every rung but the last needs `promote`, the score at which a program climbs on")
        if self.holdout is not None:
            self._check_holdout(self.holdout)
        if self.network is not None and not is_network(self.baseline):
            raise ValueError(f"`network` says which meta-network the baseline is, but {self.baseline!r} is a reference: remove it")
        return self

    def _check_holdout(self, holdout: Rung) -> None:
        seen = {task for rung in self.rung for task in rung.tasks} & set(holdout.tasks)
        if seen:
            raise ValueError(f"the hold-out has {min(seen)}, which a rung has too: a claim must stand on tasks the search never saw")
        if holdout.name in {rung.name for rung in self.rung}:
            raise ValueError(f"the hold-out is called {holdout.name!r} like a rung, and would get its seeds: rename it")
        if holdout.promote is not None:
            raise ValueError("the hold-out has `promote`, but nothing comes after it: remove it")
        if holdout.race:
            raise ValueError("the hold-out has `race`, but a claim needs all its seeds: remove it")

    @property
    def all_rungs(self) -> tuple[Rung, ...]:
        """The ladder, and the hold-out after it."""
        return self.rung if self.holdout is None else (*self.rung, self.holdout)

    @property
    def writers(self) -> tuple[ProposerSection, ...]:
        """The proposers that the strategy lets write, each with the operators that are left to it."""
        if self.search.strategy == "random":
            return next(((each,) for each in self.proposer if not each.asks_a_model), (ProposerSection(),))
        if self.search.strategy == "best-of-n":
            alone = {"operators": ("fresh",), "insights_every": 0}
            return tuple(each.model_copy(update=alone) if each.asks_a_model else each for each in self.proposer)
        return self.proposer

    def island(self, number: int) -> int:
        """Where proposal `number` is born."""
        return number % self.search.islands

    @property
    def lag(self) -> int:
        """Proposal k is made after result k - lag."""
        return self.campaign.lag or 4 * self.campaign.workers

    @property
    def references(self) -> tuple[str, ...]:
        """Names of the hand-written programs that are proposed first."""
        return reference_names() if self.campaign.references is None else self.campaign.references

    @property
    def most_proposals(self) -> int:
        """The limit on programs written."""
        return self.budget.most_proposals

    def resolved(self) -> CampaignSpec:
        """The same with every default of this machine and this version written out, so that a campaign means the same elsewhere.

        Raises UsageError for a baseline that nobody knows, PrerequisiteMissing for a meta-network that is not here.
        """
        campaign = self.campaign.model_copy(update={"lag": self.lag, "references": self.references})
        proposers = tuple(section.priced() for section in self.proposer)
        for section in proposers:
            if self.budget.money is not None and section.asks_a_model and section.price is None:
                raise UsageError(
                    f"The price of the model {section.model!r} is not known, so budget.money cannot be kept.",
                    f"State proposer.price = {{input = …, cached = …, output = …}} per million tokens, or a file like {PRICES.name} in "
                    "proposer.prices; or limit budget.tokens instead.",
                )
        network = (self.network or NetworkSection()).frozen(self.baseline) if is_network(self.baseline) else None
        return self.model_copy(update={"campaign": campaign, "proposer": proposers, "network": network})

    def check_names(self) -> None:
        """UsageError for a task, reference or baseline that does not exist. Imports the task registry, which loads no torch."""
        from sandbox.tasks.registry import check_name

        for name in self.references:
            reference_text(name)
        if is_network(self.baseline):
            find_network(self.baseline, self.network.sha256 if self.network else None)
        for rung in self.all_rungs:
            for task in rung.tasks:
                check_name(task)


def load_spec(path: Path, overrides: Sequence[str] = ()) -> CampaignSpec:
    """Reads a spec and applies `key.path=value` overrides (values in TOML). UsageError says what is wrong and where."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"Cannot read the spec {path}: {error.strerror}.", "Write one with `lossmith init`.") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not valid TOML: {error}.", "`lossmith init` writes a commented example.") from error
    return _validated(data, overrides, str(path))


AMENDABLE = re.compile(
    r"(budget\.\w+|campaign\.(workers|finalists)|sandbox\.training|proposer\.(\d+\.)?(base_url|max_tokens|timeout_seconds|retries|retry_seconds|concurrent))\s*="
)


def amended_spec(spec: str, overrides: Sequence[str]) -> CampaignSpec:
    """A running campaign's spec (JSON) with overrides of what may change without changing what was already found: budgets and workers."""
    for override in overrides:
        if not AMENDABLE.match(override.strip()):
            raise UsageError(
                f"--set {override!r} would make it another campaign.",
                "Only budget.*, campaign.workers, campaign.finalists, sandbox.training and how an endpoint is reached may change.",
            )
    return _validated(json.loads(spec), overrides, "the campaign's spec")


def _validated(data: dict[str, Any], overrides: Sequence[str], place: str) -> CampaignSpec:
    for override in overrides:
        _override(data, override)
    try:
        return CampaignSpec.model_validate(data)
    except ValidationError as error:
        raise UsageError(f"{place}: {_first_problem(error)}.", "`lossmith init` writes a commented example.") from error


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
    proposers = data.get("proposer")
    if path[:1] == ["proposer"] and len(path) == 1 and isinstance(proposers, list) and len(proposers) == 1:
        path.append("0")  # `proposer.model` where there is one
    try:
        for part in path:
            node = node[int(part)] if isinstance(node, list) else node.setdefault(part, {})
        node[int(last) if isinstance(node, list) else last] = parsed
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise UsageError(f"--set {text!r} names no place in the spec.", "Rungs are counted from 0: --set rung.0.steps=20000.") from error


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    place = ".".join(map(str, problem["loc"])) or "the spec"
    return f"{place}: {problem['msg'].removeprefix('Value error, ')}"
