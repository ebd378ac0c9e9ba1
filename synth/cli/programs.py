"""`lossmith check` and `lossmith evaluate`: one program, before and after it is trained."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic import ValidationError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from sandbox.check import Checker, refusal_record
from sandbox.errors import Gate, Refusal, UsageError, Verdict
from sandbox.evaluate import Evaluator, ShortMemory
from sandbox.execution.base import Place
from sandbox.execution.cores import workers_of
from sandbox.execution.local import LocalExecutor
from sandbox.execution.select import open_executor
from sandbox.isolation.base import Isolation
from sandbox.isolation.select import open_isolation
from sandbox.language.program import parse
from sandbox.records import AgentSettings, GateReport, LearnedRule, Limits, Record, Rule, Rung, RunResult, TaskSettings, program_id
from sandbox.rules.references import reference_text
from sandbox.tasks.registry import check_name
from sandbox.tasks.suites import SUITES
from sandbox.yardstick import BEST_POLICY, known_anchor, known_anchors
from synth.cli.gates import print_gates
from synth.cli.output import emit_json, narrate, narration
from synth.cli.report import Report, measure, show
from synth.cli.sources import Source, find_rule, read_file
from synth.network import is_network, learned_rule

CHECK_LIMITS = Limits(seconds=7.0)
"""For the trace and for the gates each."""

CHECK_SECONDS = 15.0
"""For all that hangs on the program. The sandbox's start comes before: three seconds usually, so that a check answers within 20."""

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
Unsafe = Annotated[bool, typer.Option("--unsafe", help="Trace the program without a sandbox: only one you have read yourself.")]

Threads = Annotated[
    int, typer.Option(min=1, max=1024, help="Of one convolutional agent, on the CPU. Sooner done where cores idle; numbers differ.")
]

Workers = Annotated[
    int | None, typer.Option(min=1, max=1024, help="Trainings at a time. Default: one a core, or for every --threads cores.")
]

Training = Annotated[
    Place,
    typer.Option("--training", help="Where agents train: processes, or containers; auto is containers where docker gives them a GPU."),
]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(check)
    app.command()(evaluate)


# ---------------------------------------------------------------------------------------------------------- check
def check(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A file that holds a program, or - for standard input.")],
    tasks: Annotated[str, typer.Option(help="Tasks whose shapes it is checked at, with commas between.")] = "",
    as_json: Json = False,
    unsafe: Unsafe = False,
) -> None:
    """Say whether a program passes the gates. Exit 0 if it does, 1 if it is refused."""
    source = read_file(file)
    rungs = [checked_record(Rung, name="check", tasks=task_names(tasks), steps=1, seeds=1)] if tasks else []
    report = check_text(source, rungs, unsafe)
    print_gates(report, source.text, as_json)
    raise typer.Exit(0 if report.refusal is None else 1)


def check_text(source: Source, rungs: list[Rung], unsafe: bool) -> GateReport:
    """What the gates say of it at the shapes of these rungs."""
    early = _parse(source.text)
    if early.refusal is not None:
        return early
    try:
        with closing(LocalExecutor(1)) as executor, isolation_of(unsafe) as isolation, _deadline(CHECK_SECONDS):
            checker = Checker(executor, isolation, AgentSettings(), trace_limits=CHECK_LIMITS, gate_limits=CHECK_LIMITS)
            return checker.gates(source.text, rungs)
    except _TooLate:
        message, remedy = (
            f"The check took longer than {CHECK_SECONDS:g} seconds.",
            "Let it compute less; if the machine is busy, try again.",
        )
        return GateReport(refusal=refusal_record(Refusal(Gate.COST, "time-limit", message, remedy)))


class _TooLate(Exception):
    """The check's time is over."""


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """Raises _TooLate inside the block after that time. By an alarm, since what is waited for may be anything."""

    def ring(number: int, frame: object) -> None:
        raise _TooLate

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _parse(text: str) -> GateReport:
    """The first gate alone: most refusals need no process."""
    try:
        parse(text)
    except Refusal as refusal:
        return GateReport(refusal=refusal_record(refusal))
    return GateReport()


