"""What may be said: words follow intervals, and are right as often as they promise."""

from __future__ import annotations

import numpy as np
import pytest

from synth.claims import Word, compare


def table(*tasks: list[float]) -> list[np.ndarray]:
    return [np.array(task) for task in tasks]


OURS = table([1.0, 1.1, 1.2], [0.9, 1.0, 1.1])


@pytest.mark.parametrize(
    ("shift", "word"),
    [(0.5, Word.BETTER), (-0.5, Word.WORSE), (0.0, Word.LEVEL)],
)
def test_a_shift_that_all_seeds_share_has_its_word(shift: float, word: Word) -> None:
    theirs = [task - shift for task in OURS]
    assert compare("ppo", OURS, theirs, np.random.default_rng(0)).word == word


def test_a_gain_that_three_seeds_cannot_show_is_level() -> None:
    found = compare("ppo", table([0.0, 1.0, 2.0]), table([0.5, 0.5, 0.5]), np.random.default_rng(0))
    assert found.difference.value > 0.2
    assert found.word == Word.LEVEL


def test_one_seed_claims_nothing_short_of_a_whole_baseline() -> None:
    assert compare("ppo", table([0.9]), table([0.1]), np.random.default_rng(0)).word == Word.LEVEL


def test_the_best_of_ten_equal_programs_is_called_better_in_at_most_one_campaign_of_twenty() -> None:
    """500 campaigns of ten programs no better than the rival, two tasks, four seeds: any false `better` counts. 0.05 + 3 deviations."""
    stream = np.random.default_rng(0)
    wrong = 0
    for _ in range(500):
        rival = [*stream.normal(size=(2, 4))]
        tables = [[*each] for each in stream.normal(size=(10, 2, 4))]
        wrong += any(compare("r", each, rival, stream, among=10).word == Word.BETTER for each in tables)
    assert wrong <= 500 * (0.05 + 3 * np.sqrt(0.05 * 0.95 / 500))
