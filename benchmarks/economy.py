"""What does it cost to find the best three of sixty known programs, against evaluating each of them in full?

    python benchmarks/economy.py [--seeds 10] [--tasks probe:catch,probe:chain] [--steps 8000] [--orders 20] [--record FILE] [--json]

The programs are those of `known.py`. Full: each is trained with every seed on every task, what a gate would refuse and what is a duplicate
of another included (of these two kinds one seed is trained on every task, and the others are taken to cost the same). Economy: the campaign
itself, with its gates, its novelty, its races and its archive, is given the programs one by one in random orders, the baseline first. Both
say who the best three are by `Archive.top`.

A training is done once: its result and its CPU-seconds are kept in a record, and an executor answers from it, in a campaign, too. So a
campaign here pays what it would have paid, to the run, and an order costs no training. The record may be deleted, and has to be where the
trainer has changed. Device-seconds are CPU-seconds of trainings; the gates' own seconds are said apart.

Ladders: `race` is one rung that keeps three. `race, no keep` races against whoever holds a program's cell, as a rung does by default.
`screen, race` has a rung of short trainings before it. `race, half known` is a campaign in an archive in which another one has met every
second program before.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
from known import Known, known_programs
from machine import machine

from archive.records import Proposal, Result
from archive.store import SqliteArchive, open_archive
from sandbox.check import TRACE_LIMITS
from sandbox.errors import Verdict
from sandbox.evaluate import Evaluator
from sandbox.execution.base import Executor, JobResult
from sandbox.execution.select import open_executor
from sandbox.isolation.base import Isolation
from sandbox.isolation.select import open_isolation
from sandbox.language.gates import GATE_SHAPES
from sandbox.language.program import parse
from sandbox.language.tracing import trace, traced_from_reply
from sandbox.records import (
    AgentSettings,
    DescribeJob,
    Descriptor,
    Evaluation,
    GateJob,
    GateReport,
    Limits,
    Rung,
    RunResult,
    Traced,
    TrainJob,
    program_id,
)
from synth.campaign import Campaign, Crew
from synth.pipeline import Runs
from synth.proposers.base import Author, Context, Proposed
from synth.spec import BudgetSection, CampaignSection, CampaignSpec, SearchSection
from synth.valve import Valve

TASKS = "probe:catch,probe:immediate-credit,probe:delayed-credit,probe:chain"
STEPS, SEEDS, EPISODES = 8000, 10, 32
BEST = 3
FIRST = "ppo"
SCREEN = Rung(
    name="screen", tasks=("probe:immediate-credit", "probe:chain"), steps=3000, seeds=2, promote=0.3, evaluation_episodes=EPISODES
)
DESCRIPTOR = Descriptor(family="policy", nodes=1, free_predictions=False, carried_state=False)


# ------------------------------------------------------------------------------------------------------------ record
class Record:
    """Results of trainings, and what the gates said of texts, in a file of JSON lines. Any thread of one process may write.

    For trainings it is a `sandbox.evaluate.Memory`.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._lock = threading.Lock()
        self._known: dict[str, RunResult | GateReport] = {}
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            one = json.loads(line)
            self._known[one["key"]] = RunResult(**one["result"]) if "result" in one else GateReport(**one["report"])

    def recall(self, job: TrainJob) -> RunResult | None:
        """The result of exactly this job."""
        known = self._known.get(_job_key(job))
        assert not isinstance(known, GateReport), "no text is a job"
        return known

    def remember(self, job: TrainJob, result: RunResult) -> None:
        """Appends it, once."""
        self._append(_job_key(job), "result", result)

    def gates(self, text: str, look: Callable[[], GateReport]) -> GateReport:
        """What the gates said of a text; they `look` once."""
        if _key(text) not in self._known:
            self._append(_key(text), "report", look())
        report = self._known[_key(text)]
        assert isinstance(report, GateReport), "no job is a text"
        return report

    def _append(self, key: str, kind: str, found: RunResult | GateReport) -> None:
        with self._lock:
            if key not in self._known:
                self._known[key] = found
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"key": key, kind: found.model_dump(mode="json")}) + "\n")


