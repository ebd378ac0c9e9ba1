"""What the agent moves is found, by made-up play and by real games whose memory others have labelled."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sandbox.agents.nearness import BINS, HEIGHT, OTHERS, OWN, ROWS, SPACING, TICKS, Nearness, soft_bins
from sandbox.tasks.registry import make_task

PLACE, THING, CLOCK, STICK, NOISE = 3, 7, 11, 13, 17
MIDDLE = BINS // 2


def play(ticks: int = TICKS, worlds: int = 16, answers: bool = True, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Bytes `[ticks+1, worlds, 40]` and actions: one byte walks by the action, one falls, one counts, one shows the stick, one is noise."""
    draw = torch.Generator().manual_seed(seed)
    actions = torch.randint(3, (ticks, worlds), generator=draw)
    walk = actions if answers else torch.randint(3, (ticks, worlds), generator=draw)
    raw = torch.zeros(ticks + 1, worlds, 40, dtype=torch.uint8)
    raw[..., NOISE] = torch.randint(256, (ticks + 1, worlds), generator=draw).to(torch.uint8)
    place = torch.full((worlds,), 60)
    for t in range(ticks + 1):
        raw[t, :, PLACE] = place.to(torch.uint8)
        raw[t, :, THING] = (3 * t + 17 * torch.arange(worlds)) % 160
        raw[t, :, CLOCK] = t % 256
        if t < ticks:
            place = (place + 2 * (walk[t] - 1)).clamp(30, 90)
            raw[t + 1, :, STICK] = (80 * actions[t] + 6 * torch.arange(worlds)).to(torch.uint8)
    return raw, actions


def settled(**which: object) -> Nearness:
    nearness = Nearness(40)
    nearness.observe(*play(**which))  # type: ignore[arg-type]
    return nearness


def paired(nearness: Nearness) -> tuple[list[int], list[int]]:
    """Both sides of the pairs that are used."""
    used = nearness.zero > 0
    return nearness.own[used].tolist(), nearness.other[used].tolist()


def test_what_walks_by_the_action_is_found_and_paired_with_what_comes_near() -> None:
    own, others = paired(settled())
    assert own == OTHERS * [PLACE]
    assert others[:2] == [THING, CLOCK]


def test_pairs_that_are_not_used_show_nothing() -> None:
    shown = settled()(play()[0].flatten(0, 1)).unflatten(1, (OWN, OTHERS * BINS))
    assert shown[:, 0].any()
    assert not shown[:, 1].any()


def test_what_mostly_jumps_is_no_place_however_often_it_is_near() -> None:
    nearness = settled()
    assert not {STICK, NOISE} & set(paired(nearness)[1])
    assert int(nearness.met[NOISE].sum()) > 240


def test_the_bins_are_radial_basis_functions_of_the_difference() -> None:
    nearness = settled()
    raw = torch.zeros(2, 40, dtype=torch.uint8)
    raw[0, PLACE], raw[0, THING] = 50, 50
    raw[1, PLACE], raw[1, THING] = 50, 50 + int(SPACING)
    together, apart = nearness(raw).view(2, OWN * OTHERS, BINS)[:, 0] / HEIGHT
    assert together[MIDDLE] == 1
    assert apart[MIDDLE + 1] == 1
    assert [float(together[MIDDLE + k]) for k in (-1, 1, 2)] == pytest.approx([math.exp(-1), math.exp(-1), math.exp(-4)])
    assert float(apart[MIDDLE]) == pytest.approx(math.exp(-1))


def test_bins_hold_no_number_that_is_slow_to_multiply() -> None:
    bins = soft_bins()
    assert not ((bins != 0) & (bins < torch.finfo(torch.float32).tiny)).any()
    assert (bins[0] == 0).all()


@pytest.mark.parametrize(("ticks", "worlds"), [(TICKS - 1, 64), (TICKS, ROWS // TICKS - 1)])
def test_nothing_is_shown_before_enough_was_seen(ticks: int, worlds: int) -> None:
    raw, actions = play(ticks, worlds)
    nearness = Nearness(40)
    nearness.observe(raw, actions)
    assert not nearness(raw.flatten(0, 1)).any()


def test_nothing_is_shown_where_nothing_answers() -> None:
    nearness = Nearness(40)
    nearness.observe(torch.zeros(TICKS + 1, 16, 40, dtype=torch.uint8), torch.zeros(TICKS, 16, dtype=torch.int64))
    assert not nearness(play()[0].flatten(0, 1)).any()


def test_what_is_settled_stays() -> None:
    nearness = settled()
    before = {name: value.clone() for name, value in nearness.named_buffers()}
    nearness.observe(*play(answers=False, seed=1))
    assert all(torch.equal(before[name], value) for name, value in nearness.named_buffers())
    assert nearness.state_dict() == {}


@settings(deadline=None, max_examples=15)
@given(cuts=st.lists(st.integers(1, TICKS - 1), max_size=4, unique=True), seed=st.integers(0, 2**20))
def test_rollouts_of_any_length_find_the_same(cuts: list[int], seed: int) -> None:
    raw, actions = play(seed=seed)
    ends = [0, *sorted(cuts), TICKS]
    nearness = Nearness(40)
    for start, end in itertools.pairwise(ends):
        nearness.observe(raw[start : end + 1], actions[start:end])
    whole = settled(seed=seed)
    assert torch.equal(nearness.own, whole.own)
    assert torch.equal(nearness.other, whole.other)


# Places by Anand et al. 2019, "Unsupervised state representation learning in Atari", table 6: `player_x` and its like; Breakout's paddle
# is moved by the byte that holds the stick, and Pong keeps its paddle twice.
LABELLED = {
    "SpaceInvaders": ({28}, {26, 83, 84}),  # the gun; invaders, and two bombs (by looking)
    "Seaquest": ({70, 97}, {30, 31, 32, 33}),  # the submarine, along and down; its enemies
    "Breakout": ({70, 72}, {99}),  # the paddle; the ball
    "Pong": ({4, 60}, {51, 54}),  # the paddle; the same, and the ball
}


@pytest.mark.parametrize("game", LABELLED)
def test_in_games_the_player_is_found_and_what_it_must_meet(game: str) -> None:
    own, others = LABELLED[game]
    task = make_task(f"atari-ram:{game}")
    worlds = task.make(16)
    actions = torch.randint(task.num_actions, (TICKS, 16), generator=torch.Generator().manual_seed(0))
    try:
        raw = [worlds.reset(0).clone(), *(worlds.step(action).observation.clone() for action in actions)]
    finally:
        worlds.close()
    nearness = Nearness(128)
    nearness.observe(torch.stack(raw), actions)
    found, near = map(set, paired(nearness))
    assert found == own
    assert others <= near
