"""One suite over one task of every family: what the trainer may rely on whatever the world."""

import numpy as np
import pytest
import torch

from sandbox.records import TaskSettings
from sandbox.tasks.base import Environments, Step, Task
from sandbox.tasks.registry import META_TASKS, PROBES, make_task

SHORT = TaskSettings(episode_limit=40)  # so that episodes also end within a test
ATARI = ["atari-ram:SpaceInvaders", "atari-42:Pong", "atari:SpaceInvaders"]
NAMES = [*PROBES, *META_TASKS, *ATARI, "gymnasium:CartPole-v1", "gymnasium:FrozenLake-v1"]
WITHOUT_CHANCE = ("probe:chain", "probe:corridor")  # the same actions lead all of a batch to the same place
NUM_ENVS = 3
STEPS = 260


@pytest.fixture(params=NAMES, scope="module")
def task(request: pytest.FixtureRequest) -> Task:
    return make_task(request.param, SHORT)


def play(environments: Environments, num_actions: int, seed: int, steps: int = STEPS) -> tuple[torch.Tensor, list[Step]]:
    chooser = np.random.default_rng(seed)
    first = environments.reset(seed)
    return first, [environments.step(torch.from_numpy(chooser.integers(num_actions, size=environments.num_envs))) for _ in range(steps)]


def same(one: tuple[torch.Tensor, list[Step]], two: tuple[torch.Tensor, list[Step]]) -> bool:
    fields = ("observation", "reward", "continues", "truncated", "finished", "score")
    steps = zip(one[1], two[1], strict=True)
    return torch.equal(one[0], two[0]) and all(torch.equal(getattr(a, name), getattr(b, name)) for a, b in steps for name in fields)


def test_shapes_and_types_are_those_of_the_spec(task: Task) -> None:
    environments = task.make(NUM_ENVS)
    assert environments.num_envs == NUM_ENVS
    first, steps = play(environments, task.num_actions, 0, 3)
    dtype = {"uint8": torch.uint8, "float32": torch.float32}[task.observation.dtype]
    for observation in (first, *(step.observation for step in steps)):
        assert observation.shape == (NUM_ENVS, *task.observation.shape)
        assert observation.dtype == dtype
    for step in steps:
        for name in ("reward", "continues", "truncated", "score"):
            assert getattr(step, name).shape == (NUM_ENVS,)
            assert getattr(step, name).dtype == torch.float32
        assert step.finished.shape == (NUM_ENVS,)
        assert step.finished.dtype == torch.bool
    environments.close()


def test_same_seed_same_run_whatever_was_played_before(task: Task) -> None:
    fresh = task.make(NUM_ENVS)
    expected = play(fresh, task.num_actions, 7, 120)
    play(fresh, task.num_actions, 8, 50)
    assert same(play(fresh, task.num_actions, 7, 120), expected)
    fresh.close()
    again = task.make(NUM_ENVS)  # may be made of parts that were used before
    assert same(play(again, task.num_actions, 7, 120), expected)
    other = task.make(NUM_ENVS)  # while those are still in use
    assert same(play(other, task.num_actions, 7, 120), expected)
    assert not same(play(other, task.num_actions, 9, 120), expected)
    again.close()
    other.close()


def test_environments_differ_from_each_other(task: Task) -> None:
    if task.name in WITHOUT_CHANCE:
        return
    environments = task.make(6)
    environments.reset(3)
    seen = [environments.step(torch.ones(6, dtype=torch.int64)).observation for _ in range(60)]
    assert any(not torch.equal(row[0], row[index]) for row in seen for index in range(1, 6))
    environments.close()


def test_ends_and_scores_are_coherent(task: Task) -> None:
    environments = task.make(NUM_ENVS, evaluation=True)
    _, steps = play(environments, task.num_actions, 1)
    running = torch.zeros(NUM_ENVS)
    ended = 0
    for step in steps:
        running += step.reward
        assert torch.equal(step.finished, step.continues == 0)  # in evaluation nothing but the real end ends an episode
        assert set(step.continues.tolist()) <= {0.0, 1.0}
        assert not (step.truncated.bool() & ~step.finished).any()
        torch.testing.assert_close(step.score, torch.where(step.finished, running, torch.zeros(NUM_ENVS)))
        running[step.finished] = 0
        ended += int(step.finished.sum())
    assert ended >= NUM_ENVS
    environments.close()


def test_learners_see_the_ends_that_evaluation_sees(task: Task) -> None:
    environments = task.make(NUM_ENVS)
    _, steps = play(environments, task.num_actions, 1)
    assert any(step.finished.any() for step in steps)
    for step in steps:
        assert not (step.finished & (step.continues == 1)).any()
        assert not step.score[~step.finished].any()
    environments.close()


def test_results_survive_the_next_step(task: Task) -> None:
    environments = task.make(NUM_ENVS)
    environments.reset(0)
    step = environments.step(torch.zeros(NUM_ENVS, dtype=torch.int64))
    kept = {name: getattr(step, name).clone() for name in ("observation", "reward", "continues", "score")}
    for _ in range(5):
        environments.step(torch.ones(NUM_ENVS, dtype=torch.int64))
    assert all(torch.equal(getattr(step, name), value) for name, value in kept.items())
    environments.close()


def test_closing_twice_is_harmless(task: Task) -> None:
    environments = task.make(2)
    environments.close()
    environments.close()
    one, two = task.make(2), task.make(2)  # nothing was handed out twice
    one.reset(0)
    expected = play(two, task.num_actions, 1, 5)
    two.reset(1)
    one.reset(0)
    assert same(play(two, task.num_actions, 1, 5), expected)
    one.close()
    two.close()
