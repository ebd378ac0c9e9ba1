"""A language model as a proposer.

Every try is recorded before it is sent, every reply before it is used: what a killed campaign has a reply to is never asked again, and what
it had sent without one counts as spent.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Protocol

import numpy as np

from archive.base import Archive
from archive.records import Fate, Prompt, Reply, Sending, Spent
from sandbox.errors import ModelUnavailable, UsageError
from sandbox.language.reply import find_program
from sandbox.records import Record
from synth.prompting.prompter import worst_of
from synth.proposers.base import Context, Proposed
from synth.proposers.section import ProposerSection
from synth.quoting import one_line

MOST_TOO_LONG = 12  # prompts of one model: each makes the later ones shorter, and the last are as short as can be
MOST_CHARACTERS = 400_000  # of a reply that is kept: far above any program, far below what would fill a disk


class Question(Record):
    """One turn of one proposal, and the seed of whatever is random about the answer."""

    number: int
    turn: int
    prompt: Prompt
    seed: int


class Answer(Record):
    """What a model said, and how many tokens that took."""

    text: str
    model: str = ""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None  # US dollars, where the source knows; else by the section's price
    cut: bool = False  # ended by the limit on tokens
    tries: int = 1  # until there was an answer


class Unaffordable(Exception):
    """The budget leaves too little for one more try."""


class PromptTooLong(ModelUnavailable):
    """The model cannot read so much. What the campaign decides from then on has shorter prompts."""


class Log(Protocol):
    """Where a model that may fail writes down its tries."""

    def begin(self) -> None:
        """Before one is sent. Raises Unaffordable."""
        ...

    def end(self, fate: Fate, why: str) -> None:
        """Of the last one, if it got no answer."""
        ...


class NoLog:
    """Writes nothing down."""

    def begin(self) -> None:
        """See `Log`."""

    def end(self, fate: Fate, why: str) -> None:
        """See `Log`."""


UNRECORDED: Final = NoLog()


class Ask(Protocol):
    """A model: an endpoint, local weights, or a recording."""

    def __call__(self, question: Question, log: Log = UNRECORDED) -> Answer:
        """Raises faults of ours where it cannot answer, Unaffordable where it may not ask. Called from several threads."""
        ...


class Tries:
    """The tries of one turn: implements `Log` with the archive. `may` says whether the campaign may spend so much."""

    def __init__(self, archive: Archive, sending: Sending, may: Callable[[Spent], bool]) -> None:
        self.count = 0
        self._archive = archive
        self._sending = sending
        self._may = may
        self._start = 0.0

    def begin(self) -> None:
        """See `Log`."""
        self._start = time.monotonic()
        sending = self._sending.model_copy(update={"time": time.time()})
        attempt = self._archive.sendings.begin(sending, self._may)
        if attempt is None:
            raise Unaffordable
        self._sending = sending.model_copy(update={"attempt": attempt})
        self.count = attempt + 1

    def end(self, fate: Fate, why: str) -> None:
        """See `Log`."""
        self._archive.sendings.end(self._sending, fate, why, time.monotonic() - self._start)


class ModelProposer:
    """Implements `synth.proposers.base.Proposer` with a model, for one campaign. `may` says whether that may spend so much."""

    trusted = False

    def __init__(
        self, section: ProposerSection, campaign: str, archive: Archive, ask: Ask, may: Callable[[Spent], bool] = lambda spent: True
    ) -> None:
        self.name = section.label
        self._section = section
        self._campaign = campaign
        self._archive = archive
        self._ask = ask
        self._may = may

    def propose(self, context: Context, stream: np.random.Generator) -> Proposed:
        """The program in the reply to the first turn. What no reply holds becomes an empty text, which the parse gate counts."""
        seeds = [int(seed) for seed in stream.integers(2**62, size=len(context.prompts))]
        replies = [self._reply(context, turn, seed) for turn, seed in enumerate(seeds)]
        program = find_program(replies[0].text)
        return Proposed(
            text=program or "",
            operator=context.operator,
            parents=tuple(parent.id for parent in context.parents),
            cost=sum(reply.cost for reply in replies),
            tokens=sum(reply.spent.tokens for reply in replies),
            note="" if program else _why(replies[0]),
        )

    def _reply(self, context: Context, turn: int, seed: int) -> Reply:
        prompt = context.prompts[turn]
        recorded = self._archive.letters.reply(self._campaign, context.number, turn)
        if recorded is not None:
            return recorded
        start = time.monotonic()
        tries = Tries(self._archive, self._sending(context, turn), self._may)
        answer = self._answer(Question(number=context.number, turn=turn, prompt=prompt, seed=seed), tries)
        reply = Reply(
            campaign=self._campaign,
            number=context.number,
            turn=turn,
            proposer=self.name,
            operator=prompt.operator,
            prompt_hash=prompt.hash,
            text=answer.text[:MOST_CHARACTERS].encode("utf-8", "replace").decode(),
            model=answer.model,
            prompt_tokens=answer.prompt_tokens,
            cached_tokens=answer.cached_tokens,
            completion_tokens=answer.completion_tokens,
            cost=self._cost(answer),
            cut=answer.cut,
            time=time.time(),
            seconds=time.monotonic() - start,
            tries=tries.count if answer.tries and tries.count else answer.tries,
        )
        self._archive.letters.record(reply)
        return reply

    def _answer(self, question: Question, tries: Tries) -> Answer:
        """What the model says; of `tries` 0 where that cannot be had.

        The budget is too small for another try, the prompt is too long (once more, but not for ever), or lessons can wait.
        """
        try:
            return self._ask(question, tries)
        except Unaffordable:
            return Answer(text="", tries=0)
        except PromptTooLong:
            if question.turn == 0 and self._archive.sendings.too_long(self._campaign, self.name) > MOST_TOO_LONG:
                raise
            return Answer(text="", tries=0)
        except ModelUnavailable:
            if question.turn == 0:
                raise
            return Answer(text="", tries=0)

    def _sending(self, context: Context, turn: int) -> Sending:
        prompt = context.prompts[turn]
        worst, output = worst_of(self._section, [prompt]), self._section.max_tokens
        return Sending(
            campaign=self._campaign,
            number=context.number,
            turn=turn,
            proposer=self.name,
            operator=prompt.operator,
            model=self._section.model,
            money=worst.money,
            prompt_tokens=worst.tokens - output,
            completion_tokens=output,
        )

    def _cost(self, answer: Answer) -> float:
        if answer.cost is not None:
            return answer.cost
        price = self._section.price
        return price.cost(answer.prompt_tokens, answer.cached_tokens, answer.completion_tokens) if price else 0.0


def _why(reply: Reply) -> str:
    if reply.tries == 0:
        return "Not answered: the prompt was too long for the model, or the budget leaves too little for another try."
    cut = "The answer was cut off by proposer.max_tokens. " if reply.cut else ""
    return f"{cut}No program in: {one_line(reply.text, 200)}"


class Source(Protocol):
    """What `replay` reads from."""

    def reply(self, campaign: str, number: int, turn: int) -> Reply | None:
        """See `archive.letters.Letters.reply`."""
        ...


def replay(source: Source, campaign: str) -> Ask:
    """Answers as a recorded campaign did. UsageError where it was asked something else."""

    def answer(question: Question, log: Log = UNRECORDED) -> Answer:
        reply = source.reply(campaign, question.number, question.turn)
        if reply is None:
            raise UsageError(
                f"The recording {campaign} has no reply for proposal {question.number}.",
                "Replay at most what was recorded: lower budget.proposals or budget.calls.",
            )
        if reply.prompt_hash != question.prompt.hash:
            raise UsageError(
                f"Proposal {question.number} of the recording {campaign} answered another prompt.",
                "Replay with the spec, the prompts and the version of Lossmith that it was made with.",
            )
        return Answer.model_validate({name: getattr(reply, name) for name in Answer.model_fields})

    return answer
