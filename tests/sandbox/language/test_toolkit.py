"""The toolkit's distributions, transforms and helpers: golden numbers by hand, one property each, and its opening asserts."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from sandbox.language import toolkit as rl
from sandbox.language.toolkit_checks import ToolkitError

HALF, QUARTER = math.log(2), math.log(4)
numbers = st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=6)
few = settings(deadline=None, max_examples=25)


def close(found: Tensor, wanted: Any, tolerance: float = 1e-6) -> None:
    torch.testing.assert_close(found, torch.as_tensor(wanted, dtype=found.dtype), rtol=tolerance, atol=tolerance)


# --------------------------------------------------------------------------------------------------------- distributions
def test_log_prob_golden() -> None:
    logits = torch.tensor([[0.0, 0.0], [math.log(3), 0.0]])
    close(rl.log_prob(logits, torch.tensor([1, 0])), [-HALF, math.log(0.75)])


def test_entropy_golden() -> None:
    close(rl.entropy(torch.tensor([[0.0, 0.0, 0.0, 0.0], [0.0, -1e4, -1e4, -1e4]])), [QUARTER, 0.0])


def test_kl_divergence_golden() -> None:
    # p = (1/2, 1/2), q = (3/4, 1/4): (1/2) log(2/3) + (1/2) log 2
    close(rl.kl_divergence(torch.zeros(2), torch.tensor([math.log(3), 0.0])), 0.5 * math.log(4 / 3))


@few
@given(numbers)
def test_probabilities_sum_to_one_and_entropy_is_their_mean(logits: list[float]) -> None:
    every = torch.arange(len(logits))
    each = rl.log_prob(torch.tensor([logits] * len(logits)), every)
    close(each.exp().sum(), 1.0, 1e-5)
    close(rl.entropy(torch.tensor(logits)), -(each.exp() * each).sum(), 1e-4)


@few
@given(numbers)
def test_divergence_from_itself_is_nothing_and_never_negative(logits: list[float]) -> None:
    p = torch.tensor(logits)
    assert rl.kl_divergence(p, p) == 0
    assert rl.kl_divergence(p, p.flip(0)) >= -1e-6


@pytest.mark.parametrize("more", [(), (5,)])
def test_select(more: tuple[int, ...]) -> None:
    x = torch.arange(2 * 3 * 4 * math.prod(more)).reshape(2, 3, 4, *more)
    actions = torch.tensor([[0, 1, 2], [3, 3, 0]])
    found = rl.select(x, actions)
    assert found.shape == (2, 3, *more)
    for t in range(2):
        for b in range(3):
            assert torch.equal(found[t, b], x[t, b, actions[t, b]])


# ------------------------------------------------------------------------------------------------------------ transforms
def test_two_hot_golden() -> None:
    close(rl.two_hot(torch.tensor([0.25, -1.0, 7.0]), -1, 1, 5), [[0, 0, 0.5, 0.5, 0], [1, 0, 0, 0, 0], [0, 0, 0, 0, 1]])


def test_from_two_hot_golden() -> None:
    close(rl.from_two_hot(torch.tensor([[0.5, 0.0, 0.5], [0.0, 0.25, 0.75]]), 0.0, 8.0), [4.0, 7.0])


@few
@given(st.floats(-20, 20, width=32), st.integers(2, 60))
def test_two_hot_and_back(x: float, n: int) -> None:
    weights = rl.two_hot(torch.tensor(x), -10.0, torch.tensor(10.0), n)
    close(weights.sum(), 1.0, 1e-5)
    assert (weights > 1e-6).sum() <= 2
    close(rl.from_two_hot(weights, torch.tensor(-10.0), 10.0), min(max(x, -10.0), 10.0), 1e-4)


@pytest.mark.parametrize("n", [1, 0, 2.0, torch.tensor(3)])
def test_two_hot_wants_a_number_of_points(n: Any) -> None:
    with pytest.raises(ToolkitError, match="n must be a Python int"):
        rl.two_hot(torch.zeros(2), -1, 1, n)


def test_signed_transforms_golden() -> None:
    x = torch.tensor([-3.0, 0.0, 8.0])
    close(rl.signed_log(x), [-QUARTER, 0.0, math.log(9)])
    close(rl.signed_hyperbolic(x), [-1.003, 0.0, 2.008])
    close(rl.signed_parabolic(torch.tensor([-1.003, 0.0, 2.008])), x, 1e-5)


@few
@given(st.floats(-1e5, 1e5, width=32))
def test_parabolic_undoes_hyperbolic_and_all_are_odd(x: float) -> None:
    value = torch.tensor(x)
    close(rl.signed_parabolic(rl.signed_hyperbolic(value)), x, 2e-4)
    for function in (rl.signed_log, rl.signed_hyperbolic, rl.signed_parabolic):
        assert function(-value) == -function(value)


# --------------------------------------------------------------------------------------------------------------- helpers
def test_normalize_golden() -> None:
    close(rl.normalize(torch.tensor([[1.0, 3.0], [1.0, 3.0]])), [[-1.0, 1.0], [-1.0, 1.0]])


def test_normalize_of_one_entry_is_nothing_and_has_a_finite_gradient() -> None:
    x = torch.tensor([[7.0]], requires_grad=True)
    assert rl.normalize(x).item() == 0
    (gradient,) = torch.autograd.grad(rl.normalize(x).sum(), x)
    assert torch.isfinite(gradient).all()


@few
@given(st.lists(st.floats(-1, 1, width=32), min_size=3, max_size=8, unique=True), st.floats(0.0009765625, 1000, width=32))
def test_normalize_forgets_scale(entries: list[float], scale: float) -> None:
    x = torch.tensor(entries, dtype=torch.float64)
    if x.std() > 1e-3:
        close(rl.normalize(x * scale + 3), rl.normalize(x), 1e-3)
        close(rl.normalize(x).square().mean(), 1.0, 1e-4)


def test_stop_gradient() -> None:
    x = torch.tensor(3.0, requires_grad=True)
    (gradient,) = torch.autograd.grad(x * rl.stop_gradient(x), x)
    assert gradient == 3


def test_ema_golden_and_ends() -> None:
    old, new = torch.tensor(2.0), torch.tensor(4.0)
    close(rl.ema(old, new, 0.75), 2.5)
    assert rl.ema(old, new, 1.0) == old
    assert rl.ema(old, new, torch.tensor(0.0)) == new


# --------------------------------------------------------------------------------------------------------------- asserts
T, B, A = 4, 2, 3
ROWS, MORE = torch.zeros(T, B), torch.zeros(T + 1, B)
ACTIONS = torch.zeros(T, B, dtype=torch.int64)
LOGITS = torch.zeros(T + 1, B, A)


@pytest.mark.parametrize(
    "call",
    [
        lambda: rl.log_prob(LOGITS, ACTIONS),
        lambda: rl.log_prob(ROWS, ACTIONS),
        lambda: rl.kl_divergence(LOGITS, LOGITS[:-1]),
        lambda: rl.select(LOGITS, ACTIONS),
        lambda: rl.from_two_hot(torch.zeros(T, 1), 0, 1),
        lambda: rl.discounted_returns(ROWS, MORE, MORE[-1]),
        lambda: rl.discounted_returns(ROWS, ROWS, MORE),
        lambda: rl.discounted_returns(ROWS[:0], ROWS[:0], MORE[-1]),
        lambda: rl.n_step_returns(ROWS, ROWS, ROWS, 2),
        lambda: rl.n_step_returns(ROWS, ROWS, MORE, 0),
        lambda: rl.n_step_returns(ROWS, ROWS, MORE, torch.tensor(2)),  # type: ignore[arg-type]
        lambda: rl.lambda_returns(ROWS, ROWS, ROWS, 0.9),
        lambda: rl.lambda_returns(ROWS, ROWS, MORE, torch.zeros(B)),
        lambda: rl.gae(ROWS, ROWS, LOGITS, 0.9),
        lambda: rl.gae(ROWS, torch.tensor(0.9), MORE, 0.9),
        lambda: rl.vtrace(ROWS, ROWS, MORE, LOGITS[:-1]),
        lambda: rl.retrace(ROWS, ROWS, MORE, MORE, ACTIONS, ROWS, 0.9),
        lambda: rl.retrace(ROWS, ROWS, LOGITS, ROWS, ACTIONS, ROWS, 0.9),
        lambda: rl.retrace(ROWS, ROWS, LOGITS[:-1], MORE, ACTIONS, ROWS, 0.9),
    ],
)
def test_shapes_that_do_not_fit_are_named(call: Callable[[], Any]) -> None:
    with pytest.raises(ToolkitError, match=r"^rl\.\w+: .*(must|begin).*\.$"):
        call()


def test_asserts_hold_under_fake_tensors() -> None:
    with FakeTensorMode() as mode:
        rewards, values = mode.from_tensor(ROWS), mode.from_tensor(MORE)
        assert rl.gae(rewards, rewards, values, 0.9)[0].shape == (T, B)
        with pytest.raises(ToolkitError, match="keep its last row"):
            rl.gae(rewards, rewards, rewards, 0.9)


def test_the_namespace_is_the_contracts_table() -> None:
    wanted = """log_prob entropy kl_divergence select discounted_returns n_step_returns lambda_returns gae vtrace retrace two_hot
    from_two_hot signed_log signed_hyperbolic signed_parabolic normalize stop_gradient ema"""
    assert set(rl.__all__) == set(wanted.split())
    assert {name for name, value in vars(rl).items() if inspect.isfunction(value)} == set(rl.__all__)
