"""Programs that a command made from one of the archive, kept as its children.

They stand in a campaign of their own beside the search's: a proposal more in that one would change what a resumed search does next, and
could not be told while others are in flight.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from archive.base import Archive
from archive.records import Elite, Proposal, Result
from sandbox.errors import UsageError
from sandbox.evaluate import Evaluator, Memory, OnRun
from sandbox.records import Evaluation, GateReport, Rung, Traced
from synth.anchors import baseline_rule
from synth.spec import BudgetSection, CampaignSection, CampaignSpec

SUFFIXES: Final = {"simplify": "-simplified", "tune": "-tuned"}
"""What the name of the campaign ends in, by the operator that made the children."""

_LONGEST: Final = 64  # characters of a campaign's name


class Maker(NamedTuple):
    """Who makes children: the operator, a key of `SUFFIXES`; and where they were trained."""

    operator: str
    evaluator: Evaluator
    rung: Rung
    memory: Memory
    spec: CampaignSpec  # of the parent's campaign
    on_run: OnRun | None = None


def keep_child(archive: Archive, maker: Maker, parent: Elite, text: str, found: GateReport) -> None:
    """Records the child with its score; the same again changes nothing. `found` is what the gates said of `text`: yes."""
    assert found.traced is not None, "a child passes the gates"
    campaign = _side_campaign(archive, maker, parent.campaign)
    number = archive.progress(campaign)[0]
    if any(proposal.text == text for proposal in archive.proposals(campaign, 0)):
        return
    evaluation = _score(maker, found.traced)
    operator = maker.operator
    archive.propose(Proposal(campaign=campaign, number=number, text=text, proposer=operator, operator=operator, parents=(parent.id,)))
    archive.tell(
        Result(
            campaign=campaign,
            number=number,
            program_id=found.traced.id,
            title=found.traced.title,
            identity=found.identity,
            descriptor=found.descriptor,
            traced=found.traced.model_dump_json(),
            evaluations=(evaluation,),
            gate_seconds=found.seconds,
        )
    )


def _side_campaign(archive: Archive, maker: Maker, name: str) -> str:
    suffix = SUFFIXES[maker.operator]
    side = name if name.endswith(suffix) else name[: _LONGEST - len(suffix)] + suffix
    if side not in archive.campaigns():
        spec = maker.spec
        made = CampaignSpec(
            campaign=CampaignSection(name=side, seed=maker.evaluator.seed, references=()),
            budget=BudgetSection(evaluations=1),
            rung=(maker.rung,),
            agent=spec.agent,
            sandbox=spec.sandbox,
            baseline=spec.baseline,
            network=spec.network,
        )
        archive.create_campaign(side, made.resolved().model_dump_json())
    return side


def _score(maker: Maker, traced: Traced) -> Evaluation:
    """The child's trainings, done already, scored as everywhere: 1 is the campaign's baseline."""
    evaluator, rung = maker.evaluator, maker.rung
    try:
        baseline = baseline_rule(evaluator, maker.spec, [rung])
        return evaluator.evaluate(traced, rung, baseline, maker.memory, on_run=maker.on_run)
    except UsageError as error:
        evaluation = evaluator.run_rung(traced, rung, evaluator.seeds(rung), maker.memory, on_run=maker.on_run)
        return evaluation.model_copy(update={"fault": f"No score: {error.message}"})
