"""Re-evaluation, migration and what stood when: the contract, over both archives."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archive.grid import Standing
from archive.migrations import FIRST, migrate
from archive.records import Act, AddStatus, Order
from archive.store import SqliteArchive, open_archive
from sandbox.records import program_id
from tests.archive.making import again, descriptor, proposal, refused, scored, tell

PLACE = "policy/32-63/-/-"


def ids(*numbers: int) -> set[str]:
    return {program_id(f"text {number}") for number in numbers}


def held(archive: SqliteArchive, island: int = 0) -> set[str]:
    return {elite.id for elite in archive.ask("c", 9, np.random.default_rng(0), island)}


def test_the_score_of_all_seeds_takes_the_place_of_the_first(archive: SqliteArchive) -> None:
    tell(archive, scored(0, 0.6))
    tell(archive, scored(1, 0.5))
    assert [elite.number for elite in archive.top("c", 5)] == [0, 1]
    told = again(2, 0, 0.3, runs=2)
    assert tell(archive, told) == AddStatus.NOT_ADDED
    best, second = archive.top("c", 5)
    assert (best.number, second.number, second.evaluated) == (1, 0, 2)
    assert second.score == told.evaluations[0].score
    assert (second.operator, second.parents) == ("swap", ()), "where it comes from stays as it was"
    assert held(archive) == ids(1)
    found = archive.result(second)
    assert found is not None
    assert (found.number, found.evaluations, found.identity) == (0, told.evaluations, scored(0).identity)
    assert archive.result_of("c", 0) == found


def test_who_survives_it_keeps_the_cell(archive: SqliteArchive) -> None:
    tell(archive, scored(0, 0.6))
    tell(archive, scored(1, 0.5))
    assert tell(archive, again(2, 0, 0.55)) == AddStatus.IMPROVED
    assert held(archive) == ids(0)


def test_a_program_that_fails_on_fresh_seeds_stands_nowhere(archive: SqliteArchive) -> None:
    tell(archive, scored(0, 0.6))
    assert tell(archive, again(1, 0)) == AddStatus.REFUSED
    assert archive.occupancy("c") == {}
    assert archive.top("c", 5) == []
    assert archive.find(program_id("text 0")).score is None


def test_it_is_no_new_program(archive: SqliteArchive) -> None:
    tell(archive, scored(0, 0.6))
    tell(archive, again(1, 0, 0.5))
    funnel = archive.funnel("c", ("probes",))
    assert (funnel["proposed"], funnel["novel"], funnel["probes"], funnel["kept"]) == (1, 1, 1, 1)
    assert archive.progress("c") == (2, 2)
    assert archive.find(program_id("text 0")).number == 0
    assert archive.proposals("c", 1)[0].again == 0


def test_what_is_in_flight_rests(archive: SqliteArchive) -> None:
    tell(archive, scored(0, 0.6))
    tell(archive, scored(1, 0.6, where=descriptor("value")))
    order = Order(campaign="c", number=2, proposer="re-evaluation", again=0)
    archive.letters.place(order)
    assert archive.letters.order("c", 2) == order
    assert archive.resting("c") == {0}
    assert held(archive) == ids(1)
    tell(archive, again(2, 0, 0.5))
    assert archive.resting("c") == frozenset()
    assert held(archive) == ids(0, 1)


def test_the_bar_is_what_stood_after_so_many_results_whatever_came_later(archive: SqliteArchive) -> None:
    told = [scored(0, 0.3), scored(1, 0.7), again(2, 1, 0.1), scored(3, 0.2, 0.05)]
    expected = [None, Standing(0, 0.3), Standing(0, 0.7), Standing(0, 0.3), Standing(1, 0.05)]
    for count, result in enumerate(told, start=1):
        tell(archive, result)
        assert [archive.bar("c", 0, PLACE, seen) for seen in range(count + 1)] == expected[: count + 1]
    assert archive.bar("c", 0, "value/<32/-/-", 4) is None
    assert archive.bar("c", 1, PLACE, 4) is None


def test_lower_bounds_on_a_rung_after_so_many_results_whatever_came_later(archive: SqliteArchive) -> None:
    told = [scored(0, 0.3), scored(1, 0.7), again(2, 1, 0.1), scored(3, 0.2, 0.05), refused(4, "parse"), again(5, 3, 0.2, 0.01)]
    for result in told:
        tell(archive, result)
    expected = [[], [0.3], [0.3, 0.7], [0.1, 0.3], [0.1, 0.2, 0.3], [0.1, 0.2, 0.3], [0.1, 0.2, 0.3]]
    assert [sorted(archive.lows("c", 0, seen)) for seen in range(7)] == expected
    assert [archive.lows("c", 1, seen) for seen in range(7)] == [[], [], [], [], [0.05], [0.05], [0.01]]


def test_islands_keep_their_own_cells(archive: SqliteArchive) -> None:
    assert tell(archive, scored(0, 0.6)) == AddStatus.NEW
    assert tell(archive, scored(1, 0.2).model_copy(update={"island": 1})) == AddStatus.NEW
    assert (held(archive, 0), held(archive, 1), held(archive, 2)) == (ids(0), ids(1), set())
    assert archive.occupancy("c") == {PLACE: program_id("text 0"), f"1: {PLACE}": program_id("text 1")}


def test_the_best_of_each_island_is_copied_to_the_next_at_once(archive: SqliteArchive) -> None:
    """A ring of three, the last one empty: 0's best goes to 1 and 1's to 2, and not on from there in the same migration."""
    tell(archive, scored(0, 0.6))
    tell(archive, scored(1, 0.1, where=descriptor("value")))
    tell(archive, scored(2, 0.2).model_copy(update={"island": 1}))
    assert archive.migrate("c", 3, 3) == 2
    assert [held(archive, island) for island in range(3)] == [ids(0, 1), ids(0), ids(2)]
    assert archive.migrate("c", 3, 3) == 0, "the same moment again"
    assert archive.migrate("c", 3, 4) == 2, "0 on to 2, and 2 to 0, which holds a better one"
    assert [held(archive, island) for island in range(3)] == [ids(0, 1), ids(0), ids(0)]
    assert archive.migrate("c", 3, 5) == 0, "everybody knows the best"
    activity = archive.activity("c", 3)
    assert (activity.elites, activity.migrations, activity.last_migration, activity.told) == ((2, 1, 1), 4, 4, 3)
    assert [event.kind for event in archive.events("c")] == ["migration"] * 4


def test_a_lower_score_is_known_on_every_island(archive: SqliteArchive) -> None:
    tell(archive, scored(0, 0.6))
    tell(archive, scored(1, 0.3).model_copy(update={"island": 1}))
    archive.migrate("c", 2, 2)
    assert (held(archive, 0), held(archive, 1)) == (ids(0), ids(0))
    tell(archive, again(2, 0, 0.1))
    assert (held(archive, 0), held(archive, 1)) == (ids(1), ids(1)), "0 was better than what had come, and is so no more"
    assert (archive.activity("c", 2).migrations, archive.activity("c", 2).last_migration) == (2, 2), "nobody came with the score"


def test_activity_counts(archive: SqliteArchive) -> None:
    tell(archive, scored(0, 0.6, 0.3))
    tell(archive, refused(1, "parse"))
    stopped = scored(2, 0.1)
    evaluation = stopped.evaluations[0].model_copy(update={"saved": 6, "bar": 0.8, "won": True})
    tell(archive, stopped.model_copy(update={"evaluations": (evaluation,)}))
    found = archive.result_of("c", 2)
    assert found is not None
    assert found.evaluations == (evaluation,)
    tell(archive, again(3, 0, 0.6, 0.2))
    activity = archive.activity("c")
    assert (activity.told, activity.reevaluations, activity.last_reevaluation, activity.elites) == (4, 1, 3, (1,))
    assert (activity.evaluations, activity.stopped, activity.runs, activity.saved) == (3, 1, 12, 6)


def test_an_older_archive_keeps_its_grid(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    old = sqlite3.connect(path, isolation_level=None)
    migrate(old, (FIRST,))
    old.execute("INSERT INTO campaigns (name, position, spec) VALUES ('c', 0, '{}')")
    for number, low in enumerate((0.4, 0.5)):
        old.execute("INSERT INTO programs VALUES (?, ?)", (program_id(f"text {number}"), f"text {number}"))
        old.execute("INSERT INTO proposals VALUES ('c', ?, ?, 'm', 's', '[]', 0, 0, '')", (number, program_id(f"text {number}")))
        columns = "campaign, number, program_id, title, status, stage, cell, rung, mean, low, high, n, gate_seconds"
        row = ("c", number, program_id(f"text {number}"), "T", 4, 5, PLACE, 0, low, low, low, 4, 0.0)
        old.execute(f"INSERT INTO results ({columns}) VALUES ({', '.join('?' * len(row))})", row)
    old.execute("INSERT INTO cells VALUES ('c', ?, 1, 2)", (PLACE,))
    old.close()
    archive = SqliteArchive(_database(path))
    assert archive.occupancy("c") == {PLACE: program_id("text 1")}
    assert archive.bar("c", 0, PLACE, 1) == Standing(0, 0.4)
    assert tell(archive, scored(2, 0.45)) == AddStatus.NOT_ADDED
    archive.close()


def _database(path: Path):
    from archive.database import Database

    return Database(path)


def test_a_proposal_and_its_again_are_recorded_once(archive: SqliteArchive) -> None:
    archive.propose(proposal(0))
    with pytest.raises(Exception, match="other contents"):
        archive.propose(proposal(0).model_copy(update={"again": 0}))


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.sampled_from(["tell", "again", "fail", "ban", "unban", "migrate"]), st.integers(0, 9)), max_size=40))
def test_a_cell_counts_who_stands_in_it(deeds: list[tuple[str, int]]) -> None:
    with closing(open_archive(None)) as archive:
        archive.create_campaign("c", "{}")
        told, known = 0, []
        for deed, pick in deeds:
            of = known[pick % len(known)] if known else None
            if deed == "tell":
                tell(archive, scored(told, pick / 10).model_copy(update={"island": pick % 2}))
                known.append(told)
                told += 1
            elif of is not None and deed in {"again", "fail"}:
                tell(archive, again(told, of, *([pick / 20] if deed == "again" else [])))
                told += 1
            elif of is not None and deed in {"ban", "unban"}:
                archive.acts.do(Act(time=0.0, campaign="c", kind=deed, program_id=program_id(f"text {of}")))  # type: ignore[arg-type]
                archive.acts.adopt("c", told, told)
            elif deed == "migrate":
                archive.migrate("c", 2, told)
        counted = "SELECT island, cell, COUNT(*) FROM standings WHERE until IS NULL GROUP BY island, cell ORDER BY island, cell"
        assert archive._database.all("SELECT island, cell, occupants FROM cells ORDER BY island, cell", ()) == archive._database.all(
            counted, ()
        )
