"""`lossmith init`, `run`, `resume` and `status`: campaigns from a spec to a leaderboard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archive.base import Archive
from archive.locking import hold_campaign
from archive.store import SqliteArchive, default_path, open_archive
from sandbox.errors import UsageError
from synth.budget import Ending
from synth.children import SUFFIXES
from synth.cli.output import emit_json, narrate
from synth.cli.overview import show_outcome, show_plan, show_state, state_of
from synth.spec import CampaignSpec, amended_spec, load_spec
from synth.template import TEMPLATE

ArchiveOption = Annotated[
    Path | None, typer.Option("--archive", help="The archive's file. Default: $LOSSMITH_ARCHIVE, else lossmith.sqlite here.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
SetOption = Annotated[list[str] | None, typer.Option("--set", metavar="KEY.PATH=VALUE", help="Override a field of the spec, as TOML.")]
UnsafeOption = Annotated[bool, typer.Option("--unsafe", help="Trace untrusted programs in a plain process: only for models you trust.")]
NameArgument = Annotated[str | None, typer.Argument(metavar="[NAME]", help="The campaign; the newest if not named.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    for command in (init, run, resume, status):
        app.command()(command)


def init(path: Annotated[Path, typer.Argument(help="Where to write the spec.")] = Path("campaign.toml")) -> None:
    """Write a commented spec to start from."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(TEMPLATE)
    except FileExistsError as error:
        raise UsageError(f"{path} exists already.", "Name another file, or remove it first.") from error
    except OSError as error:
        raise UsageError(f"Cannot write {path}: {error.strerror}.", "Name a file in a folder that you may write to.") from error
    narrate(f"Wrote {path}. Look through it, then: lossmith run {path} --dry-run")


def run(
    spec: Annotated[Path, typer.Argument(help="The campaign's TOML file; `lossmith init` writes one.")],
    overrides: SetOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, show what would be trained, and start nothing.")] = False,
    unsafe: UnsafeOption = False,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a campaign; the same spec again goes on where it stopped."""
    resolved = load_spec(spec, [*(overrides or ()), *(['sandbox.backend="unsafe"'] if unsafe else ())]).resolved()
    resolved.check_names()
    if dry_run:
        show_plan(resolved, as_json)
        return
    path = default_path(archive)
    opened = open_archive(path)
    try:
        opened.create_campaign(resolved.campaign.name, resolved.model_dump_json())
        _work(resolved, opened, path, as_json)
    finally:
        opened.close()


def resume(
    name: NameArgument = None,
    overrides: SetOption = None,
    unsafe: UnsafeOption = False,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go on with a campaign that was stopped or killed; --set may raise its budgets."""
    path = default_path(archive)
    opened = open_archive(path, create=False)
    try:
        name = named(opened, name)
        spec = amended_spec(opened.campaign_spec(name), overrides or ())
        opened.amend_campaign(name, spec.model_dump_json())
        if unsafe:
            spec = spec.model_copy(update={"sandbox": spec.sandbox.model_copy(update={"backend": "unsafe"})})
        _work(spec, opened, path, as_json)
    finally:
        opened.close()


def status(name: NameArgument = None, archive: ArchiveOption = None, as_json: JsonOption = False) -> None:
    """Show a campaign's budgets, funnel, grid, operators and events."""
    opened = open_archive(default_path(archive), create=False)
    try:
        name = named(opened, name)
        spec = CampaignSpec.model_validate_json(opened.campaign_spec(name))
        if as_json:
            emit_json(state_of(opened, spec))
        else:
            show_state(opened, spec)
    finally:
        opened.close()


def named(archive: Archive, name: str | None) -> str:
    """The campaign that is meant: the newest search where none is named."""
    names = archive.campaigns()
    if name is None and not names:
        raise UsageError("The archive holds no campaign.", "Start one with `lossmith run`.")
    searches = [one for one in names if not one.endswith(tuple(SUFFIXES.values()))] or names
    return name or searches[-1]


# ------------------------------------------------------------------------------------------------ running
def _work(spec: CampaignSpec, archive: SqliteArchive, path: Path, as_json: bool) -> None:
    """Runs the campaign and prints what came of it. Exit 130 where the user stopped it."""
    from synth.cli.live import View
    from synth.start import graceful_interrupt, open_campaign

    name = spec.campaign.name
    with hold_campaign(path, name), graceful_interrupt() as interrupted, open_campaign(spec, archive, interrupted) as campaign:
        narrate(f"Campaign {name} in {path}. Ctrl-C once finishes what runs and saves, twice kills; `lossmith resume {name}` goes on.")
        with View(campaign):
            ending = campaign.run()
    narrate(ending.sentence(spec.budget))
    if as_json:
        emit_json({"ending": ending.value, "archive": str(path), **state_of(archive, spec)})
    else:
        show_outcome(archive, spec)
    if ending == Ending.INTERRUPTED:
        narrate(f"Everything that finished is saved. Go on with: lossmith resume {name}")
        raise typer.Exit(130)
