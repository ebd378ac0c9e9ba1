"""`lossmith note`, `pin`, `unpin`, `ban`, `unban` and `add`: people in the loop.

Each is recorded with its time, takes effect with the next proposal that is made (`archive.acts`), and is shown by `status` and `show`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from archive.records import Act, ActKind, Elite
from archive.store import SqliteArchive, default_path, open_archive
from sandbox.errors import UsageError
from sandbox.records import program_id
from synth.cli.campaigns import ArchiveOption, named
from synth.cli.output import narrate
from synth.cli.programs import Unsafe, check_text
from synth.cli.sources import read_file
from synth.spec import CampaignSpec

CampaignOption = Annotated[str | None, typer.Option("--campaign", metavar="NAME", help="The campaign; the program's, or the newest.")]
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The beginning of a program's id.")]
IDENTIFIER = re.compile(r"[0-9a-f]{4,12}")
MOST_CHARACTERS = 4000


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    for command in (note, pin, unpin, ban, unban, add):
        app.command()(command)


def note(
    target: Annotated[str, typer.Argument(metavar="ID|CAMPAIGN", help="The beginning of a program's id, or a campaign's name.")],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What the next prompts are to say of it.")],
    campaign: CampaignOption = None,
    archive: ArchiveOption = None,
) -> None:
    """Tell the models something about a program or a campaign; the next prompts show it."""
    with _opened(archive) as opened:
        program = None if target in opened.campaigns() else opened.find(target, campaign)
        name = target if program is None else program.campaign
        _do(opened, name, "note", program, _said(text))


def pin(program: IdArgument, campaign: CampaignOption = None, archive: ArchiveOption = None) -> None:
    """Keep a program among the parents whatever takes its cell, choose it more often, and show it to the models."""
    with _opened(archive) as opened:
        elite = opened.find(program, campaign)
        result = opened.result(elite)
        if result is not None and result.rung is None:
            raise UsageError(f"{elite.id} has no score: it was refused, a duplicate, or failed.", "Pin one that `lossmith top` lists.")
        _mark(opened, elite, "pin")


def unpin(program: IdArgument, campaign: CampaignOption = None, archive: ArchiveOption = None) -> None:
    """Take a pin back."""
    with _opened(archive) as opened:
        _let_go(opened, opened.find(program, campaign), "unpin")


def ban(
    target: Annotated[str, typer.Argument(metavar="ID|IDEA", help="The beginning of a program's id, or an idea in words.")],
    campaign: CampaignOption = None,
    archive: ArchiveOption = None,
) -> None:
    """Rule out a program (never a parent again, never called best) or an idea (models are told not to use it)."""
    with _opened(archive) as opened:
        if IDENTIFIER.fullmatch(target):
            _mark(opened, opened.find(target, campaign), "ban")
            return
        name = named(opened, campaign)
        if _said(target) in opened.acts.banned_ideas(name):
            raise UsageError(f"The idea is banned already in {name}.", "`lossmith unban` takes it back.")
        _do(opened, name, "ban", None, _said(target))


def unban(
    target: Annotated[str, typer.Argument(metavar="ID|IDEA", help="The beginning of a program's id, or of a banned idea.")],
    campaign: CampaignOption = None,
    archive: ArchiveOption = None,
) -> None:
    """Take a ban back."""
    with _opened(archive) as opened:
        if IDENTIFIER.fullmatch(target):
            _let_go(opened, opened.find(target, campaign), "unban")
            return
        name = named(opened, campaign)
        ideas = [idea for idea in opened.acts.banned_ideas(name) if idea.startswith(target.strip())]
        if len(ideas) != 1:
            raise UsageError(f"{len(ideas)} banned ideas of {name} begin with {target!r}.", "`lossmith status` lists them.")
        _do(opened, name, "unban", None, ideas[0])


def add(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A file that holds a program, or - for standard input.")],
    campaign: CampaignOption = None,
    archive: ArchiveOption = None,
    unsafe: Unsafe = False,
) -> None:
    """Bring a program of your own into a campaign: it climbs the ladder like any other. Exit 1 if a gate refuses it."""
    source = read_file(file)
    with _opened(archive) as opened:
        name = named(opened, campaign)
        spec = CampaignSpec.model_validate_json(opened.campaign_spec(name))
        report = check_text(source, list(spec.all_rungs), unsafe or spec.sandbox.backend == "unsafe")
        if report.refusal is not None:
            narrate(f"Refused by {report.refusal.gate} ({report.refusal.code}): {report.refusal.message} {report.refusal.remedy}")
            raise typer.Exit(1)
        _do(opened, name, "add", None, source.text)
    narrate(f"It is {program_id(source.text)}: `lossmith show` knows it once it is proposed.")


# ------------------------------------------------------------------------------------------------------------ shared
def _mark(archive: SqliteArchive, elite: Elite, kind: ActKind) -> None:
    """A pin or a ban, unless the other one holds."""
    mark = archive.acts.mark(elite.campaign, elite.id)
    if mark:
        back = {"pin": "unpin", "ban": "unban"}[mark]
        known = f"{elite.id} is {'pinned' if mark == 'pin' else 'banned'}{' already' if mark == kind else ''} in {elite.campaign}."
        raise UsageError(known, f"`lossmith {back} {elite.id}` takes it back.")
    _do(archive, elite.campaign, kind, elite, elite.title)


def _let_go(archive: SqliteArchive, elite: Elite, kind: ActKind) -> None:
    if archive.acts.mark(elite.campaign, elite.id) != kind.removeprefix("un"):
        done = {"unpin": "pinned", "unban": "banned"}[kind]
        raise UsageError(f"{elite.id} is not {done} in {elite.campaign}.", "`lossmith status` lists what is.")
    _do(archive, elite.campaign, kind, elite, elite.title)


def _do(archive: SqliteArchive, campaign: str, kind: ActKind, program: Elite | None, text: str) -> None:
    archive.campaign_spec(campaign)  # raises for one that is not there
    archive.acts.do(Act(time=time.time(), campaign=campaign, kind=kind, program_id=program.id if program else None, text=text))
    narrate(f"Recorded. It holds from the next proposal of {campaign} on.")


def _said(text: str) -> str:
    if not text.strip() or len(text) > MOST_CHARACTERS:
        raise UsageError(f"A text has between 1 and {MOST_CHARACTERS} characters.", "Say it in a few sentences.")
    return text.strip()


@contextmanager
def _opened(path: Path | None) -> Iterator[SqliteArchive]:
    archive = open_archive(default_path(path), create=False)
    try:
        yield archive
    finally:
        archive.close()
