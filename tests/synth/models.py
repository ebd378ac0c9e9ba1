"""A campaign whose proposers are real, whose parse gate is real, and whose trainings are arithmetic."""

from __future__ import annotations

import ast
import threading
from contextlib import ExitStack
from typing import Any

from archive.base import Archive
from sandbox.check import refusal_record
from sandbox.errors import Refusal
from sandbox.language.program import parse
from sandbox.language.trees import parse_module
from sandbox.randomness import derive
from sandbox.records import Descriptor, GateReport, Identity, Traced
from synth.campaign import Campaign, Crew
from synth.pipeline import Runs
from synth.spec import CampaignSpec
from synth.start import make_authors
from synth.valve import Valve
from tests.synth.doubles import ArithmeticExecutor, ArithmeticGates, spec


class ParsingGates(ArithmeticGates):
    """The real parse gate; what differs only in its docstring is a duplicate."""

    def gates(self, text: str, rungs: Any = (), *, trusted: bool = False, priority: int = 0) -> GateReport:
        try:
            program = parse(text)
        except Refusal as refusal:
            return GateReport(refusal=refusal_record(refusal))
        content = ast.dump(ast.Module(parse_module(text).body[1:], []))
        fields = {"family": "policy", "nodes": 20 + derive(3, content) % 600, "free_predictions": False, "carried_state": False}
        return GateReport(
            traced=Traced(program=program, graphs={"*": "{}"}),
            identity=Identity(structure="s", fingerprint=content, settings="t"),
            descriptor=Descriptor.model_validate(fields),
        )


def model_spec(url: str, *, proposer: dict[str, Any] | None = None, **changes: Any) -> CampaignSpec:
    """A campaign that asks the model at `url`; faults are retried at once."""
    section = {
        "kind": "openai",
        "model": "scripted-1",
        "base_url": url,
        "timeout_seconds": 1.0,
        "retry_seconds": 0.02,
        "insights_every": 10,
        "price": {"input": 1.0, "cached": 0.1, "output": 10.0},
        **(proposer or {}),
    }
    limits = {name: changes.pop(name) for name in ("money", "tokens", "calls") if name in changes}
    document = spec(**{"evaluations": 1000, "proposals": 1000, "holdout": None, **changes}).model_dump(mode="json")
    document["budget"].update(limits)
    return CampaignSpec.model_validate({**document, "proposer": section}).resolved()


def model_campaign(spec: CampaignSpec, archive: Archive) -> tuple[Campaign, ExitStack]:
    """The campaign, and what to close after it."""
    stack = ExitStack()
    archive.create_campaign(spec.campaign.name, spec.model_dump_json())
    valve = Valve(ArithmeticExecutor(2), Runs(archive, spec.campaign.name).remember)
    stack.callback(valve.close)
    judge = ParsingGates(valve, None, spec.agent, seed=spec.campaign.seed)
    return Campaign(spec, archive, Crew(judge, make_authors(spec, archive, stack), valve), threading.Event()), stack


def run(spec: CampaignSpec, archive: Archive) -> Any:
    campaign, stack = model_campaign(spec, archive)
    with stack:
        return campaign.run()
