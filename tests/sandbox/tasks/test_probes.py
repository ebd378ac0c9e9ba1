"""The probes play the games that their docstrings tell."""

import numpy as np
import pytest
import torch

from sandbox.tasks.probes.catch import COLUMNS, ROWS, Catch
from sandbox.tasks.probes.delayed_credit import COIN, CUES, HALF, DelayedCredit


def catch_by_hand(ball: int, actions: list[int]) -> tuple[list[np.ndarray], float]:
    """A second, plain implementation of Catch: the boards seen before each action, and the outcome."""
    paddle, boards = COLUMNS // 2, []
    for row, action in enumerate(actions):
        board = np.zeros((ROWS, COLUMNS), np.float32)
        board[row, ball] = board[ROWS - 1, paddle] = 1
        boards.append(board.ravel())
        paddle = min(max(paddle + action - 1, 0), COLUMNS - 1)
    return boards, 1.0 if paddle == ball else -1.0


@pytest.mark.parametrize("seed", range(3))
def test_catch_agrees_with_a_plain_implementation(seed: int) -> None:
    worlds = Catch(32, "cpu")
    first = worlds.reset(seed)
    balls = first.reshape(32, ROWS, COLUMNS)[:, 0].argmax(-1).tolist()
    actions = np.random.default_rng(seed).integers(3, size=(ROWS - 1, 32))
    steps = [worlds.step(torch.from_numpy(row)) for row in actions]
    for env in range(32):
        boards, outcome = catch_by_hand(balls[env], actions[:, env].tolist())
        seen = [first[env], *(step.observation[env] for step in steps[:-1])]
        np.testing.assert_array_equal(np.stack(seen), np.stack(boards))
        assert [float(step.reward[env]) for step in steps] == [0.0] * (ROWS - 2) + [outcome]
        assert float(steps[-1].score[env]) == outcome
        assert bool(steps[-1].finished[env])
    new = steps[-1].observation.reshape(32, ROWS, COLUMNS)
    assert (new[:, 0].sum(-1) == 1).all()
    assert (new[:, ROWS - 1, COLUMNS // 2] == 1).all()


def test_a_perfect_catcher_never_misses() -> None:
    worlds = Catch(256, "cpu")
    observation = worlds.reset(0)
    scores = []
    for _ in range(3 * (ROWS - 1)):
        board = observation.reshape(-1, ROWS, COLUMNS)
        ball, paddle = board[:, :-1].sum(1).argmax(-1), board[:, -1].argmax(-1)
        step = worlds.step(torch.sign(ball - paddle) + 1)
        observation = step.observation
        scores.append(step.score[step.finished])
    assert torch.equal(torch.cat(scores), torch.ones(3 * 256))


def test_delayed_credit_pays_for_the_first_action_alone() -> None:
    worlds = DelayedCredit(512, "cpu")
    cue = worlds.reset(0)[:, :CUES].argmax(-1)
    first = torch.randint(2, (512,), generator=torch.Generator().manual_seed(1))
    right = first == cue % 2
    rewards = [worlds.step(first)]
    rewards += [worlds.step(torch.full((512,), t % 2)) for t in range(1, worlds.length)]
    paid = torch.stack([step.reward for step in rewards])
    assert torch.equal(rewards[-1].score, torch.where(right, 1.0, -1.0))
    assert torch.equal(paid.sum(0), rewards[-1].score)
    nonzero = paid.abs().sum(1).nonzero().ravel().tolist()
    assert nonzero == [HALF - 1, worlds.length - 1]
    assert torch.equal(paid[HALF - 1].abs(), torch.full((512,), COIN))
    assert abs(float(paid[HALF - 1].mean())) < 0.1


def test_delayed_credit_shows_its_whole_state_and_shares_no_feature_between_the_halves() -> None:
    worlds = DelayedCredit(64, "cpu")
    worlds.reset(3)
    seen = [worlds.step(torch.zeros(64, dtype=torch.int64)) for _ in range(worlds.length)]
    early = torch.stack([step.observation for step in seen[: HALF - 1]])[..., :-1]  # all but the time
    late = torch.stack([step.observation for step in seen[HALF - 1 : -1]])[..., :-1]
    assert not (early.abs().sum((0, 1)) * late.abs().sum((0, 1))).any()
    right = (seen[-1].score > 0).float()
    assert torch.equal(early[-1, :, CUES + 1], right)
    assert torch.equal(late[-1, :, CUES + 4 : CUES + 6].sum(-1), right)
    won = (seen[HALF - 1].reward > 0).float()
    assert torch.equal(late[-1, :, CUES + 3] + late[-1, :, CUES + 5], won)


def test_what_steps_share_cannot_be_written_to() -> None:
    worlds = Catch(4, "cpu")
    worlds.reset(0)
    step = worlds.step(torch.zeros(4, dtype=torch.int64))
    for shared in (step.reward, step.continues, step.truncated, step.score):
        with pytest.raises(RuntimeError):
            shared.add_(1)


def test_the_global_generators_are_neither_read_nor_moved() -> None:
    state = torch.get_rng_state()
    worlds = Catch(4, "cpu")
    first = worlds.reset(0)
    torch.manual_seed(123)
    assert torch.equal(Catch(4, "cpu").reset(0), first)
    torch.set_rng_state(state)
    worlds.step(torch.zeros(4, dtype=torch.int64))
    assert torch.equal(torch.get_rng_state(), state)
