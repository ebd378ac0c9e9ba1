"""Tries: what was sent is in the ledger, whatever becomes of it."""

from __future__ import annotations

from typing import Any

from archive.records import Sending, Spent, StandIn
from archive.store import SqliteArchive
from tests.archive.making import scored, tell
from tests.archive.test_letters import order, reply

WORST = Spent(money=1.0, tokens=100, calls=1)


def sending(number: int, **fields: Any) -> Sending:
    defaults = {"proposer": "m", "operator": "refine", "model": "x", "money": 1.0, "prompt_tokens": 90, "completion_tokens": 10}
    return Sending(campaign="c", number=number, turn=0, **{**defaults, **fields})


def always(spent: Spent) -> bool:
    return True


def test_a_try_that_was_answered_is_paid_as_its_reply_says(archive: SqliteArchive) -> None:
    archive.letters.place(order(0))
    assert archive.sendings.begin(sending(0), always) == 0
    assert archive.letters.spent("c") == Spent(), "it is under way"
    archive.letters.record(reply(0))
    assert [each.fate for each in archive.sendings.all("c")] == ["answered"]
    assert archive.letters.spent("c") == Spent(money=0.25, tokens=7, calls=1)


def test_a_refused_try_costs_nothing_and_a_lost_one_the_most_that_it_can_have_cost(archive: SqliteArchive) -> None:
    archive.letters.place(order(0))
    for attempt, fate in enumerate(("refused", "lost")):
        assert archive.sendings.begin(sending(0), always) == attempt
        archive.sendings.end(sending(0, attempt=attempt), fate, "Why not.", 2.0)  # type: ignore[arg-type]
    assert archive.letters.spent("c") == WORST
    archive.letters.record(reply(0))
    assert archive.letters.spent("c") == Spent(money=1.25, tokens=107, calls=2)
    assert [(row.outcome, row.calls, row.money) for row in archive.letters.costs("c")] == [("lost", 1, 1.0), ("in flight", 1, 0.25)]
    told = [(call.outcome, call.reply.cost, call.reply.tries) for call in archive.letters.calls("c")]
    assert told == [("in flight", 0.25, 1), ("refused: Why not.", 0.0, 1), ("lost: Why not.", 1.0, 2)]


def test_what_a_killed_process_had_sent_is_lost(archive: SqliteArchive) -> None:
    for number in range(2):
        archive.letters.place(order(number))
        archive.sendings.begin(sending(number), always)
    archive.letters.record(reply(0))
    assert archive.sendings.lose("c") == 1
    assert archive.sendings.lose("c") == 0
    assert [each.fate for each in archive.sendings.all("c")] == ["answered", "lost"]
    assert archive.letters.spent("c") == Spent(money=0.25, tokens=7, calls=1) + WORST


def test_decisions_look_at_what_was_lost_once_it_is_told(archive: SqliteArchive) -> None:
    """Or timing would change them: a try is lost at any time."""
    archive.letters.place(order(0))
    archive.sendings.begin(sending(0), always)
    archive.sendings.end(sending(0), "lost", "", 1.0)
    assert archive.letters.committed("c", 0) == WORST
    archive.letters.record(reply(0))
    tell(archive, scored(0, 0.2))
    assert archive.letters.committed("c", 1) == WORST + Spent(money=0.25, tokens=7, calls=1)


def test_a_try_is_refused_where_it_may_pass_the_budget_with_all_that_is_under_way(archive: SqliteArchive) -> None:
    archive.letters.place(order(0))
    archive.letters.record(reply(0))
    asked: list[Spent] = []
    assert archive.sendings.begin(sending(1), always) == 0
    assert archive.sendings.begin(sending(2), lambda spent: bool(asked.append(spent))) is None
    assert asked == [Spent(money=0.25, tokens=7, calls=1) + WORST + WORST]
    assert archive.sendings.begin(sending(2), always) == 0, "what was not sent is not counted"


def test_a_reply_that_nobody_gave_is_no_call(archive: SqliteArchive) -> None:
    archive.letters.place(order(0))
    archive.letters.record(reply(0, tries=0, text="", cost=0.0, prompt_tokens=0, completion_tokens=0))
    archive.letters.record(reply(0, turn=1, operator="insights", tries=0, text="", cost=0.0, prompt_tokens=0, completion_tokens=0))
    assert archive.letters.spent("c") == Spent()
    assert archive.letters.costs("c") == list(archive.letters.calls("c")) == []
    assert archive.letters.last_reply("c", "insights", 1) is None, "no lessons are not empty lessons"
    assert archive.letters.replies_to("c", "insights", 1) == []


def test_a_stand_in_takes_an_order_over(archive: SqliteArchive) -> None:
    archive.letters.place(order(0))
    standing = StandIn(absent="m", present="n", operator="")
    archive.sendings.hand_over("c", 0, standing)
    assert archive.letters.order("c", 0) == order(0, proposer="n", operator=""), "what was set aside stays, or decisions would change"
    assert archive.sendings.stand_ins("c", 0) == [standing]
    assert archive.sendings.stand_ins("c", 1) == []


def test_a_recording_is_repeated_once_and_shows_nothing_that_is_still_to_come(archive: SqliteArchive) -> None:
    for number in range(2):
        archive.letters.place(order(number))
        archive.sendings.begin(sending(number), always)
    archive.sendings.lose("c")
    archive.sendings.hand_over("c", 1, StandIn(absent="m", present="n", operator="fresh"))
    archive.create_campaign("d", "{}")
    for _ in range(2):
        archive.sendings.repeat("d", archive.sendings, "c")
    assert archive.sendings.all("d") == []
    assert archive.letters.spent("d") == Spent()
    archive.letters.place(order(0).model_copy(update={"campaign": "d"}))
    assert [each.model_copy(update={"campaign": "c"}) for each in archive.sendings.all("d")] == archive.sendings.all("c")[:1]
    assert archive.letters.spent("d") == WORST
    assert archive.sendings.stand_ins("d", 1) == archive.sendings.stand_ins("c", 1)
