"""The trusted side: what comes out of a sandbox is believed only where it has the right form, and never quoted."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from sandbox.errors import Gate, Refusal, Verdict, WorkerLost
from sandbox.isolation.base import Reply
from sandbox.language.program import parse
from sandbox.language.trace import trace_reply
from sandbox.language.tracing import trace, traced_from_reply
from sandbox.language.tracing_messages import ADVICE
from sandbox.records import Limits, Program, Shape
from sandbox.rules.references import reference_text
from tests.sandbox.language.trace_texts import ERROR, SHAPES, STATE, program

LIMITS = Limits(seconds=20)
PROGRAM = program(ERROR + "return c.a * x")


class Inside:
    """An isolation that runs in this process and may lie."""

    name = "inside"

    def __init__(self, payload: Any = None, verdict: Verdict = Verdict.OK) -> None:
        self.payload, self.verdict = payload, verdict

    def run(self, request: bytes, limits: Limits) -> Reply:
        if self.payload is None and self.verdict is Verdict.OK:
            data = json.loads(request)
            shapes = [Shape(*shape) for shape in data["shapes"]]
            text = trace_reply(Program.model_validate(data["program"]), shapes, data["seed"])
            return Reply(Verdict.OK, text.encode(), 0.1)
        payload = self.payload if isinstance(self.payload, bytes | None) else json.dumps(self.payload).encode()
        return Reply(self.verdict, payload, 0.1)

    def close(self) -> None:
        pass


def told(payload: Any, of: Program = PROGRAM) -> Refusal:
    with pytest.raises(Refusal) as caught:
        trace(of, SHAPES, Inside(payload), LIMITS)
    assert caught.value.gate is Gate.TRACE
    return caught.value


def honest(of: Program = PROGRAM) -> dict[str, Any]:
    reply: dict[str, Any] = json.loads(trace_reply(of, SHAPES, seed=0))
    return reply


def test_a_reference_becomes_a_traced_program() -> None:
    ppo = parse(reference_text("ppo"))
    shapes = [Shape(20, 8, 18), Shape(1, 1, 2)]
    traced = traced_from_reply(ppo, trace(ppo, shapes, Inside(), LIMITS), shapes)
    assert traced.program == ppo
    assert set(traced.graphs) == {"*"}
    assert traced.graph_text(Shape(7, 3, 5)) is not None


def test_state_comes_with_it() -> None:
    carrying = program(ERROR + "return x, {'mean': x.mean(), 'pair': state.pair}", STATE, state=True)
    traced = traced_from_reply(carrying, trace(carrying, SHAPES, Inside(), LIMITS), SHAPES)
    assert traced.initial_state == {"mean": 0.0, "pair": [0.0, 0.5]}


def test_a_graph_that_was_not_traced_is_refused_by_the_verifier() -> None:
    forged = honest()
    forged["graphs"]["*"]["nodes"][-1][0] = "os.system"
    with pytest.raises(Refusal):
        traced_from_reply(PROGRAM, json.dumps(forged), SHAPES)


def test_a_fault_is_told_in_our_own_words() -> None:
    fault = {"code": "constant-as-number", "line": 3, "column": 12, "name": "a"}
    refusal = told({"version": 1, "refusal": fault})
    assert (refusal.code, refusal.line, refusal.column) == ("constant-as-number", 3, 12)
    assert refusal.message == "c.a is a 0-dim tensor, so that it can be tuned, and is used as a plain number here."
    assert "torch.where" in refusal.remedy


def test_a_name_that_is_not_in_the_program_is_not_shown() -> None:
    refusal = told({"version": 1, "refusal": {"code": "unsupported-op", "line": 3, "column": 1, "name": "stolen_key_123"}})
    assert "stolen" not in refusal.message
    assert refusal.message == ADVICE["unsupported-op"].unnamed


REPLY = honest()
FORGERIES = {
    "no_json": b"{",
    "no_text": b"\xff\xfe",
    "deep": b"[" * 100_000,
    "list": [],
    "other_version": {**REPLY, "version": 2},
    "more_fields": {**REPLY, "score": 1e9},
    "no_graphs": {"version": 1, "initial_state": {}},
    "graphs_of_other_shapes": {**REPLY, "graphs": {"9,9,9": REPLY["graphs"]["*"]}},
    "graph_is_a_list": {**REPLY, "graphs": {"*": []}},
    "not_a_number": b'{"version": 1, "initial_state": {}, "graphs": {"*": {"x": NaN}}}',
    "unknown_code": {"version": 1, "refusal": {"code": "secret", "line": 1, "column": 1, "name": ""}},
    "line_outside": {"version": 1, "refusal": {"code": "memory", "line": 99, "column": 1, "name": ""}},
    "column_outside": {"version": 1, "refusal": {"code": "memory", "line": 1, "column": 12345678, "name": ""}},
    "line_is_text": {"version": 1, "refusal": {"code": "memory", "line": "1", "column": 1, "name": ""}},
    "refusal_with_more": {"version": 1, "refusal": {"code": "memory", "line": 1, "column": 1, "name": "", "message": "secret"}},
    "refusal_and_graphs": {**REPLY, "refusal": {"code": "memory", "line": 1, "column": 1, "name": ""}},
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_malformed_reply_is_refused(name: str) -> None:
    assert told(FORGERIES[name]).code == "malformed-reply"


@pytest.mark.parametrize(
    "state", [{"a": "text"}, {"a": [[0.0]]}, {"a": []}, {"a": True}, {"a": [0.0] * 1025}, {"A": 0.0}, {"a b": 0.0}, {}]
)
def test_a_forged_state_is_refused(state: dict[str, Any]) -> None:
    carrying = program(ERROR + "return x, state", STATE, state=True)
    assert told({**REPLY, "initial_state": state}, carrying).code == "initial-state"


def test_state_where_none_is_declared_is_refused() -> None:
    assert told({**REPLY, "initial_state": {"a": 0.0}}).code == "initial-state"


ENDS = {
    Verdict.TIME_LIMIT: "time-limit",
    Verdict.MEMORY_LIMIT: "memory",
    Verdict.PROCESS_LIMIT: "process-limit",
    Verdict.OUTPUT_LIMIT: "output-limit",
    Verdict.CRASHED: "crashed",
    Verdict.PROTOCOL_ERROR: "protocol-error",
}


@pytest.mark.parametrize("verdict", ENDS)
def test_every_end_is_a_refusal(verdict: Verdict) -> None:
    with pytest.raises(Refusal) as caught:
        trace(PROGRAM, SHAPES, Inside(verdict=verdict), LIMITS)
    assert caught.value.code == ENDS[verdict]
    assert caught.value.remedy


def test_our_own_faults_pass_through() -> None:
    class Broken(Inside):
        def run(self, request: bytes, limits: Limits) -> Reply:
            raise WorkerLost("gone")

    with pytest.raises(WorkerLost):
        trace(PROGRAM, SHAPES, Broken(), LIMITS)


def test_every_advice_can_be_shown() -> None:
    for advice in ADVICE.values():
        assert advice.message.format(name="x").endswith(".")
        assert advice.remedy.endswith(".")
        assert "{" not in advice.unnamed


def test_the_trusted_side_starts_without_torch() -> None:
    code = "import sys, sandbox.language.tracing, sandbox.isolation.select; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
