"""Meta-networks of several seeds side by side: what is asked, and how it is shown."""

from __future__ import annotations

import pytest
import torch

from archive.baseline.trial import Trial, mean
from benchmarks.meta_seeds import TASKS, WORLDS, Lives, line, lives_line, mdp_worth, rungs
from sandbox.tasks.probes.random_mdp import RandomMdp
from sandbox.tasks.registry import check_name


def test_every_task_has_its_own_budget_and_all_share_seeds() -> None:
    ladder = rungs(["catch@60000", "chain@500"], seeds=4)
    assert [(rung.tasks, rung.steps, rung.seeds) for rung in ladder] == [(("probe:catch",), 60_000, 4), (("probe:chain",), 500, 4)]
    assert len({rung.name for rung in ladder}) == 1, "seeds derive from the name"
    for rung in rungs([*TASKS, *WORLDS], seeds=1):
        check_name(rung.tasks[0])


def test_a_row_says_how_far_agents_came() -> None:
    trial = Trial(
        task="probe:catch",
        held_out=True,
        chance=-0.75,
        optimum=1.0,
        random=mean([-0.75, -0.75]),
        learned=mean([0.9, 1.0]),
        reinforce=mean([0.1, 0.3]),
        reinforce_rate=4e-3,
        rates={"0.004": 0.2},
        above_random="better",
        word="better",
    )
    row = line(trial)
    assert all(word in row for word in ("probe:catch", "0.95", "0.20", "at 0.004", "97%", "better", "held out"))


def test_what_a_random_mdp_is_worth_is_what_playing_it_earns() -> None:
    chance, optimum = mdp_worth(3)
    worlds, stream = RandomMdp(20_000, "cpu"), torch.Generator().manual_seed(0)
    worlds.reset(3)
    earned = [worlds.step(torch.randint(3, (20_000,), generator=stream)).score.mean() for _ in range(worlds.length)][-1]
    assert float(earned) == pytest.approx(chance, abs=0.15)
    greedy = worlds.rewards.view(-1, 3).argmax(1)  # by the next reward alone: good, and not the best
    for _ in range(worlds.length):
        earned = worlds.step(greedy[worlds.state]).score.mean()
    assert chance < float(earned) <= optimum + 0.15


def test_a_row_of_worlds_says_how_far_each_agent_came() -> None:
    lives = Lives(learned=(5.0, 8.0), reinforce=(9.0, 1.0), reinforce_rate=4e-3, worth=((0.0, 10.0), (-2.0, 8.0)))
    assert lives_line("probe:random-mdp", lives).endswith("5.00 8.00   REINFORCE at 0.004: 9.00 1.00   of the way: 50% 100%; 90% 30%")
    assert lives_line("probe:corridor", lives.model_copy(update={"worth": None})).endswith("9.00 1.00")
