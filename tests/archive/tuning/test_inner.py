"""The meta-gradient in a program's constants is what finite differences find, through cuts, optimiser and slow parameters."""

from __future__ import annotations

from functools import cached_property

import pytest
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from archive.baseline.meta_gradient import Life, Weights, meta_gradient
from archive.baseline.value_function import assess
from archive.tuning.inner import agent_step, inner_step, moves_of, policy
from archive.tuning.lessons import Lesson
from archive.tuning.scholar import Scholar
from sandbox.language import toolkit as rl
from sandbox.language.program import parse
from sandbox.language.trace import trace_reply
from sandbox.language.tracing import traced_from_reply
from sandbox.records import AgentSettings, Traced, Training, TrainJob
from sandbox.rules.differentiable import DifferentiableRule
from sandbox.rules.meta.optimiser import AdamState
from sandbox.rules.program_rule import ProgramRule
from sandbox.rules.references import reference_text
from sandbox.tasks.registry import make_task
from sandbox.training.optimiser import Optimiser
from sandbox.training.shapes import minibatch_shape
from sandbox.training.trainer import _Training

AGENT = AgentSettings(hidden=(8,), num_envs=8, rollout_length=6, replay_capacity=32)
TASK = make_task("probe:catch")
UPDATES = 3
ROUNDING = 1e-12  # of a difference of losses, over its width
FOUND: dict[str, tuple[Weights, Weights]] = {}


def traced(text: str) -> Traced:
    program = parse(text)
    shapes = (minibatch_shape(program.training, AGENT, TASK.num_actions),)
    return traced_from_reply(program, trace_reply(program, shapes, seed=0), shapes)


def scholar(program: Traced, seed: int = 1) -> Scholar:
    job = TrainJob(rule=program, task=TASK.name, agent=AGENT, steps=240, seed=seed)
    return Scholar(DifferentiableRule(ProgramRule(program)), TASK, job, TASK.make(AGENT.num_envs))


def constants(program: Traced, dtype: torch.dtype = torch.float64) -> Weights:
    return {constant.name: torch.tensor(float(constant.value), dtype=dtype) for constant in program.program.tunable}


def double(tree: object) -> object:
    return pytree.tree_map(lambda leaf: leaf.double() if leaf.is_floating_point() else leaf, tree)


class Loop:
    """Three updates of an agent that has lived a little, and what they are judged by, all of it recorded, in float64."""

    def __init__(self, text: str) -> None:
        self.program = traced(text)
        self.agent = scholar(self.program)
        young = constants(self.program, torch.float32)
        self.agent.window(young)
        life = self.agent.life
        self.lessons: list[Lesson] = [double(self.agent._collect(life, 0)) for _ in range(UPDATES)]  # type: ignore[misc]
        self.lessons.append(double(self.agent._collect(life, self.agent.updates)))  # type: ignore[arg-type]
        self.life: Life = double(life)  # type: ignore[assignment]
        self.values = double(self.agent.values)

    def gradient(self) -> Weights:
        collect = lambda life, k: self.lessons[k]  # noqa: E731
        moves = moves_of(self.agent.pupil, UPDATES)
        return meta_gradient(moves, constants(self.program), self.life, self.values, collect, UPDATES).gradient  # type: ignore[arg-type]

    def loss(self, given: Weights) -> float:
        """Of the agent after three updates, written down anew; what the judge says is held as it is at the declared constants."""
        pupil, act = self.agent.pupil, self.program.program.act
        with torch.no_grad():
            log_policy = policy(act, pupil.network(self.end(given).parameters, self.lessons[-1].observations))
            gain = -(rl.select(log_policy[:-1], self.lessons[-1].actions[:-1]) * self.advantage).mean()
            return float(gain - pupil.policy_entropy * rl.entropy(log_policy[:-1]).mean())

    def end(self, given: Weights) -> Life:
        life = self.life
        for lesson in self.lessons[:-1]:
            life, _ = inner_step(self.agent.pupil, given, life, lesson)
        return life

    @cached_property
    def advantage(self) -> Tensor:
        pupil, life, values = self.agent.pupil, self.life, self.values
        for lesson in self.lessons[:-1]:
            life, values, _ = moves_of(pupil, UPDATES).forward(constants(self.program), life, values, lesson)
        log_policy = policy(self.program.program.act, pupil.network(life.parameters, self.lessons[-1].observations))
        return assess(pupil.value_network, values, self.lessons[-1], log_policy, pupil.value_settings).normalized_advantage


