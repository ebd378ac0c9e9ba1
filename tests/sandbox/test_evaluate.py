"""The ladder: what is trained, in which order, with which seeds, and what becomes of it."""

import pytest

from sandbox.errors import RunFault, UsageError, Verdict, WorkerLost
from sandbox.evaluate import Evaluator, ShortMemory, promoted
from sandbox.records import Act, AgentSettings, Evaluation, Head, Program, Rung, RunResult, Score, Traced, TrainJob
from tests.sandbox.doubles import InstantExecutor

RUNG = Rung(name="small", tasks=("probe:a", "probe:b"), steps=100, seeds=2, promote=0.8)
TOP = Rung(name="large", tasks=("probe:a",), steps=1000, seeds=3)


def traced(name: str) -> Traced:
    program = Program(text=name, title=name, description="", heads=(Head(name="logits", per_action=True, size=1),), act=Act(head="logits"))
    return Traced(program=program, graphs={"*": "{}"})


BASELINE, GOOD, POOR, BROKEN = (traced(name) for name in ("baseline", "good", "poor", "broken"))
RETURNS = {"random": 0.0, "baseline": 10.0, "good": 9.0, "poor": 2.0}


def name_of(job: TrainJob) -> str:
    return job.rule if isinstance(job.rule, str) else job.rule.program.title


def play(job: TrainJob) -> float:
    if name_of(job) == "broken":
        raise RunFault(Verdict.NOT_FINITE, f"not finite on {job.task}")
    return RETURNS[name_of(job)]


def evaluator(train=play, seed: int = 0) -> tuple[Evaluator, InstantExecutor]:
    executor = InstantExecutor(train)
    return Evaluator(executor, None, AgentSettings(), seed=seed), executor


def test_runs_are_tasks_times_seeds_in_order() -> None:
    judge, executor = evaluator()
    evaluation = judge.run_rung(GOOD, RUNG, (7, 8), ShortMemory())
    assert [(run.task, run.seed) for run in evaluation.runs] == [("probe:a", 7), ("probe:a", 8), ("probe:b", 7), ("probe:b", 8)]
    assert evaluation.device_seconds == 4.0
    assert {job.steps for job in executor.trained} == {100}


def test_seeds_are_shared_by_programs_and_fresh_by_rung_index_and_campaign() -> None:
    judge, _ = evaluator()
    other, _ = evaluator(seed=1)
    assert judge.seeds(RUNG) == judge.seeds(RUNG)
    drawn = [*judge.seeds(RUNG), *judge.seeds(RUNG, first=2), *judge.seeds(TOP), *other.seeds(RUNG)]
    assert len(set(drawn)) == len(drawn)
    assert judge.seeds(RUNG, first=1)[0] == judge.seeds(RUNG)[1]


def test_what_is_remembered_is_not_trained_again() -> None:
    judge, executor = evaluator()
    memory, seen = ShortMemory(), list[RunResult]()
    first = judge.evaluate(GOOD, RUNG, BASELINE, memory)
    trained = len(executor.trained)
    again, executor_again = evaluator()
    assert again.evaluate(GOOD, RUNG, BASELINE, memory, on_run=seen.append) == first
    assert (trained, len(executor_again.trained), len(seen)) == (12, 0, 4)


def test_the_first_failure_in_order_is_the_one_reported() -> None:
    def train(job: TrainJob) -> float:
        if job.task == "probe:a" and job.seed == 7:
            return 1.0
        raise RunFault(Verdict.TIME_LIMIT, f"{job.task} {job.seed}")

    judge, _ = evaluator(train)
    evaluation = judge.run_rung(GOOD, RUNG, (7, 8), ShortMemory())
    assert (evaluation.verdict, evaluation.fault, len(evaluation.runs)) == (Verdict.TIME_LIMIT, "probe:a 8", 1)


def test_faults_of_ours_propagate() -> None:
    def train(job: TrainJob) -> float:
        raise WorkerLost("gone")

    judge, _ = evaluator(train)
    with pytest.raises(WorkerLost):
        judge.run_rung(GOOD, RUNG, (7,), ShortMemory())


def test_score_is_normalised_by_the_anchors() -> None:
    judge, _ = evaluator()
    evaluation = judge.evaluate(GOOD, RUNG, BASELINE, ShortMemory())
    assert evaluation.score == Score(mean=0.9, low=0.9, high=0.9, n=4)


def test_anchors_are_trained_once() -> None:
    judge, executor = evaluator()
    anchors = judge.anchors(RUNG, BASELINE, ShortMemory())
    assert anchors["probe:b"].baseline == (9.99, 10.01, 9.99, 10.01)
    assert judge.anchors(RUNG, BASELINE, ShortMemory()) is anchors
    assert len(executor.trained) == 8


def test_a_baseline_that_fails_is_our_error() -> None:
    judge, _ = evaluator()
    with pytest.raises(UsageError, match=r"The baseline failed on rung small: not finite on probe:a"):
        judge.anchors(RUNG, BROKEN, ShortMemory())


def test_a_task_that_cannot_normalise_is_refused_before_the_program_is_trained() -> None:
    judge, executor = evaluator(lambda job: 1.0)
    with pytest.raises(UsageError, match="longer budget"):
        judge.evaluate(GOOD, RUNG, BASELINE, ShortMemory())
    assert {name_of(job) for job in executor.trained} == {"random", "baseline"}


@pytest.mark.parametrize(("rule", "rungs"), [(GOOD, ["small", "large"]), (POOR, ["small"]), (BROKEN, ["small"])])
def test_only_the_promising_climb(rule: Traced, rungs: list[str]) -> None:
    judge, _ = evaluator()
    assert [evaluation.rung for evaluation in judge.climb(rule, [RUNG, TOP], BASELINE, ShortMemory())] == rungs


@pytest.mark.parametrize(("high", "climbs"), [(0.8, True), (0.79, False)])
def test_the_upper_end_decides(high: float, climbs: bool) -> None:
    evaluation = Evaluation(rung="small", score=Score(mean=0.5, low=0.2, high=high, n=4))
    assert promoted(evaluation, RUNG) is climbs
    assert not promoted(evaluation, TOP), "there is nothing above the last rung"
