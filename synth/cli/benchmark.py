"""`lossmith benchmark`: rules against one another on the same tasks, seeds and networks."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from archive.baseline import library
from archive.store import SqliteArchive, default_path, open_archive
from sandbox.errors import UsageError, Verdict
from sandbox.evaluate import Evaluator
from sandbox.execution.base import Place
from sandbox.execution.cores import workers_of
from sandbox.execution.select import open_executor
from sandbox.records import AgentSettings, LearnedRule, Rung
from synth.benchmark.measure import benchmark as measure
from synth.benchmark.measure import trainings
from synth.benchmark.plot import check_plot, draw
from synth.benchmark.records import Aggregate, BenchmarkReport, Cell, Entrant, RuleSummary, TaskSummary
from synth.cli.output import console, emit_json, narrate
from synth.cli.programs import (
    Json,
    Threads,
    Training,
    Unsafe,
    Workers,
    checked_record,
    isolation_for,
    rule_of,
    task_names,
    training_progress,
)
from synth.cli.sources import Source, find_rule
from synth.cli.tables import interval, plain_table, shown
from synth.spec import CampaignSpec

BASELINE = "baseline"
"""On the command line: whatever the baseline is."""

USUAL = "ppo"
"""The baseline where nobody asks for another: at small budgets it orders rules on more tasks than a meta-network does."""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(benchmark)


def benchmark(
    rules: Annotated[
        list[str], typer.Argument(metavar="RULE...", help="Files, references, ids, meta-networks; `baseline` is the baseline.")
    ],
    tasks: Annotated[str, typer.Option(help="Tasks and suites, commas between; @N is a budget of its own: probes,atari-ram-3@100000.")],
    steps: Annotated[int, typer.Option(min=1, help="Agent steps a training.")] = 20_000,
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="Trainings a task.")] = 3,
    baseline: Annotated[str | None, typer.Option(help="What scores 1. Default: ppo; a meta-network where `baseline` is a RULE.")] = None,
    episodes: Annotated[int, typer.Option(min=1, help="Evaluation episodes a training.")] = 16,
    seed: Annotated[int, typer.Option(min=0, help="From which all seeds of trainings derive.")] = 0,
    workers: Workers = None,
    threads: Threads = 1,
    num_envs: Annotated[int, typer.Option(min=1, max=4096, help="Environments an agent.")] = AgentSettings().num_envs,
    network_learning_rate: Annotated[
        float | None, typer.Option(min=1e-5, max=1e-1, help="Of agents under a meta-network, instead of its own.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw intervals, profiles and curves: a .png, .svg or .pdf.")] = None,
    archive: Annotated[
        Path | None, typer.Option(help="Where ids are looked up and trainings are kept; what it has is not repeated.")
    ] = None,
    training: Training = Place.AUTO,
    as_json: Json = False,
    unsafe: Unsafe = False,
) -> None:
    """Train agents with several rules and compare them. Exit 1 if one is refused or fails; the others are compared all the same."""
    if plot is not None:
        check_plot(plot)
    rungs = _rungs(tasks, steps, seeds, episodes)
    agent = checked_record(AgentSettings, threads=threads, num_envs=num_envs)
    rival = baseline or (library.default() if BASELINE in rules else USUAL)
    names = tuple(dict.fromkeys(rival if name == BASELINE else name for name in _once(rules)))
    sources = {name: find_rule(name, archive, network_learning_rate) for name in (*names, rival)}
    with ExitStack() as stack:
        opened = stack.enter_context(closing(open_archive(default_path(archive))))
        every = tuple(task for rung in rungs for task in rung.tasks)
        executor = stack.enter_context(closing(open_executor(workers_of(agent.threads, workers), every, num_envs, training)))
        isolation = stack.enter_context(isolation_for(list(sources.values()), unsafe))
        evaluator = stack.enter_context(closing(Evaluator(executor, isolation, agent, seed=seed)))
        entrants = {
            name: Entrant(name=name, rule=rule_of(evaluator, source, rungs, as_json), searched=_searched(opened, source))
            for name, source in sources.items()
        }
        anchor, taking_part = entrants[rival], [entrants[name] for name in names]
        advance = stack.enter_context(training_progress(trainings(taking_part, rungs, anchor)))
        report = measure(evaluator, taking_part, rungs, anchor, opened, advance)
    if plot is not None:
        draw(report, plot)
        narrate(f"Drawn: {plot}")
    if as_json:
        emit_json(report)
    else:
        show(report)
    _exit(report)


def _rungs(text: str, steps: int, seeds: int, episodes: int) -> tuple[Rung, ...]:
    """One for each budget, in the order in which they are named. All share a name, and so their seeds."""
    budgets: dict[int, list[str]] = {}
    for word in filter(None, (word.strip() for word in text.split(","))):
        name, at, number = word.partition("@")
        if at and not (number.isdecimal() and int(number)):
            raise UsageError(f"{word!r} has no budget after its @.", "Write the steps of one training, such as probes@20000.")
        budgets.setdefault(int(number) if at else steps, []).extend(task_names(name))
    every = [task for tasks in budgets.values() for task in tasks]
    twice = next((task for task in every if every.count(task) > 1), None)
    if twice or not every:
        raise UsageError(f"{twice} is named twice." if twice else "No task is named.", "Name each task once, with commas between.")
    return tuple(
        checked_record(Rung, name="benchmark", tasks=tuple(tasks), steps=number, seeds=seeds, evaluation_episodes=episodes)
        for number, tasks in budgets.items()
    )


def _once(rules: Sequence[str]) -> Sequence[str]:
    twice = next((name for name in rules if rules.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"{twice} is named twice.", "Name each rule once.")
    if "-" in rules:
        raise UsageError("A benchmark reads no program from standard input.", "Put it into a file.")
    return rules


def _searched(archive: SqliteArchive, source: Source | LearnedRule) -> tuple[str, ...]:
    """The tasks on which the search that found a program looked at it: a claim on them is no claim on others."""
    if isinstance(source, LearnedRule) or source.traced is None:
        return ()
    spec = CampaignSpec.model_validate_json(archive.campaign_spec(archive.find(source.name).campaign))
    return tuple(task for rung in spec.rung for task in rung.tasks)


def _exit(report: BenchmarkReport) -> None:
    failed = [rule for rule in report.rules if rule.verdict != Verdict.OK]
    for rule in failed:
        narrate(f"{rule.name}: {rule.verdict}: {rule.fault}")
    if failed:
        raise typer.Exit(1)


# ---------------------------------------------------------------------------------------------------------- tables
def show(report: BenchmarkReport) -> None:
    """For people, on stdout: task by task, human-normalised where there is such a thing, then everything together."""
    console.print(_by_task(report))
    if any(cell.human_normalised is not None for rule in report.rules for cell in rule.cells):
        console.print(_against_people(report))
    if any(rule.over_unseen for rule in report.rules):
        console.print(_together(report, "Tasks that no search of these rules saw", [rule.over_unseen for rule in report.rules]))
    title = f"Together, {sum(task.counts for task in report.tasks)} of {len(report.tasks)} tasks scored"
    console.print(_together(report, title, [rule.over_all for rule in report.rules]))
    left_out = [task.task for task in report.tasks if not task.counts]
    if left_out:
        narrate(f"Not scored, since the baseline is not clearly above random play there: {', '.join(left_out)}. Give them more steps.")


def _by_task(report: BenchmarkReport) -> Table:
    title = f"Score [95 %] by task: 0 is random play, 1 is {report.baseline}; n = {len(report.seeds)}; returns where there is no score"
    table = plain_table("task", "steps", "random", "baseline", *(rule.name for rule in report.rules), title=title)
    for task in report.tasks:
        cells = [_cell(task, rule) for rule in report.rules]
        table.add_row(shown(_name(task)), f"{task.steps:,}", f"{task.random:.4g}", f"{task.baseline:.4g}", *cells)
    return table


def _name(task: TaskSummary) -> str:
    return task.task + (" (searched)" if task.searched else "")


def _cell(task: TaskSummary, rule: RuleSummary) -> Text:
    cell = _find(rule, task.task)
    if cell is None:
        return shown(rule.verdict)
    if cell.score is None:
        return Text(f"return {sum(cell.returns) / len(cell.returns):.4g}", style="dim")
    return Text(f"{cell.score.mean:.2f} [{cell.score.low:.2f}, {cell.score.high:.2f}]")


def _find(rule: RuleSummary, task: str) -> Cell | None:
    return next((cell for cell in rule.cells if cell.task == task), None)


def _against_people(report: BenchmarkReport) -> Table:
    table = plain_table("game", *(rule.name for rule in report.rules), title="Human-normalised")
    for task in report.tasks:
        cells = [_find(rule, task.task) for rule in report.rules]
        if any(cell is not None and cell.human_normalised is not None for cell in cells):
            texts = ["-" if cell is None or cell.human_normalised is None else f"{cell.human_normalised:.1%}" for cell in cells]
            table.add_row(shown(task.task), *texts)
    return table


def _together(report: BenchmarkReport, title: str, aggregates: Sequence[Aggregate | None]) -> Table:
    columns = ("rule", "score [95 %]", "gap to 1", "P(better run)", "minus baseline", "", "steps", "seconds")
    table = plain_table(*columns, title=title)
    for rule, found in zip(report.rules, aggregates, strict=True):
        cost = (f"{rule.steps:,}", f"{rule.device_seconds:.0f}")
        if found is None:
            table.add_row(shown(rule.name), rule.verdict if rule.verdict != Verdict.OK else "-", *[""] * 4, *cost)
            continue
        table.add_row(shown(rule.name), interval(found.score), f"{found.optimality_gap:.2f}", *_claim(found), *cost)
    return table


def _claim(found: Aggregate) -> tuple[str, str, str]:
    """Chance that a run beats one of the baseline's, difference to it, and the word that the difference's interval allows."""
    if found.against is None:
        return "", "", "the baseline"
    better, gap = found.against.improvement, found.against.difference
    return (
        f"{better.value:.2f} [{better.low:.2f}, {better.high:.2f}]",
        f"{gap.value:+.2f} [{gap.low:+.2f}, {gap.high:+.2f}]",
        found.against.word.value,
    )
