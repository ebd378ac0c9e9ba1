"""The search over real gates and graphs; training is arithmetic, so that what each term is worth is known beforehand."""

import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from archive.records import Proposal, Result
from archive.store import open_archive
from sandbox.errors import UsageError
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
    Evaluation,
    GateJob,
    GateReport,
    Identity,
    Rung,
    RunResult,
    Score,
    Shape,
    TrainJob,
    program_id,
)
from sandbox.rules.references import reference_text
from sandbox.score import Anchor
from synth.simplify.idle import idle_terms
from synth.simplify.keeping import keep, read_simplification
from synth.simplify.paired import no_worse, paired_difference
from synth.simplify.records import Ground, Simplification, percent
from synth.simplify.search import Bench, Standard, simplify
from synth.spec import BudgetSection, CampaignSection, CampaignSpec
from tests.synth.doubles import ArithmeticExecutor

SHAPES = (SHAPE, Shape(32, 4, 3))
RUNG = Rung(name="simplify", tasks=("probe:catch",), steps=10, seeds=4)
PPO = reference_text("ppo").replace('"entropy_cost": 0.01', '"entropy_cost": 0.0123, "nothing_cost": 0.3')
PPO = f"""{PPO[: PPO.index("    return -surrogate")]}    return (
        c.nothing_cost * rl.normalize(traj.rewards)
        + 0.0 * traj.online.value[:-1]
        - c.entropy_cost * rl.entropy(logits)
        - surrogate
        + c.value_cost * value_loss
        - c.entropy_cost * rl.entropy(logits)
    )
"""
"""PPO with two terms that teach nothing and a second entropy term; the terms come in the order 0 … 5."""


class Gates(Evaluator):
    """Real graphs, traced in this process, which is quick; no other gate is asked."""

    known: ClassVar[dict[str, GateReport]] = {}
    lock: ClassVar[threading.Lock] = threading.Lock()  # torch traces for one thread at a time

    def gates(self, text: str, rungs: Any = (), *, trusted: bool = False, priority: int = 0) -> GateReport:
        with self.lock:
            return self._gates(text)

    def _gates(self, text: str) -> GateReport:
        if text not in self.known:
            program = parse(text)
            traced = traced_from_reply(program, trace_reply(program, SHAPES, seed=0), SHAPES)
            where = Descriptor(family="both", nodes=30, free_predictions=False, carried_state=False)
            identity = Identity(structure="s", fingerprint=program.id, settings="t")
            self.known[text] = GateReport(traced=traced, identity=identity, descriptor=where)
        return self.known[text]


class Worth(ArithmeticExecutor):
    """Real gates; a training is worth 1, less what the program's text lacks."""

    def _result(self, job: TrainJob | GateJob | DescribeJob) -> JobResult:
        if not isinstance(job, TrainJob):
            return super()._result(job)
        self.trained.append(job)
        worth = -1.0
        if job.rule != "random":
            code = job.rule.program.text.split('"""')[-1]  # the body of the loss
            worth = 1.0 - 1.5 * ("surrogate" not in code) - 0.8 * ("value_loss" not in code)
        luck = derive(job.seed, "luck") % 100 / 1000 + derive(job.seed, "luck", str(worth)) % 100 / 10_000
        return RunResult(
            task=job.task,
            seed=job.seed,
            steps=job.steps,
            final_return=worth + luck,
            episode_returns=(worth + luck,) * 2 + (worth + luck + 0.01,),
            curve=(),
            device_seconds=1.0,
        )


@pytest.fixture
def executor() -> Iterator[Worth]:
    executor = Worth()
    yield executor
    executor.close()


def bench(executor: Worth, memory=None) -> Bench:
    return Bench(Gates(executor, None, AgentSettings()), RUNG, memory or ShortMemory(), trusted=True)


@pytest.fixture
def report(executor: Worth) -> Simplification:
    return simplify(bench(executor), PPO, None, 0.1)


def test_what_teaches_nothing_goes_without_training_and_what_is_worth_something_stays(report: Simplification, executor: Worth) -> None:
    grounds = [(trial.term, trial.ground) for trial in report.ablations]
    assert grounds == [(0, Ground.IDLE), (1, Ground.IDLE), *((term, Ground.PAIRED) for term in range(2, 6))]
    worth = {trial.term: trial.difference.mean for trial in report.ablations if trial.difference}
    assert worth[3] == pytest.approx(-0.75, abs=0.02)  # 1.5 of the 2 that it is above random play
    assert worth[4] == pytest.approx(-0.40, abs=0.02)
    assert worth[2] == worth[5] == pytest.approx(0, abs=0.02)
    assert [step.term for step in report.steps if step.taken and step.term is not None] == [0, 1, 2, 5]
    code = report.text.split('"""')[-1]
    assert "return -surrogate + c.value_cost * value_loss" in code
    assert "entropy_cost" not in report.text
    assert report.difference is not None
    assert report.difference.low >= -0.1
    texts = {job.rule.program.text for job in executor.trained if job.rule != "random"}
    assert not any("nothing_cost" in text for text in texts - {PPO})


def test_the_same_again_gives_the_same(report: Simplification, executor: Worth) -> None:
    assert simplify(bench(executor), PPO, None, 0.1) == report


def test_nothing_is_trained_twice(executor: Worth) -> None:
    memory = ShortMemory()
    simplify(bench(executor, memory), PPO, None, 0.1)
    trained = len(executor.trained)
    assert trained == len({job.model_dump_json() for job in executor.trained})
    simplify(bench(executor, memory), PPO, None, 0.1)
    assert len(executor.trained) == trained


