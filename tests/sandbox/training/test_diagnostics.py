import pytest
import torch

from sandbox.records import Head, ObservationSpec
from sandbox.training.diagnostics import Logbook, value_error
from sandbox.training.rollout import Episodes
from sandbox.training.trajectories import Trajectories

VALUE = (Head(name="value", per_action=False, size=1),)
VECTOR = ObservationSpec(shape=(1,), dtype="float32", kind="vector")


def rollout(steps: int = 5, envs: int = 2) -> Trajectories:
    return Trajectories.empty(steps, envs, VECTOR, VALUE, 2, torch.device("cpu"))


def logbook(steps: int = 100, heads: tuple[str, ...] = ("value",)) -> Logbook:
    return Logbook(steps, heads, 0.5, value=True)


def no_episodes(steps: int = 5, envs: int = 2) -> Episodes:
    return Episodes(torch.zeros(steps, envs), torch.zeros(steps, envs))


def test_curve_has_ten_points_with_the_mean_of_each_tenth() -> None:
    book = logbook()
    episodes = no_episodes(10)
    episodes.finished[4, 0] = episodes.finished[4, 1] = 1  # agent step 10, the last of the first tenth
    episodes.score[4, 0], episodes.score[4, 1] = 3, 4
    episodes.finished[5, 0], episodes.score[5, 0] = 1, 8
    book.acted(0, rollout(10), episodes)
    curve = book.curve()
    assert [point.step for point in curve] == list(range(10, 101, 10))
    assert [point.score for point in curve] == [3.5, 8.0, *[None] * 8]


def test_steps_beyond_the_budget_count_as_the_last_tenth() -> None:
    book = logbook(steps=95)
    episodes = no_episodes()
    episodes.finished[4, 0], episodes.score[4, 0] = 1, 6
    book.acted(90, rollout(), episodes)
    assert book.curve()[-1].score == 6


def test_losses_make_ten_points_even_from_few_rollouts() -> None:
    book = logbook()
    book.learned(50, 1.0, {})
    book.learned(100, 2.0, {})
    assert book.diagnostics().loss == (1.0,) * 5 + (2.0,) * 5


def test_gradient_norms_are_of_the_last_tenth_and_dead_heads_of_all() -> None:
    book = logbook(heads=("early", "late", "never"))
    book.learned(50, 0.0, {"early": 1.0, "late": 0.0, "never": 0.0})
    book.learned(95, 0.0, {"early": 0.0, "late": 2.0, "never": 0.0})
    book.learned(100, 0.0, {"early": 0.0, "late": 4.0, "never": 0.0})
    found = book.diagnostics()
    assert found.gradient_norm == {"early": 0.0, "late": 3.0, "never": 0.0}
    assert found.dead_heads == ("never",)


def test_entropy_is_of_the_last_tenth() -> None:
    book = logbook()
    for before, log_prob in ((0, -9.0), (90, -0.5)):
        acted = rollout()
        acted.log_prob.fill_(log_prob)
        book.acted(before, acted, no_episodes())
        book.learned(before + 10, 0.0, {})
    assert book.diagnostics().entropy == 0.5


def test_value_error_by_hand() -> None:
    # Returns at discount 0.5: 1 + 0.5 * 2 = 2, then 2; the last step's is not known. Their mean is 2, so spread needs the second column.
    rewards = torch.tensor([[1.0, 4.0], [2.0, 6.0], [5.0, 0.0]])
    continues = torch.tensor([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0]])
    values = torch.tensor([[2.0, 4.0], [3.0, 5.0], [99.0, 99.0]])
    returns = torch.tensor([2.0, 4.0, 2.0, 6.0])
    errors = torch.tensor([0.0, 0.0, 1.0, -1.0])
    expected = errors.square().mean().sqrt() / returns.std(correction=0)
    assert value_error(rewards, continues, values, 0.5) == pytest.approx(expected.item())


def test_value_error_says_nothing_without_an_ending_or_a_spread() -> None:
    ones = torch.ones(3, 1)
    assert value_error(ones, ones, ones, 0.5) is None
    assert value_error(ones, 0 * ones, ones, 0.5) is None
