"""The base agent's network: shapes, parameter counts, first weights, bytes and floats."""

import math

import pytest
import torch

from sandbox.agents.heads import ACTION_GAIN
from sandbox.agents.network import AgentNetwork, make_network
from sandbox.errors import UsageError
from sandbox.records import AgentSettings, Head, ObservationSpec

VECTOR = ObservationSpec(shape=(5,), dtype="float32", kind="vector")
RAM = ObservationSpec(shape=(128,), dtype="uint8", kind="ram")
BYTES = ObservationSpec(shape=(5,), dtype="uint8", kind="vector")
SMALL = ObservationSpec(shape=(4, 42, 42), dtype="uint8", kind="pixels")
LARGE = ObservationSpec(shape=(4, 84, 84), dtype="uint8", kind="pixels")
LOGITS, VALUE = Head(name="logits", per_action=True, size=1), Head(name="value", per_action=False, size=1)
ALL = (Head(name="z", per_action=True, size=5, vector=True), LOGITS, VALUE, Head(name="y", per_action=False, size=7),
       Head(name="one", per_action=True, size=1, vector=True))  # fmt: skip


def born(observation: ObservationSpec, heads: tuple[Head, ...] = (LOGITS, VALUE), seed: int = 0, **settings: object) -> AgentNetwork:
    return make_network(observation, 3, heads, AgentSettings(**settings), torch.Generator().manual_seed(seed))


def count(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def bytes_of(observation: ObservationSpec, number: int) -> torch.Tensor:
    return torch.randint(256, (number, *observation.shape), generator=torch.Generator().manual_seed(1)).to(torch.uint8)


@pytest.mark.parametrize(
    ("observation", "settings", "torso"),
    [
        (VECTOR, {}, 5 * 64 + 64 + 64 * 64 + 64),
        (RAM, {"hidden": (32,)}, (128 + 32 * 9) * 32 + 32),  # bytes, and 9 bins of 32 pairs
        (SMALL, {}, 4 * 16 * 64 + 16 + 16 * 16 * 16 + 16 + 144 * 128 + 128),  # 42 -> 9 -> 3 pixels
        (LARGE, {}, 8_224 + 32_832 + 36_928 + 3136 * 512 + 512),  # 84 -> 20 -> 9 -> 7 pixels
        (LARGE, {"torso": "impala"}, 592 + 4 * 2_320 + 4_640 + 4 * 9_248 + 9_248 + 4 * 9_248 + 32 * 11 * 11 * 256 + 256),
    ],
)
def test_parameter_counts(observation: ObservationSpec, settings: dict, torso: int) -> None:
    network = born(observation, **settings)
    width = network.torso.width
    assert count(network.torso) == torso
    assert count(network) == torso + (width + 1) * (3 + 1)


@pytest.mark.parametrize("observation", [VECTOR, RAM, SMALL, LARGE])
def test_every_head_has_its_declared_shape_in_the_order_of_declaration(observation: ObservationSpec) -> None:
    outputs = born(observation, ALL)(bytes_of(observation, 2))
    assert {name: tuple(output.shape) for name, output in outputs.items()} == {
        "z": (2, 3, 5), "logits": (2, 3), "value": (2,), "y": (2, 7), "one": (2, 3, 1)}  # fmt: skip
    assert list(outputs) == [head.name for head in ALL]


def test_same_generator_same_weights_and_the_global_one_is_left_alone() -> None:
    state = torch.get_rng_state()
    one, two, other = born(SMALL, ALL), born(SMALL, ALL), born(SMALL, ALL, seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_first_weights_are_orthogonal_with_their_gains() -> None:
    network = born(VECTOR, (LOGITS, VALUE))
    square = network.torso.layers[1].weight
    torch.testing.assert_close(square @ square.t(), 2 * torch.eye(64), atol=1e-5, rtol=0)
    rows = network.linear_heads.layer.weight
    torch.testing.assert_close(rows[:3] @ rows[:3].t(), ACTION_GAIN**2 * torch.eye(3), atol=1e-8, rtol=0)
    assert math.isclose(rows[3].norm().item(), 1.0, rel_tol=1e-5)
    assert not any(parameter.any() for name, parameter in network.named_parameters() if name.endswith("bias"))


def test_what_a_head_is_called_changes_nothing() -> None:
    renamed = (LOGITS.model_copy(update={"name": "preferences"}), VALUE.model_copy(update={"name": "critic"}))
    seen = torch.randn(4, 5, generator=torch.Generator().manual_seed(2))
    one, two = born(VECTOR)(seen), born(VECTOR, renamed)(seen)
    assert torch.equal(one["logits"], two["preferences"])
    assert torch.equal(one["value"], two["critic"])


@pytest.mark.parametrize(
    ("observation", "scale"), [(BYTES, lambda x: x / 127.5 - 1), (SMALL, lambda x: x / 255), (LARGE, lambda x: x / 255)]
)
def test_bytes_are_scaled_inside(observation: ObservationSpec, scale) -> None:
    network, raw = born(observation), bytes_of(observation, 3)
    torch.testing.assert_close(network(raw), network(scale(raw.float())), atol=1e-5, rtol=1e-4)


def test_action_heads_are_a_layer_on_embedding_and_one_hot_action() -> None:
    network = born(VECTOR, ALL).action_heads
    embedding = torch.randn(2, 64, generator=torch.Generator().manual_seed(3))
    by_hand = [network.layer(torch.relu(network.hidden(torch.cat([embedding, torch.eye(3)[a].expand(2, 3)], -1)))) for a in range(3)]
    outputs = network(embedding)
    torch.testing.assert_close(torch.cat([outputs["z"], outputs["one"]], -1), torch.stack(by_hand, 1))


def test_a_network_can_be_vectorised_over_agents_and_run_in_float64() -> None:
    network = born(RAM, ALL).double()
    raw = bytes_of(RAM, 2)
    stacked = {name: torch.stack([parameter, 2 * parameter]) for name, parameter in network.named_parameters()}
    outputs = torch.func.vmap(lambda parameters: torch.func.functional_call(network, parameters, (raw,)))(stacked)
    assert outputs["z"].shape == (2, 2, 3, 5)
    assert outputs["z"].dtype == torch.float64
    torch.testing.assert_close(outputs["value"][0], network(raw)["value"])


def test_a_torso_that_cannot_see_the_task_is_refused() -> None:
    with pytest.raises(UsageError, match="needs pixels"):
        born(VECTOR, torso="nature")
    with pytest.raises(UsageError, match="too small"):
        born(ObservationSpec(shape=(4, 20, 20), dtype="uint8", kind="pixels"), torso="nature")
    with pytest.raises(UsageError, match="no hidden layer"):
        born(VECTOR, hidden=())
