"""Sixty known programs: every reference, sound variants, the same programs written otherwise, and broken ones.

The list was fixed before any of them was trained for the figures that it serves: variants come from our own mutation of constants, by a
seed; the broken ones are every second of `broken.py`, in its order.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from broken import Edit, all_references, broken_texts

from sandbox.rules.references import reference_text
from synth.proposers.edits.draft import Draft
from synth.proposers.edits.numbers import perturb_constant

Kind: TypeAlias = Literal["reference", "variant", "rewritten", "broken"]

VARIANTS, BROKEN = 12, 32
SEED = 0  # of the variants

SAME: dict[str, Edit] = {
    "a2c": ("-rl.log_prob(logits, traj.actions) * advantages", "advantages * -rl.log_prob(logits, traj.actions)"),
    "dqn": ("traj.rewards + c.discount * traj.continues * best", "c.discount * best * traj.continues + traj.rewards"),
    "munchausen_dqn": (
        "    taken = rl.select(traj.online.q[:-1], traj.actions)\n",
        "    chosen = traj.actions\n    taken = rl.select(traj.online.q[:-1], chosen)\n",
    ),
    "ppo": ("return -surrogate + c.value_cost * value_loss", "return c.value_cost * value_loss - surrogate"),
    "vtrace": ("return -log_prob * advantages + c.value_cost * value_loss", "return c.value_cost * value_loss - advantages * log_prob"),
}
"""Reference to an edit after which it computes the same."""


class Known(NamedTuple):
    """One program; `name` says which reference it comes from and what was done to it."""

    name: str
    kind: Kind
    text: str


def known_programs() -> tuple[Known, ...]:
    """All of them, the references first."""
    references = [Known(name, "reference", reference_text(name)) for name in all_references()]
    return (*references, *_variants(), *_rewritten(), *_broken())


def _variants() -> list[Known]:
    """Constants moved as a campaign's mutation moves them; the references in turn."""
    names = all_references()
    found = []
    for number in range(VARIANTS):
        name = names[number % len(names)]
        draft = Draft.read(reference_text(name))
        phrase = perturb_constant(draft, np.random.default_rng([SEED, number]), ())
        assert phrase is not None, f"{name} has constants"
        found.append(Known(f"{name}, {phrase} ({number})", "variant", draft.text()))
    return found


def _rewritten() -> list[Known]:
    found = []
    for name, (old, new) in SAME.items():
        text = reference_text(name)
        assert text.count(old) == 1, f"{old!r} is in {name} {text.count(old)} times"
        found.append(Known(f"{name}, rewritten", "rewritten", text.replace(old, new)))
    return found


def _broken() -> list[Known]:
    every = [Known(f"{name}, {kind}", "broken", text) for name in all_references() for kind, text in broken_texts(name).items()]
    return every[::2][:BROKEN]
