"""The bars by hand, and where they are shown."""

from __future__ import annotations

import pytest
from rich.console import Console

from synth.cli.profile import LONGEST, WIDTH, bar, profile
from tests.synth.cli.conftest import Command


@pytest.mark.parametrize(
    ("score", "drawn"),
    [
        (0.0, " " * WIDTH + "│"),
        (-3.0, " " * WIDTH + "│"),
        (0.5, "█" * 10 + " " * 10 + "│"),
        (0.525, "█" * 10 + "▌" + " " * 9 + "│"),
        (1.0, "█" * WIDTH + "│"),
        (1.1, "█" * WIDTH + "│██"),
        (9.0, "█" * WIDTH + "│" + "█" * (LONGEST - WIDTH)),
        (None, "no score"),
    ],
)
def test_a_bar_is_as_long_as_the_score(score: float | None, drawn: str) -> None:
    assert bar(score) == drawn


def test_a_profile_has_a_row_for_each_skill_that_was_measured() -> None:
    table = profile({"probe:chain": 0.25, "atari:Pong": 1.0, "probe:catch": None, "probe:random-mdp": 1.0})
    assert table is not None
    console = Console(width=120)
    with console.capture() as capture:
        console.print(table)
    rows = capture.get().splitlines()[2:]
    assert [row.split()[0] for row in rows] == ["probe:catch", "probe:chain"]
    assert "█████ " in rows[1]
    assert "0.25" in rows[1]
    assert "no score" in rows[0]


def test_one_skill_makes_no_profile() -> None:
    assert profile({"probe:catch": 1.0, "atari:Pong": 1.0}) is None


def test_show_has_the_profile_of_all_rungs(command: Command, finished: object) -> None:
    best = command("top", "-n", "1", "--json").json[0]
    assert "Skills (0 = random play" in command("show", best["id"]).out
    skills = command("show", best["id"], "--json").json["skills"]
    assert [skill["task"] for skill in skills] == ["probe:catch", "probe:delayed-credit"]
