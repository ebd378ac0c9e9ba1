"""Who can write a proposal in the place of an author that gives no answer.

What was decided of it stays: the parents, the prompts, and what was set aside for them. So whoever stands in, and whenever it is found
out that somebody must, later decisions are the same.
"""

from __future__ import annotations

from collections.abc import Mapping

from archive.records import Order, StandIn
from synth.bandit import Arm
from synth.proposers.base import Author


def candidates(order: Order, others: Mapping[str, Author]) -> list[Arm]:
    """Arms of other authors: whoever needs no prompts, and models that can read this order's, if possible those that use its operator."""
    free = [Arm(name, "") for name, author in others.items() if author.prompter is None]
    readers = {name: author for name, author in others.items() if author.prompter is not None and author.prompter.fits(order.prompts)}
    used_to = [name for name, author in readers.items() if order.repairs is not None or order.operator in author.operators]
    models = [Arm(name, order.operator) for name in used_to]
    return [*models, *free] or [Arm(name, order.operator) for name in readers]


def replaced(order: Order, standing: StandIn) -> Order:
    """The order in other hands, if it was in those that are absent."""
    if standing.absent != order.proposer:
        return order
    return order.model_copy(update={"proposer": standing.present, "operator": standing.operator})
