"""`lossmith sandbox`: build the docker image, and run one program against the walls to see which of them stops it."""

from __future__ import annotations

from contextlib import closing
from enum import StrEnum
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from sandbox.isolation.select import open_isolation
from sandbox.isolation.siege import Outcome, besiege
from synth.cli.output import console, emit_json, inert, narrate
from synth.cli.sources import read_file

app = typer.Typer(help="The sandbox for programs that a model writes.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]


class Walled(StrEnum):
    """The backends that have walls."""

    AUTO = "auto"
    DOCKER = "docker"
    BUBBLEWRAP = "bubblewrap"


def register(parent: typer.Typer) -> None:
    """Adds the commands."""
    parent.add_typer(app, name="sandbox")


@app.command()
def build(
    base: Annotated[str, typer.Option(help="The image to start from, with Python and pip in it.")] = "python:3.11-slim",
    from_here: Annotated[bool, typer.Option("--from-here", help="From the running interpreter: needs no registry.")] = False,
) -> None:
    """Build the image of the docker sandbox, with exactly the libraries and the Lossmith that are here."""
    from sandbox.isolation.build import build_from_base, build_from_here

    narrate("Building; this takes a minute or two.")
    content = build_from_here() if from_here else build_from_base(base)
    narrate(f"The image lossmith-sandbox holds what is here ({content}).")


@app.command()
def attack(
    file: Annotated[str, typer.Argument(help="A program, however hostile, or - for standard input.")],
    backend: Annotated[Walled, typer.Option(help="Which sandbox.")] = Walled.AUTO,
    as_json: Json = False,
) -> None:
    """Run one program against every wall, whatever those before it said, and show which stop it. Exit 1 if none does."""
    text = read_file(file).text
    with closing(open_isolation(backend.value, pool_size=1)) as isolation:
        outcomes = list(besiege(text, isolation))
    if as_json:
        emit_json({"stopped": any(outcome.stopped for outcome in outcomes), "walls": [outcome._asdict() for outcome in outcomes]})
    else:
        _show(outcomes)
    raise typer.Exit(0 if any(outcome.stopped for outcome in outcomes) else 1)


def _show(outcomes: list[Outcome]) -> None:
    table = Table(show_header=False, box=None)
    for outcome in outcomes:
        mark, style = ("stops it", "green") if outcome.stopped else ("passes", "yellow")
        table.add_row(outcome.wall, Text(mark, style=style), Text(inert(outcome.how)))
    console.print(table)
