"""From a text to a gate report: what is refused, whose fault it is, and which shapes are traced."""

from collections.abc import Iterator

import pytest

from sandbox.check import Checker
from sandbox.errors import Gate, PrerequisiteMissing, Refusal, RunFault, UsageError, Verdict
from sandbox.execution.local import LocalExecutor
from sandbox.isolation.base import Reply
from sandbox.records import AgentSettings, GateJob, Limits, Rung
from sandbox.rules.references import reference_text
from tests.sandbox.doubles import InstantExecutor

PPO = reference_text("ppo")
CATCH = Rung(name="catch", tasks=("probe:catch",), steps=100)
BY_ACTION = '''"""One graph for every number of actions: a loop over them."""

HEADS = {"logits": "A"}


def loss(traj, c):
    logits = traj.online.logits[:-1]
    total = 0.0
    for a in range(logits.shape[-1]):
        total = total + 0.01 * logits[..., a] ** 2 * (a + 1)
    return total - rl.log_prob(logits, traj.actions) * rl.discounted_returns(traj.rewards, 0.9 * traj.continues, 0.0 * traj.rewards[0])
'''


class Recorded:
    """An isolation that always gives the same reply."""

    name = "recorded"

    def __init__(self, reply: Reply) -> None:
        self.reply = reply

    def run(self, request: bytes, limits: Limits) -> Reply:
        return self.reply

    def close(self) -> None:
        pass


class Crashing(InstantExecutor):
    def _run(self, job):
        if isinstance(job, GateJob):
            raise RunFault(Verdict.TIME_LIMIT, "took too long")
        return super()._run(job)


@pytest.fixture(scope="module")
def checker() -> Iterator[Checker]:
    executor = LocalExecutor(1)
    checker = Checker(executor, None, AgentSettings())
    yield checker
    checker.close()
    executor.close()


def test_a_text_that_does_not_parse_is_refused_and_not_raised() -> None:
    report = Checker(InstantExecutor(lambda job: 0.0), None, AgentSettings()).gates("import os")
    assert report.refusal is not None
    assert (report.refusal.gate, report.traced) == (Gate.PARSE, None)


def test_untrusted_text_without_a_sandbox_is_not_run() -> None:
    with pytest.raises(PrerequisiteMissing, match="doctor"):
        Checker(InstantExecutor(lambda job: 0.0), None, AgentSettings()).gates(PPO)


def test_a_trace_that_breaks_a_limit_is_the_programs_fault() -> None:
    slow = Recorded(Reply(Verdict.TIME_LIMIT, None, 20.0))
    report = Checker(InstantExecutor(lambda job: 0.0), slow, AgentSettings()).gates(PPO)
    assert report.refusal is not None
    assert (report.refusal.gate, report.refusal.code) == (Gate.TRACE, "time-limit")


def test_gates_that_break_a_limit_are_the_programs_fault() -> None:
    traced = Recorded(Reply(Verdict.OK, b'{"version": 1, "initial_state": {}, "graphs": {"*": {}}}', 1.0))
    report = Checker(Crashing(lambda job: 0.0), traced, AgentSettings()).gates(PPO)
    assert report.refusal is not None
    assert (report.refusal.gate, report.refusal.code) == (Gate.COST, "time-limit")


def test_more_minibatches_than_environments_is_the_programs_fault() -> None:
    two = Checker(InstantExecutor(lambda job: 0.0), None, AgentSettings(num_envs=2))
    report = two.gates(PPO, [CATCH], trusted=True)
    assert report.refusal is not None
    assert (report.refusal.gate, report.refusal.code) == (Gate.COST, "too-many-minibatches")


def test_a_task_there_is_not_is_the_users_fault(checker: Checker) -> None:
    with pytest.raises(UsageError, match="probe:catch"):
        checker.gates(PPO, [Rung(name="r", tasks=("probe:catsh",), steps=1)], trusted=True)


def test_a_reference_is_traced_for_the_tasks(checker: Checker) -> None:
    traced = checker.reference("ppo", [CATCH])
    (shape,) = checker.shapes(traced.program, [CATCH])
    assert shape == (32, 4, 3)
    assert traced.graph_text(shape)
    assert checker.fit(traced, [CATCH]) is traced


def test_a_graph_for_every_shape_is_traced_again_where_a_task_brings_a_new_one(checker: Checker) -> None:
    first = checker.gates(BY_ACTION, [], trusted=True)
    assert first.traced is not None, first.refusal
    (shape,) = checker.shapes(first.traced.program, [CATCH])
    assert first.traced.graph_text(shape) is None
    fitted = checker.fit(first.traced, [CATCH])
    assert fitted.graph_text(shape)
    assert set(fitted.graphs) > set(first.traced.graphs)


def test_what_cannot_be_fitted_is_refused(checker: Checker) -> None:
    first = checker.gates(BY_ACTION, [], trusted=True)
    assert first.traced is not None
    broken = first.traced.program.model_copy(update={"text": "import os"})
    with pytest.raises(Refusal):
        checker.fit(first.traced.model_copy(update={"program": broken}), [CATCH])


def test_a_sandbox_may_be_opened_when_the_first_text_comes_that_needs_it() -> None:
    opened: list[Recorded] = []

    def late() -> Recorded:
        opened.append(Recorded(Reply(Verdict.CRASHED, None, 0.0)))
        return opened[-1]

    checker = Checker(InstantExecutor(lambda job: 0.0), None, AgentSettings())
    with pytest.raises(PrerequisiteMissing):
        checker.gates(PPO)
    checker.late = late
    assert not opened
    assert checker.gates(PPO).refusal is not None
    assert checker.gates(PPO, trusted=True).refusal is not None, "what comes after may come from it"
    assert len(opened) == 1
