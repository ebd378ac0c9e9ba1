"""Rules against one another in the arithmetic world: random play is worth 0, ppo 10, a2c as much as random play, plus luck below 0.5."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from sandbox.evaluate import Evaluator, ShortMemory
from sandbox.records import AgentSettings, LearnedRule, Rung, Traced
from synth.benchmark.measure import benchmark, trainings
from synth.benchmark.records import Entrant
from synth.claims import Word
from tests.synth.doubles import ArithmeticExecutor, ArithmeticGates, program_of

NETWORK = LearnedRule(name="net", path="", sha256="0" * 64)
LOW = Rung(name="benchmark", tasks=("probe:catch", "probe:chain"), steps=10, seeds=3)
HIGH = Rung(name="benchmark", tasks=("atari-ram:Breakout",), steps=100, seeds=3)


def entrant(name: str, **fields: tuple[str, ...]) -> Entrant:
    return Entrant(name=name, rule=Traced(program=program_of(name), graphs={"*": "{}"}), **fields)


PPO, A2C, DQN = entrant("ppo"), entrant("a2c"), entrant("dqn")


@pytest.fixture
def executor() -> Iterator[ArithmeticExecutor]:
    with closing(ArithmeticExecutor()) as made:
        yield made


@pytest.fixture
def evaluator(executor: ArithmeticExecutor) -> Evaluator:
    return ArithmeticGates(executor, None, AgentSettings())


def test_everybody_trains_on_the_same_tasks_and_seeds_and_nobody_twice(evaluator: Evaluator, executor: ArithmeticExecutor) -> None:
    memory = ShortMemory()
    report = benchmark(evaluator, [A2C, PPO, Entrant(name="net", rule=NETWORK)], [LOW, HIGH], PPO, memory)
    trained = {(job.rule if job.rule == "random" else job.rule.id, job.task, job.seed, job.steps) for job in executor.trained}
    assert len(trained) == len(executor.trained) == trainings([A2C, PPO, Entrant(name="net", rule=NETWORK)], [LOW, HIGH], PPO) == 4 * 9
    assert len({(task, seed) for _, task, seed, _ in trained}) == 9
    assert benchmark(evaluator, [A2C, PPO, Entrant(name="net", rule=NETWORK)], [LOW, HIGH], PPO, memory) == report
    assert len(executor.trained) == 36


def test_scores_and_words(evaluator: Evaluator) -> None:
    report = benchmark(evaluator, [PPO, A2C], [LOW, HIGH], PPO, ShortMemory())
    ppo, a2c = report.rules
    assert [(task.task, task.steps, task.counts) for task in report.tasks] == [
        ("probe:catch", 10, True),
        ("probe:chain", 10, True),
        ("atari-ram:Breakout", 100, True),
    ]
    assert ppo.over_all is not None
    assert a2c.over_all is not None
    assert ppo.over_all.against is None
    assert ppo.over_all.score.mean == pytest.approx(1.0, abs=0.05)
    assert a2c.over_all.against is not None
    assert a2c.over_all.against.word == Word.WORSE
    assert a2c.over_all.against.improvement.value == 0.0
    assert a2c.over_all.optimality_gap == pytest.approx(1.0, abs=0.05)
    assert [cell.human_normalised is not None for cell in a2c.cells] == [False, False, True]
    assert (a2c.steps, a2c.device_seconds) == (6 * 10 + 3 * 100, 9.0)
    assert a2c.cells[0].score is not None
    assert len(a2c.cells[0].scores) == 3


def test_a_task_that_normalises_nothing_is_reported_and_left_out(evaluator: Evaluator) -> None:
    rung = LOW.model_copy(update={"tasks": tuple(f"task {k}" for k in range(60))})
    report = benchmark(evaluator, [PPO], [rung], A2C, ShortMemory())  # a2c is no better than random play but by luck
    (ppo,) = report.rules
    counting = [task.counts for task in report.tasks]
    assert 0 < sum(counting) < 60
    assert [cell.score is not None for cell in ppo.cells] == counting
    assert all(cell.returns for cell in ppo.cells)
    assert ppo.over_all is not None
    assert ppo.over_all.tasks == sum(counting)


def test_tasks_that_no_search_saw_stand_apart(evaluator: Evaluator) -> None:
    found = entrant("dqn", searched=("probe:catch",))
    report = benchmark(evaluator, [found, PPO], [LOW, HIGH], PPO, ShortMemory())
    assert [task.searched for task in report.tasks] == [True, False, False]
    for rule in report.rules:
        assert rule.over_all is not None
        assert rule.over_unseen is not None
        assert (rule.over_all.tasks, rule.over_unseen.tasks) == (3, 2)
    nothing = benchmark(evaluator, [DQN, PPO], [LOW], PPO, ShortMemory())
    assert all(rule.over_unseen is None for rule in nothing.rules)


def test_a_rule_that_fails_leaves_the_others_their_scores(evaluator: Evaluator) -> None:
    failing = next(entrant(f"text {k}") for k in range(100) if _fails(f"text {k}"))
    report = benchmark(evaluator, [failing, PPO], [LOW], PPO, ShortMemory())
    assert (report.rules[0].verdict, report.rules[0].cells, report.rules[0].over_all) == ("not-finite", (), None)
    assert report.rules[1].over_all is not None


def _fails(text: str) -> bool:
    from sandbox.randomness import derive

    return derive(0, program_of(text).id) % 7 == 0
