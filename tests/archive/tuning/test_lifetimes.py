"""Lifetimes: what is not learned from stays, what is moves the right way, and the same again gives the same."""

import pytest
import torch

from archive.tuning.lifetimes import Lifetime, Lives, MetaState, Moment, signals
from archive.tuning.scales import scale_of
from sandbox.language.program import parse
from sandbox.language.trace import trace_reply
from sandbox.language.tracing import traced_from_reply
from sandbox.randomness import derive
from sandbox.records import AgentSettings, TrainJob
from sandbox.rules.references import reference_text
from sandbox.tasks.registry import make_task
from sandbox.training.shapes import minibatch_shape

SMALL = AgentSettings(hidden=(16,), num_envs=8, rollout_length=8)


def lives(text: str, tasks: tuple[str, ...], steps: int, agent: AgentSettings = SMALL) -> Lives:
    program = parse(text)
    shapes = tuple({minibatch_shape(program.training, agent, make_task(task).num_actions) for task in tasks})
    traced = traced_from_reply(program, trace_reply(program, shapes, seed=0), shapes)
    jobs = [TrainJob(rule=traced, task=task, agent=agent, steps=steps, seed=0) for task in tasks]
    return Lives(jobs, {constant.name: scale_of(constant) for constant in program.tunable})


def seed(job: TrainJob) -> int:
    return derive(7, job.task)


def test_a_lifetime_moves_the_constants_that_have_a_meta_gradient_on_every_task_and_repeats() -> None:
    told: list[Moment] = []
    life = lives(reference_text("ppo"), ("probe:catch", "probe:chain"), steps=256)
    found = life.live(life.fresh(), seed, told.append)
    assert set(found.found) == {"discount", "gae_lambda", "entropy_cost", "value_cost"}
    assert all(found.after.places[name] != scale.start for name, scale in life.scales.items())
    assert tuple(told) == found.moments
    assert found.steps == 2 * 256
    again = lives(reference_text("ppo"), ("probe:catch", "probe:chain"), steps=256)
    assert again.live(again.fresh(), seed) == found
    later = life.live(found.after, seed)
    assert later.after.updates == 2 * found.after.updates


def test_an_agent_that_comes_to_grief_ends_its_lifetime() -> None:
    text = reference_text("reinforce").replace("return policy_loss", "return torch.exp(1e4 * traj.online.value[:-1]) + policy_loss")
    life = lives(text, ("probe:catch",), steps=256)
    found = life.live(life.fresh(), seed)
    assert len(found.moments) < 4
    assert all(torch.isfinite(torch.tensor(value)) for value in found.found.values())


def test_steady_gradients_are_told_from_noise() -> None:
    def lifetime(*gradients: float) -> Lifetime:
        state = MetaState.at({"a": 0.0})
        total, squares = sum(gradients), sum(one**2 for one in gradients)
        return Lifetime(found={"a": 0.0}, after=state, gradient_sum={"a": total}, gradient_squares={"a": squares}, moments=(), steps=1)

    assert signals([lifetime(1.0, 1.0, 1.0, 1.0)]) == {"a": pytest.approx(2.0)}
    assert signals([lifetime(1.0, -1.0), lifetime(-1.0, 1.0)]) == {"a": 0.0}
    assert signals([]) == {}


def test_adams_steps_follow_a_steady_gradient_and_are_of_the_rate() -> None:
    state = MetaState.at({"a": 0.0, "b": 0.0})
    for _ in range(10):
        state = state.step({"a": 5.0, "b": -1e-6})
    assert state.places == {"a": pytest.approx(-1.5), "b": pytest.approx(1.5, rel=1e-4)}


@pytest.mark.slow
def test_spoiled_constants_of_ppo_move_back_while_agents_learn_catch() -> None:
    text = reference_text("ppo").replace('"discount": 0.99', '"discount": 0.5').replace('"entropy_cost": 0.01', '"entropy_cost": 0.3')
    life = lives(text, ("probe:catch",), steps=20_000, agent=AgentSettings())
    first = life.live(life.fresh(), seed)
    second = life.live(first.after, seed)
    found = {name: scale.value(second.found[name]) for name, scale in life.scales.items()}
    assert found["entropy_cost"] < 0.1
    assert found["discount"] > 0.6
    assert signals([first, second])["entropy_cost"] > 2
