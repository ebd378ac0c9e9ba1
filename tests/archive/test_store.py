"""The contract of the archive, over a file and in memory."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from archive import queries
from archive.records import AddStatus, Event
from archive.store import SqliteArchive, default_path, open_archive, run_key
from sandbox.errors import ArchiveError, UsageError
from sandbox.records import AgentSettings, Identity, program_id
from tests.archive.making import descriptor, job, proposal, refused, run, scored, tell


def test_what_is_told_can_be_read(archive: SqliteArchive) -> None:
    told = scored(0, 0.2, 0.4)
    assert tell(archive, told) == AddStatus.NEW
    elite = archive.find(told.program_id[:5])
    assert (elite.id, elite.title, elite.text, elite.rung) == (told.program_id, "Title 0", "text 0", 1)
    assert elite.score == told.evaluations[1].score
    assert archive.result(elite) == told


def test_status_says_what_a_result_did(archive: SqliteArchive) -> None:
    elsewhere = descriptor("value", 700)
    statuses = [
        tell(archive, scored(0, 0.2)),
        tell(archive, scored(1, 0.1)),  # worse in the same cell
        tell(archive, scored(2, 0.2)),  # as good: the earlier stays
        tell(archive, scored(3, -0.5, 0.0)),  # lower, but of a higher rung
        tell(archive, scored(4, 0.9)),  # of a lower rung
        tell(archive, scored(5, -9.0, where=elsewhere)),
        tell(archive, refused(6, "novelty", duplicate_of=program_id("text 0"))),
        tell(archive, refused(7, "parse")),
    ]
    new, no, better = AddStatus.NEW, AddStatus.NOT_ADDED, AddStatus.IMPROVED
    assert statuses == [new, no, no, better, no, new, AddStatus.DUPLICATE, AddStatus.REFUSED]
    assert archive.occupancy("c") == {"policy/32-63/-/-": program_id("text 3"), "value/>=512/-/-": program_id("text 5")}


def test_a_program_without_a_score_takes_no_cell(archive: SqliteArchive) -> None:
    assert tell(archive, scored(0)) == AddStatus.REFUSED
    assert archive.ask("c", 3, np.random.default_rng(0)) == []
    assert archive.top("c", 3) == []


def test_top_is_by_rung_then_lower_bound_then_age(archive: SqliteArchive) -> None:
    for number, lows in enumerate([(0.5,), (0.1, 0.2), (0.5,), (0.1, 0.3), (0.9,)]):
        tell(archive, scored(number, *lows))
    assert [elite.number for elite in archive.top("c", 5)] == [3, 1, 4, 0, 2]
    assert [elite.number for elite in archive.top(None, 2)] == [3, 1]


def test_ask_draws_elites_and_counts_children(archive: SqliteArchive) -> None:
    tell(archive, scored(0, 0.2))
    tell(archive, scored(1, 0.1))
    parent = program_id("text 0")
    tell(archive, scored(2, 0.1, where=descriptor("value")), parents=(parent, parent))
    elites = archive.ask("c", 5, np.random.default_rng(0))
    assert sorted((elite.number, elite.children) for elite in elites) == [(0, 1), (2, 0)]


def test_results_come_in_order(archive: SqliteArchive) -> None:
    archive.propose(proposal(0))
    archive.propose(proposal(1))
    with pytest.raises(ArchiveError, match="told when 0 was due"):
        archive.tell(scored(1, 0.1))
    archive.tell(scored(0, 0.1))
    with pytest.raises(ArchiveError, match="when 1 was due"):
        archive.tell(scored(0, 0.1))


def test_a_proposal_is_recorded_once(archive: SqliteArchive) -> None:
    parent = program_id("text 9")
    archive.propose(proposal(0, parents=(parent,)))
    archive.propose(proposal(0, parents=(parent,)))
    assert archive.progress("c") == (1, 0)
    with pytest.raises(ArchiveError, match="other contents"):
        archive.propose(proposal(0, text="other"))


def test_unfinished_proposals_come_back_as_they_were(archive: SqliteArchive) -> None:
    made = [proposal(number, parents=("a", "b")) for number in range(3)]
    for each in made:
        archive.propose(each)
    archive.tell(scored(0, 0.1))
    assert archive.progress("c") == (3, 1)
    assert archive.proposals("c", 1) == made[1:]


def test_runs_are_remembered_and_paid_once(archive: SqliteArchive) -> None:
    assert archive.recall(job()) is None
    archive.remember(job(), run(), "c")
    archive.remember(job(), run(), "c")
    assert archive.recall(job()) == run()
    assert archive.recall(job(seed=1)) is None
    assert archive.device_seconds("c") == 2.0


def test_a_run_on_more_threads_is_another_run() -> None:
    threaded = job().model_copy(update={"agent": AgentSettings(threads=2)})
    assert run_key(threaded) != run_key(job())


def test_a_run_of_other_training_code_is_another_run(monkeypatch: pytest.MonkeyPatch) -> None:
    before = run_key(job())
    monkeypatch.setattr("archive.store.training_version", lambda: "other")
    assert run_key(job()) != before


def test_one_name_is_one_spec(archive: SqliteArchive) -> None:
    archive.create_campaign("c", "{}")
    with pytest.raises(UsageError, match="another spec"):
        archive.create_campaign("c", '{"seed": 1}')
    archive.create_campaign("d", "{}")
    assert archive.campaigns() == ["c", "d"]
    archive.amend_campaign("d", "[]")
    assert archive.campaign_spec("d") == "[]"
    with pytest.raises(UsageError, match="There are: c, d"):
        archive.campaign_spec("e")


def test_values_and_events(archive: SqliteArchive) -> None:
    assert archive.get_value("c", "k") is None
    archive.set_value("c", "k", "1")
    archive.set_value("c", "k", "2")
    assert archive.get_value("c", "k") == "2"
    events = [Event(time=float(i), campaign="c", kind="note", text=str(i)) for i in range(3)]
    for event in events:
        archive.log(event)
    assert archive.events("c") == events
    assert archive.events("c", last=2) == events[1:]


def test_funnel_and_refusals(archive: SqliteArchive) -> None:
    for number, gate in enumerate(["parse", "trace", "sense", "cost"]):
        tell(archive, refused(number, gate))
    tell(archive, refused(4, "novelty", duplicate_of="x"))
    tell(archive, scored(5, 0.1))
    tell(archive, scored(6, 0.1, 0.2))
    archive.propose(proposal(7))
    assert archive.funnel("c", ("probes", "atari")) == {
        "proposed": 8,
        "parsed": 6,
        "traced": 5,
        "sensible": 3,
        "novel": 2,
        "probes": 2,
        "atari": 1,
        "kept": 2,
    }
    assert archive.refusals("c")["parse: unknown-name"] == 1
    (count,) = archive.operators("c")
    assert (count.operator, count.proposed, count.scored, count.kept, count.cost, count.tokens) == ("swap", 8, 2, 2, 4.0, 24)


def test_alike_gives_the_first_duplicate_and_the_first_variant(archive: SqliteArchive) -> None:
    for number in range(3):
        identity = Identity(structure="s", fingerprint=f"f{number}", settings="t")
        tell(archive, scored(number, 0.1).model_copy(update={"identity": identity}))
    found = archive.alike("c", Identity(structure="s", fingerprint="f2", settings="t"))
    assert [program for _, program in found] == [program_id("text 2"), program_id("text 0")]
    assert archive.alike("c", Identity(structure="z", fingerprint="f2", settings="u")) == []


def test_find_needs_one_program(archive: SqliteArchive) -> None:
    for number in range(40):
        archive.propose(proposal(number))
    with pytest.raises(UsageError, match="No program"):
        archive.find("zz")
    with pytest.raises(UsageError, match="Several ids"):
        archive.find("")
    assert archive.result(archive.find(program_id("text 7"))) is None


def test_the_sound_copy_of_a_text_speaks_for_it(archive: SqliteArchive) -> None:
    tell(archive, scored(0, 0.4))
    archive.propose(proposal(1, text="text 0"))
    archive.tell(refused(1, "novelty", duplicate_of=program_id("text 0")).model_copy(update={"program_id": program_id("text 0")}))
    assert archive.find(program_id("text 0")).number == 0


def test_threads_share_it(archive: SqliteArchive) -> None:
    def write(start: int) -> None:
        for seed in range(start, start + 20):
            archive.remember(job(seed), run(), "c")

    threads = [threading.Thread(target=write, args=(10 * i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert archive.device_seconds("c") == 2.0 * 50


@pytest.mark.parametrize(
    ("sql", "values"),
    [
        (queries.POPULATION, ("c", -900, 0)),
        (queries.TOP_OF_CAMPAIGN, ("c", 5)),
        (queries.TOP_ANYWHERE, (5,)),
        (queries.CANDIDATES, ("c", 0)),
        (queries.RESTING, ("c",)),
        (queries.BAR, ("c", 0, "x", 3)),
        (queries.OCCUPANCY, ("c",)),
        (queries.ALIKE, ("c", "k", "s")),
        (queries.BY_NUMBER, ("c", 1)),
        (queries.BY_ID, ("x", "c")),
        (f"SELECT r.number {queries.SCORED} ORDER BY r.number LIMIT 1 OFFSET ?2", ("c", 3)),
        (queries.PROPOSALS, ("c", 1)),
        (queries.STAGES, ("c",)),
    ],
)
def test_reading_walks_an_index(archive: SqliteArchive, sql: str, values: tuple[object, ...]) -> None:
    plan = [row[3] for row in archive._database.all(f"EXPLAIN QUERY PLAN {sql}", values)]
    whole = [step for step in plan if step.startswith("SCAN") and "INDEX" not in step and "subquery" not in step.lower()]
    assert not whole, plan
    if "LIMIT" in sql and sql != queries.BY_ID:
        assert not [step for step in plan if "TEMP B-TREE" in step], plan


def test_default_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOSSMITH_ARCHIVE", raising=False)
    assert default_path() == Path("lossmith.sqlite")
    monkeypatch.setenv("LOSSMITH_ARCHIVE", "/x/y.sqlite")
    assert default_path() == Path("/x/y.sqlite")
    assert default_path(Path("z")) == Path("z")


def test_reading_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="no archive at"):
        open_archive(tmp_path / "none.sqlite", create=False)
    assert not list(tmp_path.iterdir())
