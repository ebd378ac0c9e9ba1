"""`lossmith baseline`: learned update rules, trained here, imported or fetched."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from archive.baseline import library
from archive.baseline.spec import load_baseline_spec
from sandbox.errors import UsageError
from synth.cli import networks
from synth.cli.output import console, emit_json, narrate, narration
from synth.network import is_network

if TYPE_CHECKING:
    from archive.baseline.training import CurvePoint

baseline = typer.Typer(help="Learned update rules: train, evaluate, show, import, fetch, list.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def register(app: typer.Typer) -> None:
    """Adds the group of commands."""
    baseline.command("evaluate")(networks.evaluate)
    baseline.command("show")(networks.show)
    app.add_typer(baseline, name="baseline")


@baseline.command("train")
def train(
    spec: Annotated[Path, typer.Argument(help="A TOML file; examples/baseline.toml is one.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the run; default baselines/NAME. An unfinished run there goes on.")] = None,
    json_: Json = False,
) -> None:
    """Learns an update rule by meta-gradients, from random weights."""
    parsed = load_baseline_spec(spec)
    from archive.baseline.training import MetaTraining
    from sandbox.training.clock import one_thread

    folder = out or Path("baselines") / parsed.name
    with one_thread(), Progress(*COLUMNS, console=narration) as progress:
        training = MetaTraining(parsed, folder)
        bar = progress.add_task("meta-steps", total=parsed.meta.steps, completed=training.step, scores="")
        training.run(lambda point: progress.update(bar, completed=point.step, scores=describe(point)))
    written = folder / "network.safetensors"
    narrate(f"Use it as a baseline: lossmith baseline import {written} --name {parsed.name}")
    if json_:
        emit_json({"name": parsed.name, "network": str(written), "sha256": library.digest(written), "steps": training.step})
    else:
        console.print(str(written))


COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.fields[scores]}"))


def describe(point: CurvePoint) -> str:
    """The newest scores in a few words."""
    return "  ".join(f"{task.partition(':')[2]} {score:.2f}" for task, score in point.scores.items())


@baseline.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="disco_103.npz, or a .safetensors written by `baseline train`.")],
    name: Annotated[str | None, typer.Option(help="Its name from now on; default the file's.")] = None,
    json_: Json = False,
) -> None:
    """Checks a file of weights (names, shapes, checksum) and keeps a copy."""
    chosen = name or file.stem
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", chosen):
        raise UsageError(f"{chosen!r} cannot be a name.", "Give one of small letters, digits, - and _ with --name.")
    if not is_network(chosen):
        raise UsageError(f"{chosen!r} is the name of a reference program.", "Give another with --name.")
    if file.suffix not in library.SUFFIXES:
        raise UsageError(f"{file} is neither .npz nor .safetensors.", "Give the file that was published or written by `baseline train`.")
    from sandbox.rules.meta.weights import load

    network = load(file)
    kept = library.adopt(file, chosen)
    count = sum(parameter.numel() for parameter in network.parameters())
    narrate(f"{count:,} parameters, kept as {kept}")
    _report(chosen, kept, json_)


@baseline.command("fetch")
def fetch(
    name: Annotated[str, typer.Argument(help="disco103, the published meta-network (2.8 MB).")],
    url: Annotated[str, typer.Option(help="Another address of the same file.")] = library.DISCO103_URL,
    json_: Json = False,
) -> None:
    """Downloads published weights over HTTPS and checks them byte for byte."""
    if name != "disco103":
        raise UsageError(f"There is nothing called {name!r} to fetch.", "Known is: disco103.")
    _report(name, library.fetch_disco103(url), json_)


@baseline.command("list")
def list_(json_: Json = False) -> None:
    """The meta-networks that can be named."""
    rows = [{"name": name, "path": str(path), "sha256": library.digest(path)} for name, path in library.names().items()]
    if json_:
        emit_json(rows)
        return
    table = Table("name", "file", "SHA-256")
    for row in rows:
        table.add_row(row["name"], row["path"], row["sha256"][:12])
    console.print(table)


def _report(name: str, path: Path, as_json: bool) -> None:
    row = {"name": name, "path": str(path), "sha256": library.digest(path)}
    if as_json:
        emit_json(row)
    else:
        console.print(f"{name}: {path}")
