"""Training, from a newborn agent to its final exam. Read `_Training.run` and `_learn` first: they go in the order in which papers tell it.

The trainer is the same for programs, references and the meta-network, and no text written by a model ever runs here: a rule is a verified
graph. Given the same job, every number comes out the same on the same machine's CPU; time used is the only exception.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor

from sandbox.agents.network import AgentNetwork, make_network
from sandbox.agents.torsos import convolves
from sandbox.errors import ProgramFault, RunFault, Verdict
from sandbox.execution.cores import workers_of
from sandbox.randomness import derive, torch_stream
from sandbox.records import LearnedRule, RunResult, Traced, TrainJob
from sandbox.rules.base import Batch, UpdateRule
from sandbox.rules.meta.weights import load_checked
from sandbox.rules.meta_network import MetaNetworkRule
from sandbox.rules.program_rule import ProgramRule
from sandbox.tasks.base import Environments, Task
from sandbox.tasks.registry import make_task
from sandbox.training.batches import gradient_norms, minibatches, unroll, zeros
from sandbox.training.checkpoint import VERSION, Checkpoint, job_hash, load, restarts, save
from sandbox.training.clock import Clock, one_thread, threads
from sandbox.training.diagnostics import Logbook
from sandbox.training.evaluation import agent_play, evaluate, random_play
from sandbox.training.optimiser import Optimiser, flatten, follow
from sandbox.training.replay import Ring, ring_columns
from sandbox.training.rollout import Collector
from sandbox.training.shapes import batch_envs, minibatch_shape
from sandbox.training.trajectories import Trajectories

Progress = Callable[[int], None]
"""Told the agent steps done, after every rollout."""

DISCOUNT = 0.99
"""At which a value's error is measured where the program names no `discount`."""


def train(job: TrainJob, *, checkpoint: Path | None = None, on_progress: Progress | None = None) -> RunResult:
    """Trains and examines one agent.

    `checkpoint` is where a long training is saved and taken up again; whoever gave it deletes it once the result is safe.
    Raises RunFault or Refusal where the program is at fault, UsageError for an unknown task, a checkpoint of another job, or more threads
    than cores.
    """
    task = make_task(job.task, job.task_settings)
    if job.rule == "random":
        return _random_result(task, job)
    return train_rule(_rule(job.rule), task, job, checkpoint=checkpoint, on_progress=on_progress)


def train_rule(
    rule: UpdateRule, task: Task, job: TrainJob, *, checkpoint: Path | None = None, on_progress: Progress | None = None
) -> RunResult:
    """The same for a rule and a task already made; of `job.rule` only a program's `discount` is read, for the diagnostics."""
    with threads(_threads(task, job)):
        training = _Training(rule, task, job)
        if checkpoint is not None and checkpoint.exists():
            training.restore(load(checkpoint, job))
        environments = task.make(job.agent.num_envs, device=job.agent.device)
        try:
            training.run(environments, checkpoint, on_progress)
        finally:
            environments.close()
        return training.result()


