"""What may be said of one program against another: better, level or worse, and only where the interval allows it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import numpy as np

from archive.statistics import Estimate, paired_difference, probability_of_improvement
from sandbox.intervals import CONFIDENCE, Array
from sandbox.records import Record


class Word(StrEnum):
    """The whole interval of the difference lies above zero, holds zero, or lies below. `level` is no proof of equality."""

    BETTER = "better"
    LEVEL = "level"
    WORSE = "worse"


class Comparison(Record):
    """A program against `rival` on the same tasks and seeds; positive differences are the program's."""

    rival: str
    difference: Estimate  # of scores
    improvement: Estimate  # chance that a run of the program's beats one of the rival's
    confidence: float  # of both intervals
    word: Word


def compare(rival: str, x: Sequence[Array], y: Sequence[Array], stream: np.random.Generator, among: int = 1) -> Comparison:
    """`x` and `y` are `[seeds]` a task, paired by seed. Of `among` programs compared with this rival all words are right at 95 %.

    The error is shared out evenly (Bonferroni), since whoever is shown to be better is picked after the comparison.
    """
    confidence = 1 - (1 - CONFIDENCE) / among
    difference = paired_difference(x, y, stream, confidence=confidence)
    improvement = probability_of_improvement(x, y, stream, confidence=confidence)
    word = Word.BETTER if difference.low > 0 else Word.WORSE if difference.high < 0 else Word.LEVEL
    return Comparison(rival=rival, difference=difference, improvement=improvement, confidence=confidence, word=word)
