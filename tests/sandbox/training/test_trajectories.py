import torch

from sandbox.records import Head, ObservationSpec
from sandbox.training.trajectories import Trajectories

PIXELS = ObservationSpec(shape=(2, 3), dtype="uint8", kind="pixels")
HEADS = (Head(name="q", per_action=True, size=5, vector=True), Head(name="value", per_action=False, size=1))


def empty(count: int = 6) -> Trajectories:
    return Trajectories.empty(4, count, PIXELS, HEADS, 2, torch.device("cpu"))


def test_shapes_and_types() -> None:
    shapes = {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in empty().tensors().items()}
    assert shapes["observation"] == ((5, 6, 2, 3), torch.uint8)
    assert shapes["actions"] == ((4, 6), torch.int64)
    assert {shapes[name] for name in ("rewards", "continues", "truncated", "log_prob")} == {((4, 6), torch.float32)}
    assert shapes["heads.q"] == ((5, 6, 2, 5), torch.float32)
    assert shapes["heads.value"] == ((5, 6), torch.float32)


def test_narrow_writes_through_and_select_copies() -> None:
    whole = empty()
    whole.narrow(2, 2).heads["value"][3] = 7
    assert whole.heads["value"][3].tolist() == [0, 0, 7, 7, 0, 0]
    chosen = whole.select(torch.tensor([3, 0]))
    assert chosen.heads["value"][3].tolist() == [7, 0]
    chosen.rewards.fill_(1)
    assert whole.rewards.sum() == 0
