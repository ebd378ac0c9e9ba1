"""`lossmith baseline evaluate` and `show`: how good a meta-network is, and how it became so."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from archive.baseline import library
from archive.baseline.curves import Curve, read_curve
from archive.baseline.spec import BaselineSpec
from archive.baseline.trial import RATES, Mean, Trial, hold_trials
from sandbox.errors import UsageError
from sandbox.evaluate import Evaluator, ShortMemory
from sandbox.execution.base import Place
from sandbox.execution.cores import workers_of
from sandbox.execution.select import open_executor
from sandbox.records import AgentSettings, Record, Rung
from synth.cli.output import console, emit_json, narrate
from synth.cli.programs import Training, Workers, checked_record, task_names, training_progress
from synth.cli.tables import plain_table, sparkline
from synth.network import learned_rule

USUAL_RATES = ",".join(f"{rate:g}" for rate in RATES)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Name = Annotated[str, typer.Argument(metavar="NAME|FILE", help="A meta-network that `baseline list` shows, or a file.")]


class TrialReport(Record):
    """What `baseline evaluate --json` prints."""

    name: str
    sha256: str
    learning_rate: float
    steps: int
    seeds: int
    agent: AgentSettings
    trials: tuple[Trial, ...]


def evaluate(
    name: Name,
    tasks: Annotated[str, typer.Option(help="Tasks, with commas between; default: all skills among the probes.")] = "probes",
    steps: Annotated[int, typer.Option(min=1, help="Agent steps a training.")] = 20_000,
    seeds: Annotated[int, typer.Option(min=2, max=1000, help="Trainings a task and rule.")] = 5,
    learning_rate: Annotated[
        float | None, typer.Option(min=1e-5, max=1e-1, help="Of agents under the network; default: what its file recommends.")
    ] = None,
    rates: Annotated[str, typer.Option(help="REINFORCE's learning rates, with commas between.")] = USUAL_RATES,
    seed: Annotated[int, typer.Option(min=0, help="From which all seeds of trainings derive.")] = 0,
    workers: Workers = None,
    training: Training = Place.AUTO,
    as_json: Json = False,
) -> None:
    """Train fresh agents under a meta-network and print their returns beside random play's and REINFORCE's at its best learning rate."""
    rule = learned_rule(name, learning_rate)
    spec = spec_of(Path(rule.path))
    agent = spec.agent.model_copy(update={"learning_rate": rule.learning_rate}) if spec else AgentSettings()
    rung = checked_record(Rung, name="trial", tasks=task_names(tasks), steps=steps, seeds=seeds)
    tried = read_rates(rates)
    with (
        closing(open_executor(workers_of(agent.threads, workers), rung.tasks, agent.num_envs, training)) as executor,
        closing(Evaluator(executor, None, agent, seed=seed)) as evaluator,
        training_progress(len(rung.tasks) * seeds * (2 + len(tried))) as advance,
    ):
        reinforce = evaluator.reference("reinforce", [rung])
        known = frozenset(entry.task for entry in spec.task) if spec else frozenset()
        trials = hold_trials(evaluator, rule, reinforce, rung, known, ShortMemory(), tried, advance)
    report = TrialReport(
        name=name, sha256=rule.sha256, learning_rate=rule.learning_rate, steps=steps, seeds=seeds, agent=agent, trials=trials
    )
    if as_json:
        emit_json(report)
    else:
        show_trials(report)


def show(name: Name, as_json: Json = False) -> None:
    """The card of a meta-network and its curve over meta-steps. NAME may also be the folder of a run that goes on."""
    curve = read_curve(Path(name)) if Path(name).is_dir() else read_curve(library.find(name))
    if as_json:
        emit_json(curve)
        return
    show_curve(name, curve)


def spec_of(path: Path) -> BaselineSpec | None:
    """What a network of ours was trained by; None for others."""
    text = library.card(path).get("spec")
    return BaselineSpec.model_validate_json(text) if isinstance(text, str) else None


def read_rates(text: str) -> tuple[float, ...]:
    """Numbers with commas between. UsageError for anything that a program may not have as its learning rate."""
    try:
        rates = tuple(float(word) for word in text.split(","))
    except ValueError:
        rates = ()
    if not rates or not all(1e-5 <= rate <= 1e-2 for rate in rates):
        raise UsageError(f"{text!r} are no learning rates of programs.", "Write --rates 1e-3,4e-3,1e-2: from 1e-5 to 1e-2.")
    return rates


def show_trials(report: TrialReport) -> None:
    """Two tables: what the network was trained on, and what it never saw."""
    narrate(f"{report.name} at {report.learning_rate:g}: {report.seeds} fresh agents a task, {report.steps:,} steps each.")
    for held_out, title in ((False, "Tasks of the meta-training"), (True, "Held out: never seen in meta-training")):
        trials = [trial for trial in report.trials if trial.held_out == held_out]
        if trials:
            console.print(trial_table(title, trials))
    narrate("Mean returns ± 95 %. way: share of the way from chance to the optimum. The last word is what seeds in pairs allow to say.")


def trial_table(title: str, trials: Sequence[Trial]) -> Table:
    """One line a task; narrow enough for a terminal of 80 columns."""
    table = plain_table("task", "random", "learned", "way", "REINFORCE", "at", "so it is", title=title)
    for trial in trials:
        way = "-" if trial.share is None else f"{100 * trial.share:.0f} %"
        learned, reinforce = with_interval(trial.learned), with_interval(trial.reinforce)
        table.add_row(Text(trial.task), f"{trial.random.value:.2f}", learned, way, reinforce, f"{trial.reinforce_rate:g}", trial.word)
    return table


def with_interval(mean: Mean) -> str:
    """`0.83 ±0.12`."""
    return f"{mean.value:.2f} ±{mean.high - mean.value:.2f}"


def show_curve(name: str, curve: Curve) -> None:
    """One line a task: its mean score at the start and at the end, and the way between."""
    console.print(Text(f"{name}: {curve.steps} meta-steps"))
    table = plain_table("task", "first", "last", "best", "curve")
    for task, values in curve.scores.items():
        known: Sequence[float] = [value for value in values if value is not None]
        if known:
            table.add_row(Text(task), f"{known[0]:.2f}", f"{known[-1]:.2f}", f"{max(known):.2f}", sparkline(values))
    console.print(table)
    for key, value in curve.card.items():
        if key not in ("spec", "config"):
            console.print(Text(f"{key}: {value if isinstance(value, str) else json.dumps(value)}"))
