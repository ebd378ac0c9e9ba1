"""A language model as a proposer. Every reply is recorded before it is used, so a killed campaign pays nothing twice."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

import numpy as np

from archive.letters import Letters
from archive.records import Prompt, Reply
from sandbox.errors import UsageError
from sandbox.language.reply import find_program
from sandbox.records import Record
from synth.proposers.base import Context, Proposed
from synth.proposers.section import ProposerSection
from synth.quoting import one_line

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


Ask = Callable[[Question], Answer]
"""A model: an endpoint, local weights, or a recording. Raises faults of ours where it cannot answer. Called from several threads."""


class ModelProposer:
    """Implements `synth.proposers.base.Proposer` with a model and the letters of one campaign."""

    trusted = False

    def __init__(self, section: ProposerSection, campaign: str, letters: Letters, ask: Ask) -> None:
        self.name = section.label
        self._section = section
        self._campaign = campaign
        self._letters = letters
        self._ask = ask

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
        recorded = self._letters.reply(self._campaign, context.number, turn)
        if recorded is not None:
            return recorded
        start = time.monotonic()
        answer = self._ask(Question(number=context.number, turn=turn, prompt=prompt, seed=seed))
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
            tries=answer.tries,
        )
        self._letters.record(reply)
        return reply

    def _cost(self, answer: Answer) -> float:
        if answer.cost is not None:
            return answer.cost
        price = self._section.price
        return price.cost(answer.prompt_tokens, answer.cached_tokens, answer.completion_tokens) if price else 0.0


def _why(reply: Reply) -> str:
    cut = "The answer was cut off by proposer.max_tokens. " if reply.cut else ""
    return f"{cut}No program in: {one_line(reply.text, 200)}"


class Source(Protocol):
    """What `replay` reads from."""

    def reply(self, campaign: str, number: int, turn: int) -> Reply | None:
        """See `archive.letters.Letters.reply`."""
        ...


def replay(source: Source, campaign: str) -> Ask:
    """Answers as a recorded campaign did. UsageError where it was asked something else."""

    def answer(question: Question) -> Answer:
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
