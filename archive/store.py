"""The archive as one SQLite file, or the same in memory."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from archive import queries
from archive.acts import Acts
from archive.belief import Population, measured
from archive.database import Database
from archive.grid import Standing
from archive.halving import WINDOW
from archive.letters import Letters
from archive.recording import insert_proposal, insert_result
from archive.records import Activity, AddStatus, Elite, Event, OperatorCount, Proposal, Result
from archive.selection import Candidate, draw
from archive.sendings import Sendings
from archive.standings import move
from archive.version import training_version
from sandbox.errors import ArchiveError, UsageError
from sandbox.records import Identity, LearnedRule, RunResult, Score, TrainJob

NEAR = 64  # programs by their scores behind the last wanted one, which may be believed to be better


def default_path(option: Path | None = None) -> Path:
    """`--archive`, else the variable LOSSMITH_ARCHIVE, else `lossmith.sqlite` in the working directory."""
    return option or Path(os.environ.get("LOSSMITH_ARCHIVE") or "lossmith.sqlite")


def open_archive(path: Path | None, *, create: bool = True) -> SqliteArchive:
    """Opens the file, making or migrating it; None lives in memory. Raises ArchiveError where it cannot be used."""
    if path is not None and not create and not path.exists():
        raise ArchiveError(f"There is no archive at {path}.", "Name one with --archive, or start a campaign with `lossmith run`.")
    return SqliteArchive(Database(path))


class SqliteArchive:
    """Implements `archive.base.Archive`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.letters = Letters(database)
        self.acts = Acts(database)
        self.sendings = Sendings(database)

    # ------------------------------------------------------------------------------------ search
    def ask(self, campaign: str, count: int, stream: np.random.Generator, island: int = 0) -> list[Elite]:
        """See `Archive.ask`."""
        rows = self._database.all(queries.CANDIDATES, (campaign, island))
        believed = self._believed(campaign, [(number, rung, queries.score(score)) for number, rung, *score, _, _, _ in rows])
        candidates = [
            Candidate(number, Standing(rung, believed[number].low), tried, near, bool(pin)) for number, rung, *_, tried, near, pin in rows
        ]
        return [self._elite(campaign, number) for number in draw(candidates, count, stream)]

    def sample(self, campaign: str, count: int, stream: np.random.Generator) -> list[Elite]:
        """See `Archive.sample`."""
        (total,) = self._database.all(f"SELECT COUNT(*) {queries.SCORED}", (campaign,))[0]
        places = stream.choice(total, size=min(count, total), replace=False) if total else []
        one = f"SELECT r.number {queries.SCORED} ORDER BY r.number LIMIT 1 OFFSET ?2"
        return [self._elite(campaign, self._database.all(one, (campaign, int(place)))[0][0]) for place in places]

    def propose(self, proposal: Proposal) -> None:
        """See `Archive.propose`."""
        with self._database.transaction() as connection:
            insert_proposal(connection, proposal)

    def tell(self, result: Result) -> AddStatus:
        """See `Archive.tell`."""
        with self._database.transaction() as connection:
            return insert_result(connection, result)

    def resting(self, campaign: str) -> frozenset[int]:
        """See `Archive.resting`."""
        return frozenset(number for (number,) in self._database.all(queries.RESTING, (campaign,)))

    def bar(self, campaign: str, island: int, cell: str, told: int) -> Standing | None:
        """See `Archive.bar`."""
        row = self._database.one(queries.BAR, (campaign, island, cell, told))
        return None if row is None else Standing(*row)

    def lows(self, campaign: str, rung: int, told: int) -> list[float]:
        """See `Archive.lows`."""
        return [row[0] for row in self._database.all(queries.LOWS, (campaign, told - WINDOW, told, rung))]

    def migrate(self, campaign: str, islands: int, told: int) -> int:
        """See `Archive.migrate`."""
        with self._database.transaction() as connection:
            return move(connection, campaign, islands, told)

    # ------------------------------------------------------------------------------------ single runs
    def recall(self, job: TrainJob) -> RunResult | None:
        """See `Archive.recall`."""
        row = self._database.one("SELECT result FROM runs WHERE key = ?", (run_key(job),))
        return RunResult.model_validate_json(queries.unpack(row[0])) if row else None

    def remember(self, job: TrainJob, result: RunResult, campaign: str | None = None) -> None:
        """See `Archive.remember`."""
        row = (run_key(job), campaign, result.device_seconds, queries.pack(result.model_dump_json()))
        with self._database.transaction() as connection:
            if connection.execute("INSERT OR IGNORE INTO runs VALUES (?, ?, ?, ?)", row).rowcount:
                charge = "UPDATE campaigns SET device_seconds = device_seconds + ? WHERE name = ?"
                connection.execute(charge, (result.device_seconds, campaign))

    # ------------------------------------------------------------------------------------ campaigns
    def create_campaign(self, name: str, spec: str) -> None:
        """See `Archive.create_campaign`."""
        insert = "INSERT OR IGNORE INTO campaigns (name, position, spec) SELECT ?, COALESCE(MAX(position) + 1, 0), ? FROM campaigns"
        with self._database.transaction() as connection:
            connection.execute(insert, (name, spec))
        if self.campaign_spec(name) != spec:
            raise UsageError(
                f"The archive already has a campaign {name!r} with another spec.",
                f"Continue it with `lossmith resume {name}`, or choose a new name with --set campaign.name=….",
            )

    def amend_campaign(self, name: str, spec: str) -> None:
        """See `Archive.amend_campaign`."""
        self.campaign_spec(name)
        with self._database.transaction() as connection:
            connection.execute("UPDATE campaigns SET spec = ? WHERE name = ?", (spec, name))

    def campaign_spec(self, name: str) -> str:
        """See `Archive.campaign_spec`."""
        row = self._database.one("SELECT spec FROM campaigns WHERE name = ?", (name,))
        if row is None:
            known = ", ".join(self.campaigns())
            raise UsageError(f"There is no campaign {name!r}.", f"There are: {known}." if known else "Start one with `lossmith run`.")
        return str(row[0])

    def campaigns(self) -> list[str]:
        """See `Archive.campaigns`."""
        return [name for (name,) in self._database.all("SELECT name FROM campaigns ORDER BY position")]

    def progress(self, campaign: str) -> tuple[int, int]:
        """See `Archive.progress`."""
        made, ordered, told = (
            self._database.all(f"SELECT COALESCE(MAX(number) + 1, 0) FROM {table} WHERE campaign = ?", (campaign,))[0][0]
            for table in ("proposals", "orders", "results")
        )
        return max(made, ordered), told

    def proposals(self, campaign: str, start: int) -> list[Proposal]:
        """See `Archive.proposals`."""
        rows = self._database.all(queries.PROPOSALS, (campaign, start))
        return [queries.proposal(row) for row in rows]

    def device_seconds(self, campaign: str) -> float:
        """See `Archive.device_seconds`."""
        row = self._database.one("SELECT device_seconds FROM campaigns WHERE name = ?", (campaign,))
        return float(row[0]) if row else 0.0

    def set_value(self, campaign: str, key: str, value: str) -> None:
        """See `Archive.set_value`."""
        with self._database.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO notes VALUES (?, ?, ?)", (campaign, key, value))

    def get_value(self, campaign: str, key: str) -> str | None:
        """See `Archive.get_value`."""
        row = self._database.one("SELECT value FROM notes WHERE campaign = ? AND key = ?", (campaign, key))
        return str(row[0]) if row else None

    def log(self, event: Event) -> None:
        """See `Archive.log`."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO events (time, campaign, kind, text) VALUES (?, ?, ?, ?)", (event.time, event.campaign, event.kind, event.text)
            )

    def events(self, campaign: str, last: int = 100) -> list[Event]:
        """See `Archive.events`."""
        rows = self._database.all("SELECT time, kind, text FROM events WHERE campaign = ? ORDER BY id DESC LIMIT ?", (campaign, last))
        return [Event(time=time, campaign=campaign, kind=kind, text=text) for time, kind, text in reversed(rows)]

    # ------------------------------------------------------------------------------------ reading
    def alike(self, campaign: str, identity: Identity) -> list[tuple[Identity, str]]:
        """See `Archive.alike`."""
        rows = self._database.all(queries.ALIKE, (campaign, identity.key, identity.structure))
        return [(Identity(structure=s, fingerprint=f, settings=t), program_id) for s, f, t, program_id in rows]

    def find(self, prefix: str, campaign: str | None = None) -> Elite:
        """See `Archive.find`."""
        span = (prefix, prefix + "g")  # ids are hexadecimal: every one with the prefix sorts before it
        ids = [name for (name,) in self._database.all("SELECT id FROM programs WHERE id >= ? AND id < ? ORDER BY id LIMIT 4", span)]
        if not ids:
            raise UsageError(f"No program's id begins with {prefix!r}.", "`lossmith top` lists the best ones.")
        if len(ids) > 1:
            raise UsageError(f"Several ids begin with {prefix!r}: {', '.join(ids[:3])}{', …' if len(ids) > 3 else ''}.", "Type more of it.")
        row = self._database.one(queries.BY_ID, (ids[0], campaign))
        if row is None:
            raise UsageError(f"The campaign {campaign} has no program {ids[0]}.", "`lossmith top` lists its best ones.")
        return queries.elite(row)

    def result(self, elite: Elite) -> Result | None:
        """See `Archive.result`."""
        return self.result_of(elite.campaign, elite.number)

    def result_of(self, campaign: str, number: int) -> Result | None:
        """See `Archive.result_of`."""
        return queries.result(self._database, campaign, number)

    def top(self, campaign: str | None, count: int) -> list[Elite]:
        """See `Archive.top`."""
        if campaign is None:
            return [queries.elite(row) for row in self._database.all(queries.TOP_ANYWHERE, (count,))]
        elites = [queries.elite(row) for row in self._database.all(queries.TOP_OF_CAMPAIGN, (campaign, count + NEAR))]
        believed = self._believed(campaign, [(elite.number, elite.rung, elite.score) for elite in elites])
        elites.sort(key=lambda elite: (-elite.rung, -believed[elite.number].low, elite.number))
        return [elite.model_copy(update={"believed": believed[elite.number]}) for elite in elites[:count]]

    def funnel(self, campaign: str, rungs: Sequence[str]) -> dict[str, int]:
        """See `Archive.funnel`."""
        return queries.funnel(self._database, campaign, rungs)

    def occupancy(self, campaign: str) -> dict[str, str]:
        """See `Archive.occupancy`."""
        return dict(self._database.all(queries.OCCUPANCY, (campaign,)))

    def refusals(self, campaign: str) -> dict[str, int]:
        """See `Archive.refusals`."""
        return dict(self._database.all(queries.REFUSALS, (campaign,)))

    def operators(self, campaign: str) -> list[OperatorCount]:
        """See `Archive.operators`."""
        return [queries.operator_count(row) for row in self._database.all(queries.OPERATORS, (campaign,))]

    def activity(self, campaign: str, islands: int = 1) -> Activity:
        """See `Archive.activity`."""
        return queries.activity(self._database, campaign, islands)

    def close(self) -> None:
        """See `Archive.close`."""
        self._database.close()

    def _believed(self, campaign: str, standing: Sequence[tuple[int, int, Score | None]]) -> dict[int, Score]:
        """By number what is believed of the scores of programs, given as (number, rung, score). The last proposals' programs make the
        population; whoever is older joins it."""
        first = self.progress(campaign)[1] - WINDOW
        believed: dict[int, Score] = {}
        for place in {rung for _, rung, _ in standing}:
            asked = {number: score for number, rung, score in standing if rung == place and score is not None}
            recent = np.array(self._database.all(queries.POPULATION, (campaign, first, place)), dtype=np.float64).reshape(-1, 2)
            older = measured([score for number, score in asked.items() if number < first])
            population = Population(np.concatenate([recent, older]))
            believed |= dict(zip(asked, population.believe(list(asked.values())), strict=True))
        return believed

    def _elite(self, campaign: str, number: int) -> Elite:
        return queries.elite(self._database.all(queries.BY_NUMBER, (campaign, number))[0])


def run_key(job: TrainJob) -> str:
    """Under what a run is kept: everything its numbers depend on. A meta-network is what its hash says, wherever the file lies."""
    described = job.model_dump(mode="json")
    if isinstance(job.rule, LearnedRule):
        described["rule"] = job.rule.id
    return hashlib.sha256(f"{training_version()}\0{json.dumps(described, sort_keys=True)}".encode()).hexdigest()
