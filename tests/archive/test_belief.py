"""What is believed of scores: the normal case by hand, and that being picked no longer helps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archive.belief import LEAST, Population, measured
from archive.halving import WINDOW
from archive.store import open_archive
from sandbox.records import Score
from tests.archive.making import descriptor, evaluation, refused, tell
from tests.archive.making import scored as result


def scored(mean: float, error: float = 0.1) -> Score:
    return Score(mean=mean, low=mean - 1.96 * error, high=mean + 1.96 * error, n=6)


def test_few_scores_speak_for_themselves() -> None:
    few = [scored(0.1 * k) for k in range(LEAST - 1)]
    assert Population(measured(few)).believe(few) == few


def test_a_normal_population_by_hand() -> None:
    """Qualities of deviation 0.2 seen with errors of 0.1: 0.04/(0.04 + 0.01) = 0.8 of a score's distance from the mean is believed, with
    the deviation √(0.8·0.01)."""
    quantiles = [0.5 + np.sqrt(0.05) * z for z in np.random.default_rng(0).normal(size=800)]
    population = Population(measured([scored(mean) for mean in quantiles]))
    (believed,) = population.believe([scored(0.9)])
    assert believed.mean == pytest.approx(0.5 + 0.8 * 0.4, abs=0.03)
    assert (believed.high - believed.low) / 2 == pytest.approx(1.96 * np.sqrt(0.008), rel=0.15)
    assert believed.n == 6


def test_of_equal_programs_the_best_is_believed_to_be_like_the_rest() -> None:
    draws = 0.8 + 0.1 * np.random.default_rng(1).normal(size=150)
    population = Population(measured([scored(mean) for mean in draws]))
    assert draws.max() > 1.0
    assert population.believe([scored(draws.max())])[0].mean < 0.87
    assert population.believe([scored(draws.max())])[0].low < 0.8


def test_two_heaps_are_told_apart() -> None:
    """40 that learn nothing and 40 like the baseline: what lies between the heaps is believed to belong to the nearer one."""
    draws = np.random.default_rng(2)
    population = Population(measured([scored(mean + 0.1 * draws.normal()) for mean in [0.0] * 40 + [1.0] * 40]))
    assert population.believe([scored(0.25)])[0].mean < 0.15
    assert population.believe([scored(1.2)])[0].mean < 1.12


def test_a_surer_score_is_believed_more() -> None:
    population = Population(measured([scored(mean) for mean in 0.5 + 0.15 * np.random.default_rng(3).normal(size=60)]))
    vague, sure = population.believe([scored(0.9, 0.2), scored(0.9, 0.02)])
    assert vague.mean < sure.mean < 0.95
    assert sure.high - sure.low < vague.high - vague.low


def test_who_was_picked_is_no_better_than_believed() -> None:
    """The best of 100 by what is believed of them, 200 times: on average the real quality is what was believed, within 3 errors."""
    excess = []
    for seed in range(200):
        draws = np.random.default_rng(seed)
        real = np.where(draws.random(100) < 0.4, 0.0, 0.8 + 0.1 * draws.normal(size=100))
        seen = [scored(mean) for mean in real + 0.1 * draws.normal(size=100)]
        population = Population(measured(seen))
        believed = population.believe(seen)
        best = int(np.argmax([each.low for each in believed]))
        excess.append((believed[best].mean - real[best], seen[best].mean - real[best]))
    ours, raw = np.mean(excess, axis=0)
    assert raw > 0.1, "what the score itself claims too much"
    assert abs(ours) < 0.04


def test_the_archive_ranks_by_what_is_believed_and_parents_are_drawn_by_it() -> None:
    """Twenty programs seen badly at 0.6 to 1.0. One of them has 1.15 and the highest lower end, another is seen well at 1.05: it ranks
    first, and is more often a parent than the lucky one."""
    archive = open_archive(None)
    archive.create_campaign("c", "{}")
    scores = [(mean, 0.12) for mean in np.linspace(0.6, 1.0, 20)] + [(1.15, 0.12), (1.05, 0.07)]
    for number, (mean, error) in enumerate(scores):
        told = result(number, 0.0, where=descriptor(nodes={20: 200, 21: 400}.get(number, 40)))
        tell(archive, told.model_copy(update={"evaluations": (evaluation(0.0).model_copy(update={"score": scored(mean, error)}),)}))
    first, second = archive.top("c", 2)
    assert (first.number, second.number) == (21, 20)
    assert first.score is not None
    assert second.score is not None
    assert second.score.low > first.score.low, "by its score alone it would be first"
    assert first.believed is not None
    assert first.believed.mean < first.score.mean
    drawn = [archive.ask("c", 1, np.random.default_rng(seed))[0].number for seed in range(300)]
    assert drawn.count(21) > 1.2 * drawn.count(20)


def test_a_program_from_before_the_window_is_no_stranger() -> None:
    """The best was found first, a thousand proposals ago, and nothing since came near it: it is believed to be about what it scored."""
    archive = open_archive(None)
    archive.create_campaign("c", "{}")
    for number in range(WINDOW + 10):
        told = result(number, 0.0) if number in {0, *range(WINDOW, WINDOW + 10)} else refused(number, "parse")
        score = scored(3.0 if number == 0 else 0.5 + 0.01 * number % 0.1)
        evaluations = tuple(each.model_copy(update={"score": score}) for each in told.evaluations)
        tell(archive, told.model_copy(update={"evaluations": evaluations}))
    (best,) = archive.top("c", 1)
    assert best.number == 0
    assert best.believed is not None
    assert best.believed.mean > 2.5


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.floats(-3, 3), st.floats(0, 1)), min_size=LEAST, max_size=30),
    st.floats(-10, 10),
)
def test_order_is_kept_and_nothing_leaves_the_range(pairs: list[tuple[float, float]], shift: float) -> None:
    scores = [scored(mean, error) for mean, error in pairs]
    population = Population(measured(scores))
    alike = [believed.mean for believed in population.believe([scored(mean, 0.1) for mean in (-1.0, 0.0, 0.5, 2.0)])]
    assert alike == sorted(alike)
    apart = [scored(mean + shift, error) for mean, error in pairs]
    for believed, moved in zip(population.believe(scores), Population(measured(apart)).believe(apart), strict=True):
        assert believed.low - 1e-9 <= believed.mean <= believed.high + 1e-9
        assert moved.mean == pytest.approx(believed.mean + shift, abs=1e-5)
