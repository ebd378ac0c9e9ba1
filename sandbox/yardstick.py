"""The yardstick that probes bring along: what random play and the best policy are worth there is known, so no baseline is trained for it.

A trained baseline is a poor yardstick of skills: where a skill asks too much of it (of PPO, where rewards are thousands) it is no better
than random play, and nothing can be divided by that distance.
"""

from __future__ import annotations

from collections.abc import Sequence

from sandbox.errors import UsageError
from sandbox.score import Anchor
from sandbox.tasks.probes import SKILLS

BEST_POLICY = "best-policy"
"""Its name where a baseline is named."""


def known_anchor(task: str) -> Anchor | None:
    """0 and 1 of a probe of a skill, by its full name; None for any other task."""
    probe = SKILLS.get(task.removeprefix("probe:")) if task.startswith("probe:") else None
    if probe is None or probe.chance is None or probe.optimum is None:
        return None
    return Anchor(task=task, random=(probe.chance,) * 2, baseline=(probe.optimum,) * 2)


def known_anchors(tasks: Sequence[str]) -> dict[str, Anchor]:
    """Of all tasks. UsageError for one whose best policy nobody knows."""
    anchors = {}
    for task in tasks:
        anchor = known_anchor(task)
        if anchor is None:
            remedy = "Name a reference as the baseline, such as --baseline ppo, or none."
            raise UsageError(f"What the best policy is worth on {task} is not known.", remedy)
        anchors[task] = anchor
    return anchors
