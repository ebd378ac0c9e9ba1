"""What a benchmark found, as frozen records: everything that its table and its plot show, and what the numbers depend on."""

from __future__ import annotations

from sandbox.records import AgentSettings, CurvePoint, Record, Rule, Score, TaskSettings
from synth.claims import Comparison


class Entrant(Record):
    """Who takes part: a name for tables, the rule, and the tasks of the search that found it, if one did."""

    name: str
    rule: Rule
    searched: tuple[str, ...] = ()


class TaskSummary(Record):
    """One task: what random play and the baseline's agents get. Where that is no distance, the task normalises nothing (`counts`)."""

    task: str
    steps: int  # of one training
    random: float
    baseline: float
    counts: bool
    searched: bool  # by the search that found one of the rules


class Cell(Record):
    """One rule on one task. `scores` holds a number a seed, empty where the task does not count."""

    task: str
    returns: tuple[float, ...]
    scores: tuple[float, ...]
    score: Score | None
    human_normalised: float | None  # of the mean return; Atari alone
    curve: tuple[CurvePoint, ...]  # mean over seeds


class Aggregate(Record):
    """One rule over several tasks. `against` compares it with the baseline, and is None for the baseline itself."""

    tasks: int
    score: Score
    optimality_gap: float  # mean shortfall from the baseline
    against: Comparison | None


class RuleSummary(Record):
    """One rule. Where a training failed, `verdict` and `fault` say how, and there are no aggregates."""

    name: str
    id: str
    title: str
    verdict: str
    fault: str
    cells: tuple[Cell, ...]
    over_all: Aggregate | None  # tasks that count
    over_unseen: Aggregate | None  # those of them that no search saw; None where that is all or none
    steps: int
    device_seconds: float


class BenchmarkReport(Record):
    """The whole comparison."""

    baseline: str
    tasks: tuple[TaskSummary, ...]
    rules: tuple[RuleSummary, ...]
    seeds: tuple[int, ...]
    evaluation_episodes: int
    task_settings: TaskSettings
    agent: AgentSettings
