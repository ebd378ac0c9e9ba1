"""`lossmith export`: a program as one file that trains by itself and needs nothing of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archive.store import default_path, open_archive
from sandbox.errors import UsageError
from sandbox.records import AgentSettings, program_id
from synth.cli.output import emit_json, narrate
from synth.cli.sources import Source, find_program
from synth.spec import CampaignSpec


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("export")(export_command)


def export_command(
    program: Annotated[str, typer.Argument(metavar="ID|FILE|REFERENCE", help="A program of the archive, a file, or a reference.")],
    out: Annotated[Path | None, typer.Option(help="The file to write; standard output if none.")] = None,
    archive: Annotated[Path | None, typer.Option(help="The archive in which an ID is looked up.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> None:
    """Write a program as one standalone file of PyTorch and Gymnasium."""
    from synth.export.assemble import export

    source = find_program(program, archive)
    text = export(source.text, _agent(source, archive))
    if out is not None:
        write(out, text)
        narrate(f"Wrote {out}. Try it: python {out} --env-id Catch --steps 20000")
    if as_json:
        emit_json({"program": program_id(source.text), "lines": text.count("\n"), "file": out and str(out), "text": text})
    elif out is None:
        typer.echo(text, nl=False)


def write(path: Path, text: str) -> None:
    """A new or changed file. UsageError where it cannot be written."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"Cannot write {path}: {error.strerror}.", "Name a file in a folder that you may write to.") from error


def _agent(source: Source, path: Path | None) -> AgentSettings:
    """The agent that the program was found with; the default one for a file or a reference."""
    if source.traced is None:  # only what is found in the archive comes with a trace
        return AgentSettings()
    archive = open_archive(default_path(path), create=False)
    try:
        return CampaignSpec.model_validate_json(archive.campaign_spec(archive.find(source.name).campaign)).agent
    finally:
        archive.close()
