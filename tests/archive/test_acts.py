"""What people do: marks, standings and events, over a file and in memory."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from archive.migrations import STEPS, migrate
from archive.records import Act, ActKind, Order
from archive.store import SqliteArchive, open_archive
from sandbox.errors import UsageError
from sandbox.records import program_id
from tests.archive.making import again, descriptor, proposal, scored, tell


def act(kind: ActKind, of: int | None = None, text: str = "", **fields: object) -> Act:
    program = None if of is None else program_id(f"text {of}")
    return Act.model_validate({"time": 5.0, "campaign": "c", "kind": kind, "program_id": program, "text": text, **fields})


def askable(archive: SqliteArchive) -> set[int]:
    return {elite.number for elite in archive.ask("c", 99, np.random.default_rng(0))}


def test_an_act_is_an_event_at_once_and_holds_from_the_next_proposal_on(archive: SqliteArchive) -> None:
    archive.acts.do(act("note", text="Try target heads."))
    assert [(event.kind, event.text, event.time) for event in archive.events("c")] == [("note", "Said Try target heads.", 5.0)]
    assert archive.acts.notes("c")[0].number is None
    archive.acts.adopt("c", 7, 3)
    archive.acts.adopt("c", 8, 4)
    assert [(note.text, note.number, note.told) for note in archive.acts.notes("c")] == [("Try target heads.", 7, 3)]


def test_an_order_that_was_decided_before_an_act_is_not_placed(archive: SqliteArchive) -> None:
    order = Order(campaign="c", number=0, proposer="m")
    archive.acts.do(act("note", text="Wait."))
    assert archive.letters.place(order) is False
    assert archive.letters.order("c", 0) is None
    archive.acts.adopt("c", 0, 0)
    assert archive.letters.place(order) is True


def test_notes_of_a_program_and_of_a_campaign(archive: SqliteArchive) -> None:
    archive.acts.do(act("note", text="All."))
    archive.acts.do(act("note", of=1, text="One."))
    assert [note.text for note in archive.acts.notes("c")] == ["All."]
    assert [note.text for note in archive.acts.notes("c", program_id("text 1"))] == ["One."]


def test_a_pinned_program_is_kept_when_it_loses_its_cell(archive: SqliteArchive) -> None:
    tell(archive, scored(0, 0.2))
    archive.acts.do(act("pin", of=0))
    archive.acts.adopt("c", 1, 1)
    tell(archive, scored(1, 0.9))
    assert askable(archive) == {0, 1}
    archive.acts.do(act("unpin", of=0))
    archive.acts.adopt("c", 2, 2)
    assert askable(archive) == {1}


def test_a_banned_program_gives_up_its_cell_and_is_never_on_top(archive: SqliteArchive) -> None:
    for number, low in enumerate([0.2, 0.9, 0.4]):
        tell(archive, scored(number, low))
    archive.acts.do(act("ban", of=1))
    assert [elite.number for elite in archive.top("c", 9)] == [2, 0]
    assert [elite.number for elite in archive.top(None, 9)] == [2, 0]
    archive.acts.adopt("c", 3, 3)
    assert askable(archive) == {2}
    assert {elite.number for elite in archive.sample("c", 9, np.random.default_rng(0))} == {0, 2}
    assert list(archive.occupancy("c").values()) == [program_id("text 2")]
    archive.acts.do(act("unban", of=1))
    archive.acts.adopt("c", 4, 3)
    assert askable(archive) == {1}
    assert [elite.number for elite in archive.top("c", 9)] == [1, 2, 0]


def test_what_had_to_be_beaten_before_a_ban_can_still_be_said(archive: SqliteArchive) -> None:
    tell(archive, scored(0, 0.9))
    archive.acts.do(act("ban", of=0))
    archive.acts.adopt("c", 1, 1)
    tell(archive, scored(1, 0.2))
    cell = "policy/32-63/-/-"
    assert [bar and bar.low for bar in (archive.bar("c", 0, cell, told) for told in (0, 1, 2))] == [None, None, 0.2]
    archive.acts.do(act("unban", of=0))
    archive.acts.adopt("c", 2, 2)
    assert [bar and bar.low for bar in (archive.bar("c", 0, cell, told) for told in (0, 1, 2))] == [None, None, 0.9]


def test_a_program_banned_in_flight_stands_nowhere_until_it_is_let_go(archive: SqliteArchive) -> None:
    archive.propose(proposal(0))
    archive.acts.do(act("ban", of=0))
    archive.acts.adopt("c", 1, 0)
    archive.tell(scored(0, 0.9))
    assert askable(archive) == set()
    archive.acts.do(act("unban", of=0))
    archive.acts.adopt("c", 1, 1)
    assert askable(archive) == {0}


def test_a_ban_that_no_order_knows_changes_no_result(archive: SqliteArchive) -> None:
    """Else a recording, in which it takes effect later, would tell another story."""
    archive.propose(proposal(0))
    archive.acts.do(act("ban", of=0))
    archive.tell(scored(0, 0.9))
    assert askable(archive) == {0}


def test_a_banned_program_that_is_evaluated_again_stays_out_and_comes_back_by_its_new_score(archive: SqliteArchive) -> None:
    tell(archive, scored(0, 0.9))
    archive.acts.do(act("ban", of=0))
    archive.acts.adopt("c", 1, 1)
    tell(archive, again(1, 0, 0.3))
    assert askable(archive) == set()
    archive.acts.do(act("unban", of=0))
    archive.acts.adopt("c", 2, 2)
    assert archive.bar("c", 0, "policy/32-63/-/-", 2) == (0, 0.3)


def test_it_comes_back_to_every_island_it_stood_on(archive: SqliteArchive) -> None:
    tell(archive, scored(0, 0.9))
    archive.migrate("c", 2, 1)
    archive.acts.do(act("ban", of=0))
    archive.acts.adopt("c", 1, 1)
    assert archive.activity("c", 2).elites == (0, 0)
    archive.acts.do(act("unban", of=0))
    archive.acts.adopt("c", 2, 1)
    assert archive.activity("c", 2).elites == (1, 1)


def test_ideas_are_banned_and_let_go_in_words(archive: SqliteArchive) -> None:
    for kind, text in (("ban", "clipping"), ("ban", "entropy"), ("unban", "clipping"), ("ban", "noise")):
        archive.acts.do(act(kind, text=text))  # type: ignore[arg-type]
    assert archive.acts.banned_ideas("c") == ["entropy", "noise"]
    assert archive.acts.marked("c", "ban") == []


def test_a_recording_is_repeated_at_the_same_numbers_and_only_once(archive: SqliteArchive) -> None:
    tell(archive, scored(0, 0.9))
    recorded = [act("ban", of=0, number=2, told=1), act("note", text="Late.", number=5, told=4), act("note", text="Never.")]
    archive.acts.schedule("c", recorded)
    archive.acts.schedule("c", recorded)
    assert [elite.number for elite in archive.top("c", 9)] == [0]
    assert archive.acts.all("c") == []
    for number, told in ((1, 1), (2, 0)):  # too early, or after too few results
        archive.acts.adopt("c", number, told)
        assert archive.acts.all("c") == []
    archive.acts.adopt("c", 2, 1)
    assert archive.top("c", 9) == []
    archive.acts.adopt("c", 9, 9)
    assert archive.acts.all("c") == recorded[:2]


def test_sampling_is_even_and_repeats(archive: SqliteArchive) -> None:
    for number, low in enumerate([0.1, 5.0, 0.2, 0.3]):
        tell(archive, scored(number, low, where=descriptor(nodes=40 + number)))
    stream = np.random.default_rng(0)
    drawn = [archive.sample("c", 1, stream)[0].number for _ in range(800)]
    assert np.bincount(drawn) / 800 == pytest.approx([0.25] * 4, abs=0.06)
    pairs = [archive.sample("c", 2, np.random.default_rng(seed)) for seed in (3, 3)]
    assert pairs[0] == pairs[1]
    assert len({elite.number for elite in pairs[0]}) == 2


def test_a_program_is_looked_for_in_one_campaign(archive: SqliteArchive) -> None:
    tell(archive, scored(0, 0.2))
    archive.create_campaign("d", "{}")
    archive.propose(proposal(3, "text 0", campaign="d"))
    assert archive.find(program_id("text 0"), "c").number == 0
    assert archive.find(program_id("text 0"), "d").number == 3
    archive.propose(proposal(4, "text 4", campaign="d"))
    with pytest.raises(UsageError, match="The campaign c has no program"):
        archive.find(program_id("text 4"), "c")


def test_remarks_of_an_earlier_version_are_notes(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "a.sqlite", isolation_level=None)
    migrate(connection, STEPS[:4])
    connection.execute("INSERT INTO campaigns (name, position, spec) VALUES ('c', 0, '{}')")
    connection.execute("INSERT INTO remarks (time, campaign, program_id, text) VALUES (1.5, 'c', 'p', 'One.')")
    connection.close()
    archive = open_archive(tmp_path / "a.sqlite")
    assert [(note.time, note.text) for note in archive.acts.notes("c", "p")] == [(1.5, "One.")]
    archive.close()
