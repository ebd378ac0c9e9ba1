"""Sets of tasks by one name, for command lines and papers. Needs no torch."""

from __future__ import annotations

from sandbox.tasks.human import RANDOM_AND_HUMAN
from sandbox.tasks.registry import PROBES

ATARI_5 = ("BattleZone", "DoubleDunk", "NameThisGame", "Phoenix", "Qbert")
"""Aitchison et al. 2023, "Atari-5": the five games that predict the median over all 57 best."""

SUITES: dict[str, tuple[str, ...]] = {
    "probes": PROBES,
    "atari-ram-3": tuple(f"atari-ram:{game}" for game in ("BeamRider", "Breakout", "SpaceInvaders")),
    "atari-5": tuple(f"atari:{game}" for game in ATARI_5),
    "atari-57": tuple(f"atari:{game}" for game in RANDOM_AND_HUMAN),
}
"""`probes`: one world a skill. `atari-ram-3`: three games from memory bytes, which a CPU can train. The others from 84 pixels."""
