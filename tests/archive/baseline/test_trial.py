"""Trials of a meta-network: what is said, and from which numbers."""

from typing import Any, cast

import pytest

from archive.baseline.trial import Word, at_rate, compare, hold_trials, limits, mean
from sandbox.errors import UsageError
from sandbox.evaluate import Evaluator, Player, ShortMemory
from sandbox.language.program import parse
from sandbox.records import Evaluation, LearnedRule, Rung, RunResult, Traced
from sandbox.rules.references import reference_text

NETWORK = LearnedRule(name="n", path="", sha256="0" * 64)
REINFORCE = Traced(program=parse(reference_text("reinforce")), graphs={})
RUNG = Rung(name="trial", tasks=("probe:catch", "probe:chain"), steps=1, seeds=3)


class Examiner:
    """Gives every player the same returns on all tasks; those of REINFORCE by learning rate."""

    def __init__(self, verdict: str = "ok") -> None:
        self.verdict = verdict

    def seeds(self, rung: Rung) -> tuple[int, ...]:
        return tuple(range(rung.seeds))

    def run_rung(self, player: Player, rung: Rung, seeds: tuple[int, ...], memory: object, **_: Any) -> Evaluation:
        level = (
            0.0 if player == "random" else 3.0 if isinstance(player, LearnedRule) else 100 * (player.program.training.learning_rate or 0)
        )
        runs = [
            RunResult(task=task, seed=seed, steps=1, final_return=level + 0.1 * seed, episode_returns=(level,), curve=(), device_seconds=0)
            for task in rung.tasks
            for seed in seeds
        ]
        return Evaluation(rung=rung.name, score=None, runs=tuple(runs), verdict=self.verdict, fault="It broke.")


def trials(verdict: str = "ok") -> Any:
    examiner = cast("Evaluator", Examiner(verdict))
    return hold_trials(examiner, NETWORK, REINFORCE, RUNG, frozenset({"probe:catch"}), ShortMemory(), (1e-3, 1e-2))


def test_reinforce_has_the_best_of_its_rates() -> None:
    catch, chain = trials()
    assert catch.reinforce_rate == 1e-2
    assert catch.reinforce.value == pytest.approx(1.1)
    assert catch.rates == {"0.001": pytest.approx(0.2), "0.01": pytest.approx(1.1)}
    assert (catch.word, catch.above_random) == ("better", "better")
    assert (catch.held_out, chain.held_out) == (False, True)
    assert catch.share == pytest.approx((3.1 + 0.75) / 1.75)


def test_a_training_that_fails_ends_it() -> None:
    with pytest.raises(UsageError, match="It broke"):
        trials("crashed")


def test_students_interval() -> None:
    estimate = mean([1.0, 2.0, 3.0])
    assert (estimate.value, estimate.n) == (2.0, 3)
    assert estimate.high - estimate.value == pytest.approx(4.302653 / 3**0.5, rel=1e-4)


@pytest.mark.parametrize(
    ("ours", "theirs", "word"),
    [
        ([3.0, 3.1, 3.2], [1.0, 1.1, 1.3], "better"),
        ([0.0, 0.1, 0.2], [1.0, 1.1, 1.3], "worse"),
        ([1.0, 5.0, 2.0], [2.0, 1.0, 4.0], "level"),
    ],
)
def test_the_word_needs_the_interval(ours: list[float], theirs: list[float], word: Word) -> None:
    assert compare(ours, theirs) == word


def test_one_rate_is_changed_and_nothing_else() -> None:
    other = at_rate(REINFORCE, 5e-3)
    assert other.program.training.learning_rate == 5e-3
    assert at_rate(other, REINFORCE.program.training.learning_rate or 0) == REINFORCE


def test_what_is_known_of_tasks() -> None:
    assert limits("probe:catch") == (-0.75, 1.0)
    assert limits("gymnasium:CartPole-v1") == (None, None)
