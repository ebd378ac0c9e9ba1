"""The search over real graphs and real lifetimes of a step or two; trainings are arithmetic, so that the best constants are known."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archive.records import Proposal, Result
from archive.store import open_archive
from sandbox.errors import RunFault, UsageError, Verdict
from sandbox.evaluate import Evaluator, ShortMemory
from sandbox.execution.base import JobResult
from sandbox.language.fingerprint import SHAPE
from sandbox.language.program import parse
from sandbox.language.trace import trace_reply
from sandbox.language.tracing import traced_from_reply
from sandbox.randomness import derive
from sandbox.records import (
    AgentSettings,
    DescribeJob,
    Descriptor,
    GateJob,
    GateReport,
    Identity,
    Rung,
    RunResult,
    Shape,
    Traced,
    TrainJob,
    program_id,
)
from sandbox.rules.references import reference_text
from synth.claims import Word
from synth.spec import BudgetSection, CampaignSection, CampaignSpec
from synth.tune import search
from synth.tune.bench import Bench
from synth.tune.evolution import evolve
from synth.tune.journal import LIFETIMES, open_folder
from synth.tune.keeping import keep
from synth.tune.records import How, Method, Request, Tuning
from synth.tune.search import tune
from synth.tune.text import with_constants
from tests.synth.doubles import ArithmeticExecutor

AGENT = AgentSettings(hidden=(4,), num_envs=8, rollout_length=4)
RUNG = Rung(name="tune", tasks=("probe:catch",), steps=128, seeds=4)
PPO = reference_text("ppo")
SPOILED = with_constants(PPO, {"clip": 2.0})


def worth(text: str) -> float:
    """1 at a clip of 0.2, less by the distance of its logarithm; every entropy cost above 0.05 costs besides."""
    values = constants_of(text)
    return 1.0 - 0.2 * abs(math.log(values["clip"] / 0.2)) - 0.5 * (values["entropy_cost"] > 0.05)


def constants_of(text: str) -> dict[str, float]:
    return {constant.name: float(constant.value) for constant in parse(text).constants}


class Gates(Evaluator):
    """Real graphs, traced once: constants are their inputs."""

    known: Traced | None = None

    def gates(self, text: str, rungs: Any = (), *, trusted: bool = False, priority: int = 0) -> GateReport:
        program = parse(text)
        if Gates.known is None:
            shapes = (SHAPE, Shape(4, 2, 3))
            Gates.known = traced_from_reply(program, trace_reply(program, shapes, seed=0), shapes)
        traced = Gates.known.model_copy(update={"program": program})
        where = Descriptor(family="both", nodes=30, free_predictions=False, carried_state=False)
        return GateReport(traced=traced, identity=Identity(structure="s", fingerprint=program.id, settings="t"), descriptor=where)


class Worth(ArithmeticExecutor):
    """A training is worth what its constants are, and a little luck of its seed."""

    broken: Callable[[float], bool] = staticmethod(lambda clip: False)

    def _result(self, job: TrainJob | GateJob | DescribeJob) -> JobResult:
        if not isinstance(job, TrainJob):
            return super()._result(job)
        self.trained.append(job)
        if not isinstance(job.rule, str) and self.broken(constants_of(job.rule.program.text)["clip"]):
            raise RunFault(Verdict.NOT_FINITE, "It is not finite.")
        value = -1.0 if isinstance(job.rule, str) else worth(job.rule.program.text)
        value += derive(job.seed, "luck") % 100 / 1000
        return RunResult(
            task=job.task,
            seed=job.seed,
            steps=job.steps,
            final_return=value,
            episode_returns=(value, value + 0.01),
            curve=(),
            device_seconds=1,
        )


@pytest.fixture
def executor() -> Iterator[Worth]:
    executor = Worth()
    yield executor
    executor.close()


def bench(executor: Worth, folder: Path, memory: Any = None) -> Bench:
    evaluator = Gates(executor, None, AGENT, seed=3)
    baseline = evaluator.gates(PPO).traced
    assert baseline is not None
    return Bench(evaluator, RUNG, baseline, "ppo", memory or ShortMemory(), folder, trusted=True)


def request(**changes: Any) -> Request:
    return Request(**{"budget": 30, **changes})


@pytest.fixture
def report(executor: Worth, tmp_path: Path) -> Tuning:
    return tune(bench(executor, tmp_path), SPOILED, request())


def test_a_constant_without_a_meta_gradient_is_found_by_evolution_and_tested_on_fresh_seeds(report: Tuning, executor: Worth) -> None:
    clip = next(one for one in report.constants if one.name == "clip")
    assert not clip.has_gradient
    assert clip.how == How.CMAES
    assert abs(math.log(clip.after / 0.2)) < abs(math.log(2.0 / 0.2)) - 1
    assert report.comparison is not None
    assert report.comparison.word == Word.BETTER
    assert report.after.mean > report.before.mean
    assert worth(report.text) > worth(SPOILED)
    programs = [job for job in executor.trained if not isinstance(job.rule, str)]
    tuned_on = {job.seed for job in programs if job.rule.id not in (report.result, report.program, program_id(PPO))}
    assert len({job.seed for job in programs if job.rule.id == report.result} - tuned_on) == RUNG.seeds


def test_no_more_is_spent_than_asked_for(report: Tuning) -> None:
    assert report.spent <= report.request.budget
    trials = sum(trial.trained for trial in report.trials)
    lived = report.steps - 128 * trials
    assert lived in (128, 256)  # lifetimes: one or two


def test_the_same_again_gives_the_same_and_nothing_is_trained_or_lived_twice(report: Tuning, executor: Worth, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    memory = ShortMemory()
    assert tune(bench(executor, fresh, memory), SPOILED, request()) == report
    trained, lived = len(executor.trained), (fresh / LIFETIMES).read_bytes()
    steps: list[int] = []
    assert tune(bench(executor, fresh, memory), SPOILED, request(), steps.append) == report
    assert len(executor.trained) == trained
    assert (fresh / LIFETIMES).read_bytes() == lived
    assert sum(steps) == report.steps - 128 * sum(trial.trained for trial in report.trials)


def test_a_search_that_was_stopped_goes_on_from_the_lifetime_it_had(
    report: Tuning, executor: Worth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    memory = ShortMemory()
    monkeypatch.setattr(search.Search, "by_evolution", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        tune(bench(executor, fresh, memory), SPOILED, request())
    monkeypatch.undo()
    assert tune(bench(executor, fresh, memory), SPOILED, request()) == report


def test_one_method_alone(executor: Worth, tmp_path: Path) -> None:
    evolved = tune(bench(executor, tmp_path), SPOILED, request(method=Method.CMAES, constants=("clip",)))
    assert [one.name for one in evolved.constants] == ["clip"]
    assert {trial.how for trial in evolved.trials} == {How.GIVEN, How.CMAES}
    assert not (tmp_path / LIFETIMES).exists()
    still = tune(bench(executor, tmp_path), SPOILED, request(method=Method.META_GRADIENT, constants=("clip",)))
    assert not still.changed  # its meta-gradient is zero by construction
    assert still.text == SPOILED
    assert still.after == still.before


def test_nothing_is_changed_where_nothing_is_better(executor: Worth, tmp_path: Path) -> None:
    found = tune(bench(executor, tmp_path), PPO, request(method=Method.CMAES, constants=("clip",)))
    assert (found.changed, found.text, found.result) == (False, PPO, program_id(PPO))
    assert [one.how for one in found.constants] == [How.GIVEN]


def test_what_fails_is_worth_nothing_and_the_search_goes_on(executor: Worth, tmp_path: Path) -> None:
    executor.broken = lambda clip: 0.2 < clip < 1.5
    found = tune(bench(executor, tmp_path), SPOILED, request(method=Method.CMAES, constants=("clip",)))
    faults = [trial for trial in found.trials if trial.fault]
    assert faults
    assert all(trial.mean == -math.inf for trial in faults)


@pytest.mark.parametrize(
    ("text", "asked", "words"),
    [
        (SPOILED, {"constants": ("clap",)}, "no float constant 'clap'"),
        (reference_text("dqn").replace('"discount": 0.97', '"steps": 3').replace("c.discount", "0.9"), {}, "nothing to tune"),
    ],
)
def test_what_cannot_be_tuned_is_said(executor: Worth, tmp_path: Path, text: str, asked: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        tune(bench(executor, tmp_path), text, request(**asked))


def test_a_program_that_fails_as_it_is_cannot_be_tuned(executor: Worth, tmp_path: Path) -> None:
    executor.broken = lambda clip: clip == 2.0
    with pytest.raises(UsageError, match="itself fails"):
        tune(bench(executor, tmp_path), SPOILED, request())


def test_the_child_stands_in_the_archive_beside_its_parents_campaign(executor: Worth, tmp_path: Path) -> None:
    archive = open_archive(None)
    spec = CampaignSpec(campaign=CampaignSection(name="c"), budget=BudgetSection(evaluations=1), rung=(RUNG,)).resolved()
    archive.create_campaign("c", spec.model_dump_json())
    archive.propose(Proposal(campaign="c", number=0, text=SPOILED, proposer="reference", operator="x"))
    archive.tell(Result(campaign="c", number=0, program_id=program_id(SPOILED)))
    parent = archive.find(program_id(SPOILED))
    where = bench(executor, tmp_path, archive)
    found = tune(where, SPOILED, request(method=Method.CMAES, constants=("clip",)))
    for _ in range(2):  # keeping the same again changes nothing
        keep(archive, parent, found, where, spec)
    child = archive.find(found.result)
    assert (child.campaign, child.operator, child.parents) == ("c-tuned", "tune", (parent.id,))
    assert child.score == found.after
    assert archive.progress("c-tuned") == (1, 1)


def test_a_folder_keeps_to_its_tuning(tmp_path: Path) -> None:
    open_folder(tmp_path / "run", request())
    open_folder(tmp_path / "run", request())
    with pytest.raises(UsageError, match="another program, or with other options"):
        open_folder(tmp_path / "run", request(budget=31))


# ------------------------------------------------------------------------------------------------------------ CMA-ES
def test_evolution_climbs_within_its_budget_and_repeats() -> None:
    asked: list[list[dict[str, float]]] = [[], []]

    def rate(points: Any, log: list[dict[str, float]]) -> list[float]:
        log += points
        return [-((point["a"] - 3) ** 2) - (point["b"] + 2) ** 2 if point["a"] < 6 else -math.inf for point in points]

    for log in asked:
        evolve({"a": 0.0, "b": 0.0}, 60, 1, lambda points, log=log: rate(points, log))
    assert asked[0] == asked[1]
    assert 50 < len(asked[0]) <= 60
    last = np.array([[point["a"], point["b"]] for point in asked[0][-6:]]).mean(axis=0)
    assert np.abs(last - [3, -2]).max() < 0.7


# ------------------------------------------------------------------------------------------------- between the two methods
@pytest.mark.parametrize(("entropy_cost", "believed"), [(0.01, True), (0.2, False)])
def test_meta_gradients_are_left_alone_where_they_made_it_better_and_forgotten_where_they_did_not(
    executor: Worth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entropy_cost: float, believed: bool
) -> None:
    from archive.tuning.lifetimes import Lifetime, MetaState

    def lived(lives: Any, *rest: Any) -> Lifetime:
        """Steady in the entropy cost, noise in all else."""
        places = {**lives.fresh().places, "entropy_cost": math.log(entropy_cost)}
        sums = {name: 4.0 if name == "entropy_cost" else 0.0 for name in places}
        return Lifetime(
            found=places, after=MetaState.at(places), gradient_sum=sums, gradient_squares=dict.fromkeys(places, 1.0), moments=(), steps=128
        )

    monkeypatch.setattr(search, "lifetime", lived)
    found = tune(bench(executor, tmp_path), with_constants(SPOILED, {"entropy_cost": 0.3}), request())
    evolved = [trial.constants for trial in found.trials if trial.how == How.CMAES]
    assert {trial["entropy_cost"] for trial in evolved} == {0.01} if believed else len({trial["entropy_cost"] for trial in evolved}) > 4
    entropy = next(one for one in found.constants if one.name == "entropy_cost")
    assert entropy.how == (How.META_GRADIENT if believed else How.CMAES)
    assert entropy.signal == 8 / math.sqrt(2)


def test_where_meta_gradients_say_nothing_one_lifetime_is_enough(executor: Worth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search.Search, "signals", {"discount": 0.3})
    found = tune(bench(executor, tmp_path), SPOILED, request(budget=10))
    assert {trial.how for trial in found.trials} == {How.GIVEN, How.CMAES}
    assert found.steps - 128 * sum(trial.trained for trial in found.trials) == 128
