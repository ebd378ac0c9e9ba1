"""What `lossmith evaluate` found out: as a record for scripts, as a table with sparklines for people."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from rich.table import Table
from rich.text import Text

from sandbox.errors import UsageError, Verdict
from sandbox.evaluate import Evaluator, Memory, returns_by_task
from sandbox.randomness import numpy_stream
from sandbox.records import AgentSettings, CurvePoint, Evaluation, Record, Rule, Rung, RunResult, Score, TaskSettings
from sandbox.score import Anchor, score
from sandbox.tasks.human import human_normalised
from sandbox.yardstick import BEST_POLICY, known_anchors
from synth.cli.output import console, inert, narrate
from synth.cli.profile import profile
from synth.curves import mean_curve

BARS = "▁▂▃▄▅▆▇█"


class TaskReport(Record):
    """One task: a final mean return a seed, and what they mean. `score` and `interval` are None where nothing can be normalised."""

    task: str
    returns: tuple[float, ...]
    random: float
    baseline: float | None
    score: float | None
    interval: tuple[float, float] | None
    n: int
    human_normalised: float | None  # of the mean return; Atari alone
    curve: tuple[CurvePoint, ...]  # mean over seeds


class Report(Record):
    """One rule on some tasks, and everything the numbers depend on."""

    program: str
    title: str
    verdict: str
    fault: str
    tasks: tuple[TaskReport, ...]
    score: Score | None  # over all tasks together
    baseline: str | None
    steps: int
    seeds: tuple[int, ...]
    evaluation_episodes: int
    task_settings: TaskSettings
    agent: AgentSettings
    device_seconds: float


def measure(
    evaluator: Evaluator,
    rule: Rule,
    rung: Rung,
    baseline: tuple[str, Rule | None] | None,
    memory: Memory,
    on_run: Callable[[RunResult], None],
) -> Report:
    """Trains the rule and, if there is one, the baseline; where that has a name alone, it is the best policy, and all tasks must be probes.

    What cannot be normalised is a warning on stderr, and has no score.
    """
    seeds = evaluator.seeds(rung)
    random = evaluator.run_rung("random", rung, seeds, memory)
    if random.verdict != Verdict.OK:
        raise UsageError(f"Random play failed: {random.fault}", "Mend the task, or choose another.")
    evaluation = evaluator.run_rung(rule, rung, seeds, memory, on_run=on_run)
    sound = evaluation.verdict == Verdict.OK
    anchors = _anchors(evaluator, rung, baseline[1], memory, on_run) if baseline and sound else {}
    tasks = tuple(_task_report(task, evaluation, random, anchors) for task in returns_by_task(evaluation))
    scored = sound and all(task.score is not None for task in tasks)
    return Report(
        program=rule.id,
        title=rule.title,
        verdict=evaluation.verdict,
        fault=evaluation.fault,
        tasks=tasks,
        score=score(returns_by_task(evaluation), anchors, _stream()) if scored else None,
        baseline=baseline[0] if baseline else None,
        steps=rung.steps,
        seeds=seeds,
        evaluation_episodes=rung.evaluation_episodes,
        task_settings=rung.task_settings,
        agent=evaluator.agent,
        device_seconds=evaluation.device_seconds,
    )


def _anchors(
    evaluator: Evaluator, rung: Rung, baseline: Rule | None, memory: Memory, on_run: Callable[[RunResult], None]
) -> dict[str, Anchor]:
    if baseline is None:
        return known_anchors(rung.tasks)
    try:
        return evaluator.anchors(rung, baseline, memory, on_run=on_run)
    except UsageError as error:
        narrate(f"No score: {error.message} {error.remedy}")
        return {}


def _stream() -> np.random.Generator:
    return numpy_stream(0, "score")


def _task_report(task: str, evaluation: Evaluation, random: Evaluation, anchors: dict[str, Anchor]) -> TaskReport:
    returns = returns_by_task(evaluation)[task]
    found = _score(task, returns, anchors) if task in anchors else None
    return TaskReport(
        task=task,
        returns=tuple(returns),
        random=float(np.mean(returns_by_task(random)[task])),
        baseline=float(np.mean(anchors[task].baseline)) if task in anchors else None,
        score=found.mean if found else None,
        interval=(found.low, found.high) if found else None,
        n=len(returns),
        human_normalised=human_normalised(task, float(np.mean(returns))),
        curve=mean_curve([run for run in evaluation.runs if run.task == task]),
    )


def _score(task: str, returns: list[float], anchors: dict[str, Anchor]) -> Score | None:
    try:
        return score({task: returns}, anchors, _stream())
    except UsageError as error:
        narrate(f"No score: {error.message} {error.remedy}")
        return None


def sparkline(curve: Sequence[CurvePoint]) -> str:
    """The curve as blocks between its own lowest and highest point; a gap where no episode ended."""
    scores = [point.score for point in curve if point.score is not None]
    if not scores:
        return ""
    low, width = min(scores), (max(scores) - min(scores)) or 1.0
    return "".join(" " if point.score is None else BARS[round((point.score - low) / width * (len(BARS) - 1))] for point in curve)


def show(report: Report) -> None:
    """The table for people, on stdout."""
    title = f"{report.title} · {report.program} · {report.steps} steps × {len(report.seeds)} seeds"
    table = Table(title=Text(inert(title)), title_justify="left")
    people = any(task.human_normalised is not None for task in report.tasks)
    table.add_column("task")
    for column in ("return", "random", "baseline", "score", *(["human"] if people else [])):
        table.add_column(column, justify="right", no_wrap=column == "score")
    table.add_column("learning", no_wrap=True)
    for task in report.tasks:
        table.add_row(*_cells(task, people))
    console.print(table)
    if (skills := profile({task.task: task.score for task in report.tasks}, _unit(report))) is not None:
        console.print(skills)
    if report.score is not None:
        console.print(Text(f"score {_interval(report.score.mean, (report.score.low, report.score.high))}, n = {report.score.n}"))
    console.print(Text(_settings(report)), style="dim")


def _cells(task: TaskReport, people: bool) -> list[Text]:
    texts = [
        task.task,
        " ".join(f"{value:.4g}" for value in task.returns) if task.n <= 4 else f"{np.mean(task.returns):.4g} (n = {task.n})",
        f"{task.random:.4g}",
        "-" if task.baseline is None else f"{task.baseline:.4g}",
        "-" if task.score is None or task.interval is None else _interval(task.score, task.interval),
        *(["-" if task.human_normalised is None else f"{task.human_normalised:.1%}"] if people else []),
        sparkline(task.curve),
    ]
    return [Text(inert(text)) for text in texts]


def _interval(middle: float, interval: tuple[float, float]) -> str:
    return f"{middle:.2f} [{interval[0]:.2f}, {interval[1]:.2f}]"


def _settings(report: Report) -> str:
    settings = report.task_settings
    atari = f"sticky {settings.sticky:g}, episodic life {_on(settings.episodic_life)}, reward clipping {_on(settings.clip_rewards)}"
    note = f" Atari while training: {atari}." if any(task.task.startswith("atari") for task in report.tasks) else ""
    return f"Score: 0 is random play, 1 is {_unit(report)}, 95 % interval.{note}" if report.baseline else note.strip()


def _unit(report: Report) -> str:
    """What a score of 1 is."""
    return "the best policy" if report.baseline == BEST_POLICY else report.baseline or "the baseline"


def _on(value: bool) -> str:
    return "on" if value else "off"
