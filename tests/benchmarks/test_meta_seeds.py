"""Meta-networks of several seeds side by side: what is asked, and how it is shown."""

from __future__ import annotations

from archive.baseline.trial import Trial, mean
from benchmarks.meta_seeds import TASKS, line, rungs
from sandbox.tasks.registry import check_name


def test_every_task_has_its_own_budget_and_all_share_seeds() -> None:
    ladder = rungs(["catch@60000", "chain@500"], seeds=4)
    assert [(rung.tasks, rung.steps, rung.seeds) for rung in ladder] == [(("probe:catch",), 60_000, 4), (("probe:chain",), 500, 4)]
    assert len({rung.name for rung in ladder}) == 1, "seeds derive from the name"
    for rung in rungs(list(TASKS), seeds=1):
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
