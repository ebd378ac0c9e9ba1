"""A program against the baseline in words: task by task, how far apart they end, where in training they part, and how they act there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from sandbox.records import Record

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "last")
NEAR = 0.1  # nats; entropies that are closer are not worth a word


class Course(Record):
    """How one rule did on one task, means over seeds: final return, the curve of ten points, entropy at the end in nats."""

    final: float
    curve: tuple[float | None, ...] = Field(default=())
    entropy: float | None = None


def compared(ours: Course, baseline: Course) -> str:
    """Two or three sentences on one task; `ours` is "it"."""
    said = [_end(ours.final - baseline.final, ours.final, baseline.final), _way(ours.curve, baseline.curve)]
    said.append(_acting(ours.entropy, baseline.entropy))
    return " ".join(sentence for sentence in said if sentence)


def _end(gap: float, ours: float, theirs: float) -> str:
    if gap == 0:
        return f"It ends where the baseline does, at {ours:.3g}."
    return f"It ends {abs(gap):.3g} {'above' if gap > 0 else 'below'} the baseline ({ours:.3g} against {theirs:.3g})."


def _way(ours: Sequence[float | None], theirs: Sequence[float | None]) -> str:
    """Where the curves are furthest apart in the baseline's favour; where nowhere, that is said."""
    gaps = [(place, b - a, a, b) for place, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a is not None and b is not None]
    if not gaps:
        return ""
    place, gap, mine, its = max(gaps, key=lambda each: each[1])
    if gap <= 0:
        return "In no tenth of training is the baseline ahead."
    ahead = sum(each[1] > 0 for each in gaps)
    where = ORDINALS[place] if place < len(ORDINALS) else str(place + 1)
    return f"The baseline is ahead in {ahead} of {len(gaps)} tenths of training, most in the {where} ({mine:.3g} against {its:.3g})."


def _acting(ours: float | None, theirs: float | None) -> str:
    if ours is None or theirs is None or abs(ours - theirs) < NEAR:
        return ""
    how = "more at random" if ours > theirs else "more decidedly"
    return f"At the end of training it acts {how} (entropy {ours:.2g} nats, the baseline's {theirs:.2g})."


def mean(values: Sequence[float | None]) -> float | None:
    """Over what is known."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
