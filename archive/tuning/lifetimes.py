"""Constants that move while agents learn under them: one lifetime after another, in which each agent lives on one of the tasks.

After every window of all agents the constants take one step of Adam against the mean of the agents' meta-gradients, each constant on a
line of its own (`archive.tuning.scales`). What a lifetime found is the mean place over its windows: young and old agents want different
things, and a constant is one number for all ages. Sources: Xu et al. 2018, "Meta-Gradient Reinforcement Learning"; Zahavy et al. 2020,
"A Self-Tuning Actor-Critic Algorithm".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch

from archive.baseline.meta_gradient import Window
from archive.tuning.scales import Scale
from archive.tuning.scholar import Scholar
from sandbox.records import Record, TrainJob
from sandbox.rules.differentiable import DifferentiableRule
from sandbox.rules.program_rule import ProgramRule
from sandbox.tasks.registry import make_task
from sandbox.training.clock import one_thread

RATE = 0.15  # of Adam, in units of the lines: a factor of e takes seven steps at least
BETA1, BETA2 = 0.9, 0.99
TINY = 1e-12

Places = dict[str, float]


class MetaState(Record):
    """Where the constants stand on their lines, and Adam's moments."""

    places: Places
    mean: Places
    square: Places
    updates: int = 0

    @staticmethod
    def at(places: Mapping[str, float]) -> MetaState:
        """A fresh one."""
        zeros = dict.fromkeys(places, 0.0)
        return MetaState(places=dict(places), mean=zeros, square=dict(zeros))

    def step(self, gradient: Mapping[str, float]) -> MetaState:
        """One of Adam's (Kingma & Ba 2015)."""
        count = self.updates + 1
        mean = {name: BETA1 * self.mean[name] + (1 - BETA1) * gradient[name] for name in gradient}
        square = {name: BETA2 * self.square[name] + (1 - BETA2) * gradient[name] ** 2 for name in gradient}
        places = {
            name: place - RATE * (mean[name] / (1 - BETA1**count)) / (math.sqrt(square[name] / (1 - BETA2**count)) + TINY)
            for name, place in self.places.items()
        }
        return MetaState(places=places, mean=mean, square=square, updates=count)


class Moment(Record):
    """One window: the constants at its end, and how undecided the agents' policies are."""

    steps: int  # of one agent
    constants: dict[str, float]
    entropy: float  # nats


class Lifetime(Record):
    """What one lifetime gave: places to try, the state to go on from, and how steady the meta-gradients were."""

    found: Places  # mean over the windows
    after: MetaState
    gradient_sum: Places
    gradient_squares: Places
    moments: tuple[Moment, ...]
    steps: int  # of all agents together


def signals(lifetimes: Sequence[Lifetime]) -> dict[str, float]:
    """For every constant the sum of its meta-gradients over the root of the sum of their squares: about a standard normal number where
    they are noise."""
    names = lifetimes[0].found if lifetimes else {}
    sums = {name: sum(one.gradient_sum[name] for one in lifetimes) for name in names}
    squares = {name: sum(one.gradient_squares[name] for one in lifetimes) for name in names}
    return {name: sums[name] / math.sqrt(squares[name] + TINY**2) for name in names}


def tunable(rule: DifferentiableRule, jobs: Sequence[TrainJob]) -> frozenset[str]:
    """The constants that have a meta-gradient on at least one of the jobs' tasks."""
    shapes = [Scholar.shape_on(rule, make_task(job.task, job.task_settings), job) for job in jobs]
    return frozenset().union(*(rule.tunable(shape) for shape in shapes))


class Lives:
    """Lifetimes under one program. `jobs` name one agent each: task, agent, steps; all of the same length."""

    def __init__(self, jobs: Sequence[TrainJob], scales: Mapping[str, Scale]) -> None:
        (program,) = {job.rule.id: job.rule for job in jobs if not isinstance(job.rule, str)}.values()
        self.rule = DifferentiableRule(ProgramRule(program))  # type: ignore[arg-type]
        self.jobs = jobs
        self.tunable = tunable(self.rule, jobs)
        self.scales = {name: scale for name, scale in scales.items() if name in self.tunable}

    def fresh(self) -> MetaState:
        """Where the first lifetime begins."""
        return MetaState.at({name: scale.start for name, scale in self.scales.items()})

    def live(self, state: MetaState, seed: Callable[[TrainJob], int], on_window: Callable[[Moment], None] | None = None) -> Lifetime:
        """One lifetime from `state`; `seed(job)` is that of the agent on its task. The same again gives the same."""
        with one_thread():
            agents = [self._born(job.model_copy(update={"seed": seed(job)})) for job in self.jobs]
            gradients, states, moments = [], [], []
            while any(agent.steps < agent.job.steps for agent in agents):
                windows = [agent.window(self._constants(state)) for agent in agents]
                if not all(_is_finite(window) for window in windows):
                    break  # an agent that came to grief teaches nothing more; the next lifetime begins with another
                gradient = self._gradient(windows, state)
                state = state.step(gradient)
                gradients.append(gradient)
                states.append(state)
                moments.append(self._moment(agents, windows, state))
                if on_window is not None:
                    on_window(moments[-1])
        return Lifetime(
            found={name: _mean([one.places[name] for one in states], state.places[name]) for name in self.scales},
            after=state,
            gradient_sum={name: sum(one[name] for one in gradients) for name in self.scales},
            gradient_squares={name: sum(one[name] ** 2 for one in gradients) for name in self.scales},
            moments=tuple(moments),
            steps=sum(agent.steps for agent in agents),
        )

    def _born(self, job: TrainJob) -> Scholar:
        task = make_task(job.task, job.task_settings)
        return Scholar(self.rule, task, job, task.make(job.agent.num_envs))

    def _constants(self, state: MetaState) -> dict[str, torch.Tensor]:
        """All of the program's, those that have no meta-gradient at their declared values."""
        values = {name: float(value) for name, value in self.rule.rule.constants.items()}
        values |= {name: scale.value(state.places[name]) for name, scale in self.scales.items()}
        return {name: torch.tensor(value) for name, value in values.items()}

    def _gradient(self, windows: Sequence[Window], state: MetaState) -> Places:
        """The mean over agents, along the lines."""
        return {
            name: _mean([float(window.gradient[name]) for window in windows], 0.0) * scale.slope(state.places[name])
            for name, scale in self.scales.items()
        }

    def _moment(self, agents: Sequence[Scholar], windows: Sequence[Window], state: MetaState) -> Moment:
        values = {name: scale.value(state.places[name]) for name, scale in self.scales.items()}
        entropy = _mean([float(window.outer.entropy) for window in windows], 0.0)
        return Moment(steps=agents[0].steps, constants=values, entropy=entropy)


def _is_finite(window: Window) -> bool:
    numbers = [window.loss, *window.gradient.values(), *window.life.parameters.values()]
    return all(bool(torch.isfinite(number).all()) for number in numbers)


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
