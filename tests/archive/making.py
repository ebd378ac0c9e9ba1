"""Small proposals and results for the tests of this folder."""

from __future__ import annotations

from archive.records import AddStatus, Proposal, Result
from archive.store import SqliteArchive
from sandbox.records import Descriptor, Evaluation, Identity, RefusalRecord, RunResult, Score, TrainJob, program_id


def proposal(number: int, text: str | None = None, parents: tuple[str, ...] = (), campaign: str = "c") -> Proposal:
    return Proposal(
        campaign=campaign,
        number=number,
        text=text or f"text {number}",
        proposer="mutation",
        operator="swap",
        parents=parents,
        cost=0.5,
        tokens=3,
    )


def run(task: str = "probe:catch", seed: int = 0) -> RunResult:
    return RunResult(task=task, seed=seed, steps=10, final_return=float("inf"), episode_returns=(0.1, 0.2), curve=(), device_seconds=2.0)


def evaluation(low: float, rung: str = "probes") -> Evaluation:
    return Evaluation(rung=rung, score=Score(mean=low + 0.1, low=low, high=low + 0.2, n=4), runs=(run(),), device_seconds=2.0)


def descriptor(family: str = "policy", nodes: int = 40) -> Descriptor:
    return Descriptor.model_validate({"family": family, "nodes": nodes, "free_predictions": False, "carried_state": False})


def scored(number: int, *lows: float, where: Descriptor | None = None, text: str | None = None) -> Result:
    rungs = ("probes", "atari", "long")
    return Result(
        campaign="c",
        number=number,
        program_id=program_id(text or f"text {number}"),
        title=f"Title {number}",
        identity=Identity(structure=f"s{number}", fingerprint=f"f{number}", settings="t"),
        descriptor=where or descriptor(),
        traced='{"traced": 1}',
        evaluations=tuple(evaluation(low, rung) for low, rung in zip(lows, rungs, strict=False)),
        gate_seconds=0.1,
    )


def again(number: int, of: int, *lows: float, runs: int = 1) -> Result:
    """Proposal `of` evaluated once more; no lows: it failed."""
    told = scored(of, *lows)
    evaluations = tuple(each.model_copy(update={"runs": each.runs * runs}) for each in told.evaluations)
    return told.model_copy(update={"number": number, "again": of, "evaluations": evaluations})


def refused(number: int, gate: str, duplicate_of: str | None = None) -> Result:
    record = RefusalRecord(gate=gate, code="unknown-name", line=3, column=1, message="No.", remedy="Yes.")
    return Result(campaign="c", number=number, program_id=program_id(f"text {number}"), refusal=record, duplicate_of=duplicate_of)


def tell(archive: SqliteArchive, result: Result, parents: tuple[str, ...] = ()) -> AddStatus:
    text = None if result.again is None else f"text {result.again}"
    archive.propose(proposal(result.number, text, parents).model_copy(update={"again": result.again}))
    return archive.tell(result)


def job(seed: int = 0) -> TrainJob:
    return TrainJob(rule="random", task="probe:catch", steps=10, seed=seed)
