"""A program's profile over the probes: one bar a skill, so that what a rule cannot do is seen at a glance."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table

from sandbox.tasks.probes import SKILLS
from synth.cli.tables import plain_table, shown

WIDTH = 20
"""Characters from 0, random play, to 1."""

LONGEST = 25
"""Characters of the longest bar."""

EIGHTHS = " ▏▎▍▌▋▊▉"


def profile(scores: Mapping[str, float | None], unit: str = "the best policy") -> Table | None:
    """The chart of the skills among the tasks, in the table's order; None where there are fewer than two. `unit` is worth 1."""
    found = {f"probe:{name}": probe.skill for name, probe in SKILLS.items() if f"probe:{name}" in scores}
    if len(found) < 2:
        return None
    table = plain_table("probe", f"{'0':<{WIDTH}}1", "score", "skill", title=f"Skills (0 = random play, 1 = {unit})")
    table.columns[2].justify = "right"
    for task, skill in found.items():
        score = scores[task]
        table.add_row(shown(task), bar(score), "-" if score is None else f"{score:.2f}", skill)
    return table


def bar(score: float | None) -> str:
    """Full and partial blocks, with a mark at 1; without a block where the score is not above 0, and no more than `LONGEST`."""
    if score is None:
        return "no score"
    full, rest = divmod(round(min(max(score, 0.0), LONGEST / WIDTH) * WIDTH * 8), 8)
    blocks = ("█" * full + EIGHTHS[rest]).ljust(LONGEST)[:LONGEST]
    return f"{blocks[:WIDTH]}│{blocks[WIDTH:]}".rstrip()
