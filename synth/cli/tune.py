"""`lossmith tune`: better constants for a program, by meta-gradients and CMA-ES, judged on seeds that tuning never saw."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from archive.store import open_archive
from sandbox.errors import UsageError
from sandbox.evaluate import Evaluator
from sandbox.execution.base import Place
from sandbox.execution.cores import workers_of
from sandbox.execution.select import open_executor
from sandbox.language.program import parse
from sandbox.records import AgentSettings, Record, Rule, Rung, RunResult, program_id
from synth.anchors import baseline_rule
from synth.cli.origins import STEPS, TASKS, Origin, agent_of, opened_archive, origin_of, rung_of
from synth.cli.output import console, emit_json, inert, narrate, narration
from synth.cli.programs import Json, Training, Unsafe, Workers, checked_record, find_baseline, isolation_of
from synth.cli.sources import find_program
from synth.cli.tables import interval, plain_table, shown
from synth.tune.bench import Bench
from synth.tune.journal import open_folder
from synth.tune.keeping import keep
from synth.tune.records import How, Method, Request, TunedConstant, Tuning
from synth.tune.search import check_constants, tune


class _Asked(Record):
    """All that a tuning's result depends on: what its folder is known by."""

    program: str
    rung: Rung
    agent: AgentSettings
    baseline: str
    request: Request
    seed: int


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("tune")(tune_command)


def tune_command(
    program: Annotated[str, typer.Argument(metavar="ID|FILE|REFERENCE", help="A program of the archive, a file, or a reference.")],
    tasks: Annotated[str, typer.Option(help=f"Tasks, with commas between. Default: the first rung's; for a file {TASKS}.")] = "",
    steps: Annotated[int | None, typer.Option(min=1, help=f"Agent steps a training. Default: the first rung's; else {STEPS}.")] = None,
    budget: Annotated[int, typer.Option(min=4, max=10_000, help="Trainings a task that tuning may cost, the final test apart.")] = 18,
    method: Annotated[Method, typer.Option(help="auto: meta-gradients, then CMA-ES for what has none, or no steady one.")] = Method.AUTO,
    constants: Annotated[str, typer.Option(help="The constants to tune, with commas between. Default: every float.")] = "",
    seeds: Annotated[int, typer.Option(min=2, max=1000, help="Fresh seeds a task for the final test.")] = 8,
    episodes: Annotated[int | None, typer.Option(min=1, help="Evaluation episodes a training. Default: the first rung's; else 64.")] = None,
    baseline: Annotated[str, typer.Option(help="Whose return is a score of 1. Default: the campaign's baseline; for a file ppo.")] = "",
    seed: Annotated[int, typer.Option(min=0, help="From which all seeds derive.")] = 0,
    workers: Workers = None,
    archive: Annotated[Path | None, typer.Option(help="The archive of the program and of trainings done before.")] = None,
    run: Annotated[Path | None, typer.Option(help="Folder of this tuning; one that was stopped goes on. Default: tunings/…")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the tuned program to this file instead of printing it.")] = None,
    training: Training = Place.AUTO,
    unsafe: Unsafe = False,
    as_json: Json = False,
) -> None:
    """Tune a program's constants, and test the result against the program on fresh seeds."""
    source = find_program(program, archive)
    names = tuple(word.strip() for word in constants.split(",") if word.strip())
    request = checked_record(Request, method=method, budget=budget, constants=names)
    check_constants(parse(source.text), names)
    if out and not out.parent.is_dir():
        raise UsageError(f"There is no folder {out.parent}.", "Make it, or name another file with --out.")
    with ExitStack() as stack:
        opened = stack.enter_context(opened_archive(archive))
        origin = origin_of(opened, source)
        rung = rung_of(origin, "tune", tasks, steps, seeds, episodes)
        agent = agent_of(origin)
        asked = _Asked(program=program_id(source.text), rung=rung, agent=agent, baseline=baseline, request=request, seed=seed)
        folder = run or Path("tunings") / f"{asked.program}-{program_id(asked.model_dump_json())[:6]}"
        open_folder(folder, asked)
        memory = opened or stack.enter_context(closing(open_archive(folder / "trainings.sqlite")))
        isolation = stack.enter_context(nullcontext() if source.trusted else isolation_of(unsafe))
        executor = stack.enter_context(closing(open_executor(workers_of(agent.threads, workers), rung.tasks, agent.num_envs, training)))
        evaluator = stack.enter_context(closing(Evaluator(executor, isolation, agent, seed=seed)))
        on_run, on_steps = stack.enter_context(_progress(rung, request))
        name, rule = _baseline(evaluator, origin, baseline, rung)
        bench = Bench(evaluator, rung, rule, name, memory, folder, source.trusted, on_run)
        report = tune(bench, source.text, request, on_steps)
        if opened and origin:
            keep(opened, origin.elite, report, bench, origin.spec)
    (folder / "result.json").write_text(report.model_dump_json(), encoding="utf-8")
    if out:
        _write(out, report.text)
    if as_json:
        emit_json(report)
    else:
        show(report, printed=out is None, kept=origin is not None)


@contextmanager
def _progress(rung: Rung, request: Request) -> Iterator[tuple[Callable[[RunResult], None], Callable[[int], None]]]:
    """A bar on stderr in agent steps: of trainings as they end, of lifetimes as they are lived. Its end is a guess."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    trainings = request.budget + 3 * rung.seeds  # the test trains the baseline, the program, and the tuned one
    with Progress(*columns, console=narration, transient=True) as progress:
        bar = progress.add_task("tuning", total=trainings * rung.steps * len(rung.tasks))
        yield (
            lambda done: progress.update(bar, advance=done.steps, description=done.task),
            lambda steps: progress.update(bar, advance=steps, description="meta-gradients"),
        )


def _baseline(evaluator: Evaluator, origin: Origin | None, name: str, rung: Rung) -> tuple[str, Rule]:
    """The one asked for, else the campaign's, else ppo."""
    if origin and not name:
        return origin.spec.baseline, baseline_rule(evaluator, origin.spec, [rung])
    found = find_baseline(name or "ppo", None)
    return name or "ppo", evaluator.reference(found, [rung]) if isinstance(found, str) else found


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"Cannot write {path}: {error.strerror}.", "Name another file with --out.") from error


