"""The seam to memory: ask for parents, tell results.

One more method, `remember`/`recall` of single runs, is what makes a killed campaign resume without training anything twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from archive.records import AddStatus, Elite, Event, Proposal, Result
from sandbox.records import Identity, RunResult, TrainJob


class Archive(Protocol):
    """The only truth of a campaign. Every method commits before it returns; safe to call from several threads."""

    # ------------------------------------------------------------------------------------ search
    def ask(self, campaign: str, count: int, stream: np.random.Generator) -> list[Elite]:
        """`count` parents, drawn by lower bound and novelty over the grid; fewer when the archive holds fewer."""
        ...

    def propose(self, proposal: Proposal) -> None:
        """Records a proposal before it is evaluated; the same number twice must be the same proposal."""
        ...

    def tell(self, result: Result) -> AddStatus:
        """Records all that was found out about a proposal. Results come in the order of proposal numbers."""
        ...

    # ------------------------------------------------------------------------------------ single runs
    def recall(self, job: TrainJob) -> RunResult | None:
        """The result of exactly this job under this version, if it was ever run."""
        ...

    def remember(self, job: TrainJob, result: RunResult) -> None:
        """Keeps a run's numbers."""
        ...

    # ------------------------------------------------------------------------------------ campaigns
    def create_campaign(self, name: str, spec: str) -> None:
        """Opens a campaign with its resolved spec (JSON). UsageError if the name is taken by another spec."""
        ...

    def campaign_spec(self, name: str) -> str:
        """The resolved spec; UsageError naming the campaigns there are if there is none of that name."""
        ...

    def campaigns(self) -> list[str]:
        """Names, newest last."""
        ...

    def progress(self, campaign: str) -> tuple[int, int]:
        """(proposals made, results told)."""
        ...

    def proposals(self, campaign: str, start: int = 0) -> list[Proposal]:
        """Proposals from number `start` on, in order."""
        ...

    def set_value(self, campaign: str, key: str, value: str) -> None:
        """Keeps a small piece of the campaign's state (baseline returns, device-seconds used)."""
        ...

    def get_value(self, campaign: str, key: str) -> str | None:
        """What `set_value` kept."""
        ...

    def log(self, event: Event) -> None:
        """Appends an event."""
        ...

    def events(self, campaign: str) -> list[Event]:
        """All events, oldest first."""
        ...

    # ------------------------------------------------------------------------------------ reading
    def find(self, prefix: str) -> Elite:
        """The one program whose id begins with `prefix`; UsageError if none or several do."""
        ...

    def result(self, program_id: str) -> Result:
        """All that was found out about a program."""
        ...

    def top(self, campaign: str | None, count: int) -> list[Elite]:
        """Programs by rung reached, then lower bound, best first."""
        ...

    def identities(self, campaign: str) -> Iterator[tuple[Identity, str]]:
        """Identity and program id of every program told so far, oldest first, for the novelty gate."""
        ...

    def funnel(self, campaign: str) -> dict[str, int]:
        """How many proposals got how far: proposed, parsed, traced, sensible, novel, rung names…, kept."""
        ...

    def occupancy(self, campaign: str) -> dict[str, str]:
        """Cell name to the id of the program that holds it."""
        ...

    def close(self) -> None:
        """Closes the file."""
        ...
