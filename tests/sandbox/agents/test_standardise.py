"""Memory on its own scale: moments over any split of what was seen, bounds, and what must not change."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.agents.network import make_network
from sandbox.agents.standardise import BOUND, Standardise
from sandbox.records import AgentSettings, Head, ObservationSpec

RAM = ObservationSpec(shape=(128,), dtype="uint8", kind="ram")
HEADS = (Head(name="logits", per_action=True, size=1),)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(256, shape, generator=torch.Generator().manual_seed(seed)).to(torch.uint8)


def observed(*parts: torch.Tensor) -> Standardise:
    scale = Standardise(tuple(parts[0].shape[-1:]))
    for part in parts:
        scale.observe(part)
    return scale


def test_golden_numbers() -> None:
    scale = observed(torch.tensor([[0, 10, 7], [4, 30, 7]], dtype=torch.uint8))
    seen = scale(torch.tensor([[4, 10, 7], [2, 120, 8], [0, 0, 200]], dtype=torch.uint8))
    assert seen.tolist() == [[1.0, -1.0, 0.0], [0.0, 5.0, 1.0], [-1.0, -2.0, 5.0]]


def test_before_anything_was_seen_bytes_become_minus_one_to_one() -> None:
    raw = torch.arange(256, dtype=torch.uint8)[None]
    torch.testing.assert_close(Standardise((256,))(raw), torch.linspace(-1, 1, 256)[None])


@settings(deadline=None, max_examples=30)
@given(cuts=st.lists(st.integers(1, 59), max_size=5, unique=True), seed=st.integers(0, 2**20))
def test_however_it_is_split_what_was_seen_gives_the_same_scale(cuts: list[int], seed: int) -> None:
    rows = noise(60, 8, seed=seed) // torch.tensor([1, 2, 4, 8, 16, 64, 128, 255], dtype=torch.uint8)
    parts = torch.tensor_split(rows, sorted(cuts))
    scale = observed(*parts)
    torch.testing.assert_close(scale.mean, rows.float().mean(0), atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(scale.variance, rows.float().var(0, correction=0), atol=1e-3, rtol=1e-4)
    assert float(scale(noise(9, 8, seed=seed + 1)).abs().max()) <= BOUND


def test_a_rollout_counts_every_row_of_every_environment() -> None:
    rollout = noise(5, 3, 8)
    assert torch.equal(observed(rollout).mean, observed(rollout.flatten(0, 1)).mean)
    assert float(observed(rollout).seen) == 15


def test_looking_does_not_change_the_scale() -> None:
    network = make_network(RAM, 3, HEADS, AgentSettings(), torch.Generator().manual_seed(0))
    before = {name: value.clone() for name, value in network.named_buffers()}
    network(noise(4, 128))
    assert all(torch.equal(before[name], value) for name, value in network.named_buffers())
    network.observe(noise(4, 1, 128), torch.zeros(3, 1, dtype=torch.int64))
    assert not torch.equal(before["torso.memory.standardise.mean"], network.torso.memory.standardise.mean)


@pytest.mark.parametrize("kind", ["vector", "pixels"])
def test_only_memory_has_a_scale_to_learn(kind: str) -> None:
    shape = (4, 42, 42) if kind == "pixels" else (5,)
    observation = ObservationSpec(shape=shape, dtype="uint8" if kind == "pixels" else "float32", kind=kind)
    network = make_network(observation, 3, HEADS, AgentSettings(), torch.Generator().manual_seed(0))
    network.observe(noise(2, 1, *shape), torch.zeros(1, 1, dtype=torch.int64))
    assert list(network.buffers()) == []