def _job_key(job: TrainJob) -> str:
    """Of what is not at its default: a setting that is new, and left alone, changes no result."""
    return _key(job.model_dump_json(exclude_defaults=True))


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class RecordedExecutor:
    """An executor that answers from a record where it can, and records what it has to train."""

    def __init__(self, inner: Executor, record: Record) -> None:
        self.workers = inner.workers
        self._inner = inner
        self._record = record

    def submit(self, job: TrainJob | GateJob | DescribeJob, limits: Limits, priority: int = 0) -> Future[JobResult]:
        """See `Executor.submit`."""
        known = self._record.recall(job) if isinstance(job, TrainJob) else None
        if known is None:
            future = self._inner.submit(job, limits, priority)
            future.add_done_callback(lambda done: self._keep(job, done))
            return future
        answered: Future[JobResult] = Future()
        answered.set_result(known)
        return answered

    def close(self) -> None:
        """Closes the executor that trains."""
        self._inner.close()

    def _keep(self, job: TrainJob | GateJob | DescribeJob, done: Future[JobResult]) -> None:
        if isinstance(job, TrainJob) and not done.cancelled() and done.exception() is None:
            self._record.remember(job, done.result())  # type: ignore[arg-type]  # a TrainJob's


class RememberingJudge(Evaluator):
    """Gates look at a text once: their report depends on it alone, as long as the tasks are the same."""

    def __init__(self, executor: Executor, isolation: Isolation, record: Record) -> None:
        super().__init__(executor, isolation, AgentSettings(), seed=0)
        self.record = record

    def gates(self, text: str, rungs: Sequence[Rung] = (), *, trusted: bool = False, priority: int = 0) -> GateReport:
        """See `Checker.gates`."""
        return self.record.gates(text, lambda: super(RememberingJudge, self).gates(text, rungs, trusted=trusted, priority=priority))


# -------------------------------------------------------------------------------------------------------------- full
class Whole(NamedTuple):
    """One program without any economy. `fate` is `trained`, `refused` or `duplicate`: what a campaign would make of it."""

    program: Known
    fate: str
    evaluation: Evaluation
    seconds: float
    gates: float  # seconds


class Bench(NamedTuple):
    """What every part needs."""

    rung: Rung
    record: Record
    executor: RecordedExecutor
    isolation: Isolation

    def judge(self, executor: Executor) -> RememberingJudge:
        """Everybody is judged with the same seeds."""
        return RememberingJudge(executor, self.isolation, self.record)


def full(bench: Bench, programs: Sequence[Known]) -> list[Whole]:
    """Every program, in the order given, without a race."""
    judge = bench.judge(bench.executor)
    rung = bench.rung.model_copy(update={"race": False, "keep": None})
    baseline = judge.reference(FIRST, [rung])
    keys: set[str] = set()
    found = []
    for program in programs:
        report = judge.gates(program.text, [rung], trusted=True)
        fate = "refused" if report.identity is None else "duplicate" if report.identity.key in keys else "trained"
        keys |= set() if report.identity is None else {report.identity.key}
        traced = report.traced or _ungated(bench, judge, program)
        evaluation = judge.evaluate(traced, rung, baseline, bench.record, count=None if fate == "trained" else 1)
        seconds = evaluation.device_seconds * (1 if fate == "trained" else rung.seeds)
        found.append(Whole(program, fate, evaluation, seconds, report.seconds))
        print(f"{len(found)}/{len(programs)} {program.name}: {fate}, {seconds:.1f} s", file=sys.stderr, flush=True)
    return found


def _ungated(bench: Bench, judge: Evaluator, program: Known) -> Traced:
    """A program that a gate refuses although it can be trained."""
    parsed = parse(program.text)
    shapes = tuple(dict.fromkeys((*GATE_SHAPES, *judge.shapes(parsed, [bench.rung]))))
    return traced_from_reply(parsed, trace(parsed, shapes, bench.isolation, TRACE_LIMITS), shapes)


def best_of(whole: Sequence[Whole], rung: Rung) -> list[str]:
    """Who an archive says is best that was told everything, by program id."""
    spec, archive = _spec([rung], len(whole)), open_archive(None)
    archive.create_campaign(spec.campaign.name, spec.model_dump_json())
    for number, one in enumerate(each for each in whole if each.fate != "duplicate"):
        text, name = one.program.text, spec.campaign.name
        archive.propose(Proposal(campaign=name, number=number, text=text, proposer="known", operator=""))
        archive.tell(
            Result(campaign=name, number=number, program_id=program_id(text), descriptor=DESCRIPTOR, evaluations=(one.evaluation,))
        )
    with closing(archive):
        return [elite.id for elite in archive.top(spec.campaign.name, BEST)]


