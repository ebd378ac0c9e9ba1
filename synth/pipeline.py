"""One proposal from text to result: gates, novelty in the order of proposals, rungs. Runs in a thread of its own; most of it is waiting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from archive.base import Archive
from archive.grid import cell
from archive.halving import climbing_bar, keeping_bar
from archive.records import Proposal, Result
from sandbox.evaluate import NO_BARS, Memory
from sandbox.language.gates import NoveltyStatus, check_novelty, duplicate_refusal
from sandbox.records import Evaluation, GateReport, Rule, Rung, RunResult, Traced, TrainJob, program_id
from sandbox.score import Anchor
from synth.spec import CampaignSpec
from synth.turnstile import Turnstile
from synth.valve import Valve


class Judge(Protocol):
    """What a campaign needs of `sandbox.evaluate.Evaluator`."""

    def gates(self, text: str, rungs: Sequence[Rung] = (), *, trusted: bool = False, priority: int = 0) -> GateReport:
        """Every gate but novelty."""
        ...

    def reference(self, name: str, rungs: Sequence[Rung]) -> Traced:
        """A reference program, traced."""
        ...

    def anchors(self, rung: Rung, baseline: Rule, memory: Memory, *, priority: int = 0) -> dict[str, Anchor]:
        """What 0 and 1 mean on a rung's tasks."""
        ...

    def evaluate(
        self, rule: Rule, rung: Rung, baseline: Rule, memory: Memory, *, count: int | None = None, priority: int = 0
    ) -> Evaluation:
        """One rule on one rung, on its first `count` seeds."""
        ...

    def climb(
        self,
        rule: Traced,
        rungs: Sequence[Rung],
        baseline: Rule,
        memory: Memory,
        *,
        bars: Mapping[str, float] = NO_BARS,
        floors: Mapping[str, float] = NO_BARS,
        priority: int = 0,
    ) -> tuple[Evaluation, ...]:
        """One program up the ladder, against bars and floors by rung."""
        ...


class Runs:
    """The archive as the evaluator's memory, with a campaign that is charged."""

    def __init__(self, archive: Archive, campaign: str) -> None:
        self._archive = archive
        self._campaign = campaign

    def recall(self, job: TrainJob) -> RunResult | None:
        """See `Archive.recall`."""
        return self._archive.recall(job)

    def remember(self, job: TrainJob, result: RunResult) -> None:
        """See `Archive.remember`."""
        self._archive.remember(job, result, self._campaign)


@dataclass(frozen=True)
class Pipeline:
    """What every proposal of a campaign goes through."""

    archive: Archive
    judge: Judge
    spec: CampaignSpec
    baseline: Rule
    memory: Memory
    turnstile: Turnstile
    valve: Valve

    def judge_proposal(self, proposal: Proposal, trusted: bool) -> Result | None:
        """All there is to find out, or None where the budget of evaluations was used up before its turn came.

        Raises Stopped where the campaign ends before it is known, and faults of ours.
        """
        try:
            return self._judge(proposal, trusted) if proposal.again is None else self._judge_again(proposal, proposal.again)
        except BaseException:
            self.turnstile.give_up(proposal.number)
            raise

    def _judge(self, proposal: Proposal, trusted: bool) -> Result | None:
        report = self.valve.patiently(
            lambda: self.judge.gates(proposal.text, self.spec.all_rungs, trusted=trusted, priority=proposal.number)
        )
        result = _result(proposal, report, self.spec.island(proposal.number))
        with self.turnstile.turn(proposal.number):
            if self.turnstile.full:
                return None
            result = self._judge_novelty(result)
        if result.refusal is not None or report.traced is None:
            return result
        traced, bars, floors = report.traced, self._bars(result), self._floors(result)
        evaluations = self.valve.patiently(
            lambda: self.judge.climb(traced, self.spec.rung, self.baseline, self.memory, bars=bars, floors=floors, priority=proposal.number)
        )
        return result.model_copy(update={"evaluations": evaluations})

    def _bars(self, result: Result) -> dict[str, float]:
        """What a race compares with beside `promote`: who held the program's cell when at the latest it was ordered.

        Only on the rung where that one stands: below, the program has to climb whatever it scores; above, it is better already. On a rung
        that keeps a few it is the last of these, whatever its cell.
        """
        if result.descriptor is None or not any(rung.race for rung in self.spec.rung):
            return {}
        told = self._told(result)
        holder = self.archive.bar(result.campaign, result.island, cell(result.descriptor), told)
        bars = {} if holder is None else {self.spec.rung[holder.rung].name: holder.low}
        for place, rung in enumerate(self.spec.rung):
            if rung.keep is not None:
                bars.pop(rung.name, None)
                last = keeping_bar(self.archive.lows(result.campaign, place, told), rung.keep)
                bars |= {} if last is None else {rung.name: last}
        return bars

    def _floors(self, result: Result) -> dict[str, float]:
        """What the lower end of its score must reach to climb from a rung that lets a share go on, by those who were there before."""
        told = self._told(result)
        shares = [(place, rung.name, rung.share) for place, rung in enumerate(self.spec.rung) if rung.share is not None]
        floors = {name: climbing_bar(self.archive.lows(result.campaign, place, told), share) for place, name, share in shares}
        return {name: floor for name, floor in floors.items() if floor is not None}

    def _told(self, result: Result) -> int:
        """How many results its judges may know: those that were told, at the latest, when it was ordered. Timing cannot change them."""
        return max(0, result.number - self.spec.lag + 1)

    def _judge_again(self, proposal: Proposal, number: int) -> Result | None:
        """An earlier program on as many fresh seeds as its highest rung has; its score becomes that of all seeds it ever had."""
        with self.turnstile.turn(proposal.number):
            if self.turnstile.full:
                return None
        earlier = self.archive.result_of(proposal.campaign, number)
        assert earlier is not None, "only what was scored is evaluated again"
        assert earlier.traced is not None, "only what was scored is evaluated again"
        assert earlier.rung is not None, "only what was scored is evaluated again"
        traced, place = Traced.model_validate_json(earlier.traced), earlier.rung
        rung, before = self.spec.rung[place], earlier.evaluations
        count = len(before[place].runs) // len(rung.tasks) + rung.seeds
        evaluation = self.valve.patiently(
            lambda: self.judge.evaluate(traced, rung, self.baseline, self.memory, count=count, priority=proposal.number)
        )
        evaluations = (*before[:place], evaluation, *before[place + 1 :])
        return earlier.model_copy(update={"number": proposal.number, "again": number, "evaluations": evaluations})

    def _judge_novelty(self, result: Result) -> Result:
        """Compares with every earlier sound proposal, told or not."""
        if result.identity is None:
            return result
        in_flight = self.turnstile.in_flight()  # before the archive: what is told in between stands in both, never in neither
        novelty = check_novelty(result.identity, [*self.archive.alike(result.campaign, result.identity), *in_flight])
        if novelty.status == NoveltyStatus.DUPLICATE and novelty.of is not None:
            return result.model_copy(update={"refusal": duplicate_refusal(novelty.of), "duplicate_of": novelty.of})
        self.turnstile.admit(result.number, result.identity, result.program_id)
        return result


def _result(proposal: Proposal, report: GateReport, island: int) -> Result:
    return Result(
        campaign=proposal.campaign,
        number=proposal.number,
        program_id=program_id(proposal.text),
        title=report.traced.program.title if report.traced else "",
        refusal=report.refusal,
        identity=report.identity,
        descriptor=report.descriptor,
        traced=report.traced.model_dump_json() if report.traced else None,
        gate_seconds=report.seconds,
        island=island,
    )
