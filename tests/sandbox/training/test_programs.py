"""The reference programs, from text to a trained agent."""

from __future__ import annotations

import pytest

from sandbox.language.gates import GATE_SHAPES
from sandbox.language.program import parse
from sandbox.records import RunResult, TrainJob
from sandbox.rules.references import reference_text
from sandbox.tasks.registry import make_task
from sandbox.training.trainer import train, train_rule
from tests.support import EagerRule, traced


def job(name: str, steps: int, seed: int = 1) -> TrainJob:
    return TrainJob(rule=traced(reference_text(name), GATE_SHAPES), task="probe:catch", steps=steps, seed=seed)


def numbers(result: RunResult) -> RunResult:
    return result.model_copy(update={"device_seconds": 0.0})


@pytest.mark.parametrize("name", ["ppo", "dqn"])
def test_a_reference_learns_catch(name: str) -> None:
    result = train(job(name, 20_000))
    assert result.final_return >= 0.5
    assert result.diagnostics.dead_heads == ()


def test_a_program_with_everything_gives_the_same_numbers_again() -> None:
    first, again = (train(job("discorl_like", 2000)) for _ in range(2))
    assert numbers(first) == numbers(again)
    assert set(first.diagnostics.gradient_norm) == {"logits", "value", "y", "z"}


def test_graph_and_text_train_alike() -> None:
    which = job("ppo", 4000)
    graph = train(which)
    text = train_rule(EagerRule(parse(reference_text("ppo"))), make_task(which.task), which)
    assert graph.diagnostics.loss[0] == pytest.approx(text.diagnostics.loss[0], rel=1e-4)
    assert [point.score for point in graph.curve[:3]] == [point.score for point in text.curve[:3]]
