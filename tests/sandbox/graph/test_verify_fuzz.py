"""Whatever text arrives, the verifier gives a graph or a Refusal; what it accepts runs or fails with an ordinary error."""

from __future__ import annotations

import json
import os
import random
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.errors import Refusal
from sandbox.graph.graph import Graph
from sandbox.graph.ops import OPS
from sandbox.graph.overloads import Parameter, parameters_of
from sandbox.graph.run import compile_graph
from sandbox.graph.verify import verify
from tests.sandbox.graph.support import STATE_OUTPUTS, ppo, q_learning, random_inputs, signature, text_of, with_state

INPUTS = signature()
KEYS = sorted(OPS)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["n", "o", "dtype", "rewards", "input", "const"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["n", "o", "dtype", "float", "nodes", "outputs", "lines"]), inner, max_size=3)
    ),
    max_leaves=20,
)


def outcome(text: str, outputs: tuple[str, ...] = ("loss",)) -> Graph | None:
    try:
        return verify(text, INPUTS, outputs, 4)
    except Refusal as refusal:
        if refusal.code == "unverifiable":  # the net below us, not a check
            raise AssertionError(f"the verifier does not understand {text[:2000]}") from refusal
        return None


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=60) | json_values.map(json.dumps))
def test_any_text(text: str) -> None:
    outcome(text)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from([*KEYS, "input", "const", "x"]), st.lists(json_values, max_size=4), st.just({})), max_size=6),
    json_values,
)
def test_any_rows(rows: list[Any], loss: Any) -> None:
    rows = [["input", ["rewards"], {}], ["input", ["actions"], {}], *map(list, rows)]
    outcome(json.dumps({"nodes": rows, "outputs": {"loss": loss}}))


def mutated(document: dict[str, Any], stream: random.Random) -> str:
    """A real graph with one to three places changed."""
    document = json.loads(json.dumps(document))
    for _ in range(stream.randint(1, 3)):
        rows = document["nodes"]
        row = stream.choice(rows)
        change = stream.randrange(6)
        if change == 0:
            row[0] = stream.choice(KEYS)
        elif change == 1 and row[1]:
            row[1][stream.randrange(len(row[1]))] = value(stream, len(rows))
        elif change == 2:
            row[1].append(value(stream, len(rows)))
        elif change == 3 and row[1]:
            row[1].pop()
        elif change == 4:
            row[2][stream.choice(["dim", "keepdim", "alpha", "dtype", "min", "self", "step"])] = value(stream, len(rows))
        else:
            del rows[stream.randrange(len(rows))]
            if not rows:
                break
    return json.dumps(document)


def value(stream: random.Random, places: int) -> Any:
    return stream.choice(
        [
            *(
                {"n": stream.randrange(places)},
                {"n": stream.randrange(places), "o": stream.randrange(3)},
                {"dtype": stream.choice(["float32", "int64", "bool"])},
            ),
            *(stream.randint(-3, 6), stream.choice([1 << 62, -(1 << 63), 1 << 40]), stream.uniform(-2, 2), {"float": "inf"}, True, None),
            [stream.randint(-2, 5) for _ in range(stream.randrange(4))],
            [{"n": stream.randrange(places)} for _ in range(stream.randrange(3))],
        ]
    )


def fitting_value(parameter: Parameter, stream: random.Random, places: int) -> Any:
    """A value of the parameter's kind, most of the time."""
    kinds = {
        "Tensor": {"n": stream.randrange(places)},
        "int": stream.choice([-2, -1, 0, 1, 2, 3, 5, 10**6, -(1 << 63)]),
        "float": stream.choice([0.0, 0.5, -1.0, 1e30, {"float": "inf"}]),
        "number": stream.choice([0, 1, 2, -1, 0.5, -3.0, True, 1 << 62]),
        "bool": stream.choice([True, False]),
        "str": stream.choice(["ij,ij->i", "ij->j", "none", "linear", "floor", "constant"]),
        "ScalarType": {"dtype": stream.choice(["float32", "int64", "bool"])},
        "List[int]": [stream.choice([-1, 0, 1, 2, 3, 5]) for _ in range(stream.randrange(4))],
        "List[Tensor]": [{"n": stream.randrange(places)} for _ in range(stream.randint(1, 3))],
        "List[Optional[Tensor]]": [stream.choice([None, {"n": stream.randrange(places)}]) for _ in range(stream.randint(1, 2))],
    }
    return value(stream, places) if stream.random() < 0.05 else kinds.get(parameter.kind)


def shaped_rows(stream: random.Random, length: int) -> list[Any]:
    """Rows whose arguments fit their operation's schema, over float, integer and mask inputs."""
    rows: list[Any] = [["input", [name], {}] for name in ("rewards", "actions", "online.logits", "progress", "c.a")]
    rows.append(["aten.gt.Scalar", [{"n": 0}, 0], {}])
    for _ in range(length):
        op = stream.choice(KEYS)
        parameters = [one for one in parameters_of(OPS[op].key) if not one.keyword_only]
        needed = sum(not one.optional for one in parameters)
        rows.append(
            [op, [fitting_value(one, stream, len(rows)) for one in parameters[: stream.randint(min(1, needed), len(parameters))]], {}]
        )
    return rows


def finished(rows: list[Any]) -> str:
    """The rows with a scalar loss that depends on the last of them, where that is a single tensor."""
    last = len(rows) - 1
    rows = [*rows, ["aten.to.dtype", [{"n": last}, {"dtype": "float32"}], {}], ["aten.sum.default", [{"n": last + 1}], {}]]
    return json.dumps({"nodes": rows, "outputs": {"loss": {"n": last + 2}}})


def run_natively(graph: Graph) -> None:
    """Forward and backward on random data. Kernels may refuse what shapes could not tell; the process must live."""
    tensors = random_inputs(INPUTS)
    try:
        (loss, *_) = compile_graph(graph)(tensors)
        if loss.requires_grad:
            torch.autograd.grad(loss.sum(), [tensor for tensor in tensors if tensor.requires_grad], allow_unused=True)
    except (RuntimeError, IndexError, ValueError, TypeError, NotImplementedError):
        return


def mutation_cases(count: int, seed: int) -> int:
    stream = random.Random(seed)
    originals = [
        (json.loads(text_of(loss, INPUTS, outputs)), outputs)
        for loss, outputs in ((ppo, ("loss",)), (q_learning, ("loss",)), (with_state, STATE_OUTPUTS))
    ]
    accepted = 0
    for _ in range(count):
        document, outputs = stream.choice(originals)
        graph = outcome(mutated(document, stream), outputs)
        if graph is not None:
            accepted += 1
            run_natively(graph)
    return accepted


def shaped_cases(count: int, seed: int) -> int:
    stream = random.Random(seed)
    accepted = 0
    for _ in range(count):
        graph = outcome(finished(shaped_rows(stream, 1)))
        if graph is not None:
            accepted += 1
            run_natively(graph)
    return accepted


@pytest.mark.filterwarnings("ignore::UserWarning")  # torch's own, about senseless arguments
@settings(deadline=None, max_examples=3, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10_000))
def test_mutated_graphs(seed: int) -> None:
    mutation_cases(15, seed)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_rows_that_fit_their_schema() -> None:
    assert shaped_cases(300, 0) > 50


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_long_fuzz() -> None:
    """LOSSMITH_FUZZ_CASES=100000 takes a quarter of an hour."""
    cases = int(os.environ.get("LOSSMITH_FUZZ_CASES", "10000"))
    assert mutation_cases(cases // 20, 1) + shaped_cases(cases - cases // 20, 2) > cases // 20
