"""The ladder: what is trained, in which order, with which seeds, and what becomes of it."""

import pytest

from sandbox.errors import RunFault, UsageError, Verdict, WorkerLost
from sandbox.evaluate import Evaluator, ShortMemory, promoted
from sandbox.randomness import derive
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
    pairs = [("probe:a", 7), ("probe:a", 8), ("probe:b", 7), ("probe:b", 8)]
    assert [(run.task, run.seed) for run in evaluation.runs] == [(task, derive(seed, "task", task)) for task, seed in pairs]
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
        if job.task == "probe:a" and job.seed == derive(7, "task", "probe:a"):
            return 1.0
        raise RunFault(Verdict.TIME_LIMIT, f"{job.task} {job.seed == derive(8, 'task', 'probe:a')}")

    judge, _ = evaluator(train)
    evaluation = judge.run_rung(GOOD, RUNG, (7, 8), ShortMemory())
    assert (evaluation.verdict, evaluation.fault, len(evaluation.runs)) == (Verdict.TIME_LIMIT, "probe:a True", 1)


def test_faults_of_ours_propagate() -> None:
    def train(job: TrainJob) -> float:
        raise WorkerLost("gone")

    judge, _ = evaluator(train)
    with pytest.raises(WorkerLost):
        judge.run_rung(GOOD, RUNG, (7,), ShortMemory())


def test_score_is_normalised_by_the_anchors() -> None:
    judge, _ = evaluator()
    evaluation = judge.evaluate(GOOD, RUNG, BASELINE, ShortMemory())
    assert evaluation.score is not None
    assert (evaluation.score.mean, evaluation.score.n) == (pytest.approx(0.9), 4)
    assert evaluation.score.low < 0.9 < evaluation.score.high


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


def test_a_task_has_a_stream_of_its_own_from_one_seed() -> None:
    judge, executor = evaluator()
    judge.run_rung(GOOD, RUNG, (7,), ShortMemory())
    assert len({job.seed for job in executor.trained}) == 2


RACE = Rung(name="race", tasks=("probe:a", "probe:b"), steps=100, seeds=6, promote=0.8, race=True)
WITHOUT_GOAL = RACE.model_copy(update={"share": 0.5})


@pytest.mark.parametrize(
    ("rule", "bar", "runs", "saved", "climbs"),
    [
        (GOOD, None, 12, 0, True),  # 0.9 is not clearly above 0.8, since the best three of twelve would not count
        (POOR, None, 4, 8, False),  # 0.2 multiplies the capital by 1.48, then by 1.66 and more
        (POOR, 0.1, 12, 0, False),  # the archive keeps it, so it trains in full, and does not climb
        (POOR, 2.0, 4, 8, False),  # the lower bar counts
    ],
)
def test_a_race_stops_what_is_clearly_below_both_bars(rule: Traced, bar: float | None, runs: int, saved: int, climbs: bool) -> None:
    judge, _ = evaluator()
    evaluation = judge.evaluate(rule, RACE, BASELINE, ShortMemory(), bar=bar)
    assert (len(evaluation.runs), evaluation.saved, promoted(evaluation, RACE)) == (runs, saved, climbs)
    assert evaluation.bar == (min(0.8, bar) if bar is not None else 0.8)
    assert evaluation.score is not None
    assert evaluation.score.n == runs
    assert evaluation.device_seconds == runs


def test_a_program_clearly_above_what_climbs_needs_no_more_seeds_unless_places_are_taken() -> None:
    judge, _ = evaluator()
    low = RACE.model_copy(update={"promote": 0.3})
    evaluation = judge.evaluate(GOOD, low, BASELINE, ShortMemory())
    assert (evaluation.won, promoted(evaluation, low)) == (True, True)
    assert len(evaluation.runs) + evaluation.saved == 12
    assert evaluation.saved > 0
    shared = low.model_copy(update={"share": 0.5})
    whole = judge.evaluate(GOOD, shared, BASELINE, ShortMemory())
    assert (whole.won, whole.saved, len(whole.runs)) == (False, 0, 12)


def test_a_program_that_was_stopped_does_not_climb_whatever_its_interval_says() -> None:
    evaluation = Evaluation(rung="race", score=Score(mean=0.1, low=-0.9, high=1.1, n=2), saved=10)
    assert not promoted(evaluation, RACE)


def test_a_race_that_nobody_loses_is_the_evaluation_without_one() -> None:
    judge, _ = evaluator()
    raced = judge.evaluate(POOR, RACE, BASELINE, ShortMemory(), bar=0.1)
    plain = judge.evaluate(POOR, RACE.model_copy(update={"race": False}), BASELINE, ShortMemory())
    assert raced.model_copy(update={"bar": None}) == plain


def test_runs_race_in_an_order_of_the_programs_own_that_is_always_the_same() -> None:
    orders = []
    for rule in (POOR, POOR, GOOD):
        judge, executor = evaluator()
        judge.evaluate(rule, WITHOUT_GOAL, BASELINE, ShortMemory(), bar=-0.5)
        orders.append([(job.task, job.seed) for job in executor.trained if name_of(job) == rule.title])
    whole = [(task, derive(seed, "task", task)) for task in RACE.tasks for seed in judge.seeds(RACE)]
    assert sorted(orders[0]) == sorted(orders[2]) == sorted(whole)
    assert orders[0] == orders[1] != orders[2]


def test_what_has_no_bar_does_not_race() -> None:
    judge, _ = evaluator()
    last = RACE.model_copy(update={"promote": None})
    assert len(judge.evaluate(POOR, last, BASELINE, ShortMemory()).runs) == 12
    assert judge.evaluate(POOR, last, BASELINE, ShortMemory(), bar=0.9).saved > 0
    assert len(judge.evaluate(POOR, last, BASELINE, ShortMemory(), bar=0.9, count=7).runs) == 14, "re-evaluation is asked for by number"


def test_a_fault_in_a_later_run_ends_a_race() -> None:
    def train(job: TrainJob) -> float:
        if name_of(job) == "good" and job.seed == derive(judge.seeds(RACE)[3], "task", "probe:b"):
            raise RunFault(Verdict.NOT_FINITE, "not finite")
        return play(job)

    judge, executor = evaluator(train)
    evaluation = judge.evaluate(GOOD, WITHOUT_GOAL, BASELINE, ShortMemory())
    assert (evaluation.verdict, evaluation.score, evaluation.saved) == (Verdict.NOT_FINITE, None, 0)
    tried = [name_of(job) for job in executor.trained].count("good")
    assert 1 < tried < 12
    assert len(evaluation.runs) == tried - 1


@pytest.mark.parametrize(("floor", "rungs"), [(None, ["small", "large"]), (0.0, ["small", "large"]), (5.0, ["small"])])
def test_where_a_share_climbs_the_lower_end_must_reach_the_floor(floor: float | None, rungs: list[str]) -> None:
    judge, _ = evaluator()
    floors = {} if floor is None else {"small": floor}
    assert [evaluation.rung for evaluation in judge.climb(GOOD, [RUNG, TOP], BASELINE, ShortMemory(), floors=floors)] == rungs


@pytest.mark.parametrize(("high", "climbs"), [(0.8, True), (0.79, False)])
def test_the_upper_end_decides(high: float, climbs: bool) -> None:
    evaluation = Evaluation(rung="small", score=Score(mean=0.5, low=0.2, high=high, n=4))
    assert promoted(evaluation, RUNG) is climbs
    assert not promoted(evaluation, TOP), "there is nothing above the last rung"