@contextmanager
def isolation_of(unsafe: bool) -> Iterator[Isolation]:
    """A sandbox for untrusted text, or none at the user's own risk."""
    with closing(open_isolation("unsafe" if unsafe else "auto", pool_size=1)) as isolation:
        if unsafe:
            isolation.test()  # the others were when they were opened
        yield isolation


# ------------------------------------------------------------------------------------------------------- evaluate
def evaluate(
    program: Annotated[
        str,
        typer.Argument(metavar="FILE|ID|REFERENCE|NETWORK", help="A file, - for standard input, a reference, an id, or a meta-network."),
    ],
    tasks: Annotated[str, typer.Option(help="Tasks, with commas between: probe:catch,atari-ram:Breakout; `probes` is all skills.")],
    steps: Annotated[int, typer.Option(min=1, help="Agent steps a training.")] = 20_000,
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="Trainings a task.")] = 2,
    baseline: Annotated[
        str | None,
        typer.Option(
            help="Whose return is a score of 1: a reference, a meta-network, `best-policy` (known on probes), or `none`. "
            "Default: best-policy where every task is a probe, else ppo."
        ),
    ] = None,
    episodes: Annotated[int, typer.Option(min=1, help="Evaluation episodes a training.")] = 16,
    seed: Annotated[int, typer.Option(min=0, help="From which all seeds of trainings derive.")] = 0,
    name: Annotated[str, typer.Option("--rung", help="Seeds derive from this name too: a campaign's rung gives its seeds.")] = "evaluate",
    workers: Workers = None,
    threads: Threads = 1,
    num_envs: Annotated[int, typer.Option(min=1, max=4096, help="Environments an agent.")] = AgentSettings().num_envs,
    rollout_length: Annotated[int, typer.Option(min=1, max=1024, help="Steps between updates.")] = AgentSettings().rollout_length,
    learning_rate: Annotated[float, typer.Option(help="Adam's, where the program sets none.")] = AgentSettings().learning_rate,
    network_learning_rate: Annotated[
        float | None, typer.Option(min=1e-5, max=1e-1, help="Of agents under a meta-network, instead of its own.")
    ] = None,
    sticky: Annotated[float, typer.Option(help="Atari: chance that the last action is repeated.")] = TaskSettings().sticky,
    episodic_life: Annotated[bool, typer.Option(help="Atari: a lost life ends the learner's episode.")] = TaskSettings().episodic_life,
    clip_rewards: Annotated[bool, typer.Option(help="Atari: the learner sees the sign of rewards.")] = TaskSettings().clip_rewards,
    archive: Annotated[Path | None, typer.Option(help="The archive in which an ID is looked up.")] = None,
    training: Training = Place.AUTO,
    as_json: Json = False,
    unsafe: Unsafe = False,
) -> None:
    """Train agents with a program or a meta-network and print their returns and score. Exit 1 if it is refused or a training fails."""
    settings = checked_record(TaskSettings, sticky=sticky, episodic_life=episodic_life, clip_rewards=clip_rewards)
    agent = checked_record(AgentSettings, threads=threads, num_envs=num_envs, rollout_length=rollout_length, learning_rate=learning_rate)
    asked = {"name": name, "tasks": task_names(tasks), "steps": steps, "seeds": seeds, "evaluation_episodes": episodes}
    rung = checked_record(Rung, **asked, task_settings=settings)
    source = find_rule(program, archive, network_learning_rate)
    rival = _rival(baseline, rung.tasks, network_learning_rate)
    if isinstance(source, Source) and source.traced is None:
        _stop_if_refused(_parse(source.text), source.text, as_json)
    with (
        closing(open_executor(workers_of(agent.threads, workers), rung.tasks, num_envs, training)) as executor,
        isolation_for([source], unsafe) as isolation,
        closing(Evaluator(executor, isolation, agent, seed=seed)) as evaluator,
    ):
        report = _measure(evaluator, rule_of(evaluator, source, [rung], as_json), rung, rival)
    if as_json:
        emit_json(report)
    else:
        show(report)
    if report.verdict != Verdict.OK:
        narrate(f"{report.verdict}: {report.fault}")
        raise typer.Exit(1)


