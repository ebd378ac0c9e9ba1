"""Tiny diagnostic worlds, each for one skill that a rule can lack. The table needs no torch; the worlds live in modules of their own.

A probe is decided within seconds, so it tells broken rules from working ones before a larger task is paid for. To add one: write its
module with a `World` (see `sandbox.tasks.probes.world`) and give it a line here.
"""

from __future__ import annotations

from typing import NamedTuple


class Probe(NamedTuple):
    """Where a world lives, the skill it needs, and the broken rule that it exposes."""

    module: str
    world: str
    skill: str
    exposes: str


SKILLS: dict[str, Probe] = {
    "catch": Probe("sandbox.tasks.probes.catch", "Catch", "credit over a few steps", "a discount of zero, a loss of the wrong sign"),
    "delayed-credit": Probe(
        "sandbox.tasks.probes.delayed_credit",
        "DelayedCredit",
        "credit that comes later than the rollout is long",
        "returns that stop at the rollout's end instead of bootstrapping",
    ),
}
