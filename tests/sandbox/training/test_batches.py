import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sandbox.randomness import torch_stream
from sandbox.records import Head, Shape
from sandbox.training.batches import minibatches, unroll, zeros


@settings(deadline=None, max_examples=30)
@given(envs=st.integers(1, 40), count=st.integers(1, 8), seed=st.integers(0, 9))
def test_a_pass_covers_each_trajectory_at_most_once(envs: int, count: int, seed: int) -> None:
    count = min(count, envs)
    columns = torch.arange(envs) * 3
    parts = minibatches(columns, count, torch_stream(seed, "test"))
    drawn = torch.cat(parts).tolist()
    assert [len(part) for part in parts] == [envs // count] * count
    assert len(set(drawn)) == len(drawn)
    assert set(drawn) <= set(columns.tolist())


def test_each_pass_is_shuffled_afresh() -> None:
    stream = torch_stream(0, "test")
    first, second = (torch.cat(minibatches(torch.arange(32), 4, stream)).tolist() for _ in range(2))
    assert first != second


def test_unroll_keeps_time_and_trajectory_apart() -> None:
    class Double(nn.Module):
        def forward(self, observation: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"x": observation * 2, "total": observation.sum(-1)}

    observation = torch.arange(12.0).reshape(2, 3, 2)
    outputs = unroll(Double(), observation)
    assert torch.equal(outputs["x"], observation * 2)
    assert torch.equal(outputs["total"], observation.sum(-1))


def test_unread_views_are_zeros_of_the_right_shape() -> None:
    heads = (Head(name="q", per_action=True, size=3, vector=True), Head(name="value", per_action=False, size=1))
    views = zeros(heads, Shape(4, 5, 2), torch.device("cpu"))
    assert {name: tuple(view.shape) for name, view in views.items()} == {"q": (5, 5, 2, 3), "value": (5, 5)}
    assert all(view.abs().sum() == 0 for view in views.values())
