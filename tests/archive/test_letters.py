"""Orders, replies and remarks, over a file and in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from archive.records import Order, Prompt, Reply, Spent
from archive.store import SqliteArchive
from sandbox.errors import ArchiveError
from sandbox.records import program_id
from tests.archive.making import descriptor, proposal, refused, scored, tell

PROMPT = Prompt(operator="refine", system="s", user="ü")


def order(number: int, **fields: Any) -> Order:
    defaults = {"proposer": "m", "operator": "refine", "prompts": (PROMPT,), "worst": Spent(money=1.0, tokens=100, calls=1)}
    return Order(campaign="c", number=number, **{**defaults, **fields})


def reply(number: int, turn: int = 0, **fields: Any) -> Reply:
    defaults = {"proposer": "m", "operator": "refine", "prompt_hash": PROMPT.hash, "text": "answer", "prompt_tokens": 5}
    return Reply(campaign="c", number=number, turn=turn, **{**defaults, "completion_tokens": 2, "cost": 0.25, **fields})


def test_orders_and_replies_can_be_read_again(archive: SqliteArchive) -> None:
    archive.letters.place(order(0, parents=("a", "b"), repairs=7))
    archive.letters.record(reply(0, cached_tokens=3, cut=True, model="x"))
    assert archive.letters.order("c", 0) == order(0, parents=("a", "b"), repairs=7)
    assert archive.letters.reply("c", 0, 0) == reply(0, cached_tokens=3, cut=True, model="x")
    assert archive.letters.reply("c", 0, 1) is None
    assert archive.letters.order("c", 1) is None
    assert archive.progress("c") == (1, 0)


def test_an_order_stands_and_so_does_a_reply(archive: SqliteArchive) -> None:
    archive.letters.place(order(0))
    with pytest.raises(ArchiveError, match="ordered already"):
        archive.letters.place(order(0))
    archive.letters.record(reply(0))
    archive.letters.record(reply(0, text="another"))
    assert archive.letters.reply("c", 0, 0) == reply(0)


def test_children_are_counted_once_when_ordered(archive: SqliteArchive) -> None:
    tell(archive, scored(0, 0.2))
    parent = program_id("text 0")
    archive.letters.place(order(1, parents=(parent,)))
    assert archive.ask("c", 1, np.random.default_rng(0))[0].children == 1
    archive.propose(proposal(1, parents=(parent,)))
    assert archive.ask("c", 1, np.random.default_rng(0))[0].children == 1


def test_the_ledger_takes_the_worst_of_what_is_not_told(archive: SqliteArchive) -> None:
    archive.letters.place(order(0))
    archive.letters.place(order(1))
    archive.letters.record(reply(0))
    archive.letters.record(reply(1))
    assert archive.letters.spent("c") == Spent(money=0.5, tokens=14, calls=2)
    assert archive.letters.committed("c", 0) == Spent(money=2.0, tokens=200, calls=2)
    assert archive.letters.committed("c", 1) == Spent(money=1.25, tokens=107, calls=2)


def test_what_is_broken_is_repaired_once(archive: SqliteArchive) -> None:
    for number, gate in enumerate(["parse", "cost", "trace"]):
        archive.letters.place(order(number, worst=Spent(calls=0 if number == 2 else 1)))
        tell(archive, refused(number, gate))
    assert archive.letters.broken("c") == (0, "m", program_id("text 0"))
    archive.letters.place(order(3, operator="repair", repairs=0))
    tell(archive, refused(3, "sense"))
    assert archive.letters.broken("c") is None, "neither cost, nor what no model wrote, nor a repair"


def test_nearby_attempts_are_told_children_newest_first(archive: SqliteArchive) -> None:
    tell(archive, scored(0, 0.2))
    parent = program_id("text 0")
    tell(archive, scored(1, 0.3), parents=(parent,))
    tell(archive, refused(2, "novelty", duplicate_of="abc"), parents=(parent, parent))
    tell(archive, scored(3, 0.3))
    archive.propose(proposal(4, parents=(parent,)))
    attempts = archive.letters.nearby("c", parent, 8)
    assert [(attempt.id, attempt.duplicate_of) for attempt in attempts] == [(program_id("text 2"), "abc"), (program_id("text 1"), None)]
    assert attempts[1].score is not None
    assert attempts[0].refusal is not None
    assert [attempt.id for attempt in archive.letters.newest("c", 3, 2)] == [program_id("text 2"), program_id("text 1")]


def test_outcomes_say_what_came_of_orders(archive: SqliteArchive) -> None:
    archive.letters.place(order(0))
    tell(archive, scored(0, 0.2, 0.4))
    tell(archive, refused(1, "parse"))
    archive.letters.place(order(2))
    tell(archive, scored(2, 0.1, where=descriptor("value")))
    rows = archive.letters.outcomes("c")
    assert [(row.proposer, row.kept, row.rungs, row.rung, row.low) for row in rows] == [
        ("m", True, 2, 1, 0.4),
        ("", False, 0, None, None),
        ("m", True, 1, 0, 0.1),
    ]


def test_lessons_come_from_told_proposals_only(archive: SqliteArchive) -> None:
    for number in range(2):
        archive.letters.place(order(number, worst=Spent(calls=2)))
        archive.letters.record(reply(number, turn=1, operator="insights", text=f"lesson {number}"))
    assert archive.letters.last_long_order("c") == 1
    assert archive.letters.last_reply("c", "insights", 0) is None
    first = archive.letters.last_reply("c", "insights", 1)
    assert first is not None
    assert first.text == "lesson 0"
