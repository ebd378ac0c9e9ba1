"""The picture of a benchmark: interquartile means with intervals, performance profiles, and a learning curve for every task.

Layout after Agarwal et al. 2021, "Deep Reinforcement Learning at the Edge of the Statistical Precipice". Drawn with matplotlib, which is
an optional library: `pip install lossmith[plot]`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from archive.statistics import performance_profile, profile_band
from sandbox.errors import PrerequisiteMissing, UsageError
from sandbox.randomness import numpy_stream
from synth.benchmark.records import BenchmarkReport, RuleSummary, TaskSummary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS: Final = (".png", ".svg", ".pdf")
COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31")
"""Okabe and Ito's, told apart by people who see colours differently."""
COLUMNS: Final = 4  # of small pictures, one a task
POINTS: Final = 121  # thresholds of a profile
Runs = NDArray[np.float64]
ROW: Final = 2.1  # inches
WIDTH: Final = 13.0


def check_plot(path: Path) -> None:
    """Before anything is trained for it: UsageError for another format or folder, PrerequisiteMissing without the library."""
    if path.suffix not in FORMATS:
        raise UsageError(f"{path} has no format that can be drawn.", f"End its name with one of {', '.join(FORMATS)}.")
    if not path.parent.is_dir():
        raise UsageError(f"There is no folder {path.parent}.", "Make it first.")
    if find_spec("matplotlib") is None:
        raise PrerequisiteMissing("A plot needs matplotlib.", "Install it: pip install 'lossmith[plot]'.")


def draw(report: BenchmarkReport, path: Path) -> None:
    """Writes the picture; the same report gives the same one. Rules of which a training failed are left out."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    style: dict[Any, Any] = {
        "svg.hashsalt": "lossmith",
        "svg.fonttype": "none",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "font.size": 9,
    }
    with mpl.rc_context(style):
        rows = -(-len(report.tasks) // COLUMNS)
        figure = Figure(figsize=(WIDTH, 3.4 + ROW * rows), layout="constrained")
        grid = figure.add_gridspec(2, 1, height_ratios=[3.4, ROW * rows])
        _summaries(report, figure.add_subfigure(grid[0]))
        _curves(report, figure.add_subfigure(grid[1]), rows)
        figure.savefig(path, dpi=120, metadata={"Date": None} if path.suffix == ".svg" else None)


def _summaries(report: BenchmarkReport, figure: Any) -> None:
    left, right = figure.subplots(1, 2)
    rules = [(place, rule) for place, rule in enumerate(report.rules) if rule.over_all is not None]
    if not rules:
        left.set_title("No task has a baseline that is clearly above random play: there is no score")
        right.set_axis_off()
        return
    _intervals(left, rules, report)
    _profiles(right, rules, report)


def _intervals(axes: Axes, rules: Sequence[tuple[int, RuleSummary]], report: BenchmarkReport) -> None:
    names = []
    for row, (place, rule) in enumerate(rules):
        assert rule.over_all is not None, "only those that have a score"
        score = rule.over_all.score
        axes.plot([score.low, score.high], [row, row], color=_colour(place), linewidth=7, alpha=0.35, solid_capstyle="butt")
        axes.plot([score.mean], [row], marker="|", markersize=17, markeredgewidth=2.5, color=_colour(place))
        names.append(rule.name)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    _landmarks(axes.axvline)
    counting = sum(task.counts for task in report.tasks)
    axes.set_title(f"Interquartile mean over {counting} tasks × {len(report.seeds)} seeds, 95 % interval", loc="left")
    axes.set_xlabel(f"score: 0 is random play, 1 is {report.baseline}")


def _profiles(axes: Axes, rules: Sequence[tuple[int, RuleSummary]], report: BenchmarkReport) -> None:
    everything = [_scores(rule) for _, rule in rules]
    thresholds = np.linspace(*_span(everything), POINTS).tolist()
    for (place, rule), runs in zip(rules, everything, strict=True):
        low, high = profile_band(runs, thresholds, numpy_stream(0, "profile", rule.id))
        axes.fill_between(thresholds, low, high, color=_colour(place), alpha=0.15, linewidth=0)
        axes.plot(thresholds, performance_profile(runs, thresholds), color=_colour(place), label=rule.name)
    _landmarks(axes.axvline)
    axes.set_ylim(-0.02, 1.02)
    axes.set_title("Performance profile", loc="left")
    axes.set_xlabel("score τ")
    axes.set_ylabel("share of runs above τ")
    axes.legend(frameon=False, loc="best")


def _curves(report: BenchmarkReport, figure: Any, rows: int) -> None:
    grid = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes, task in zip(grid, report.tasks, strict=False):
        _curve(axes, task, report)
    for axes in grid[len(report.tasks) :]:
        axes.set_axis_off()
    figure.supylabel("return, mean of seeds", fontsize=9)
    figure.supxlabel("agent steps; dotted: random play, dashed: the baseline's final agents", fontsize=9)


def _curve(axes: Axes, task: TaskSummary, report: BenchmarkReport) -> None:
    for place, rule in enumerate(report.rules):
        curve = [point for cell in rule.cells if cell.task == task.task for point in cell.curve]
        points = [(point.step, point.score) for point in curve if point.score is not None]
        axes.plot([step for step, _ in points], [score for _, score in points], color=_colour(place), linewidth=1.2)
    axes.axhline(task.random, color="0.6", linewidth=0.8, linestyle=":")
    axes.axhline(task.baseline, color="0.6", linewidth=0.8, linestyle="--")
    axes.set_xlim(0, task.steps)
    axes.set_title(task.task + ("" if task.counts else " (not scored)") + (" (searched)" if task.searched else ""), fontsize=9, loc="left")
    axes.set_xticks([0, task.steps / 2, task.steps], ["0", _steps(task.steps // 2), _steps(task.steps)])
    axes.tick_params(labelsize=8)


def _steps(number: int) -> str:
    return f"{number / 1e6:g}M" if number >= 1_000_000 else f"{number / 1e3:g}k" if number >= 1000 else str(number)


def _landmarks(line: Any) -> None:
    line(0, color="0.6", linewidth=0.8, linestyle=":")
    line(1, color="0.6", linewidth=0.8, linestyle="--")


def _scores(rule: RuleSummary) -> list[Runs]:
    return [np.asarray(cell.scores) for cell in rule.cells if cell.scores]


def _span(everything: Sequence[Sequence[Runs]]) -> tuple[float, float]:
    """From the lowest score to the highest, but no further than the middle 98 % of all runs and at least from 0 to 1."""
    flat = np.concatenate([task for runs in everything for task in runs])
    low, high = np.quantile(flat, [0.01, 0.99])
    margin = 0.05 * max(high - low, 1.0)
    return float(min(low, 0.0) - margin), float(max(high, 1.0) + margin)


def _colour(place: int) -> str:
    return COLOURS[place % len(COLOURS)]
