"""`note`, `pin`, `ban`, `add` and their undoing: recorded, shown, refused where they make no sense."""

from __future__ import annotations

from pathlib import Path

import pytest

from archive.store import open_archive
from sandbox.records import program_id
from tests.synth.cli.conftest import Command
from tests.synth.cli.test_campaigns import SPEC
from tests.synth.doubles import spec

PROGRAM = Path(__file__).parents[3] / "sandbox" / "rules" / "references" / "a2c.py"


def board(command: Command) -> list[str]:
    return [str(row["id"]) for row in command("top", "-n", "99", "--json").json]


def best(command: Command) -> str:
    return board(command)[0]


def finalists(command: Command) -> list[str]:
    return [str(row["id"]) for row in command("status", "--json").json["holdout"]["finalists"]]


def test_pin_is_shown_and_taken_back(command: Command, finished: Path) -> None:
    one = best(command)
    assert "from the next proposal of c on" in command("pin", one[:6]).err
    assert "Pinned: kept and chosen more often." in command("show", one).out
    people = command("status", "--json").json["people"]
    assert people["pinned"] == [one]
    assert people["acts"][0]["time"] > 0
    shown = command("status").out
    assert "by people" in shown
    assert "the next" in shown
    again = command("pin", one)
    assert (again.code, "is pinned already" in again.err) == (2, True)
    assert command("ban", one).code == 2
    assert command("unban", one).code == 2
    assert command("unpin", one).code == 0
    assert command("unpin", one).code == 2
    assert command("status", "--json").json["people"]["pinned"] == []
    assert [event["kind"] for event in command("status", "--json").json["events"]][-2:] == ["pin", "unpin"]


def test_ban_takes_a_program_off_the_board_and_unban_brings_it_back(command: Command, finished: Path) -> None:
    one, ranks = finalists(command)[0], board(command)
    assert one in ranks
    assert command("ban", one).code == 0
    assert board(command) == [other for other in ranks if other != one]
    assert one not in finalists(command)
    assert "Banned: never a parent" in command("show", one).out
    assert command("show", one, "--json").json["mark"] == "ban"
    assert command("unban", one).code == 0
    assert board(command) == ranks
    assert finalists(command)[0] == one


def test_an_idea_is_banned_and_let_go_by_its_first_words(command: Command, finished: Path) -> None:
    assert command("ban", "reward clipping in any form").code == 0
    assert command("ban", "reward clipping in any form").code == 2
    assert command("ban", "rewards that count twice").code == 0
    assert command("unban", "reward").code == 2
    shown = command("status")
    assert "ban idea" in shown.out
    assert command("unban", "reward clipping").code == 0
    assert command("status", "--json").json["people"]["banned_ideas"] == ["rewards that count twice"]


def test_what_looks_like_an_id_is_one(command: Command, finished: Path) -> None:
    refused = command("ban", "ffffffff")
    assert (refused.code, "No program's id begins with" in refused.err) == (2, True)


def test_notes(command: Command, finished: Path) -> None:
    one = best(command)
    assert command("note", "c", "Try target heads.").code == 0
    assert command("note", one[:8], "A \x1b[2Jfluke?").code == 0
    assert command("insights", "--json").json["notes"][0]["text"] == "Try target heads."
    shown = command("show", one).out
    assert "fluke?" in shown
    assert "\x1b" not in shown
    for words in (("note", "c", " "), ("note", "c", "x" * 4001), ("note", "nothing", "x"), ("note", one, "x", "--campaign", "d")):
        assert command(*words).code == 2, words


def test_a_refused_program_cannot_be_pinned(command: Command, finished: Path) -> None:
    archive = open_archive(finished)
    (refused,) = [p for p in archive.proposals("c", 0) if (r := archive.result_of("c", p.number)) and r.refusal][:1]
    archive.close()
    outcome = command("pin", program_id(refused.text))
    if outcome.code == 2:
        assert "has no score" in outcome.err
    else:
        pytest.fail("it was refused")


def test_a_program_by_hand_is_checked_recorded_and_proposed(command: Command, tmp_path: Path) -> None:
    (tmp_path / "spec.toml").write_text(SPEC)
    assert command("run", "spec.toml").code == 0
    (tmp_path / "mine.py").write_text(PROGRAM.read_text().replace("A2C", "Mine", 1))
    added = command("add", "mine.py", "--unsafe")
    assert added.code == 0, added.err
    assert program_id((tmp_path / "mine.py").read_text()) in added.err
    assert command("status", "--json").json["people"]["acts"][-1]["kind"] == "add"
    enough = 12 + 5 + 3  # those in flight when it was added come before it, however many of them are new
    assert command("resume", "c", "--set", f"budget.evaluations={enough}").code == 0
    one = command("show", program_id((tmp_path / "mine.py").read_text()), "--json").json
    assert (one["proposer"], one["operator"]) == ("hand", "add")
    assert one["result"]["evaluations"]
    assert command("status", "--json").json["people"]["acts"][-1]["number"] == one["number"]


def test_a_program_that_a_gate_refuses_is_not_recorded(command: Command, finished: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text('"""Bad."""\nimport os\n')
    refused = command("add", "bad.py", "--unsafe")
    assert (refused.code, "Refused by parse" in refused.err) == (1, True)
    assert command("status", "--json").json["people"]["acts"] == []
    assert command("add", "none.py").code == 2


def test_acts_need_a_campaign(command: Command, tmp_path: Path) -> None:
    assert command("pin", "abcd").code == 5
    archive = open_archive(tmp_path / "lossmith.sqlite")
    archive.create_campaign("c", spec().model_dump_json())
    archive.close()
    assert command("ban", "an idea", "--campaign", "nobody").code == 2
