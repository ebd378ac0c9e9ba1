"""What the archive knows about a program, for its card: scores, skills, lineage, and the command that does it again."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import numpy as np

from archive.base import Archive
from archive.records import Elite, Result
from sandbox.errors import UsageError
from sandbox.evaluate import Evaluator
from sandbox.execution.base import JobResult
from sandbox.randomness import numpy_stream
from sandbox.records import AgentSettings, DescribeJob, Evaluation, GateJob, Limits, Record, Rung, Score, TaskSettings, TrainJob, program_id
from sandbox.rules.references import reference_text
from sandbox.score import bootstrap_interval, interquartile_mean, normalise
from sandbox.tasks.probes import SKILLS
from synth.card.records import AncestorCard, RungCard, SkillCard
from synth.spec import CampaignSpec

GENERATIONS = 6
"""How far back a lineage is shown."""


def rung_cards(result: Result | None, spec: CampaignSpec) -> tuple[RungCard, ...]:
    """Every rung that was reached."""
    tasks = {rung.name: rung.tasks for rung in spec.all_rungs}
    evaluations = result.evaluations if result else ()
    return tuple(RungCard(rung=one.rung, tasks=tasks.get(one.rung, ()), score=one.score, fault=one.fault) for one in evaluations)


# ------------------------------------------------------------------------------------------------------- skills
def skill_cards(archive: Archive, result: Result | None, spec: CampaignSpec) -> tuple[SkillCard, ...]:
    """Every probe the program was trained on, by the rung it was first met on; normalised where the anchors' trainings are kept."""
    rungs = {rung.name: rung for rung in spec.all_rungs}
    cards: dict[str, SkillCard] = {}
    for evaluation in result.evaluations if result else ():
        rung = rungs.get(evaluation.rung)
        probes = [task for task in (rung.tasks if rung else ()) if task.startswith("probe:") and task not in cards]
        for task in probes:
            returns = _returns(evaluation, task)
            if rung and returns:
                score = _skill_score(archive, returns, task, rung, spec)
                skill = SKILLS[world].skill if (world := task.removeprefix("probe:")) in SKILLS else ""
                cards[task] = SkillCard(task=task, skill=skill, returns=returns, score=score)
    return tuple(cards.values())


def _returns(evaluation: Evaluation, task: str) -> tuple[float, ...]:
    return tuple(run.final_return for run in evaluation.runs if run.task == task)


def _skill_score(archive: Archive, returns: tuple[float, ...], task: str, rung: Rung, spec: CampaignSpec) -> Score | None:
    random, baseline = _random_returns(archive, task, rung, spec), _baseline_returns(archive, task, rung, spec)
    if not random or not baseline:
        return None
    try:
        values = normalise(returns, float(np.mean(random)), float(np.mean(baseline)))
    except UsageError:  # the baseline is no better than random play there
        return None
    low, high = bootstrap_interval([values], numpy_stream(0, "skill", task))
    return Score(mean=float(interquartile_mean(values)), low=low, high=high, n=values.size)


def _random_returns(archive: Archive, task: str, rung: Rung, spec: CampaignSpec) -> tuple[float, ...]:
    """Random play's, from the cache of runs, under exactly the jobs that the campaign asked for."""
    evaluator = Evaluator(_Nobody(), None, spec.agent, seed=spec.campaign.seed)
    jobs = [job for job in evaluator.jobs("random", rung, evaluator.seeds(rung)) if job.task == task]
    return tuple(run.final_return for job in jobs if (run := archive.recall(job)) is not None)


def _baseline_returns(archive: Archive, task: str, rung: Rung, spec: CampaignSpec) -> tuple[float, ...]:
    """The baseline's, where it was judged as a program of the campaign."""
    try:
        elite = archive.find(program_id(reference_text(spec.baseline)))
    except UsageError:
        return ()
    result = archive.result(elite) if elite.campaign == spec.campaign.name else None
    found = [one for one in result.evaluations if one.rung == rung.name] if result else []
    return _returns(found[0], task) if found else ()


class _Nobody:
    """An executor for who only wants to know which trainings there would be."""

    workers = 1

    def submit(self, job: TrainJob | GateJob | DescribeJob, limits: Limits, priority: int = 0) -> Future[JobResult]:
        raise AssertionError("nothing is trained for a card")

    def close(self) -> None:
        """Nothing is held."""


# ------------------------------------------------------------------------------------------------------ lineage
def ancestor_cards(archive: Archive, elite: Elite) -> tuple[AncestorCard, ...]:
    """The program and its ancestors, parents after children; one that is met twice stands there once."""
    return tuple(_ancestors(archive, elite, 0, set()))


def _ancestors(archive: Archive, elite: Elite, depth: int, seen: set[str]) -> Iterator[AncestorCard]:
    seen.add(elite.id)
    yield AncestorCard(depth=depth, id=elite.id, title=elite.title, operator=f"{elite.proposer}: {elite.operator}", score=elite.score)
    for parent in elite.parents if depth < GENERATIONS else ():
        if parent not in seen:
            yield from _ancestors(archive, archive.find(parent), depth + 1, seen)


# ------------------------------------------------------------------------------------------------------ command
def reproduce(elite: Elite, result: Result | None, spec: CampaignSpec, path: Path) -> tuple[str, str]:
    """The command that trains and scores the program again as on its highest rung, and what of it the command cannot say."""
    reached = [one.rung for one in result.evaluations] if result else []
    rung = next((one for one in spec.all_rungs if reached and one.name == reached[-1]), spec.rung[0])
    words = ["lossmith", "evaluate", elite.id, "--archive", str(path), "--tasks", ",".join(rung.tasks), "--steps", str(rung.steps)]
    words += ["--seeds", str(rung.seeds), "--episodes", str(rung.evaluation_episodes), "--seed", str(spec.campaign.seed)]
    words += ["--baseline", spec.baseline, "--rung", rung.name]
    words += _changed(spec.agent, AgentSettings(), {"num_envs": "--num-envs", "rollout_length": "--rollout-length"})
    words += _changed(spec.agent, AgentSettings(), {"learning_rate": "--learning-rate"})
    words += _changed(rung.task_settings, TaskSettings(), {"sticky": "--sticky"})
    for field in ("episodic_life", "clip_rewards"):
        if getattr(rung.task_settings, field) != getattr(TaskSettings(), field):
            words.append(f"--{'' if getattr(rung.task_settings, field) else 'no-'}{field.replace('_', '-')}")
    return shlex.join(words), _unsaid(spec.agent, rung.task_settings)


def _changed(settings: Record, default: Record, options: dict[str, str]) -> list[str]:
    pairs = [(option, getattr(settings, field)) for field, option in options.items() if getattr(settings, field) != getattr(default, field)]
    return [word for option, value in pairs for word in (option, str(value))]


def _unsaid(agent: AgentSettings, task: TaskSettings) -> str:
    said = {"num_envs", "rollout_length", "learning_rate", "sticky", "episodic_life", "clip_rewards"}
    names = [name for name, value in agent if value != getattr(AgentSettings(), name) and name not in said]
    names += [name for name, value in task if value != getattr(TaskSettings(), name) and name not in said]
    return f"The campaign also sets {', '.join(names)}, which the command cannot: run the campaign for the same numbers." if names else ""
