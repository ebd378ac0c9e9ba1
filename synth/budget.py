"""The limits that depend on time: who watches them, and how a campaign ends.

The limits on evaluations and proposals are kept by the loop itself, in the order of proposals; these two, and the user, may strike at any
moment.
"""

from __future__ import annotations

import threading
import time
from enum import StrEnum

from archive.base import Archive
from archive.records import Spent
from sandbox.errors import ArchiveError
from synth.spec import BudgetSection, CampaignSpec
from synth.valve import Valve

TICK_SECONDS = 0.2
SAVE_SECONDS = 5.0


class Ending(StrEnum):
    """Why a search ended."""

    EVALUATIONS = "evaluations"
    PROPOSALS = "proposals"
    WALL_CLOCK = "wall clock"
    DEVICE_SECONDS = "device-seconds"
    MONEY = "money"
    TOKENS = "tokens"
    CALLS = "calls"
    INTERRUPTED = "interrupted"

    @property
    def key(self) -> str:
        """The limit's place in the spec."""
        return f"budget.{KEYS.get(self, self.value)}"

    def sentence(self, budget: BudgetSection) -> str:
        """Which limit was reached, with its number."""
        return {
            Ending.EVALUATIONS: f"The budget of {budget.evaluations} evaluations is used up.",
            Ending.PROPOSALS: f"The budget of {budget.most_proposals} proposals is used up.",
            Ending.WALL_CLOCK: f"The budget of {budget.wall_clock_minutes:g} minutes is used up." if budget.wall_clock_minutes else "",
            Ending.DEVICE_SECONDS: f"The budget of {budget.device_seconds:g} device-seconds is used up." if budget.device_seconds else "",
            Ending.MONEY: f"The budget of {budget.money:g} dollars leaves too little for one more call." if budget.money else "",
            Ending.TOKENS: f"The budget of {budget.tokens} tokens leaves too few for one more call.",
            Ending.CALLS: f"The budget of {budget.calls} calls is used up.",
            Ending.INTERRUPTED: "Interrupted.",
        }[self]


KEYS = {Ending.WALL_CLOCK: "wall_clock_minutes", Ending.DEVICE_SECONDS: "device_seconds"}


class Clock:
    """Seconds a campaign has worked, over all its processes; kept in the archive."""

    KEY = "seconds"

    def __init__(self, archive: Archive, campaign: str) -> None:
        self._archive = archive
        self._campaign = campaign
        self._before = float(archive.get_value(campaign, self.KEY) or 0)
        self._start = time.monotonic()

    def seconds(self) -> float:
        """Up to now."""
        return self._before + time.monotonic() - self._start

    def save(self) -> None:
        """Writes them down."""
        self._archive.set_value(self._campaign, self.KEY, f"{self.seconds():.1f}")


def exhausted(archive: Archive, spec: CampaignSpec, clock: Clock) -> Ending | None:
    """The limit that leaves nothing to search with, if there is one."""
    name, budget = spec.campaign.name, spec.budget
    made, told = archive.progress(name)
    if archive.funnel(name, ())["novel"] >= budget.evaluations:
        return Ending.EVALUATIONS
    if told >= spec.most_proposals:
        return Ending.PROPOSALS
    no_call = _no_call_left(archive, spec) if made == told else None
    return no_call or struck(archive, spec, clock)


def _no_call_left(archive: Archive, spec: CampaignSpec) -> Ending | None:
    """The budget of models that is used up, once the search has come to its end: before, there may be something to do without a model."""
    name = spec.campaign.name
    over = [event.kind for event in archive.events(name, last=1)] == ["finished"]
    return short_of(spec.budget, archive.letters.spent(name) + Spent(tokens=1, calls=1)) if over else None


def struck(archive: Archive, spec: CampaignSpec, clock: Clock) -> Ending | None:
    """The limit of time or of device-seconds that has been reached, if any."""
    minutes, seconds = spec.budget.wall_clock_minutes, spec.budget.device_seconds
    if minutes is not None and clock.seconds() >= 60 * minutes:
        return Ending.WALL_CLOCK
    if seconds is not None and archive.device_seconds(spec.campaign.name) >= seconds:
        return Ending.DEVICE_SECONDS
    return None


def short_of(budget: BudgetSection, spent: Spent) -> Ending | None:
    """The limit on models that spending so much would break, if any."""
    limits = (
        (budget.money, spent.money, Ending.MONEY),
        (budget.tokens, spent.tokens, Ending.TOKENS),
        (budget.calls, spent.calls, Ending.CALLS),
    )
    return next((ending for limit, used, ending in limits if limit is not None and used > limit * (1 + 1e-9)), None)


class Watch:
    """A thread that shuts the valve when a limit strikes (where `limited`) or the user has had enough. `ending` says what it saw."""

    def __init__(
        self, archive: Archive, spec: CampaignSpec, clock: Clock, interrupted: threading.Event, valve: Valve, *, limited: bool
    ) -> None:
        self.ending: Ending | None = None
        self._archive = archive
        self._spec = spec
        self._clock = clock
        self._interrupted = interrupted
        self._valve = valve
        self._limited = limited
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watch", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._clock.save()

    def _watch(self) -> None:
        saved = time.monotonic()
        while not self._over.wait(TICK_SECONDS):
            try:
                self.ending = self.ending or self._look()
                if time.monotonic() - saved > SAVE_SECONDS:
                    self._clock.save()
                    saved = time.monotonic()
            except ArchiveError:
                return  # the loop meets the same trouble, and says so
            if self.ending is not None and not self._valve.is_shut:
                self._valve.shut()

    def _look(self) -> Ending | None:
        if self._interrupted.is_set():
            return Ending.INTERRUPTED
        return struck(self._archive, self._spec, self._clock) if self._limited else None
