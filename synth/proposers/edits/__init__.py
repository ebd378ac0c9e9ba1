"""The edits that mutation chooses from, each a small function: a draft of its own, a stream and mates in; a phrase for the title out.

An edit that does not apply returns None, and the draft is thrown away.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from synth.proposers.edits.carried import carry_average
from synth.proposers.edits.crossover import take_term
from synth.proposers.edits.draft import Draft
from synth.proposers.edits.errors import change_error, change_rewards
from synth.proposers.edits.heads import add_head
from synth.proposers.edits.numbers import Mates, change_exploration, change_training, perturb_constant, tune_literal
from synth.proposers.edits.operators import bound_weights, swap_function
from synth.proposers.edits.policy import change_policy_term, treat_advantages
from synth.proposers.edits.targets import change_estimator, change_q_target, change_view
from synth.proposers.edits.terms import add_term, drop_term, scale_term, weigh_term


class Edit(NamedTuple):
    """One kind of change. `weight` is its chance relative to the others where all apply."""

    name: str
    weight: float
    apply: Callable[[Draft, np.random.Generator, Mates], str | None]


EDITS: Final = (
    Edit("perturb-constant", 1.5, perturb_constant),
    Edit("change-training", 1.0, change_training),
    Edit("change-exploration", 0.5, change_exploration),
    Edit("tune-literal", 0.3, tune_literal),
    Edit("add-term", 2.0, add_term),
    Edit("drop-term", 0.8, drop_term),
    Edit("scale-term", 1.0, scale_term),
    Edit("weigh-term", 0.5, weigh_term),
    Edit("change-policy-term", 1.5, change_policy_term),
    Edit("treat-advantages", 1.5, treat_advantages),
    Edit("change-estimator", 1.2, change_estimator),
    Edit("change-q-target", 1.5, change_q_target),
    Edit("change-view", 1.0, change_view),
    Edit("change-error", 1.2, change_error),
    Edit("change-rewards", 0.7, change_rewards),
    Edit("add-head", 1.5, add_head),
    Edit("carry-average", 1.2, carry_average),
    Edit("take-term", 1.5, take_term),
    Edit("swap-function", 0.7, swap_function),
    Edit("bound-weights", 0.3, bound_weights),
)
