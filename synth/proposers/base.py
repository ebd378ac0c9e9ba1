"""The seam to whoever writes programs: context in, program texts out."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from archive.records import Elite
from sandbox.records import Record


class Context(Record):
    """What a proposer may know: parents from the archive as it stood `lag` results ago."""

    number: int
    parents: tuple[Elite, ...]


class Proposed(Record):
    """One candidate text with its origin. `text` is empty where a reply held no program: a counted outcome, not an error."""

    text: str
    operator: str
    parents: tuple[str, ...] = ()
    cost: float = 0.0
    tokens: int = 0
    note: str = ""


class Proposer(Protocol):
    """A language model, the grammar-aware mutation, or a recording of either."""

    name: str
    trusted: bool  # True only where every text derives from our own references by our own edits

    def propose(self, context: Context, stream: np.random.Generator) -> Proposed:
        """Writes the next program. All randomness comes from `stream`."""
        ...