class _Training:
    """One agent and all that it learns with: network, optimiser, slow copy, trajectories, and the rule's state."""

    def __init__(self, rule: UpdateRule, task: Task, job: TrainJob) -> None:
        self.clock = Clock(job.agent.device)
        self.rule, self.task, self.job = rule, task, job
        self.device = torch.device(job.agent.device)
        self.heads = rule.heads(task.num_actions)
        self.shape = minibatch_shape(rule.training, job.agent, task.num_actions)
        self.uses = rule.uses(self.shape)
        self.zeros = zeros(self.heads, self.shape, self.device)
        self.replayed = batch_envs(rule.training, job.agent) - job.agent.num_envs
        self.steps_per_update = job.agent.rollout_length * job.agent.num_envs

        newborn = torch_stream(job.seed, "network")
        self.network = make_network(task.observation, task.num_actions, self.heads, job.agent, newborn).to(self.device)
        self.slow = deepcopy(self.network) if "target" in self.uses else None
        self.optimiser = Optimiser.of(self.network, rule.training, job.agent.learning_rate)
        self.target = flatten(self.slow) if self.slow is not None else None
        self.state = rule.initial_state(self.device)
        self.ring = self._make_ring()
        self.logbook = Logbook(job.steps, tuple(head.name for head in self.heads), _discount(job), self._has_value())
        self.update = 0  # rollouts done

    def run(self, environments: Environments, checkpoint: Path | None, on_progress: Progress | None) -> None:
        """Acts for T steps in B environments, learns from them, and again, until the budget is used."""
        collector = Collector(environments, self.network, self.rule.act, bootstraps="behaviour" in self.uses)
        resumed = self.update
        while (done := self.update * self.steps_per_update) < self.job.steps:
            if restarts(self.update, self.steps_per_update):
                if checkpoint is not None and self.update > resumed:
                    save(checkpoint, self._checkpoint())
                collector.reset(derive(self.job.seed, "environments", self.update))

            rollout = self.ring.claim()
            episodes = collector.collect(rollout, done / self.job.steps, self._stream("acting", self.job.agent.device))
            self.logbook.acted(done, rollout, episodes)
            for network in self._networks():
                network.observe(rollout.observation, rollout.actions)
            self._learn(done + self.steps_per_update)

            self.update += 1
            if on_progress is not None:
                on_progress(done + self.steps_per_update)

    def _learn(self, done: int) -> None:
        """`epochs` passes over the fresh trajectories and the replayed ones beside them, one gradient step a minibatch."""
        training = self.rule.training
        columns = self.ring.fresh()
        if training.waits and self.ring.held < min(len(columns) + self.replayed, self.ring.capacity):
            return
        if self.replayed:
            columns = torch.cat([columns, self.ring.draw(self.replayed, self._stream("replay"))])
        share = min(1.0, done / self.job.steps)
        progress = torch.tensor(share, device=self.device)
        order = self._stream("minibatches")
        parts = [part for _ in range(training.epochs) for part in minibatches(columns, training.minibatches, order)]
        losses, norms = [], []
        for number, part in enumerate(parts):
            batch = self._batch(self.ring.storage.select(part.to(self.device)), progress)
            if last := number == len(parts) - 1:
                for output in batch.online.values():
                    output.retain_grad()  # for the diagnostics
            losses.append(self._loss(batch))
            if training.target_lags:
                self._follow()
            norms.append(self.optimiser.step(share))
            if not training.target_lags:
                self._follow()
            if last:
                self.logbook.learned(done, float(torch.stack(losses).mean()), gradient_norms(batch.online))
        self._check_finite(done, torch.stack([*losses, *norms]))

    def _follow(self) -> None:
        if self.target is not None:
            follow(self.target, self.optimiser.parameters, self.rule.training.target_decay)

    def _batch(self, chosen: Trajectories, progress: Tensor) -> Batch:
        """What the rule sees of `[T, b]` trajectories; views that it does not read hold zeros."""
        target = self.zeros
        if self.slow is not None:
            with torch.no_grad():
                target = unroll(self.slow, chosen.observation)
        return Batch(
            actions=chosen.actions,
            rewards=chosen.rewards,
            continues=chosen.continues,
            truncated=chosen.truncated,
            online=unroll(self.network, chosen.observation),
            behaviour=chosen.heads if "behaviour" in self.uses else self.zeros,
            behaviour_log_prob=chosen.log_prob,
            target=target,
            progress=progress,
        )

    def _loss(self, batch: Batch) -> Tensor:
        """Calls the rule and leaves the gradient of its mean with the optimiser; the mean, 0-dim."""
        self.optimiser.clear()
        try:
            loss, state = self.rule(batch, self.state)
            mean = loss.mean()
            mean.backward()  # type: ignore[no-untyped-call]
        except ProgramFault:
            raise
        except Exception as error:  # whatever goes wrong in a program's graph is the program's fault, and a result
            raise _crashed(error) from error
        self.state = {name: value.detach() for name, value in state.items()}
        return mean.detach()

    def _check_finite(self, done: int, numbers: Tensor) -> None:
        """Once a rollout, so that a GPU is not waited for at every step."""
        for what, tensor in (("loss or gradient", numbers), ("parameters", self.optimiser.parameters), *self.state.items()):
            if not bool(torch.isfinite(tensor).all()):
                raise RunFault(
                    Verdict.NOT_FINITE,
                    f"The {what} became infinite or not a number in the rollout that ended at agent step {done}.",
                    "Bound what is divided by, exponentiated or multiplied up, with torch.clamp.",
                )

    def _networks(self) -> list[AgentNetwork]:
        """The one that learns, and its slow copy if there is one: they see on the same scale."""
        return [self.network] if self.slow is None else [self.network, self.slow]

    def result(self) -> RunResult:
        """The final exam, and everything that was written down."""
        returns = evaluate(agent_play(self.network, self.rule.act), self.task, self.job)
        return RunResult(
            task=self.task.name,
            seed=self.job.seed,
            steps=self.update * self.steps_per_update,
            final_return=sum(returns) / len(returns),
            episode_returns=returns,
            curve=self.logbook.curve(),
            diagnostics=self.logbook.diagnostics(),
            device_seconds=self.clock.seconds(),
        )

    def restore(self, saved: Checkpoint) -> None:
        """Goes on where `saved` was made."""
        self.update = saved["update"]
        self.clock.before = saved["seconds"]
        self.optimiser.restore(saved["optimiser"])
        for network in self._networks():
            for name, buffer in network.named_buffers():
                buffer.copy_(saved["scale"][name])
        if self.target is not None and saved["target"] is not None:
            self.target.copy_(saved["target"])
        self.state = saved["rule_state"]
        self.ring.restore(saved["ring"])
        self.logbook.restore(saved["logbook"])

    def _checkpoint(self) -> Checkpoint:
        return {
            "version": VERSION,
            "job": job_hash(self.job),
            "update": self.update,
            "seconds": self.clock.seconds(),
            "optimiser": self.optimiser.state(),
            "scale": dict(self.network.named_buffers()),
            "target": self.target,
            "rule_state": self.state,
            "ring": self.ring.state(),
            "logbook": self.logbook.state(),
        }

    def _make_ring(self) -> Ring:
        """Heads are recorded while acting where the rule reads them; `value` always, for the diagnostics."""
        agent, task = self.job.agent, self.task
        recorded = tuple(head for head in self.heads if "behaviour" in self.uses or (head.name == "value" and self._has_value()))
        columns = ring_columns(agent.num_envs, self.replayed > 0, agent.replay_capacity)
        storage = Trajectories.empty(agent.rollout_length, columns, task.observation, recorded, task.num_actions, self.device)
        return Ring(storage, agent.num_envs)

    def _has_value(self) -> bool:
        return any(head.name == "value" and head.shape(self.task.num_actions) == () for head in self.heads)

    def _stream(self, purpose: str, device: str = "cpu") -> torch.Generator:
        """The stream of one rollout: derived, so that a checkpoint need not keep it."""
        return torch_stream(self.job.seed, purpose, self.update, device=device)


