"""What the archive knows about a program, for its card: scores, skills, lineage, and the command that does it again."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from archive.base import Archive
from archive.records import Elite, Result
from sandbox.intervals import interquartile_mean, mean_interval
from sandbox.randomness import numpy_stream
from sandbox.records import AgentSettings, Evaluation, Record, Score, TaskSettings
from sandbox.score import Anchor, normalise_runs
from sandbox.tasks.probes import SKILLS
from sandbox.yardstick import known_anchor
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
def skill_cards(result: Result | None, spec: CampaignSpec) -> tuple[SkillCard, ...]:
    """Every probe the program was trained on, by the rung it was first met on; where a skill's worth is known 1 is the best policy."""
    rungs = {rung.name: rung for rung in spec.all_rungs}
    cards: dict[str, SkillCard] = {}
    for evaluation in result.evaluations if result else ():
        rung = rungs.get(evaluation.rung)
        probes = [task for task in (rung.tasks if rung else ()) if task.startswith("probe:") and task not in cards]
        for task in probes:
            returns = _returns(evaluation, task)
            if rung and returns:
                anchor = known_anchor(task)
                score = _skill_score(returns, anchor) if anchor else None
                skill = SKILLS[world].skill if (world := task.removeprefix("probe:")) in SKILLS else ""
                cards[task] = SkillCard(task=task, skill=skill, returns=returns, score=score)
    return tuple(cards.values())


def _returns(evaluation: Evaluation, task: str) -> tuple[float, ...]:
    return tuple(run.final_return for run in evaluation.runs if run.task == task)


def _skill_score(returns: tuple[float, ...], anchor: Anchor) -> Score:
    values = normalise_runs(returns, anchor)
    low, high = mean_interval([values], numpy_stream(0, "skill", anchor.task))
    return Score(mean=float(interquartile_mean(values)), low=low, high=high, n=values.size)


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
    words += _changed(spec.agent, AgentSettings(), {"threads": "--threads", "num_envs": "--num-envs", "rollout_length": "--rollout-length"})
    words += _changed(spec.agent, AgentSettings(), {"learning_rate": "--learning-rate"})
    if spec.network is not None:
        words += ["--network-learning-rate", str(spec.network.learning_rate)]
    words += _changed(rung.task_settings, TaskSettings(), {"sticky": "--sticky"})
    for field in ("episodic_life", "clip_rewards"):
        if getattr(rung.task_settings, field) != getattr(TaskSettings(), field):
            words.append(f"--{'' if getattr(rung.task_settings, field) else 'no-'}{field.replace('_', '-')}")
    return shlex.join(words), _unsaid(spec, rung.task_settings)


def _changed(settings: Record, default: Record, options: dict[str, str]) -> list[str]:
    pairs = [(option, getattr(settings, field)) for field, option in options.items() if getattr(settings, field) != getattr(default, field)]
    return [word for option, value in pairs for word in (option, str(value))]


def _unsaid(spec: CampaignSpec, task: TaskSettings) -> str:
    said = {"threads", "num_envs", "rollout_length", "learning_rate", "sticky", "episodic_life", "clip_rewards"}
    names = [name for name, value in spec.agent if value != getattr(AgentSettings(), name) and name not in said]
    names += [name for name, value in task if value != getattr(TaskSettings(), name) and name not in said]
    names += ["network.replay_ratio"] if spec.network and spec.network.replay_ratio else []
    return f"The campaign also sets {', '.join(names)}, which the command cannot: run the campaign for the same numbers." if names else ""
