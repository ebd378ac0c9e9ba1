"""The seam to whoever writes programs: context in, program texts out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from archive.records import Elite, Prompt, Spent
from sandbox.records import Record


class Context(Record):
    """What a proposer may know. All of it is recorded before the proposer is asked, of `parents` only the ids: use nothing that changes.

    `operator` and `prompts` are set for proposers that have a prompter.
    """

    number: int
    parents: tuple[Elite, ...]
    operator: str = ""
    prompts: tuple[Prompt, ...] = ()


class Proposed(Record):
    """One candidate text with its origin. `text` is empty where a reply held no program: a counted outcome, not an error."""

    text: str
    operator: str
    parents: tuple[str, ...] = ()
    cost: float = 0.0
    tokens: int = 0
    note: str = ""


class Proposer(Protocol):
    """A language model, the grammar-aware mutation, or a recording of either. Called from several threads at once."""

    name: str
    trusted: bool  # True only where every text derives from our own references by our own edits

    def propose(self, context: Context, stream: np.random.Generator) -> Proposed:
        """Writes the next program. All randomness comes from `stream`."""
        ...


class Prompter(Protocol):
    """Writes the questions that a model is asked, and knows what answers can cost."""

    def prompts(self, number: int, operator: str, parents: Sequence[Elite]) -> tuple[Prompt, ...]:
        """The turns of proposal `number`, from the archive as it stands: the program first. For `repair`, the parent is the refused one."""
        ...

    def worst(self, prompts: Sequence[Prompt]) -> Spent:
        """The most that the answers can cost."""
        ...

    def fits(self, prompts: Sequence[Prompt]) -> bool:
        """Whether its model can read prompts that were written for another."""
        ...


@dataclass(frozen=True)
class Author:
    """One entry of the spec's proposers, ready to work. Its operators are the arms among which work is divided."""

    proposer: Proposer
    operators: tuple[str, ...] = ("",)
    prompter: Prompter | None = None
