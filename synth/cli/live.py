"""What people see while a campaign runs: a live table on a terminal, a plain line now and then elsewhere. On stderr, never in the way."""

from __future__ import annotations

import threading
from types import TracebackType

from rich.console import Group
from rich.live import Live
from rich.text import Text

from sandbox.errors import ArchiveError
from synth.campaign import Campaign
from synth.cli.output import narrate, narration
from synth.cli.tables import funnel_line, interval, plain_table, shown

TABLE_SECONDS = 0.5
LINE_SECONDS = 20.0


class View:
    """A context manager that shows a campaign until it is left."""

    def __init__(self, campaign: Campaign) -> None:
        self._campaign = campaign
        self._live = Live(console=narration, auto_refresh=False, transient=True) if narration.is_terminal else None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._show, name="view", daemon=True)

    def __enter__(self) -> View:
        if self._live is not None:
            self._live.start()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
        if self._live is not None:
            self._live.stop()

    def _show(self) -> None:
        while not self._over.wait(LINE_SECONDS if self._live is None else TABLE_SECONDS):
            try:
                if self._live is None:
                    narrate(line(self._campaign))
                else:
                    self._live.update(table(self._campaign), refresh=True)
            except ArchiveError:
                return  # the campaign meets the same trouble, and says so


def line(campaign: Campaign) -> str:
    """Everything in one line."""
    funnel = campaign.archive.funnel(campaign.name, [rung.name for rung in campaign.spec.rung])
    return f"{_phase(campaign)}; {funnel_line(funnel)}; best {_best(campaign)}"


def table(campaign: Campaign) -> Group:
    """Budgets, workers, funnel, best so far."""
    rows = plain_table("", "")
    funnel = campaign.archive.funnel(campaign.name, [rung.name for rung in campaign.spec.rung])
    for name, used, limit in budgets(campaign):
        rows.add_row(name, f"{used:.0f}" if limit is None else f"{used:.0f} of {limit:.0f}  {_bar(used / limit)}")
    valve = campaign.crew.valve
    rows.add_row("workers", f"{valve.running} of {valve.workers} busy, {valve.queued} jobs wait")
    if campaign.desk.roster.resting:
        rows.add_row("no answer from", shown(", ".join(campaign.desk.roster.resting)))
    rows.add_row("funnel", funnel_line(funnel))
    rows.add_row("best", shown(_best(campaign), most=100))
    return Group(Text(f"{campaign.name}: {campaign.phase}", style="bold"), rows)


def budgets(campaign: Campaign) -> list[tuple[str, float, float | None]]:
    """(name, used, limit) of every budget."""
    archive, name, budget = campaign.archive, campaign.name, campaign.spec.budget
    funnel = archive.funnel(name, ())
    minutes = budget.wall_clock_minutes
    return [
        ("evaluations", funnel["novel"], budget.evaluations),
        ("proposals", funnel["proposed"], campaign.spec.most_proposals),
        ("seconds", campaign.clock.seconds(), None if minutes is None else 60 * minutes),
        ("device-seconds", archive.device_seconds(name), budget.device_seconds),
    ]


def _phase(campaign: Campaign) -> str:
    valve = campaign.crew.valve
    resting = campaign.desk.roster.resting
    missing = f", no answer from {', '.join(resting)}" if resting else ""
    return f"{campaign.name}: {campaign.phase}, {campaign.clock.seconds():.0f} s, {valve.running} of {valve.workers} workers busy{missing}"


def _best(campaign: Campaign) -> str:
    for elite in campaign.archive.top(campaign.name, 1):
        rung = campaign.spec.rung[elite.rung].name
        return f"{interval(elite.score)} on {rung}: {elite.title} ({elite.id})"
    return "none yet"


def _bar(fraction: float, width: int = 20) -> str:
    full = min(width, int(width * fraction))
    return "█" * full + "░" * (width - full)
