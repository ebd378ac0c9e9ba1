"""`prompts`, `insights`, `calls` and `cost` over a campaign that a real endpoint has answered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from archive.store import open_archive
from synth.prompting.render import OPERATORS
from tests.synth.cli.conftest import Command
from tests.synth.endpoint import KEY, Endpoint
from tests.synth.models import model_spec, run
from tests.synth.test_models import patient

CALLS = 24


@pytest.fixture
def endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    """It has answered for the campaign `c` of the archive here, and still answers."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    archive = open_archive(tmp_path / "lossmith.sqlite")
    with Endpoint(patient) as endpoint:
        run(model_spec(endpoint.url, calls=CALLS, proposer={"insights_every": 8}), archive)
        archive.close()
        yield endpoint


def test_prompts_are_listed_with_what_each_asks(command: Command) -> None:
    shown = command("prompts", "list")
    assert shown.code == 0
    rows = {row["operator"]: row for row in command("prompts", "list", "--json").json}
    assert set(rows) == set(OPERATORS)
    for name, row in rows.items():
        assert name in shown.out
        assert Path(row["file"]).is_file()
        assert len(row["asks"]) > 10
        assert "{" not in row["asks"], "no piece of a template"


def test_a_folder_of_ones_own_is_listed_over_ours(command: Command, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "fresh.md.j2").write_text("# The task\n\nSurprise me. Please.")
    rows = {row["operator"]: row for row in command("prompts", "list", "--prompts", "own", "--json").json}
    assert rows["fresh"] == {"operator": "fresh", "file": "own/fresh.md.j2", "asks": "Surprise me."}
    assert command("prompts", "list", "--prompts", "none").code == 2


def test_a_prompt_is_rendered_in_full_with_what_it_would_cost(command: Command, endpoint: Endpoint) -> None:
    best = command("top", "-n", "1", "--json").json[0]["id"]
    shown = command("prompts", "render", "refine")
    assert f"# The program to improve: {best}" in shown.out
    assert "# The contract" in shown.out
    assert "tokens of at most 16000; with its answer at most $0.0" in shown.err
    document = command("prompts", "render", "refine", best, "--json").json
    assert document["operator"] == "refine"
    assert document["tokens"] == (len(document["system"]) + len(document["user"])) // 4
    assert document["worst"]["tokens"] > document["tokens"] + 8192
    assert document["worst"]["money"] == pytest.approx((document["worst"]["tokens"] - 8192 + 10 * 8192) / 1e6)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("prompts", "render", "sing"), "There is no prompt 'sing'"),
        (("prompts", "render", "crossover", "xyz"), "No program's id begins with"),
        (("prompts", "render", "fresh", "--campaign", "nobody"), "There is no campaign 'nobody'"),
    ],
)
def test_what_cannot_be_rendered_exits_2(command: Command, endpoint: Endpoint, words: tuple[str, ...], said: str) -> None:
    outcome = command(*words)
    assert outcome.code == 2
    assert said in outcome.err


def test_a_prompt_is_tried_once_and_the_campaign_learns_nothing(command: Command, endpoint: Endpoint) -> None:
    before = command("status", "--json").json
    endpoint.asked.clear()
    tried = command("prompts", "try", "fresh", "--json").json
    assert len(endpoint.asked) == 1
    assert tried["answer"]["model"] == "scripted-1"
    assert tried["verdict"]
    assert KEY not in str(tried)
    assert command("prompts", "try", "fresh").code == 0
    assert command("status", "--json").json == before


def test_insights_are_shown_kept_and_edited(command: Command, endpoint: Endpoint, tmp_path: Path) -> None:
    assert "Nothing works but patience." in command("insights").out
    drawn = command("insights", "--all", "--json").json["insights"]
    assert len(drawn) >= 2
    assert [version["number"] for version in drawn] == sorted(version["number"] for version in drawn)
    (tmp_path / "lessons.md").write_text("- Haste works.\n")
    assert command("insights", "--edit", "lessons.md").code == 0
    document = command("insights", "--json").json
    assert [(version["by"], version["text"], version["number"]) for version in document["insights"]] == [("hand", "- Haste works.", None)]
    assert len(command("insights", "--all", "--json").json["insights"]) == len(drawn) + 1
    shown = command("prompts", "render", "fresh").out
    assert "Haste works." in shown
    assert "Nothing works but patience." not in shown


@pytest.mark.parametrize("content", [b"", b" \n", b"x" * 9000, b"\xff\xfe"])
def test_lessons_that_are_none_exit_2(command: Command, endpoint: Endpoint, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "lessons.md").write_bytes(content)
    assert command("insights", "--edit", "lessons.md").code == 2
    assert command("insights", "--edit", "none.md").code == 2


def test_no_insights_yet(command: Command, finished: Path) -> None:
    shown = command("insights")
    assert (shown.code, "drew no lessons yet" in shown.err) == (0, True)


def test_calls_are_listed_searched_and_shown_in_full(command: Command, endpoint: Endpoint) -> None:
    calls = command("calls", "--json").json
    assert len(calls) == CALLS
    assert {"time", "seconds", "tries", "cost", "outcome", "text"} <= set(calls[0])
    assert all(call["seconds"] > 0 and call["time"] > 0 and call["tries"] == 1 for call in calls)
    found = command("calls", "--grep", "PATIENCE", "--json").json
    assert {call["outcome"] for call in found} == {"lessons"}
    assert not command("calls", "--grep", "toolkit reference of nobody", "--asked", "--json").json
    asked = command("calls", "--grep", "# The program to improve", "--asked", "--json").json
    assert {call["operator"] for call in asked} == {"refine"}
    assert not command("calls", "--grep", "# The program to improve", "--json").json
    last, found = calls[-1], command("calls", "--grep", calls[-1]["outcome"], "--json").json
    assert last["number"] in {call["number"] for call in found}, "outcomes are searched"
    assert calls[0]["parameters"]["max_tokens"] == 8192
    one = calls[5]
    (shown, *_) = command("calls", "--proposal", str(one["number"]), "--json").json
    assert "# The task" in shown["prompt"]["user"]
    text = command("calls", "--proposal", str(one["number"])).out
    assert "──── scripted-1: " in text
    assert "# The task" in text
    assert "scripted-1" in command("calls").out
    assert command("calls", "--proposal", "0").code == 2
    assert command("calls", "nobody").code == 2


def test_cost_adds_up_by_model_operator_and_outcome(command: Command, endpoint: Endpoint) -> None:
    document = command("cost", "--json").json
    rows = document["rows"]
    assert sum(row["calls"] for row in rows) == document["total"]["calls"] == CALLS
    assert sum(row["money"] for row in rows) == pytest.approx(document["total"]["money"])
    assert sum(row["prompt_tokens"] + row["completion_tokens"] for row in rows) == document["total"]["tokens"]
    outcomes = {row["outcome"] for row in rows}
    assert outcomes == {call["outcome"] for call in command("calls", "--json").json}
    assert "lessons" in outcomes
    assert outcomes & {"kept", "scored"}
    assert not [row for row in rows if row["operator"] == "insights" and row["outcome"] != "lessons"]
    shown = command("cost")
    assert "dollars" in shown.out
    assert f"{CALLS} calls" in shown.err
    assert command("cost", "nobody").code == 2