# ----------------------------------------------------------------------------------------------------------- economy
class Listing:
    """A proposer that hands out known texts."""

    name = "known"
    trusted = True

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts

    def propose(self, context: Context, stream: np.random.Generator) -> Proposed:
        """The text whose turn it is."""
        return Proposed(text=self._texts[context.number], operator="")


class Economy(NamedTuple):
    """What one campaign came to."""

    seconds: float
    best: list[str]
    raced: float  # share of the runs of all programs that trained which races have saved
    whole: int  # programs that had all runs of the last rung


def run_campaign(bench: Bench, ladder: Sequence[Rung], order: Sequence[Known], archive: SqliteArchive, name: str = "economy") -> Economy:
    """The programs in this order, by the loop that `lossmith run` has."""
    spec = _spec(ladder, len(order), name)
    archive.create_campaign(name, spec.model_dump_json())
    valve = Valve(bench.executor, Runs(archive, name).remember)
    author = Author(Listing([program.text for program in order]))
    Campaign(spec, archive, Crew(bench.judge(valve), (author,), valve), threading.Event()).run()
    results = [archive.result_of(name, number) for number in range(len(order))]
    evaluations = [each for result in results if result is not None for each in result.evaluations if each.verdict == Verdict.OK]
    saved, runs = sum(each.saved for each in evaluations), sum(len(each.runs) for each in evaluations)
    best = [elite.id for elite in archive.top(name, BEST)]
    whole = sum(each.rung == ladder[-1].name and each.saved == 0 for each in evaluations)
    return Economy(archive.device_seconds(name), best, saved / (saved + runs), whole)


def _spec(ladder: Sequence[Rung], programs: int, name: str = "economy") -> CampaignSpec:
    """One program at a time: the bar is then that of all earlier ones."""
    return CampaignSpec(
        campaign=CampaignSection(name=name, references=(), workers=1, lag=1, finalists=0),
        budget=BudgetSection(evaluations=programs, proposals=programs),
        search=SearchSection(reevaluations=0),
        rung=tuple(ladder),
        baseline=FIRST,
    ).resolved()


def orders(programs: Sequence[Known], count: int, seed: int) -> list[list[Known]]:
    """Random ones; the baseline, which is trained before anything, comes first."""
    first = [program for program in programs if program.name == FIRST]
    others = [program for program in programs if program.name != FIRST]
    return [[*first, *(others[k] for k in np.random.default_rng([seed, number]).permutation(len(others)))] for number in range(count)]


def economies(bench: Bench, programs: Sequence[Known], count: int, seed: int) -> dict[str, list[Economy]]:
    """Every ladder in every order."""
    rung = bench.rung
    ladders = {"race": [rung], "race, no keep": [rung.model_copy(update={"keep": None})], "screen, race": [SCREEN, rung]}
    found: dict[str, list[Economy]] = {name: [] for name in (*ladders, "race, half known")}
    for number, order in enumerate(orders(programs, count, seed)):
        for name, ladder in ladders.items():
            with closing(open_archive(None)) as archive:
                found[name].append(run_campaign(bench, ladder, order, archive))
        with closing(open_archive(None)) as archive:
            run_campaign(bench, [rung], order[::2], archive, "earlier")
            found["race, half known"].append(run_campaign(bench, [rung], order, archive))
        print(f"order {number + 1}/{count}", file=sys.stderr, flush=True)
    return found


# ------------------------------------------------------------------------------------------------------------ report
def report(whole: Sequence[Whole], found: Mapping[str, Sequence[Economy]], rung: Rung) -> dict[str, object]:
    """Everything as numbers."""
    total = sum(one.seconds for one in whole)
    best = best_of(whole, rung)
    names = {program_id(one.program.text): one.program.name for one in whole}
    return {
        "machine": machine(),
        "rung": rung.model_dump(mode="json"),
        "full_seconds": total,
        "gate_seconds": sum(one.gates for one in whole),
        "fates": {fate: _fate(whole, fate, total) for fate in ("trained", "refused", "duplicate")},
        "best": [names[each] for each in best],
        "contenders": {one.program.name: one.seconds / total for one in contenders(whole, best)},
        "scores": {one.program.name: one.evaluation.score and one.evaluation.score.model_dump() for one in whole},
        "economies": {name: _summary(rows, best, total) | {"lost": _lost(rows, best, whole)} for name, rows in found.items() if rows},
    }