def show(report: Tuning, *, printed: bool, kept: bool) -> None:
    """What became of each constant, what it cost, and the test."""
    console.print(Text(inert(f"{report.program}  {report.title}"), style="bold"))
    table = plain_table("constant", "was", "is", "by", "meta-gradient")
    for one in report.constants:
        table.add_row(shown(one.name), f"{one.before:g}", f"{one.after:g}", "" if one.how == How.GIVEN else one.how, _gradient(one))
    console.print(table)
    narrate(f"Tuning took {report.steps:,} agent steps, as many as {report.spent:.1f} trainings on every task.")
    if report.comparison is None:
        narrate(f"Nothing better was found. Score on fresh seeds: {interval(report.after)}")
        return
    gap = report.comparison.difference
    console.print(f"Score on {report.rung.seeds} fresh seeds (1 is {inert(report.baseline)}, 0 random play)")
    console.print(f"  as given  {interval(report.before)}", markup=False, highlight=False)
    console.print(f"  tuned     {interval(report.after)}", markup=False, highlight=False)
    verdict = f"  {report.comparison.word}: difference {gap.value:+.2f} [{gap.low:+.2f}, {gap.high:+.2f}], paired by seed"
    console.print(verdict, markup=False, highlight=False)
    narrate(f"The tuned program{' is kept as' if kept else ':'} {report.result}")
    if printed:
        typer.echo(inert(report.text), nl=False)


def _gradient(constant: TunedConstant) -> str:
    """Whether there is one, and how steady it was."""
    if not constant.has_gradient:
        return "zero by construction"
    return "" if constant.signal is None else f"signal {constant.signal:+.1f}"
