import torch

from sandbox.randomness import torch_stream
from sandbox.records import ObservationSpec
from sandbox.training.replay import Ring, ring_columns
from sandbox.training.trajectories import Trajectories

VECTOR = ObservationSpec(shape=(1,), dtype="float32", kind="vector")


def ring(slots: int = 3, num_envs: int = 2) -> Ring:
    return Ring(Trajectories.empty(1, slots * num_envs, VECTOR, (), 2, torch.device("cpu")), num_envs)


def test_newest_takes_the_place_of_the_oldest() -> None:
    full = ring()
    for number in range(1, 5):
        full.claim().rewards.fill_(number)
    assert full.storage.rewards.tolist() == [[4, 4, 2, 2, 3, 3]]
    assert full.fresh().tolist() == [0, 1]


def test_fresh_follows_the_claims() -> None:
    claimed = ring()
    columns = []
    for _ in range(4):
        claimed.claim()
        columns.append(claimed.fresh().tolist())
    assert columns == [[0, 1], [2, 3], [4, 5], [0, 1]]


def test_only_written_columns_are_drawn_and_all_of_them() -> None:
    partly = ring()
    partly.claim()
    partly.claim()
    assert set(partly.draw(200, torch_stream(0, "test")).tolist()) == {0, 1, 2, 3}


def test_draws_repeat_with_their_stream() -> None:
    partly = ring()
    partly.claim()
    assert torch.equal(partly.draw(9, torch_stream(0, "test")), partly.draw(9, torch_stream(0, "test")))


def test_capacity_is_whole_rollouts() -> None:
    assert ring_columns(16, False, 256) == 16
    assert ring_columns(16, True, 256) == 256
    assert ring_columns(100, True, 256) == 200
    assert ring_columns(300, True, 256) == 300


def test_state_is_everything() -> None:
    one, other = ring(), ring()
    for number in range(4):
        one.claim().rewards.fill_(number)
    other.restore(one.state())
    assert other.held == 6
    assert torch.equal(one.storage.rewards, other.storage.rewards)
    assert torch.equal(one.fresh(), other.fresh())