def _lost(rows: Sequence[Economy], best: Sequence[str], whole: Sequence[Whole]) -> float:
    """By how much the three that were found are worse than the best, by the mean of their scores under full evaluation."""
    scores = {program_id(one.program.text): one.evaluation.score.mean for one in whole if one.evaluation.score is not None}
    means = [np.mean([scores[each] for each in row.best]) for row in rows]
    return float(np.mean([scores[each] for each in best]) - np.mean(means))


def contenders(whole: Sequence[Whole], best: Sequence[str]) -> list[Whole]:
    """Those that full evaluation itself does not tell from the last of the best: their intervals reach its lower end."""
    trained = {program_id(one.program.text): one for one in whole if one.fate == "trained"}
    last = min(score.low for each in best if (score := trained[each].evaluation.score) is not None)
    return [one for one in trained.values() if one.evaluation.score is not None and one.evaluation.score.high >= last]


def _fate(whole: Sequence[Whole], fate: str, total: float) -> dict[str, float]:
    seconds = [one.seconds for one in whole if one.fate == fate]
    return {"programs": len(seconds), "share": sum(seconds) / total}


def _summary(rows: Sequence[Economy], best: Sequence[str], total: float) -> dict[str, float]:
    shares = np.array([row.seconds for row in rows]) / total
    same = [set(row.best) == set(best) for row in rows]
    return {
        "orders": len(rows),
        "mean": float(shares.mean()),
        "least": float(shares.min()),
        "most": float(shares.max()),
        "same_best": float(np.mean(same)),
        "saved_by_races": float(np.mean([row.raced for row in rows])),
        "trained_in_full": float(np.mean([row.whole for row in rows])),
    }


def show(found: dict[str, object]) -> None:
    """Two tables."""
    fates, economies_, best = found["fates"], found["economies"], found["best"]
    assert isinstance(fates, dict)
    assert isinstance(economies_, dict)
    assert isinstance(best, list)
    print(f"full evaluation: {found['full_seconds']:.0f} device-seconds; the gates took {found['gate_seconds']:.0f} s beside it\n")
    for fate, row in fates.items():
        print(f"{fate:12}{row['programs']:>4} programs{row['share']:8.1%} of the device-seconds")
    head = (("device-seconds", 15), ("least", 8), ("most", 8), ("same top 3", 12), ("lost", 7), ("saved by races", 16), ("in full", 9))
    print(f"\n{'campaign':20}" + "".join(f"{name:>{width}}" for name, width in head))
    for name, row in economies_.items():
        shares = f"{row['mean']:15.1%}{row['least']:8.1%}{row['most']:8.1%}{row['same_best']:12.0%}{row['lost']:7.2f}"
        print(f"{name:20}{shares}{row['saved_by_races']:16.0%}{row['trained_in_full']:9.1f}")
    print(f"\nbest of full evaluation: {'; '.join(map(str, best))}")
    near = found["contenders"]
    assert isinstance(near, dict)
    share = sum(near.values())
    print(f"full evaluation itself does not tell {len(near)} programs from the last of them: {share:.1%} of the device-seconds")


def main() -> None:
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "lossmith" / "economy.jsonl"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tasks", default=TASKS, help="with commas between")
    parser.add_argument("--steps", type=int, default=STEPS, help="of one training")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="trainings a task")
    parser.add_argument("--alpha", type=float, default=0.2, help="how often a race may stop what is not below its bar")
    parser.add_argument("--orders", type=int, default=20, help="in which the programs are proposed")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--record", type=Path, default=cache, help="file of trainings that need not be done again")
    parser.add_argument("--seed", type=int, default=0, help="of the orders")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of tables")
    options = parser.parse_args()
    tasks = tuple(options.tasks.split(","))
    rung = Rung(name="known", tasks=tasks, steps=options.steps, seeds=options.seeds, evaluation_episodes=EPISODES)
    rung = rung.model_copy(update={"race": True, "keep": BEST, "alpha": options.alpha})
    record, programs = Record(options.record), known_programs()
    with closing(RecordedExecutor(open_executor(options.workers), record)) as executor, closing(open_isolation("unsafe", 1)) as isolation:
        bench = Bench(rung, record, executor, isolation)
        whole = full(bench, programs)
        found = economies(bench, programs, options.orders, options.seed)
    document = report(whole, found, rung)
    print(json.dumps(document)) if options.json else show(document)


if __name__ == "__main__":
    main()
