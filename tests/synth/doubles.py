"""A world in which training is arithmetic: the real loop, evaluator, valve and archive over an executor that only computes hashes."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from archive.base import Archive
from sandbox.errors import Gate, RunFault, Verdict
from sandbox.evaluate import Evaluator
from sandbox.execution.base import JobResult
from sandbox.randomness import derive
from sandbox.records import (
    Act,
    CurvePoint,
    DescribeJob,
    Descriptor,
    GateJob,
    GateReport,
    Head,
    Identity,
    LearnedRule,
    Limits,
    ObservationSpec,
    Program,
    RefusalRecord,
    RunResult,
    TaskDescription,
    Traced,
    TrainJob,
    program_id,
)
from synth.campaign import Campaign, Crew
from synth.pipeline import Runs
from synth.proposers.base import Author, Context, Proposed
from synth.spec import CampaignSpec
from synth.valve import Valve


def spec(**changes: Any) -> CampaignSpec:
    """A campaign of two rungs and a hold-out; `changes` are sections, or fields of `campaign` and `budget` by their own names."""
    budget = {"evaluations": 30}
    campaign: dict[str, Any] = {"name": "c", "workers": 2, "lag": 5, "references": ("a2c", "ppo"), "finalists": 2}
    sections: dict[str, Any] = {
        "rung": (
            {"name": "low", "tasks": ("probe:catch",), "steps": 10, "seeds": 2, "promote": 0.8},
            {"name": "high", "tasks": ("probe:delayed-credit",), "steps": 20, "seeds": 2},
        ),
        "holdout": {"name": "holdout", "tasks": ("probe:two-armed",), "steps": 20, "seeds": 2},
    }
    for key, value in changes.items():
        place = budget if key in {"evaluations", "proposals", "wall_clock_minutes", "device_seconds"} else campaign
        (sections if key in {"rung", "holdout", "agent", "sandbox", "baseline", "network", "search"} else place)[key] = value
    return CampaignSpec.model_validate({"campaign": campaign, "budget": budget, **sections}).resolved()


def busy(**changes: Any) -> CampaignSpec:
    """The same with everything on that could depend on timing: islands, re-evaluation, a share that climbs, and a race on each rung."""
    rungs = spec().rung
    raced = [rung.model_copy(update={"race": True, "seeds": 5, "tasks": (*rung.tasks, f"{rung.tasks[0]}-2")}) for rung in rungs]
    raced[0] = raced[0].model_copy(update={"share": 0.5})
    raced[1] = raced[1].model_copy(update={"keep": 2})
    search = {"islands": 3, "migrate_every": 4, "reevaluations": 2}
    return spec(rung=tuple(rung.model_dump() for rung in raced), search=search, **changes)


class ArithmeticExecutor:
    """Returns depend on the job alone; how long it takes depends on `jitter` and on nothing that can be repeated."""

    def __init__(self, workers: int = 2, jitter: float = 0.0) -> None:
        self.workers = workers
        self.jitter = jitter
        self.trained: list[TrainJob] = []
        self.before: Any = lambda job: None  # called in the worker, before a job
        self._threads = ThreadPoolExecutor(workers)

    def submit(self, job: TrainJob | GateJob | DescribeJob, limits: Limits, priority: int = 0) -> Future[JobResult]:
        future: Future[JobResult] = Future()
        self._threads.submit(self._settle, job, future)
        return future

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _settle(self, job: TrainJob | GateJob | DescribeJob, future: Future[JobResult]) -> None:
        try:
            self.before(job)
            time.sleep(random.random() * self.jitter)
            outcome = self._result(job)
        except Exception as error:  # noqa: BLE001  as the real one does
            future.set_exception(error)
        else:
            if not future.cancelled():
                future.set_result(outcome)

    def _result(self, job: TrainJob | GateJob | DescribeJob) -> JobResult:
        if isinstance(job, DescribeJob):
            return TaskDescription(task=job.task, num_actions=3, observation=ObservationSpec(shape=(4,), dtype="float32", kind="vector"))
        assert isinstance(job, TrainJob)
        self.trained.append(job)
        name = "random" if job.rule == "random" else job.rule.id
        known = {"random": 0.0, program_of("a2c").id: 0.0, program_of("ppo").id: 10.0}
        if isinstance(job.rule, LearnedRule):
            known[name] = 10.0
        if derive(0, name) % 7 == 0 and name not in known:
            raise RunFault(Verdict.NOT_FINITE, "The loss is not finite.")
        skill = known.get(name, derive(0, name) % 1000 / 80)
        episodes = tuple(skill + derive(job.seed, name, job.task, k) % 1000 / 2000 for k in range(4))
        curve = (CurvePoint(step=1, score=None), CurvePoint(step=2, score=skill))
        return RunResult(
            task=job.task,
            seed=job.seed,
            steps=job.steps,
            final_return=float(np.mean(episodes)),
            episode_returns=episodes,
            curve=curve,
            device_seconds=1.0,
        )


def program_of(text: str) -> Program:
    from sandbox.rules.references import reference_names, reference_text

    text = reference_text(text) if text in reference_names() else text
    return Program(
        text=text, title=text[:10], description="", heads=(Head(name="logits", per_action=True, size=1),), act=Act(head="logits")
    )


class ArithmeticGates(Evaluator):
    """The real ladder behind gates that only look at a hash: one text in seven is refused, equal up to `#` is a duplicate."""

    jitter = 0.0

    def gates(self, text: str, rungs: Any = (), *, trusted: bool = False, priority: int = 0) -> GateReport:
        time.sleep(random.random() * self.jitter)
        content = text.split("#")[0]
        if derive(1, content) % 7 == 0 and "def loss" not in text:
            return GateReport(refusal=RefusalRecord(gate=Gate.PARSE, code="odd", line=1, column=1, message="It is odd.", remedy="Even it."))
        traced = Traced(program=program_of(text), graphs={"*": "{}"})
        where = Descriptor.model_validate(
            {"family": ("policy", "value", "both")[derive(2, content) % 3], "nodes": 30, "free_predictions": False, "carried_state": False}
        )
        return GateReport(traced=traced, identity=Identity(structure="s", fingerprint=content, settings="t"), descriptor=where)


class Scribbler:
    """Writes numbers on its parents' titles; now and then it repeats something."""

    name = "scribbler"
    trusted = True

    def propose(self, context: Context, stream: np.random.Generator) -> Proposed:
        ids = tuple(parent.id for parent in context.parents)
        content = f"{'+'.join(ids)}:{stream.integers(8)}" if ids else f"{stream.integers(6)}"
        return Proposed(text=f"{content}#{context.number}", operator="scribble", parents=ids)


def campaign(
    spec: CampaignSpec, archive: Archive, *, jitter: float = 0.0, workers: int = 2, interrupted: threading.Event | None = None
) -> tuple[Campaign, ArithmeticExecutor]:
    """A campaign whose trainings are arithmetic."""
    archive.create_campaign(spec.campaign.name, spec.model_dump_json())
    executor = ArithmeticExecutor(workers, jitter)
    valve = Valve(executor, Runs(archive, spec.campaign.name).remember)
    judge = ArithmeticGates(valve, None, spec.agent, seed=spec.campaign.seed)
    judge.jitter = jitter
    return Campaign(spec, archive, Crew(judge, (Author(Scribbler()),), valve), interrupted or threading.Event()), executor


def story(archive: Archive, name: str = "c") -> list[tuple[Any, ...]]:
    """Everything about a campaign that timing must not change: texts, parents, fates and scores, in order."""
    told = archive.progress(name)[1]
    rows: list[tuple[Any, ...]] = []
    for proposal in archive.proposals(name, 0)[:told]:
        elite = archive.find(program_id(proposal.text))
        rows.append((proposal.text, proposal.parents, proposal.again, archive.result(elite)))
    return rows