def slope(loop: Loop, name: str, width: float) -> float:
    """Central difference of the fourth order."""
    ends = []
    for factor in (-2, -1, 1, 2):
        moved = constants(loop.program)
        moved[name] = moved[name] + factor * width
        ends.append(loop.loss(moved))
    return (ends[0] - 8 * ends[1] + 8 * ends[2] - ends[3]) / (12 * width)


@pytest.fixture(params=["ppo", "dqn", "discorl_like", "vmpo"], scope="module")
def loop(request: pytest.FixtureRequest) -> Loop:
    return Loop(reference_text(request.param))


def test_the_meta_gradient_agrees_with_finite_differences(loop: Loop) -> None:
    """To 1e-6 at one width at least: wider ones may step over a kink, in narrower ones rounding is all there is."""
    without = set(loop.gradient()) - loop.agent.pupil.rule.tunable(loop.agent.shape)
    assert without == ({"clip"} if "clip" in loop.gradient() else set())
    for name, gradient in loop.gradient().items():
        if name in without:
            assert gradient == 0, "zero by construction, not by accident"
            assert abs(slope(loop, name, 1e-4)) < 1e-10
        else:
            error = min(abs(slope(loop, name, width) - float(gradient)) for width in (1e-3, 1e-4, 1e-5, 1e-6))
            assert error <= 1e-6 * abs(float(gradient)) + ROUNDING, name


def test_cuts_are_open_to_the_constants_and_closed_to_the_agent() -> None:
    """Where the cut value is made of the agent's own heads: the way through the cut is the only one that this discount has."""
    loop = Loop(reference_text("dqn").replace("traj.target.q[1:]", "traj.online.q[1:].detach()"))
    found = float(loop.gradient()["discount"])
    assert found != 0
    assert slope(loop, "discount", 1e-4) == pytest.approx(found, rel=1e-6)


# ---------------------------------------------------------------------------------------------------- the trainer's parts
def test_a_step_is_the_trainers_own() -> None:
    stream = torch.Generator().manual_seed(1)
    network = torch.nn.Linear(3, 2, dtype=torch.float64)
    parameters = {name: value.detach().clone() for name, value in network.named_parameters()}
    training = Training(max_grad_norm=0.7, weight_decay=0.05)
    optimiser, state = Optimiser.of(network, training, 3e-2), AdamState.fresh(parameters)
    for _ in range(5):
        gradients = {name: torch.randn(value.shape, generator=stream, dtype=torch.float64) for name, value in parameters.items()}
        optimiser.gradient.copy_(torch.cat([gradient.flatten() for gradient in gradients.values()]))
        optimiser.step(0.0)
        parameters, state = agent_step(parameters, gradients, state, training, 3e-2)
    for name, value in network.named_parameters():
        assert parameters[name] == pytest.approx(value.detach().numpy(), rel=1e-12)


@pytest.mark.parametrize("name", ["ppo", "dqn", "vmpo", "ppo, its rate falling"])
def test_at_constants_that_stay_an_agent_lives_as_the_trainer_would_have_it(name: str) -> None:
    name, _, falling = name.partition(",")
    text = reference_text(name)
    program = traced(text.replace("TRAINING = {", 'TRAINING = {"learning_rate_decay": 0.9, ') if falling else text)
    agent = scholar(program)
    environments = TASK.make(AGENT.num_envs)
    training = _Training(ProgramRule(program), TASK, agent.job)
    training.run(environments, None, None)
    while agent.steps < training.update * training.steps_per_update + 48:
        agent.window(constants(program, torch.float32))
    for key, value in training.network.named_parameters():
        assert agent.life.parameters[key] == pytest.approx(value.detach().numpy(), abs=2e-5)
    for key, value in training.state.items():
        assert agent.life.rule_state[key] == pytest.approx(value.numpy(), abs=2e-5)
