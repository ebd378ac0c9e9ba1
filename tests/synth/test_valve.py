from __future__ import annotations

import threading
import time
from concurrent.futures import Future, wait

import pytest

from sandbox.errors import ArchiveError
from sandbox.records import Limits, RunResult, TrainJob
from synth.valve import Stopped, Valve

LIMITS = Limits()


class HandExecutor:
    """Jobs end when the test says so."""

    workers = 2

    def __init__(self) -> None:
        self.begun: list[tuple[TrainJob, Future[RunResult]]] = []
        self.closed = False

    def submit(self, job: TrainJob, limits: Limits, priority: int = 0) -> Future[RunResult]:
        self.begun.append((job, Future()))
        return self.begun[-1][1]

    def end(self, which: int) -> None:
        self.begun[which][1].set_result(run_of(self.begun[which][0]))

    def close(self) -> None:
        self.closed = True


def job(seed: int) -> TrainJob:
    return TrainJob(rule="random", task="probe:catch", steps=1, seed=seed)


def run_of(job: TrainJob) -> RunResult:
    return RunResult(task=job.task, seed=job.seed, steps=1, final_return=0.0, episode_returns=(), curve=(), device_seconds=1.0)


@pytest.fixture
def hands() -> HandExecutor:
    return HandExecutor()


@pytest.fixture
def kept() -> list[int]:
    return []


@pytest.fixture
def valve(hands: HandExecutor, kept: list[int]) -> Valve:
    return Valve(hands, lambda job, result: kept.append(job.seed))  # type: ignore[arg-type]


def test_lower_priority_goes_first_and_equal_ones_in_order(valve: Valve, hands: HandExecutor) -> None:
    for seed, priority in enumerate([5, 5, 7, 3, 5]):
        valve.submit(job(seed), LIMITS, priority)
    assert (valve.running, valve.queued) == (2, 3)
    for which in range(5):
        hands.end(which)
    assert [begun.seed for begun, _ in hands.begun] == [0, 1, 3, 4, 2]


def test_shutting_lets_what_runs_end_and_keeps_it_and_turns_the_rest_away(valve: Valve, hands: HandExecutor, kept: list[int]) -> None:
    futures = [valve.submit(job(seed), LIMITS) for seed in range(4)]
    valve.shut()
    assert not any(future.done() for future in futures)
    hands.end(0)
    assert not futures[2].done(), "only when nothing runs any more"
    hands.end(1)
    assert [type(future.exception()) for future in futures] == [type(None), type(None), Stopped, Stopped]
    assert kept == [0, 1]
    assert isinstance(valve.submit(job(9), LIMITS).exception(), Stopped)
    valve.reopen()
    assert not valve.submit(job(10), LIMITS).done()


def test_cancelling_wakes_whoever_waits(valve: Valve, hands: HandExecutor, kept: list[int]) -> None:
    futures = [valve.submit(job(seed), LIMITS) for seed in range(3)]
    threading.Thread(target=lambda: (time.sleep(0.05), futures[2].cancel(), futures[0].cancel())).start()
    done, _ = wait([futures[0], futures[2]], timeout=5)
    assert len(done) == 2
    assert hands.begun[0][1].cancelled(), "the job itself is called off"
    hands.end(1)
    assert len(hands.begun) == 2, "what was called off before it began never begins"
    assert kept == [1]


def test_a_run_that_cannot_be_kept_is_told_to_whoever_waits(hands: HandExecutor) -> None:
    def full(*_: object) -> None:
        raise ArchiveError("The disk is full.")

    valve = Valve(hands, full)  # type: ignore[arg-type]
    future = valve.submit(job(0), LIMITS)
    hands.end(0)
    assert isinstance(future.exception(), ArchiveError)
    assert valve.running == 0


def test_closing_closes_the_executor(valve: Valve, hands: HandExecutor) -> None:
    valve.close()
    assert hands.closed
