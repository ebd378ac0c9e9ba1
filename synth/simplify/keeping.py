"""The result of a simplification in the archive: the report beside its program, the simpler program as a child.

The child stands in a campaign of its own, NAME-simplified: a proposal more in the search's own would change what a resumed search does
next, and could not be told while others are in flight.
"""

from __future__ import annotations

from typing import Final

from archive.base import Archive
from archive.records import Elite, Proposal, Result
from sandbox.errors import UsageError
from sandbox.records import Evaluation, GateReport, Traced
from synth.anchors import baseline_rule
from synth.simplify.records import SUFFIX, Simplification
from synth.simplify.search import Bench
from synth.spec import BudgetSection, CampaignSection, CampaignSpec

OPERATOR: Final = "simplify"
_LONGEST: Final = 64  # characters of a campaign's name


def read_simplification(archive: Archive, elite: Elite) -> Simplification | None:
    """The last report on a program, if there is one."""
    kept = archive.get_value(elite.campaign, _key(elite.id))
    return Simplification.model_validate_json(kept) if kept else None


def keep(archive: Archive, elite: Elite, report: Simplification, bench: Bench, spec: CampaignSpec) -> None:
    """Stores the report and, where anything could go, the child with its score against the campaign's baseline."""
    archive.set_value(elite.campaign, _key(elite.id), report.model_dump_json())
    if report.changed:
        _keep_child(archive, elite, report, bench, spec)


def _key(program_id: str) -> str:
    return f"simplify:{program_id}"


def _keep_child(archive: Archive, elite: Elite, report: Simplification, bench: Bench, spec: CampaignSpec) -> None:
    campaign = _side_campaign(archive, elite.campaign, bench, spec)
    number = archive.progress(campaign)[0]
    if any(proposal.text == report.text for proposal in archive.proposals(campaign, 0)):
        return
    found = bench.gates(report.text)
    assert found.traced is not None, "it passed the gates when it was tried"
    evaluation = _score(bench, found.traced, spec)
    archive.propose(Proposal(campaign=campaign, number=number, text=report.text, proposer=OPERATOR, operator=OPERATOR, parents=(elite.id,)))
    archive.tell(_result(campaign, number, report, found, evaluation))


def _side_campaign(archive: Archive, name: str, bench: Bench, spec: CampaignSpec) -> str:
    side = name if name.endswith(SUFFIX) else name[: _LONGEST - len(SUFFIX)] + SUFFIX
    if side not in archive.campaigns():
        made = CampaignSpec(
            campaign=CampaignSection(name=side, seed=bench.evaluator.seed, references=()),
            budget=BudgetSection(evaluations=1),
            rung=(bench.rung,),
            agent=spec.agent,
            sandbox=spec.sandbox,
            baseline=spec.baseline,
            network=spec.network,
        )
        archive.create_campaign(side, made.resolved().model_dump_json())
    return side


def _score(bench: Bench, traced: Traced, spec: CampaignSpec) -> Evaluation:
    """The child's trainings, done already, scored as everywhere: 1 is the campaign's baseline."""
    evaluator, rung = bench.evaluator, bench.rung
    try:
        baseline = baseline_rule(evaluator, spec, [rung])
        return evaluator.evaluate(traced, rung, baseline, bench.memory, on_run=bench.on_run)
    except UsageError as error:
        return bench.train(traced).model_copy(update={"fault": f"No score: {error.message}"})


def _result(campaign: str, number: int, report: Simplification, found: GateReport, evaluation: Evaluation) -> Result:
    assert found.traced is not None
    return Result(
        campaign=campaign,
        number=number,
        program_id=report.result,
        title=found.traced.program.title,
        identity=found.identity,
        descriptor=found.descriptor,
        traced=found.traced.model_dump_json(),
        evaluations=(evaluation,),
        gate_seconds=found.seconds,
    )