def test_a_program_that_learns_nothing_has_no_parts_to_speak_of(executor: Worth) -> None:
    text = reference_text("ppo").replace("surrogate", "objective").replace("value_loss", "error")
    with pytest.raises(UsageError, match="not clearly better than random"):
        simplify(bench(executor), text, None, 0.1)


def test_the_child_stands_in_the_archive_beside_its_parents_campaign(executor: Worth) -> None:
    archive = open_archive(None)
    spec = CampaignSpec(campaign=CampaignSection(name="c"), budget=BudgetSection(evaluations=1), rung=(RUNG,)).resolved()
    archive.create_campaign("c", spec.model_dump_json())
    for number, text in enumerate((PPO, reference_text("dqn"))):  # the second one is in flight
        archive.propose(Proposal(campaign="c", number=number, text=text, proposer="reference", operator="x"))
    archive.tell(Result(campaign="c", number=0, program_id=program_id(PPO)))
    parent = archive.find(program_id(PPO))
    where = bench(executor, archive)
    found = simplify(where, PPO, None, 0.1)
    for _ in range(2):  # keeping the same again changes nothing
        keep(archive, parent, found, where, spec)
    child = archive.find(found.result)
    assert (child.campaign, child.operator, child.parents) == ("c-simplified", "simplify", (parent.id,))
    assert child.score is not None
    assert child.score.mean == pytest.approx(1.0, abs=0.05)  # against ppo, which is worth as much
    assert read_simplification(archive, parent) == found
    assert archive.progress("c") == (2, 1)
    assert archive.progress("c-simplified") == (1, 1)


def test_a_term_is_idle_only_where_no_gradient_can_pass(executor: Worth) -> None:
    text = PPO.replace("0.0 * traj.online.value[:-1]", "rl.stop_gradient(traj.online.value[:-1]) * 2")
    traced = bench(executor).gates(text).traced
    assert traced is not None
    assert idle_terms(traced) == (True, True, False, False, False, False)
    moving = bench(executor).gates(text.replace('"entropy_cost": 0.0123', '"entropy_cost": 0.0')).traced
    assert moving is not None
    assert idle_terms(moving) == (True, True, True, False, False, True)  # at the declared constants


# ------------------------------------------------------------------------------------------------- the paired test
def evaluation(*returns: float) -> Evaluation:
    runs = tuple(
        RunResult(task="t", seed=seed, steps=1, final_return=value, episode_returns=(value,), curve=(), device_seconds=0.0)
        for seed, value in enumerate(returns)
    )
    return Evaluation(rung="r", score=None, runs=runs)


ANCHORS = {"t": Anchor(task="t", random=(0.0, 0.0), baseline=(2.0, 2.0))}


def test_what_seeds_have_in_common_cancels() -> None:
    before = evaluation(0.0, 1.0, 2.0, 5.0)
    found = paired_difference(before, evaluation(-0.4, 0.6, 1.6, 4.6), ANCHORS)
    assert (found.mean, found.low, found.high) == pytest.approx((-0.2, -0.2, -0.2))
    assert percent(found) == "−20 % [−20, −20]"
    assert paired_difference(before, before, ANCHORS) == Score(mean=0, low=0, high=0, n=4)


def test_one_seed_that_breaks_is_enough_to_refuse() -> None:
    found = paired_difference(evaluation(2, 2, 2, 2, 2), evaluation(2, 2, 2, 2, 0), ANCHORS)
    assert found.mean == 0  # the interquartile mean alone would not see it
    assert not no_worse(found, 0.1)


def test_ignorance_is_no_permission() -> None:
    assert not no_worse(Score(mean=0.0, low=-0.5, high=0.5, n=2), 0.1)
    assert no_worse(Score(mean=-0.05, low=-0.1, high=0.0, n=9), 0.1)
    assert percent(None) == "-"


class Noisy:
    """A bench on which the unchanged program always gets 2, and the other one these returns in turn."""

    def __init__(self, *returns: float) -> None:
        self.returns = returns
        self.asked: list[int] = []

    def train(self, traced: str, times: int = 1, priority: int = 0) -> Evaluation:
        if traced == "other":
            self.asked.append(times)
        return evaluation(*(self.returns[: 4 * times] if traced == "other" else (2.0,) * 4 * times))


@pytest.mark.parametrize(
    ("returns", "asked", "harmless"),
    [
        ((2.0,) * 16, [1], True),
        ((0.0,) * 16, [1], False),  # clear enough
        ((1.0, *(2.0,) * 15), [1, 2, 4], True),  # one bad seed in four may be more than luck, in sixteen it is not
        ((1.0, 2.0, 2.0, 2.0) * 4, [1, 2, 4], False),  # a quarter of all seeds is bad: never sure enough
        ((1.0, 1.0, 2.0, 2.0) * 4, [1], False),  # it more likely costs too much than not
    ],
)
def test_what_is_undecided_gets_more_seeds(returns: tuple[float, ...], asked: list[int], harmless: bool) -> None:
    bench = Noisy(*returns)
    standard = Standard(bench, "own", evaluation(), ANCHORS)  # type: ignore[arg-type]
    _, difference = standard.compare("other", 0.1, 0)  # type: ignore[arg-type]
    assert difference is not None
    assert (bench.asked, no_worse(difference, 0.1)) == (asked, harmless)
