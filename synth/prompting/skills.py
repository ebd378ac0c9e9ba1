"""A program's profile over skills in words: what it masters, what it half can, what it cannot.

Probes measure one skill each, and what random play and the best policy are worth there is known (`sandbox/yardstick.py`): a skill is the
share of the way from the one to the other that the mean return has come. Other tasks measure no single skill.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from sandbox.intervals import CONFIDENCE, UNKNOWN, half_width
from sandbox.score import normalise_runs
from sandbox.tasks.probes import SKILLS
from sandbox.yardstick import known_anchor

WORDS: Final = ((0.95, "mastered"), (0.7, "mostly"), (0.3, "in part"), (0.1, "hardly"))
NOTHING: Final = "not at all"


class Skill(NamedTuple):
    """What a task measures, and the share of the way from random play, 0, to the best policy, 1."""

    name: str
    share: float


def skill(task: str, returns: Sequence[float]) -> Skill | None:
    """None for a task that measures no single skill."""
    anchor = known_anchor(task)
    if anchor is None or not returns:
        return None
    return Skill(SKILLS[task.removeprefix("probe:")].skill, float(normalise_runs(returns, anchor).mean()))


def profile(skills: Mapping[str, Skill]) -> str:
    """From the best to the worst, by task; empty where there is nothing to say."""
    groups: dict[str, list[str]] = {word: [] for word in (*(word for _, word in WORDS), NOTHING)}
    for task, found in sorted(skills.items(), key=lambda each: -each[1].share):
        groups[_word(found.share)].append(f"{found.name} ({task}, {found.share:.2f})")
    return "; ".join(f"{word}: {', '.join(names)}" for word, names in groups.items() if names)


def _word(share: float) -> str:
    return next((word for least, word in WORDS if share >= least), NOTHING)


def spread(returns: Sequence[float]) -> tuple[float, float, float] | None:
    """(mean, low, high) of the returns of several seeds, with Student's interval; None of fewer than two."""
    values = np.asarray(returns, dtype=np.float64)
    if values.size < 2:
        return None
    middle = float(values.mean())
    half = half_width(float(values.std(ddof=1)) / values.size**0.5, values.size - 1, values.size, usual=UNKNOWN, confidence=CONFIDENCE)
    return middle, middle - half, middle + half
