from __future__ import annotations

from pathlib import Path

from archive.store import open_archive
from sandbox.records import program_id
from tests.archive.making import proposal, refused, scored, tell
from tests.synth.cli.conftest import Command
from tests.synth.doubles import spec


def test_top(command: Command, finished: Path) -> None:
    best = command("top", "-n", "3", "--json").json
    assert len(best) == 3
    assert best[0]["rung"] == 1
    assert best[0]["score"]["low"] >= best[1]["score"]["low"]
    shown = command("top", "c")
    assert best[0]["id"] in shown.out
    assert "[" in shown.out
    assert command("top", "nobody").code == 2


def test_show_has_code_scores_curves_and_lineage(command: Command, finished: Path) -> None:
    best = command("top", "-n", "1", "--json").json[0]
    shown = command("show", best["id"][:6])
    assert shown.code == 0
    for word in ("rung low", "rung high", "probe:catch", "·", f"proposal {best['number']}"):
        assert word in shown.out
    document = command("show", best["id"], "--json").json
    assert [found["rung"] for found in document["result"]["evaluations"]] == ["low", "high"]
    assert document["text"] == best["text"]


def test_show_says_why_something_was_refused(command: Command, tmp_path: Path) -> None:
    archive = open_archive(tmp_path / "lossmith.sqlite")
    archive.create_campaign("c", spec().model_dump_json())
    tell(archive, refused(0, "parse"))
    archive.propose(proposal(1))
    archive.close()
    assert "Refused by parse (unknown-name) line 3: No. Yes." in command("show", program_id("text 0")).out
    assert "In flight" in command("show", program_id("text 1")).out


def test_show_needs_one_program(command: Command, finished: Path) -> None:
    assert command("show", "zzz").code == 2
    assert "Several ids" in command("show", "").err


def test_what_a_program_says_cannot_drive_the_terminal(command: Command, tmp_path: Path) -> None:
    archive = open_archive(tmp_path / "lossmith.sqlite")
    archive.create_campaign("c", spec().model_dump_json())
    text = '"""Evil \x1b]0;owned\x07 \u202e[red]title[/red]."""\nx = 1 \x1b[2J\n'
    archive.propose(proposal(0, text=text))
    archive.tell(scored(0, 0.5, text=text).model_copy(update={"title": "Evil \x1b[2J\u202e[red]title"}))
    archive.close()
    for words in (
        ("show", program_id(text)),
        ("top",),
        ("lineage", program_id(text)),
        ("status",),
        ("diff", program_id(text), program_id(text)),
    ):
        out = command(*words).out
        assert "\x1b" not in out, words
        assert "\u202e" not in out, words
        assert words[0] in {"status", "diff"} or "[red]title" in out, words


def test_diff(command: Command, finished: Path) -> None:
    one, other = command("top", "-n", "2", "--json").json
    shown = command("diff", one["id"], other["id"])
    assert f"--- {one['id']}" in shown.out
    assert "rung" in shown.out
    document = command("diff", one["id"], other["id"], "--json").json
    assert document["diff"][0] == f"--- {one['id']}"
    assert [program["id"] for program in document["programs"]] == [one["id"], other["id"]]


def test_lineage_is_a_tree_that_names_nobody_twice(command: Command, finished: Path) -> None:
    youngest = max(command("top", "-n", "30", "--json").json, key=lambda elite: elite["number"])
    shown = command("lineage", youngest["id"])
    assert shown.code == 0
    assert youngest["parents"][0] in shown.out
    tree = command("lineage", youngest["id"], "--json").json
    assert [parent["id"] for parent in tree["parents"]] == youngest["parents"]


def test_a_program_that_is_its_own_ancestor_ends(command: Command, tmp_path: Path) -> None:
    archive = open_archive(tmp_path / "lossmith.sqlite")
    archive.create_campaign("c", spec().model_dump_json())
    archive.propose(proposal(0, parents=(program_id("text 0"),)))
    archive.close()
    assert command("lineage", program_id("text 0")).code == 0
