"""What a campaign would ask its models, and what that can cost, before anything is asked."""

from __future__ import annotations

from typing import NoReturn

from archive.records import Order, Spent
from archive.store import open_archive
from sandbox.records import Record
from synth.desk import Desk
from synth.prompting.prompter import OVERHEAD, ModelPrompter
from synth.prompting.render import CHARACTERS_A_TOKEN
from synth.proposers.base import Author
from synth.proposers.model import UNRECORDED, Log, ModelProposer, Question
from synth.proposers.section import ProposerSection
from synth.spec import CampaignSpec

MOST_ORDERS = 200  # among which the first of a model is looked for


class WorstCase(Record):
    """The most that a campaign can spend on models: per call, and in all; each with the limit that the spec sets, if any."""

    call: Spent
    total: Spent
    money_known: bool


def worst_case(spec: CampaignSpec) -> WorstCase | None:
    """None where no model is asked. A token is a byte at the least, so prompts count as four times their estimate."""
    sections = [section for section in spec.writers if section.asks_a_model]
    if not sections:
        return None
    call = max((_call(section) for section in sections), key=lambda spent: (spent.money, spent.tokens))
    every = [section.insights_every for section in sections if section.insights_every]
    proposals = spec.most_proposals - len(spec.references)
    budget = spec.budget
    calls = int(_least(proposals + (proposals // min(every) if every else 0), budget.calls))
    total = Spent(
        money=_least(calls * call.money, budget.money),
        tokens=int(_least(calls * call.tokens, budget.tokens)),
        calls=calls,
    )
    return WorstCase(call=call, total=total, money_known=all(section.price is not None for section in sections))


def first_order(spec: CampaignSpec) -> Order | None:
    """The first order of a model, if nothing were known yet; None where no model is asked."""
    archive = open_archive(None)
    archive.create_campaign(spec.campaign.name, spec.model_dump_json())
    free = spec.model_copy(update={"budget": spec.budget.model_copy(update={"money": None, "tokens": None, "calls": None})})
    authors = [
        Author(ModelProposer(section, spec.campaign.name, archive, _silent), section.operators, ModelPrompter(spec, section, archive))
        for section in spec.writers
        if section.asks_a_model
    ]
    desk = Desk(free, archive, authors)
    first = len(spec.references)
    for number in range(first, first + MOST_ORDERS) if authors else ():
        order = desk.order(number, 0)
        if order is not None and order.prompts:
            return order
    return None


def _call(section: ProposerSection) -> Spent:
    prompt = CHARACTERS_A_TOKEN * section.context_tokens + OVERHEAD
    money = section.price.cost(prompt, 0, section.max_tokens) if section.price else 0.0
    return Spent(money=money, tokens=prompt + section.max_tokens, calls=1)


def _least(value: float, limit: float | None) -> float:
    return value if limit is None else min(value, limit)


def _silent(question: Question, log: Log = UNRECORDED) -> NoReturn:
    raise AssertionError("a preview asks nobody")
