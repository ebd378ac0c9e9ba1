from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sandbox.graph.recurrence import linear_recurrence, scan
from tests.sandbox.graph.support import graph_of, signature


def loop(a: Tensor, b: Tensor, last: Tensor) -> Tensor:
    a, b = torch.broadcast_tensors(a, b)
    rows = []
    for t in reversed(range(b.shape[0])):
        last = b[t] + a[t] * last
        rows.append(last)
    return torch.stack(rows[::-1])


def test_golden() -> None:
    a, b = torch.tensor([0.5, 0.0, 2.0]), torch.tensor([1.0, 2.0, 3.0])
    # y2 = 3 + 2*10 = 23, y1 = 2 + 0*23 = 2, y0 = 1 + 0.5*2 = 2
    assert linear_recurrence(a, b, torch.tensor(10.0)).tolist() == [2.0, 2.0, 23.0]


@settings(deadline=None, max_examples=30)
@given(steps=st.integers(1, 40), trailing=st.lists(st.integers(1, 3), max_size=3), seed=st.integers(0, 1000))
def test_equals_the_loop(steps: int, trailing: list[int], seed: int) -> None:
    stream = torch.Generator().manual_seed(seed)
    a, b = (torch.randn(steps, *trailing, generator=stream, dtype=torch.float64) for _ in range(2))
    last = torch.randn(trailing, generator=stream, dtype=torch.float64)
    torch.testing.assert_close(linear_recurrence(a, b, last), loop(a, b, last))


@pytest.mark.parametrize(
    ("a", "b", "last"),
    [((), (7, 3), (3,)), ((7, 1), (7, 3), (3,)), ((7, 3), (7, 1), (3,)), ((7,), (7,), ()), ((1, 1), (7, 3), (1,)), ((7, 3), (7, 3), ())],
)
def test_broadcasts(a: tuple[int, ...], b: tuple[int, ...], last: tuple[int, ...]) -> None:
    stream = torch.Generator().manual_seed(0)
    tensors = [torch.randn(shape, generator=stream) for shape in (a, b, last)]
    torch.testing.assert_close(linear_recurrence(*tensors), loop(*tensors))


def test_two_derivatives() -> None:
    stream = torch.Generator().manual_seed(0)
    a, b, last = (torch.randn(shape, generator=stream, dtype=torch.float64, requires_grad=True) for shape in ((6, 2), (6, 2), (2,)))
    assert torch.autograd.gradcheck(linear_recurrence, (a, b, last))
    assert torch.autograd.gradgradcheck(linear_recurrence, (a, b, last))


def test_vmap_has_no_slow_path(capfd: pytest.CaptureFixture[str]) -> None:
    stream = torch.Generator().manual_seed(0)
    a, b, last = (torch.randn(shape, generator=stream) for shape in ((4, 6, 2), (4, 6, 2), (4, 2)))
    many = torch.func.vmap(torch.func.grad(lambda *x: linear_recurrence(*x).square().sum()))(a, b, last)
    one = torch.stack([torch.func.grad(lambda *x: scan(*x).square().sum())(*row) for row in zip(a, b, last, strict=True)])
    torch.testing.assert_close(many, one)
    assert "performance drop" not in capfd.readouterr().err


def test_is_one_node_at_any_length() -> None:
    for steps in (1, 20, 128):
        graph = graph_of(lambda t: linear_recurrence(t["continues"], t["rewards"], t["online.value"][-1]), signature(steps))
        assert [node.op for node in graph.nodes if node.op != "input"].count("lossmith.linear_recurrence") == 1
        assert len([node for node in graph.nodes if node.op != "input"]) == 2