def _rule(rule: Traced | LearnedRule) -> UpdateRule:
    """What a job names, made. UsageError where the file of a meta-network is not the one that was meant."""
    if isinstance(rule, Traced):
        return ProgramRule(rule)
    return MetaNetworkRule(load_checked(Path(rule.path), rule.sha256), rule.learning_rate, rule.replay_ratio)


def _threads(task: Task, job: TrainJob) -> int:
    """Convolutions are worth sharing between cores; for other torsos one thread is fastest. UsageError where there are fewer cores."""
    workers_of(job.agent.threads, asked=1)
    return job.agent.threads if convolves(task.observation, job.agent) else 1


def _crashed(error: Exception) -> RunFault:
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in str(error):
        return RunFault(Verdict.MEMORY_LIMIT, "The loss needs more memory than there is.", "Make its largest tensors smaller.")
    return RunFault(Verdict.CRASHED, f"The loss failed: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")


def _discount(job: TrainJob) -> float:
    """The program's constant `discount`, if it has one."""
    constants = job.rule.program.constants if isinstance(job.rule, Traced) else ()
    return next((float(constant.value) for constant in constants if constant.name == "discount"), DISCOUNT)


def _random_result(task: Task, job: TrainJob) -> RunResult:
    """The policy that never learns: nothing but the exam."""
    clock = Clock(job.agent.device)
    with one_thread():
        returns = evaluate(random_play(task.num_actions), task, job)
    return RunResult(
        task=task.name,
        seed=job.seed,
        steps=0,
        final_return=sum(returns) / len(returns),
        episode_returns=returns,
        curve=(),
        device_seconds=clock.seconds(),
    )