def rule_of(evaluator: Evaluator, source: Source | LearnedRule, rungs: Sequence[Rung], as_json: bool) -> Rule:
    """What is trained: a program's verified graphs, traced here unless an archive has them, or a meta-network. Exit 1 if it is refused."""
    if isinstance(source, LearnedRule):
        return source
    if source.traced is not None:
        return source.traced
    report = evaluator.gates(source.text, rungs, trusted=source.trusted)
    _stop_if_refused(report, source.text, as_json)
    assert report.traced is not None, "what is not refused is traced"
    return report.traced


def _stop_if_refused(report: GateReport, text: str, as_json: bool) -> None:
    if report.refusal is not None:
        print_gates(report, text, as_json)
        raise typer.Exit(1)


def _rival(baseline: str | None, tasks: Sequence[str], network_learning_rate: float | None) -> str | LearnedRule | None:
    """Whose return is 1, as asked for or as fits the tasks. UsageError where the best policy is asked for and not known."""
    known = all(known_anchor(task) for task in tasks)
    name = baseline or (BEST_POLICY if known else "ppo")
    if name == BEST_POLICY:
        known_anchors(tasks)
        return name
    return None if name == "none" else find_baseline(name, network_learning_rate)


def _measure(evaluator: Evaluator, rule: Rule, rung: Rung, baseline: str | LearnedRule | None) -> Report:
    anchor = _baseline(evaluator, rule, rung, baseline) if baseline else None
    trained = anchor is not None and anchor[1] is not None
    runs = len(rung.tasks) * rung.seeds * (3 if trained else 1)  # the program's; and for the score random play's and the baseline's
    with training_progress(runs) as advance:
        return measure(evaluator, rule, rung, anchor, ShortMemory(), advance)


def _baseline(evaluator: Evaluator, rule: Rule, rung: Rung, baseline: str | LearnedRule) -> tuple[str, Rule | None]:
    """Its name and its rule; the best policy has none. A reference that is the program itself has passed the gates already."""
    if baseline == BEST_POLICY:
        return baseline, None
    if isinstance(baseline, LearnedRule):
        return baseline.name, baseline
    return baseline, rule if rule.id == program_id(reference_text(baseline)) else evaluator.reference(baseline, [rung])


@contextmanager
def training_progress(total: int | None) -> Iterator[Callable[[RunResult], None]]:
    """A bar on stderr that moves with every training done; None where nobody can say how many there will be."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=narration, transient=True) as progress:
        bar = progress.add_task("training", total=total)
        yield lambda run: progress.update(bar, advance=1, description=run.task)


@contextmanager
def isolation_for(sources: Sequence[Source | LearnedRule], unsafe: bool) -> Iterator[Isolation | None]:
    """None where nothing has to be traced that is not our own text."""
    if all(isinstance(source, LearnedRule) or source.trusted or (source.traced is not None and not unsafe) for source in sources):
        yield None
        return
    with isolation_of(unsafe) as isolation:
        yield isolation


# --------------------------------------------------------------------------------------------------------- shared
def find_baseline(name: str, network_learning_rate: float | None) -> str | LearnedRule:
    """The name of a reference, or a meta-network. Raises as `synth.network.find_network` for what is neither."""
    return learned_rule(name, network_learning_rate) if is_network(name) else name


def task_names(text: str) -> tuple[str, ...]:
    """The tasks of an option, with commas between; a suite (`probes`, `atari-ram-3`) is short for all of its tasks.

    UsageError names the nearest ones for one that does not exist.
    """
    words = (word.strip() for word in text.split(","))
    names = tuple(name for word in words if word for name in SUITES.get(word, (word,)))
    if not names:
        raise UsageError("No task is named.", "Write --tasks probe:catch, with commas between several; or --tasks probes.")
    for name in names:
        check_name(name)
    return names


R = TypeVar("R", bound=Record)


def checked_record(kind: type[R], **fields: Any) -> R:
    """The record, or UsageError that names the field that cannot be."""
    try:
        return kind(**fields)
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"])) or kind.__name__.lower()
        raise UsageError(f"{place}: {problem['msg'].removeprefix('Value error, ')}.", "See `lossmith evaluate --help`.") from error
