"""What is said of limits."""

from __future__ import annotations

import pytest

from synth.budget import Ending
from synth.spec import BudgetSection


@pytest.mark.parametrize("ending", Ending)
def test_no_sentence_speaks_of_a_limit_that_is_none(ending: Ending) -> None:
    limits = {"wall_clock_minutes": 1, "device_seconds": 2, "money": 3, "tokens": 4, "calls": 5}
    said = ending.sentence(BudgetSection.model_validate({"evaluations": 7, **limits}))
    assert said
    assert "None" not in said


def test_the_limit_on_proposals_is_said_where_it_is_a_default() -> None:
    assert Ending.PROPOSALS.sentence(BudgetSection(evaluations=7)) == "The budget of 70 proposals is used up."
