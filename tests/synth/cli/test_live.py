from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from archive.store import open_archive
from synth.cli import live
from tests.synth.doubles import campaign, spec


def test_table_and_line_show_budgets_workers_funnel_and_the_best() -> None:
    archive = open_archive(None)
    run, _ = campaign(spec(evaluations=12, wall_clock_minutes=5), archive)
    assert "best none yet" in live.line(run)
    run.run()
    screen = io.StringIO()
    Console(file=screen, width=160).print(live.table(run))
    best = archive.top("c", 1)[0]
    for word in ("12 of 12", "████", "of 300", "0 of 2 busy", "proposed", "novel 12", best.id):
        assert word in screen.getvalue()
    assert "\n" not in live.line(run)
    assert best.id in live.line(run)


@pytest.mark.parametrize("terminal", [True, False])
def test_the_view_follows_a_running_campaign(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=terminal, width=160)
    monkeypatch.setattr(live, "narration", console)
    monkeypatch.setattr("synth.cli.output.narration", console)
    monkeypatch.setattr(live, "TABLE_SECONDS", 0.05)
    monkeypatch.setattr(live, "LINE_SECONDS", 0.05)
    run, _ = campaign(spec(evaluations=12), open_archive(None), jitter=0.02)
    with live.View(run):
        run.run()
        time.sleep(0.1)
    assert "novel 12" in screen.getvalue()
    assert ("\x1b" in screen.getvalue()) == terminal
