"""Decides who writes which proposal, from what, and has it written.

`order` decides, from the archive alone, in the order of proposals, and records the decision; `fill` has the program written, in any
thread and at any time. So model calls overlap without changing a decision, and a killed campaign asks again only what was never answered.

The first reason that applies decides: a reference that is still to be proposed, a program that a person has added, a leader that is to be
evaluated again, a model's refused program that it may repair once, and then the strategy's next parents and the bandit's next arm.

A model that gives no answer rests, and whoever else there is writes in its place, from the same parents and, if it is a model, with the
same prompts (`synth/standing_in.py`). Who stood in for whom is recorded: a replay, where nobody is missing, repeats it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from archive.base import Archive
from archive.records import Elite, Event, Order, Prompt, Proposal, Spent, StandIn
from sandbox.errors import ModelUnavailable
from sandbox.randomness import numpy_stream
from sandbox.rules.references import reference_text
from synth.bandit import Arm, Tally, choose, tallies
from synth.budget import Ending, short_of
from synth.proposers.base import Author, Context, Proposed
from synth.reevaluation import REEVALUATION, leader_due, parent_due
from synth.roster import Roster
from synth.spec import CampaignSpec
from synth.standing_in import candidates, replaced

PARENTS = 2  # asked of the archive; crossing needs two
REFERENCE = "reference"
HAND = "hand"  # programs that a person has added
ADD = "add"
REPAIR = "repair"
NEEDED = {"": (0, 2), "fresh": (0, 0), "refine": (1, 1), "crossover": (2, 2), "simplify": (1, 1), "challenge": (0, 1)}
"""The least and the most parents an operator takes."""


class Desk:
    """One campaign's. `ending` names the budget that the last order would have broken."""

    def __init__(self, spec: CampaignSpec, archive: Archive, authors: Sequence[Author]) -> None:
        self.ending: Ending | None = None
        self.roster = Roster()
        self._spec = spec
        self._archive = archive
        self._authors = {author.proposer.name: author for author in authors}
        self._name, self._seed = spec.campaign.name, spec.campaign.seed
        self._writing = 0
        self._quiet = threading.Condition()

    def trusts(self, proposal: Proposal) -> bool:
        """Whether the text derives from our own references by our own edits: then so does everything it could have come from.

        A program by hand may come from anywhere, and what is written after it may come from it.
        """
        if proposal.proposer == REFERENCE:
            return True
        ours = proposal.proposer in self._authors and all(author.proposer.trusted for author in self._authors.values())
        return ours and not self._archive.letters.by_hand(self._name, proposal.number)

    def order(self, number: int, told: int) -> Order | None:
        """The order of proposal `number` after `told` results: as recorded, or decided and recorded now.

        None where the worst case of what is in flight leaves too little of the budget: more results may change that.
        """
        recorded = self._archive.letters.order(self._name, number)
        if recorded is not None:
            return recorded
        while True:
            self._archive.acts.adopt(self._name, number, told)
            decided = self._affordable(self._decide(number), told)
            order = None if decided is None else self._present(decided)
            if order is None or self._archive.letters.place(order):
                return order

    def _affordable(self, decided: Order, told: int) -> Order | None:
        """The order, or what of it the budget still allows."""
        for order in (decided, self._short(decided)):
            self.ending = short_of(self._spec.budget, self._archive.letters.committed(self._name, told) + order.worst)
            if self.ending is None or not order.worst.calls:
                return order
        return None

    def fill(self, order: Order) -> Proposal:
        """Has the program written and records it. Raises faults of ours where no proposer can be reached."""
        with self._counted():
            order, proposed = self._written(order)
        text = proposed.text.encode("utf-8", "replace").decode()  # a model may write half a surrogate pair, which no file can hold
        fields = {**proposed.model_dump(), "text": text}
        proposal = Proposal(campaign=self._name, number=order.number, proposer=order.proposer, again=order.again, **fields)
        self._archive.propose(proposal)
        return proposal

    def wait(self) -> None:
        """Returns when nothing is being written any more: what is paid for is recorded."""
        with self._quiet:
            self._quiet.wait_for(lambda: self._writing == 0)

    def _written(self, order: Order) -> tuple[Order, Proposed]:
        """The program, and whose it came to be."""
        while True:
            try:
                proposed = self._proposed(order)
            except ModelUnavailable as fault:
                seconds = self.roster.rest(order.proposer)
                standing = self._substitute(order)
                if standing is None:
                    raise
                if seconds is not None:
                    self._say(f"{order.proposer} rests for {seconds:.0f} seconds while {standing.present} stands in for it: {fault}")
                order = replaced(order, standing)
            else:
                if self.roster.back(order.proposer):
                    self._say(f"{order.proposer} answers again.")
                return order, proposed

    def _present(self, order: Order) -> Order:
        """The order as it was decided, or in the hands of who stands in for an author that is resting, or was in a recorded campaign."""
        standing_in = self._archive.sendings.stand_ins(self._name, order.number)
        for standing in standing_in:
            order = replaced(order, standing)
        if standing_in or order.proposer not in self._authors or self.roster.available(order.proposer):
            return order
        found = self._substitute(order)
        return order if found is None else replaced(order, found)

    def _substitute(self, order: Order) -> StandIn | None:
        """Somebody else for this order, chosen by the bandit and recorded; None where nobody is left."""
        absent = {order.proposer, *(standing.absent for standing in self._archive.sendings.stand_ins(self._name, order.number))}
        others = {name: author for name, author in self._authors.items() if name not in absent and name not in self.roster.resting}
        arms = candidates(order, others)
        if not arms:
            return None
        arm = choose(self.tallies(arms), numpy_stream(self._seed, "stand-in", order.number))
        standing = StandIn(absent=order.proposer, present=arm.proposer, operator=arm.operator)
        self._archive.sendings.hand_over(self._name, order.number, standing)
        return standing

    def _say(self, text: str) -> None:
        self._archive.log(Event(time=time.time(), campaign=self._name, kind="fault", text=text))

    def _proposed(self, order: Order) -> Proposed:
        if order.proposer == REFERENCE:
            return Proposed(text=reference_text(order.operator), operator=order.operator)
        if order.proposer == HAND:
            before = self._archive.letters.by_hand(self._name, order.number - 1)
            return Proposed(text=self._archive.acts.added(self._name)[before].text, operator=ADD)
        if order.again is not None:
            earlier = self._archive.result_of(self._name, order.again)
            assert earlier is not None, "only what is told is evaluated again"
            return Proposed(text=self._archive.find(earlier.program_id).text, operator=order.operator)
        author = self._authors[order.proposer]
        broken = order.repairs is not None and author.prompter is None  # whoever cannot read begins anew
        parents = () if broken else tuple(self._archive.find(parent) for parent in order.parents)
        context = Context(number=order.number, parents=parents, operator=order.operator, prompts=order.prompts)
        stream = numpy_stream(self._seed, "propose", order.number)
        return author.proposer.propose(context, stream)

    def _decide(self, number: int) -> Order:
        references = self._spec.references
        if number < len(references):
            return Order(campaign=self._name, number=number, proposer=REFERENCE, operator=references[number])
        if self._archive.letters.by_hand(self._name, number) < len(self._archive.acts.added(self._name)):
            return Order(campaign=self._name, number=number, proposer=HAND, operator=ADD)
        leader = leader_due(self._archive, self._spec)
        return self._again(number, leader) if leader else self._repair(number) or self._next(number)

    def _again(self, number: int, elite: Elite) -> Order:
        return Order(campaign=self._name, number=number, proposer=REEVALUATION, operator=REEVALUATION, again=elite.number)

    def _repair(self, number: int) -> Order | None:
        """A model's refused program goes back to whoever wrote it, once."""
        broken = self._archive.letters.broken(self._name)
        if broken is None or broken[1] not in self._authors:
            return None
        refused, proposer, program_id = broken
        elite = self._archive.find(program_id, self._name).model_copy(update={"campaign": self._name, "number": refused})
        order = self._write(number, Arm(proposer, REPAIR), [elite])
        return order.model_copy(update={"repairs": refused})

    def _next(self, number: int) -> Order:
        parents = self._parents(number)
        arms = [arm for arm in self.arms() if NEEDED[arm.operator][0] <= len(parents)] or self.arms()
        arm = arms[0] if len(arms) == 1 else choose(self.tallies(arms), numpy_stream(self._seed, "arm", number))
        parents = parents[: NEEDED[arm.operator][1]]
        unproven = parent_due(parents, self._spec)
        return self._again(number, unproven) if unproven else self._write(number, arm, parents)

    def _parents(self, number: int) -> list[Elite]:
        """By the strategy: chosen, drawn whatever their score, or none."""
        stream = numpy_stream(self._seed, "ask", number)
        if self._spec.search.strategy == "evolve":
            return self._archive.ask(self._name, PARENTS, stream, self._spec.island(number))
        return self._archive.sample(self._name, PARENTS, stream) if self._spec.search.strategy == "random" else []

    def _write(self, number: int, arm: Arm, parents: Sequence[Elite]) -> Order:
        prompter = self._authors[arm.proposer].prompter
        prompts: tuple[Prompt, ...] = ()
        worst = Spent()
        if prompter is not None:
            prompts = prompter.prompts(number, arm.operator, parents)
            worst = prompter.worst(prompts)
        ids = tuple(parent.id for parent in parents)
        return Order(
            campaign=self._name, number=number, proposer=arm.proposer, operator=arm.operator, parents=ids, prompts=prompts, worst=worst
        )

    def _short(self, order: Order) -> Order:
        """The order without what goes beyond its program, for the end of a budget."""
        prompter = self._authors[order.proposer].prompter if len(order.prompts) > 1 else None
        if prompter is None:
            return order
        return order.model_copy(update={"prompts": order.prompts[:1], "worst": prompter.worst(order.prompts[:1])})

    def arms(self) -> list[Arm]:
        """Among which work is divided."""
        return [Arm(name, operator) for name, author in self._authors.items() for operator in author.operators]

    def tallies(self, arms: Sequence[Arm]) -> list[Tally]:
        """What the arms brought so far."""
        return tally(self._spec, self._archive, arms)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._quiet:
            self._writing += 1
        try:
            yield
        finally:
            with self._quiet:
                self._writing -= 1
                self._quiet.notify_all()


def arms_of(spec: CampaignSpec) -> list[Arm]:
    """The arms that a spec means."""
    return [Arm(section.label, operator) for section in spec.writers for operator in (section.operators if section.asks_a_model else ("",))]


def tally(spec: CampaignSpec, archive: Archive, arms: Sequence[Arm]) -> list[Tally]:
    """What arms brought so far."""
    steps = [len(rung.tasks) * rung.seeds * rung.steps for rung in spec.rung]
    return tallies(arms, archive.letters.outcomes(spec.campaign.name), steps)
