"""`lossmith card`: one page on one program, as Markdown and HTML."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from archive.store import default_path, open_archive
from sandbox.check import TRACE_LIMITS
from sandbox.errors import UsageError
from sandbox.records import Traced
from synth.card.content import archive_card, text_card
from synth.card.records import Card, Neighbour
from synth.card.render import to_html, to_markdown
from synth.cli.export import write
from synth.cli.output import console, emit_json, narrate
from synth.cli.programs import isolation_of
from synth.cli.sources import Source, find_program


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("card")(card_command)


def card_command(
    program: Annotated[str, typer.Argument(metavar="ID|FILE|REFERENCE", help="A program of the archive, a file, or a reference.")],
    out: Annotated[Path, typer.Option(help="The folder in which ID.md and ID.html are written.")] = Path(),
    archive: Annotated[Path | None, typer.Option(help="The archive in which an ID is looked up.")] = None,
    unsafe: Annotated[bool, typer.Option("--unsafe", help="Trace a file without a sandbox: only one you have read yourself.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output, and write nothing.")] = False,
) -> None:
    """Write a page on a program: idea, mathematics, code, what each term does, what it is near to, scores, lineage."""
    source = find_program(program, archive)
    card = _card(source, archive, unsafe)
    if as_json:
        emit_json(card)
        return
    _check_folder(out)
    for suffix, text in ((".md", to_markdown(card)), (".html", to_html(card))):
        path = out / f"{card.id}{suffix}"
        write(path, text)
        console.print(str(path), soft_wrap=True)


def _card(source: Source, path: Path | None, unsafe: bool) -> Card:
    narrate("Comparing with the known algorithms …")
    neighbours = _neighbours(source, unsafe)
    if source.traced is None:  # only what is found in the archive comes with a trace
        return text_card(source.text, source.name, neighbours)
    chosen = default_path(path)
    with closing(open_archive(chosen, create=False)) as opened:
        return archive_card(opened, opened.find(source.name), chosen, neighbours)


def _neighbours(source: Source, unsafe: bool) -> list[Neighbour]:
    from sandbox.training.clock import one_thread
    from synth.card.nearest import nearest, traced_references  # loads torch

    with one_thread():
        references = dict(traced_references())
        traced = source.traced or references.get(source.name if source.trusted else "") or _traced(source.text, unsafe)
        return list(nearest(traced, references.items()))


def _traced(text: str, unsafe: bool) -> Traced:
    """A file's text, traced in isolation."""
    from sandbox.language.fingerprint import SHAPE
    from sandbox.language.program import parse
    from sandbox.language.tracing import trace, traced_from_reply

    program = parse(text)
    with isolation_of(unsafe) as isolation:
        return traced_from_reply(program, trace(program, (SHAPE,), isolation, TRACE_LIMITS), (SHAPE,))


def _check_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"Cannot make the folder {path}: {error.strerror}.", "Name one in a place that you may write to.") from error
