"""`lossmith compare`: campaigns of one spec under several strategies, side by side."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from archive.store import SqliteArchive, default_path, open_archive
from sandbox.errors import UsageError
from synth.cli.campaigns import ArchiveOption, JsonOption
from synth.cli.output import console, emit_json, inert, narrate
from synth.cli.tables import interval, plain_table, shown
from synth.spec import CampaignSpec
from synth.strategies import Comparison, Duel, compare_strategies


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(compare)


def compare(
    campaigns: Annotated[list[str], typer.Argument(metavar="NAME NAME…", help="Campaigns; FILE:NAME for one of another archive.")],
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare campaigns of one spec under several search.strategy: what the best program is worth, and what it took."""
    if len(set(campaigns)) < 2 or len(set(campaigns)) < len(campaigns):
        raise UsageError("Comparing takes two campaigns or more, each named once.", "`lossmith status` shows the newest one.")
    with ExitStack() as stack:
        entries = [_entry(each, default_path(archive), stack) for each in campaigns]
        comparison = compare_strategies(entries)
    if as_json:
        emit_json(comparison)
    else:
        _show(comparison)


def _entry(text: str, default: Path, stack: ExitStack) -> tuple[SqliteArchive, CampaignSpec]:
    file, _, name = text.rpartition(":")
    archive = open_archive(Path(file) if file else default, create=False)
    stack.callback(archive.close)
    return archive, CampaignSpec.model_validate_json(archive.campaign_spec(name))


def _show(comparison: Comparison) -> None:
    columns = ("campaign", "strategy", "hold-out [95 %]", "search [95 %]", "evaluations", "device-seconds", "tokens", "dollars", "best")
    table = plain_table(*columns, title="The program that each search ranked first (1 = the baseline, 0 = random play)")
    for each in comparison.contenders:
        search = f"{interval(each.search)} {each.rung}".strip()
        took = (str(each.evaluations), f"{each.device_seconds:.0f}", str(each.spent.tokens), f"{each.spent.money:.4f}")
        best = "-" if each.best is None else f"{each.best} (proposal {each.proposal} of {each.proposals}) {each.title}"
        table.add_row(shown(each.campaign), each.strategy, interval(each.holdout), shown(search), *took, shown(best, most=90))
    console.print(table)
    for duel in comparison.duels:
        console.print(Text(_line(duel)))
    for warning in _warnings(comparison):
        narrate(warning)


def _line(duel: Duel) -> str:
    gap = duel.difference
    numbers = "" if gap is None else f": {gap.value:+.2f} [{gap.low:+.2f}, {gap.high:+.2f}]"
    return inert(f"{duel.one} against {duel.other}{numbers}: {duel.word}")


def _warnings(comparison: Comparison) -> list[str]:
    found = ["The intervals are those of the programs found: whether a strategy is better takes several campaigns each, with other seeds."]
    if not comparison.equal:
        found.append("The budgets are not equal: the numbers of evaluations differ by more than one.")
    if comparison.differs:
        found.append(f"The specs differ in {', '.join(comparison.differs)}.")
    if not comparison.on_holdout:
        found.append("Not all have been judged on a hold-out. The search's own scores flatter: it chose by them.")
    return found
