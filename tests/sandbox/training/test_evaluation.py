import pytest
import torch
from torch import Tensor

from sandbox.errors import UsageError
from sandbox.records import TaskSettings
from sandbox.training.evaluation import evaluate, random_play
from tests.sandbox.training.doubles import ClockTask, job


def test_each_environment_gives_its_first_game() -> None:
    # Environment i's games last 3 + i steps and score that; counting games as they end would give more short ones.
    task = ClockTask()
    assert evaluate(random_play(2), task, job()) == (3.0, 4.0, 5.0, 6.0)
    assert task.evaluation[0].closed


def test_more_games_than_environments_use_other_seeds() -> None:
    task = ClockTask()
    returns = evaluate(random_play(2), task, job().model_copy(update={"evaluation_episodes": 20}))
    assert returns == tuple(3.0 + i for i in [*range(16), *range(4)])
    assert len(set(task.evaluation[0].seeds)) == 2


def test_random_play_is_even() -> None:
    log_probs = random_play(5)(torch.zeros(3, 2))
    assert log_probs.shape == (3, 5)
    torch.testing.assert_close(log_probs.exp(), torch.full((3, 5), 0.2))


def test_a_game_without_end_is_not_waited_for() -> None:
    task = ClockTask()
    task.settings = TaskSettings(episode_limit=5)
    with pytest.raises(UsageError, match="did not end within 5 steps"):
        evaluate(random_play(2), task, job())


def test_actions_are_drawn_from_the_policy() -> None:
    task = ClockTask()

    def always_one(observation: Tensor) -> Tensor:
        return torch.tensor([-torch.inf, 0.0]).expand(len(observation), 2)

    evaluate(always_one, task, job())
    assert task.evaluation[0].taken == [[1, 1, 1, 1]] * 6
