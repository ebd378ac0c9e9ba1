"""Gymnasium ids: the user's own modules, spaces, ends and their kinds, faults of the environment."""

import sys
from collections.abc import Iterator
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from sandbox.errors import UsageError
from sandbox.records import TaskSettings
from sandbox.tasks.gymnasium import read_actions, read_observations
from sandbox.tasks.registry import make_task

HEATER = """
import gymnasium
import numpy as np
from gymnasium import spaces

class Heater(gymnasium.Env):
    observation_space = spaces.Dict({"celsius": spaces.Box(-50, 50, (1,)), "on": spaces.Discrete(2)})
    action_space = spaces.Discrete(2, start=5)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.celsius = self.np_random.uniform(10, 20)
        return self._seen(0), {}

    def step(self, action):
        assert action in (5, 6)
        on = action - 5
        if self.celsius > 40:
            raise RuntimeError("burnt down")
        self.celsius += 2 * on - 1
        return self._seen(on), float(on), self.celsius < 5, False, {}

    def _seen(self, on):
        return {"celsius": np.array([self.celsius], np.float32), "on": on}

gymnasium.register("Heater-v0", entry_point="heaters_of_test:Heater")
"""


@pytest.fixture
def heater(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "heaters_of_test.py").write_text(HEATER)
    monkeypatch.chdir(tmp_path)
    yield "gymnasium:heaters_of_test:Heater-v0"
    sys.modules.pop("heaters_of_test", None)
    gymnasium.registry.pop("Heater-v0", None)


def test_a_module_in_the_working_directory_is_found_and_the_path_left_alone(heater: str) -> None:
    before = list(sys.path)
    task = make_task(heater, TaskSettings(episode_limit=8))
    assert sys.path == before
    assert (task.num_actions, task.observation.shape, task.observation.kind) == (2, (3,), "vector")
    environments = task.make(2)
    first = environments.reset(0)
    assert ((first[:, 0] >= 10) & (first[:, 0] <= 20)).all()
    step = environments.step(torch.tensor([0, 1]))  # actions are counted from the space's start
    torch.testing.assert_close(step.observation[:, 0] - first[:, 0], torch.tensor([-1.0, 1.0]))
    assert step.observation[:, 1:].tolist() == [[1, 0], [0, 1]]
    assert step.reward.tolist() == [0, 1]
    environments.close()


def test_running_out_of_time_is_not_the_same_as_ending(heater: str) -> None:
    environments = make_task(heater, TaskSettings(episode_limit=16)).make(2)
    environments.reset(0)
    for count in range(1, 17):
        step = environments.step(torch.tensor([0, count % 2]))  # the first cools down until it ends
        if step.finished[0]:
            assert count < 16
            assert (float(step.truncated[0]), float(step.continues[0])) == (0, 0)
    assert (float(step.truncated[1]), float(step.continues[1]), float(step.score[1])) == (1, 0, 8)
    environments.close()


def test_a_raising_environment_is_not_the_programs_fault(heater: str) -> None:
    environments = make_task(heater).make(1)
    environments.reset(0)
    on = torch.ones(1, dtype=torch.int64)
    with pytest.raises(UsageError, match="RuntimeError: burnt down"):
        all(environments.step(on) for _ in range(40))
    environments.close()


def test_a_module_that_raises_or_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken_module_of_test.py").write_text("1 / 0")
    (tmp_path / "needy_module_of_test.py").write_text("import no_such_library")
    (tmp_path / "idle_module_of_test.py").write_text("")
    for module, message in {
        "broken_module_of_test": "raised ZeroDivisionError",
        "needy_module_of_test": "needs 'no_such_library'",
        "missing_module_of_test": "no module 'missing_module_of_test' in",
        "idle_module_of_test": "knows no id 'Heater-v0'",
    }.items():
        with pytest.raises(UsageError, match=message):
            make_task(f"gymnasium:{module}:Heater-v0")


@pytest.mark.parametrize("space", [spaces.Box(-1, 1, (2,)), spaces.MultiDiscrete([2, 2]), spaces.MultiBinary(3)])
def test_only_discrete_actions_are_taken(space: spaces.Space) -> None:
    with pytest.raises(UsageError, match="only discrete"):
        read_actions(space, "World-v0")


def test_observations_become_vectors_or_pixels() -> None:
    spec, encode = read_observations(spaces.Discrete(3), "World-v0")
    assert (spec.shape, encode(1).tolist()) == ((3,), [0, 1, 0])
    spec, encode = read_observations(spaces.MultiBinary(4), "World-v0")
    assert (spec.shape, encode(np.array([1, 0, 1, 1], np.int8)).tolist()) == ((4,), [1, 0, 1, 1])
    spec, encode = read_observations(spaces.Box(-1, 1, (2, 2), np.float64), "World-v0")
    assert (spec.shape, encode(np.eye(2)).dtype) == ((4,), np.float32)
    small = np.full((7, 7, 3), 51, np.uint8)
    spec, encode = read_observations(spaces.Box(0, 255, small.shape, np.uint8), "World-v0")
    assert (spec.shape, spec.kind) == ((147,), "vector")
    np.testing.assert_allclose(encode(small), 0.2, rtol=1e-6)


def test_images_keep_their_bytes_channels_first() -> None:
    image = np.arange(40 * 50 * 3, dtype=np.uint8).reshape(40, 50, 3)
    spec, encode = read_observations(spaces.Box(0, 255, image.shape, np.uint8), "World-v0")
    assert (spec.shape, spec.dtype, spec.kind) == ((3, 40, 50), "uint8", "pixels")
    np.testing.assert_array_equal(encode(image)[2], image[:, :, 2])
    stacked = np.moveaxis(image, -1, 0)
    spec, encode = read_observations(spaces.Box(0, 255, stacked.shape, np.uint8), "World-v0")
    assert spec.shape == (3, 40, 50)
    np.testing.assert_array_equal(encode(stacked), stacked)


def test_a_space_without_a_fixed_size_is_refused() -> None:
    with pytest.raises(UsageError, match="no fixed size"):
        read_observations(spaces.Sequence(spaces.Discrete(2)), "World-v0")


def test_agrees_with_gymnasium_step_by_step() -> None:
    environments = make_task("gymnasium:CartPole-v1").make(1)
    plain = gymnasium.make("CartPole-v1")
    state = environments.reset(4)
    plain.reset(seed=0)
    plain.unwrapped.state = state[0].numpy().astype(np.float64)
    for count in range(20):
        step = environments.step(torch.tensor([count % 2]))
        seen, reward, over, *_ = plain.step(count % 2)
        assert not over
        np.testing.assert_allclose(step.observation[0].numpy(), seen, atol=1e-5)
        assert float(step.reward[0]) == reward
    environments.close()
