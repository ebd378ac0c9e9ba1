"""`lossmith simplify`: what a program can do without, and what each of its terms is worth."""

from __future__ import annotations

from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from sandbox.evaluate import Evaluator, ShortMemory
from sandbox.execution.base import Place
from sandbox.execution.cores import workers_of
from sandbox.execution.select import open_executor
from synth.cli.origins import STEPS, TASKS, agent_of, opened_archive, origin_of, rung_of
from synth.cli.output import console, emit_json, inert, narrate
from synth.cli.programs import Training, Workers, isolation_of, training_progress
from synth.cli.sources import find_program
from synth.cli.tables import plain_table, shown
from synth.simplify.keeping import keep
from synth.simplify.records import Ground, Simplification, Trial, percent
from synth.simplify.search import Bench, simplify

SEEDS = 5


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("simplify")(simplify_command)


def simplify_command(
    program: Annotated[str, typer.Argument(metavar="ID|FILE|REFERENCE", help="A program of the archive, a file, or a reference.")],
    tasks: Annotated[str, typer.Option(help=f"Tasks, with commas between. Default: the first rung's; for a file {TASKS}.")] = "",
    steps: Annotated[int | None, typer.Option(min=1, help=f"Agent steps a training. Default: the first rung's; else {STEPS}.")] = None,
    seeds: Annotated[
        int, typer.Option(min=2, max=1000, help="Trainings a task; an undecided change gets up to four times as many.")
    ] = SEEDS,
    episodes: Annotated[int | None, typer.Option(min=1, help="Evaluation episodes a training. Default: the first rung's; else 64.")] = None,
    tolerance: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="How much of what the program learned a change may cost, at the interval's lower end.")
    ] = 0.1,
    seed: Annotated[int, typer.Option(min=0, help="From which all seeds of trainings derive.")] = 0,
    workers: Workers = None,
    archive: Annotated[Path | None, typer.Option(help="The archive of the program and of trainings done before.")] = None,
    training: Training = Place.AUTO,
    unsafe: Annotated[bool, typer.Option("--unsafe", help="Trace the program without a sandbox: only one you have read yourself.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> None:
    """Leave out what a program does not need, and say what each of its terms is worth."""
    source = find_program(program, archive)
    with opened_archive(archive) as opened:
        origin = origin_of(opened, source)
        rung = rung_of(origin, "simplify", tasks, steps, seeds, episodes)
        agent = agent_of(origin)
        with (
            ExitStack() as stack,
            training_progress(None) as advance,
            nullcontext() if source.trusted else isolation_of(unsafe) as isolation,
        ):
            executor = open_executor(workers_of(agent.threads, workers), rung.tasks, agent.num_envs, training)
            stack.callback(executor.close)
            evaluator = Evaluator(executor, isolation, agent, seed=seed)
            stack.callback(evaluator.close)
            bench = Bench(evaluator, rung, opened or ShortMemory(), source.trusted, advance)
            report = simplify(bench, source.text, source.traced, tolerance)
            if opened and origin:
                keep(opened, origin.elite, report, bench, origin.spec)
    if as_json:
        emit_json(report)
    else:
        show(report, kept=origin is not None)


def show(report: Simplification, *, kept: bool) -> None:
    """The ablations, what was tried, and the result."""
    console.print(Text(inert(f"{report.program}  {report.title}"), style="bold"))
    console.print(_table("Each term left out alone (percent of what the program learned above random play)", report.ablations, taken=False))
    if report.steps:
        console.print(_table("Left out one after the other", report.steps, taken=True))
    if not report.changed:
        narrate("Nothing could go.")
        return
    narrate(f"The simpler program{' is kept as' if kept else ', '} {report.result}: {percent(report.difference)}")
    typer.echo(inert(report.text), nl=False)


def _table(title: str, trials: tuple[Trial, ...], *, taken: bool) -> Table:
    table = plain_table("", "change", "difference [95 %]", "code", title=title)
    for trial in trials:
        mark = ("✓" if trial.taken else "✗") if taken else ""
        table.add_row(mark, trial.what, percent(trial.difference) if trial.difference else _why(trial), shown(trial.code))
    return table


def _why(trial: Trial) -> Text:
    """What stands in place of a number where nothing was trained."""
    words = {Ground.UNUSED: "nothing reads it", Ground.IDLE: "idle: no gradient"}
    return shown(words.get(trial.ground) or f"{trial.ground.value}: {trial.detail}", 40)
