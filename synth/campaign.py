"""The campaign loop: ask, propose, judge, tell.

Asynchronous and yet the same every time: proposal k is made from the archive exactly as it stands after result k - lag, and results are
told in the order of proposals. Up to `lag` programs are in flight, each in a thread that mostly waits, so that workers never idle while
work waits; a model that writes is one more thing to wait for. Timing may delay a decision but never changes one, and a campaign killed at
any instruction goes on as if it never had been.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from archive.base import Archive
from archive.records import Event, Order, Proposal, Result
from sandbox.errors import BudgetExhausted, OurFault
from synth.anchors import measure_anchors
from synth.budget import Clock, Ending, Watch, exhausted
from synth.desk import Desk
from synth.holdout import holdout_is_due, judge_finalists
from synth.pipeline import Judge, Pipeline, Runs
from synth.proposers.base import Author
from synth.spec import CampaignSpec
from synth.turnstile import Turnstile
from synth.valve import Stopped, Valve


@dataclass(frozen=True)
class Crew:
    """Who does the work: everything a campaign needs beside its spec and its archive."""

    judge: Judge
    authors: tuple[Author, ...]
    valve: Valve


class Campaign:
    """One search, from a resolved spec, in an archive that knows it. `interrupted`, once set, ends it gracefully."""

    def __init__(self, spec: CampaignSpec, archive: Archive, crew: Crew, interrupted: threading.Event) -> None:
        self.spec = spec
        self.name = spec.campaign.name
        self.phase = "anchors"
        self.clock = Clock(archive, self.name)
        self.archive = archive
        self.crew = crew
        self.desk = Desk(spec, archive, crew.authors)
        self._interrupted = interrupted
        self._memory = Runs(archive, self.name)
        self._threads = ThreadPoolExecutor(max_workers=spec.lag, thread_name_prefix="program")
        self._flights: dict[int, Future[Result | None]] = {}

    def run(self) -> Ending:
        """Search, then hold-out. Raises faults of ours after noting them, and BudgetExhausted where there is nothing left to do."""
        already = exhausted(self.archive, self.spec, self.clock)
        if already is not None and not holdout_is_due(self.archive, self.spec):
            raise BudgetExhausted(already.sentence(self.spec.budget), f"Raise it: `lossmith resume {self.name} --set {already.key}=…`.")
        self._log("started", f"Started at proposal {self.archive.progress(self.name)[0]}.")
        try:
            ending = already or self._guarded(self._search, limited=True)
            if ending != Ending.INTERRUPTED and holdout_is_due(self.archive, self.spec):
                ending = self._guarded(lambda: self._holdout(ending), limited=False)
        except OurFault as fault:
            self._log("paused", str(fault))
            raise
        finally:
            self.crew.valve.shut()
            self.desk.wait()
            self._threads.shutdown(wait=False, cancel_futures=True)
        self._log("paused" if ending == Ending.INTERRUPTED else "finished", ending.sentence(self.spec.budget))
        return ending

    def _search(self) -> Ending:
        """The loop."""
        pipeline = self._pipeline()
        self.phase = "search"
        made, told = self.archive.progress(self.name)
        self._migrate(told)
        recorded = {proposal.number: proposal for proposal in self.archive.proposals(self.name, told)}
        for number in range(told, made):  # in flight when the campaign was last stopped
            work = recorded.get(number) or self.desk.order(number, told)
            assert work is not None, "a proposal is ordered before a later one is made"
            self._launch(pipeline, work)
        while told < self.spec.most_proposals:
            order = self.desk.order(made, told) if made < min(told + self.spec.lag, self.spec.most_proposals) else None
            if order is not None:
                self._launch(pipeline, order)
                made += 1
                continue
            if made == told:
                assert self.desk.ending is not None, "only a budget of models delays an order"
                return self.desk.ending
            result = self._flights.pop(told).result()
            if result is None:
                return Ending.EVALUATIONS
            self.archive.tell(result)
            pipeline.turnstile.forget(told)
            told += 1
            self._migrate(told)
        return Ending.PROPOSALS

    def _migrate(self, told: int) -> None:
        """Lets the best of each island travel when it is time, and once only: a kill may have come between a result and this."""
        search = self.spec.search
        if search.islands > 1 and told and told % search.migrate_every == 0:
            self.archive.migrate(self.name, search.islands, told)

    def _launch(self, pipeline: Pipeline, work: Order | Proposal) -> None:
        """Has a proposal written, unless it is, and judges it, in a thread of its own."""
        self._flights[work.number] = self._threads.submit(self._fly, pipeline, work)

    def _fly(self, pipeline: Pipeline, work: Order | Proposal) -> Result | None:
        try:
            if self.crew.valve.is_shut:
                raise Stopped
            proposal = work if isinstance(work, Proposal) else self.desk.fill(work)
        except BaseException:
            pipeline.turnstile.give_up(work.number)
            raise
        return pipeline.judge_proposal(proposal, trusted=self.desk.trusts(proposal))

    def _pipeline(self) -> Pipeline:
        """What 0 and 1 mean is measured first: without it no score means anything."""
        baseline = self.crew.valve.patiently(lambda: measure_anchors(self.crew.judge, self.spec, self._memory))
        told = self.archive.progress(self.name)[1]
        admitted = self.archive.funnel(self.name, ())["novel"]
        turnstile = Turnstile(told, admitted, self.spec.budget.evaluations)
        return Pipeline(self.archive, self.crew.judge, self.spec, baseline, self._memory, turnstile, self.crew.valve)

    def _holdout(self, ending: Ending) -> Ending:
        self.phase = "hold-out"
        self.crew.valve.reopen()
        self.crew.valve.patiently(lambda: judge_finalists(self.archive, self.crew.judge, self.spec, self._memory))
        return ending

    def _guarded(self, work: Callable[[], Ending], *, limited: bool) -> Ending:
        """Works until it is done, a limit strikes or the user has had enough."""
        with Watch(self.archive, self.spec, self.clock, self._interrupted, self.crew.valve, limited=limited) as watch:
            try:
                return work()
            except Stopped:
                return watch.ending or Ending.INTERRUPTED

    def _log(self, kind: Literal["started", "paused", "finished"], text: str) -> None:
        self.archive.log(Event(time=time.time(), campaign=self.name, kind=kind, text=text))
