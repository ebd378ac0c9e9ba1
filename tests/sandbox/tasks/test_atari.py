"""Atari from memory and from pixels: ALE's own numbers, chance that comes from the seed alone, lives, clipping, limits."""

import ale_py
import numpy as np
import pytest
import torch
from ale_py import roms

from sandbox.records import TaskSettings
from sandbox.tasks.atari import Ledger, Rules
from sandbox.tasks.emulator import Cartridge, cartridge
from sandbox.tasks.pixels import PixelEnvironments
from sandbox.tasks.ram import RamEnvironments
from sandbox.tasks.registry import make_task
from sandbox.training.clock import threads

PLAIN = Rules(frame_skip=4, sticky=0.0, episode_limit=100_000, episodic_life=False, clip_rewards=False)


def raw_interface(rom: str, frame_skip: int) -> ale_py.ALEInterface:
    """A new interface that was never restored."""
    emulator = ale_py.ALEInterface()
    emulator.setInt("random_seed", 0)
    emulator.setInt("frame_skip", frame_skip)
    emulator.setFloat("repeat_action_probability", 0.0)
    emulator.loadROM(roms.get_rom_path(rom))
    return emulator


@pytest.mark.parametrize(("game", "rom"), [("SpaceInvaders", "space_invaders"), ("Breakout", "breakout")])
def test_memory_and_points_are_those_of_a_raw_interface(game: str, rom: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.tasks.ram.MAX_NOOPS", 0)
    environments = RamEnvironments(game, 2, PLAIN, "cpu")
    for _ in range(2):  # the second time with used emulators
        raw = raw_interface(rom, 4)
        actions = [action.value for action in raw.getMinimalActionSet()]
        first = environments.reset(5)
        np.testing.assert_array_equal(first[1].numpy(), raw.getRAM())
        for action in np.random.default_rng(1).integers(len(actions), size=150).tolist():
            step = environments.step(torch.full((2,), action))
            assert float(step.reward[1]) == raw.act(actions[action])
            np.testing.assert_array_equal(step.observation[1].numpy(), raw.getRAM())
    environments.close()


def test_starts_are_the_states_after_so_many_noops() -> None:
    fresh = Cartridge("Pong")
    emulator = fresh.take(1)[0]
    raw = raw_interface("pong", 1)
    expected = [raw.getRAM()] + [raw.act(0) or raw.getRAM() for _ in range(20)]
    for noops in (7, 20, 0, 7, 13):
        fresh.start(emulator, noops)
        emulator.act(0)
        emulator.act(3)  # leaves the saved states as they were
        fresh.start(emulator, noops)
        np.testing.assert_array_equal(emulator.getRAM(), expected[noops])


def test_stickiness_keeps_the_old_action_frame_by_frame() -> None:
    environments = RamEnvironments("Pong", 1, Rules(4, 0.25, 1000, episodic_life=False, clip_rewards=False), "cpu")
    environments.reset(0)
    held = np.array([environments._held_frames()[0] for _ in range(20_000)])
    shares = np.bincount(held, minlength=5) / len(held)
    np.testing.assert_allclose(shares, [0.75, 0.1875, 0.046875, 0.01171875, 0.00390625], atol=0.01)
    environments.close()

    class Recorder:
        def __init__(self) -> None:
            self.pressed: list[int] = []

        def act(self, action: int) -> int:
            self.pressed.append(action)
            return 1

    recorder = Recorder()
    assert environments._play(recorder, 3, 4, 1) == 4
    assert recorder.pressed == [3, 4, 4, 4]


def test_no_button_stays_pressed_over_a_reset() -> None:
    environments = RamEnvironments("Pong", 4, Rules(4, 0.97, 1000, episodic_life=False, clip_rewards=False), "cpu")
    runs = []
    for before in (0, 2, 3):
        for _ in range(40):
            environments.step(torch.full((4,), before)) if runs else environments.reset(1)
        environments.reset(0)
        runs.append([environments.step(torch.zeros(4, dtype=torch.int64)).observation for _ in range(3)])
    environments.close()
    assert all(torch.equal(a, b) for run in runs[1:] for a, b in zip(run, runs[0], strict=True))


def test_no_stickiness_means_none() -> None:
    environments = RamEnvironments("Pong", 8, PLAIN, "cpu")
    environments.reset(0)
    assert all(environments._held_frames() == [0] * 8 for _ in range(100))
    environments.close()


@pytest.mark.parametrize("name", ["atari-ram:Breakout", "atari-42:Breakout"])
def test_a_lost_life_ends_the_learners_episode_and_not_the_game(name: str) -> None:
    task = make_task(name, TaskSettings(sticky=0.0))
    learner, examiner = task.make(1), task.make(1, evaluation=True)
    learner.reset(1)
    examiner.reset(1)
    learned = examined = 0
    fire, noop = torch.ones(1, dtype=torch.int64), torch.zeros(1, dtype=torch.int64)
    for count in range(400):
        action = fire if count % 5 == 0 else noop
        step, exam = learner.step(action), examiner.step(action)
        assert torch.equal(step.finished, exam.finished)
        assert torch.equal(step.observation, exam.observation)
        learned += int(step.continues == 0)
        examined += int(exam.continues == 0)
        if step.finished:
            assert float(step.score) == float(exam.score)
            break
    assert (learned, examined) == (5, 1)
    learner.close()
    examiner.close()


@pytest.mark.parametrize("name", ["atari-ram:SpaceInvaders", "atari-42:SpaceInvaders"])
def test_learners_see_clipped_rewards_and_scores_stay_whole(name: str) -> None:
    task = make_task(name, TaskSettings(episode_limit=150))
    learner, examiner = task.make(2), task.make(2, evaluation=True)
    learner.reset(2)
    examiner.reset(2)
    points = torch.zeros(2)
    chosen = np.random.default_rng(3).integers(task.num_actions, size=(150, 2))
    for actions in torch.from_numpy(chosen):
        step, exam = learner.step(actions), examiner.step(actions)
        assert torch.equal(step.reward, torch.sign(exam.reward))
        points += exam.reward
        if exam.finished.any():
            break
    assert points.max() >= 5  # an invader is worth at least that
    assert torch.equal(step.score, exam.score)
    assert torch.equal(exam.score[exam.finished], points[exam.finished])
    learner.close()
    examiner.close()


@pytest.mark.parametrize("name", ["atari-ram:Pong", "atari-42:Pong"])
def test_the_limit_counts_agent_steps_and_truncates(name: str) -> None:
    environments = make_task(name, TaskSettings(episode_limit=12)).make(2)
    environments.reset(0)
    for game in range(2):
        for count in range(1, 13):
            step = environments.step(torch.zeros(2, dtype=torch.int64))
            last = torch.full((2,), count == 12)
            assert torch.equal(step.finished, last), (game, count)
            assert torch.equal(step.truncated, last.float())
            assert torch.equal(step.continues, 1 - last.float())
    environments.close()


def test_pixels_are_four_grey_frames_oldest_first() -> None:
    task = make_task("atari-42:Pong", TaskSettings(sticky=0.0))
    environments = task.make(1)
    before = environments.reset(0)
    for _ in range(6):
        step = environments.step(torch.ones(1, dtype=torch.int64))
        assert torch.equal(step.observation[:, :-1], before[:, 1:])
        before = step.observation
    assert before.float().std() > 1
    environments.close()


def test_pixels_are_the_same_on_any_number_of_threads() -> None:
    seen = []
    for count in (1, 2):
        with threads(count):
            environments = make_task("atari-42:Breakout").make(3)
        assert environments._emulators is not None
        observations = [environments.reset(5)]
        observations += [environments.step(torch.full((3,), number % 4)).observation for number in range(40)]
        seen.append(torch.stack(observations))
        environments.close()
    assert torch.equal(*seen)


def test_the_action_set_is_that_of_both_backends() -> None:
    task = make_task("atari:Breakout")
    environments = task.make(1)
    assert isinstance(environments, PixelEnvironments)
    assert environments._emulators.single_action_space.n == task.num_actions == len(cartridge("Breakout").actions) == 4
    environments.close()


def test_ledger_by_hand() -> None:
    ledger = Ledger(3, Rules(4, 0.25, 100, episodic_life=True, clip_rewards=True), "cpu")
    bytes_, no = np.zeros((3, 2), np.uint8), np.zeros(3, np.bool_)
    ledger.open(bytes_, np.array([3, 3, 0], np.int32))
    first = ledger.write(bytes_, np.array([10.0, -2.0, 0.0], np.float32), no, no, np.array([3, 2, 0], np.int32))
    assert first.reward.tolist() == [1, -1, 0]
    assert first.continues.tolist() == [1, 0, 1]
    assert not first.finished.any()
    over, cut = np.array([True, False, True]), np.array([False, True, True])
    second = ledger.write(bytes_, np.array([5.0, 7.0, 1.0], np.float32), over, cut, np.array([3, 3, 0], np.int32))
    assert second.score.tolist() == [15, 5, 1]
    assert second.continues.tolist() == [0, 0, 0]
    assert second.truncated.tolist() == [0, 1, 0]
    third = ledger.write(bytes_, np.array([1.0, 1.0, 1.0], np.float32), over, no, np.array([3, 3, 0], np.int32))
    assert third.score.tolist() == [1, 0, 1]
