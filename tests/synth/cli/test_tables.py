"""What a campaign prints in the end says what was measured, on a narrow screen too."""

from __future__ import annotations

from io import StringIO

from rich.console import Console
from rich.table import Table

from archive.store import open_archive
from synth.cli.tables import holdout_table, leaderboard
from synth.holdout import read_holdout
from tests.synth.doubles import busy, campaign


def printed(table: Table, width: int = 80) -> str:
    console = Console(file=StringIO(), width=width)
    console.print(table)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_the_final_report_names_tasks_and_seeds_and_shows_whole_intervals() -> None:
    archive, spec = open_archive(None), busy(evaluations=12)
    campaign(spec, archive)[0].run()
    report = read_holdout(archive, "c")
    assert report is not None
    assert spec.holdout is not None
    page = printed(holdout_table(report))
    heading = " ".join(page.partition("score [95 %]")[0].split())
    assert all(task in heading for task in spec.holdout.tasks)
    assert f"{spec.holdout.seeds} seeds each" in heading
    assert "…" not in page
    for entry in report.finalists:
        score, (ours, *_) = entry.evaluation.score, entry.against
        assert score is not None
        assert f"{score.mean:.2f} [{score.low:.2f}, {score.high:.2f}]" in page
        assert f"{ours.word} {ours.difference.value:+.2f} [{ours.difference.low:+.2f}, {ours.difference.high:+.2f}]" in page


def test_the_leaderboard_shows_what_is_believed_in_the_order_of_its_lower_ends() -> None:
    archive = open_archive(None)
    campaign(busy(evaluations=12), archive)[0].run()
    elites = archive.top("c", 5)
    page = printed(leaderboard(elites, ["low", "high"]))
    places = [page.index(elite.id) for elite in elites]
    assert places == sorted(places)
    for elite in elites:
        assert elite.believed is not None
        assert f"{elite.believed.mean:.2f} [{elite.believed.low:.2f}, {elite.believed.high:.2f}]" in page
