"""The seam to memory: ask for parents, tell results.

One more pair, `remember`/`recall` of single runs, is what makes a killed campaign resume without training anything twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from archive.acts import Acts
from archive.grid import Standing
from archive.letters import Letters
from archive.records import Activity, AddStatus, Elite, Event, OperatorCount, Proposal, Result
from archive.sendings import Sendings
from sandbox.records import Identity, RunResult, TrainJob


class Archive(Protocol):
    """The only truth of a campaign. Every method commits before it returns; safe to call from several threads.

    Methods that take a campaign raise UsageError naming the campaigns there are if there is none of that name. `letters` keeps what
    proposers were asked and answered, `sendings` every try to ask them, `acts` what people did.
    """

    letters: Letters
    sendings: Sendings
    acts: Acts

    # ------------------------------------------------------------------------------------ search
    def ask(self, campaign: str, count: int, stream: np.random.Generator, island: int = 0) -> list[Elite]:
        """`count` different parents, drawn by `archive.selection` over the island's grid as it is believed; fewer when it holds fewer.

        What is being evaluated again rests until that is told. What people have pinned is drawn from too where it holds no cell.
        """
        ...

    def sample(self, campaign: str, count: int, stream: np.random.Generator) -> list[Elite]:
        """`count` different scored programs, each as likely as another whatever its score; fewer when there are fewer."""
        ...

    def resting(self, campaign: str) -> frozenset[int]:
        """Numbers of the proposals whose programs are being evaluated again."""
        ...

    def bar(self, campaign: str, island: int, cell: str, told: int) -> Standing | None:
        """What a program would have had to beat for a cell after `told` results; None where it stood empty. Never changes later."""
        ...

    def lows(self, campaign: str, rung: int, told: int) -> list[float]:
        """Lower bounds on a rung of the last 1000 proposals' programs after `told` results, in any order. Never changes later."""
        ...

    def migrate(self, campaign: str, islands: int, told: int) -> int:
        """Copies the best of each island to the next and says how many came. The same `told` again changes nothing."""
        ...

    def propose(self, proposal: Proposal) -> None:
        """Records a proposal before it is evaluated. The same again changes nothing; another under its number is an ArchiveError."""
        ...

    def tell(self, result: Result) -> AddStatus:
        """Records all that was found out about a proposal. ArchiveError unless results come in the order of proposal numbers."""
        ...

    # ------------------------------------------------------------------------------------ single runs
    def recall(self, job: TrainJob) -> RunResult | None:
        """The result of exactly this job under this version of the training code, if it was ever run."""
        ...

    def remember(self, job: TrainJob, result: RunResult, campaign: str | None = None) -> None:
        """Keeps a run's numbers; `campaign` is charged its device-seconds, once."""
        ...

    # ------------------------------------------------------------------------------------ campaigns
    def create_campaign(self, name: str, spec: str) -> None:
        """Opens a campaign with its resolved spec (JSON). The same again changes nothing; UsageError if the name has another spec."""
        ...

    def amend_campaign(self, name: str, spec: str) -> None:
        """Replaces the spec: a raised budget."""
        ...

    def campaign_spec(self, name: str) -> str:
        """The resolved spec."""
        ...

    def campaigns(self) -> list[str]:
        """Names, newest last."""
        ...

    def progress(self, campaign: str) -> tuple[int, int]:
        """(proposals made or ordered, results told)."""
        ...

    def proposals(self, campaign: str, start: int) -> list[Proposal]:
        """Proposals from number `start` on, in order."""
        ...

    def device_seconds(self, campaign: str) -> float:
        """Device-seconds of the trainings this campaign has paid for."""
        ...

    def set_value(self, campaign: str, key: str, value: str) -> None:
        """Keeps a small piece of the campaign's state."""
        ...

    def get_value(self, campaign: str, key: str) -> str | None:
        """What `set_value` kept."""
        ...

    def log(self, event: Event) -> None:
        """Appends an event."""
        ...

    def events(self, campaign: str, last: int = 100) -> list[Event]:
        """The last events, oldest first."""
        ...

    # ------------------------------------------------------------------------------------ reading
    def alike(self, campaign: str, identity: Identity) -> list[tuple[Identity, str]]:
        """The earliest told program with the same key and the earliest with the same structure: all the novelty gate needs to know."""
        ...

    def find(self, prefix: str, campaign: str | None = None) -> Elite:
        """The one program whose id begins with `prefix`, as a campaign knows it or any; UsageError if none or several do."""
        ...

    def result(self, elite: Elite) -> Result | None:
        """All that was found out about a program, or None while it is in flight."""
        ...

    def result_of(self, campaign: str, number: int) -> Result | None:
        """All that was found out about a proposal's program, re-evaluations included, or None while it is in flight."""
        ...

    def top(self, campaign: str | None, count: int) -> list[Elite]:
        """Scored programs by rung reached, then by the lower end of what is believed of their score, best first. No banned ones.

        Of every campaign where none is named: then by the lower end of the score itself, since scores of several tests do not compare.
        """
        ...

    def funnel(self, campaign: str, rungs: Sequence[str]) -> dict[str, int]:
        """How many proposals got at least how far: proposed, parsed, traced, sensible, novel, the rungs by name, kept."""
        ...

    def occupancy(self, campaign: str) -> dict[str, str]:
        """Cell name to the id of the program that holds it."""
        ...

    def refusals(self, campaign: str) -> dict[str, int]:
        """How many were refused for what, `gate: code` to count, the most frequent first."""
        ...

    def operators(self, campaign: str) -> list[OperatorCount]:
        """What each proposer and operator brought, in the order of their names."""
        ...

    def activity(self, campaign: str, islands: int = 1) -> Activity:
        """What migration, re-evaluation and racing have done."""
        ...

    def close(self) -> None:
        """Closes the file."""
        ...
