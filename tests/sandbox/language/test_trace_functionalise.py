"""Writes into own tensors become pure operations; each program's graph has been compared with its text, gradients included."""

from __future__ import annotations

import pytest

from tests.sandbox.language.trace_texts import ERROR, graphs, operations, refusal

WRITES = {
    "row": "y[0] = traj.rewards[0]",
    "row_from_the_end": "y[-1] = 2.0",
    "column": "y[:, 0] = c.a",
    "slice": "y[1:] = y[:-1] * 2",
    "all": "y[:] = traj.rewards",
    "ellipsis": "y[..., 0] = 1.0",
    "entry": "y[0, 0] = 1.0",
    "augmented": "y += 1",
    "augmented_row": "y[0] *= c.a",
    "zero": "y.zero_()",
    "fill": "y.fill_(2.0)",
    "clamp": "y.clamp_(min=0.0)",
    "power": "y **= 2",
    "mask": "y[y < 0] = 0.0",
    "transposed": "v = y.T\nv[0] = 3.0",
    "transpose": "v = y.transpose(0, 1)\nv[0] = 3.0",
    "permuted": "v = y.unsqueeze(0).permute(2, 0, 1)\nv[0] = 3.0",
    "flat": "v = y.view(-1)\nv[0] = 3.0",
    "unsqueezed": "v = y.unsqueeze(1)\nv[0] = 3.0",
    "view_of_view": "v = y[0]\nw = v[:1]\nw.mul_(5)",
    "same_under_another_name": "v = y.float()\nv[0] = 3.0",
    "integers": "k = torch.zeros_like(traj.actions)\nk[0] = 1\ny = y * k",
    "truths": "m = y > 0\nm &= y < 1\ny = y * m",
    "detached": "y = y.detach()\ny[0] = 0.0\ny = y * x",
}


@pytest.mark.parametrize("name", WRITES)
def test_write(name: str) -> None:
    found = graphs(f"{ERROR}y = x * 1.0\n{WRITES[name]}\nreturn y * 2 + x")
    operations = {op.split(".")[1] for graph in found.values() for op, _, _ in graph["nodes"] if "." in op}
    assert all(operation.endswith("__") or not operation.endswith("_") for operation in operations)


def test_a_view_taken_before_sees_the_write() -> None:
    assert operations(ERROR + "y = x * 1.0\nv = y[:1]\ny[0] = 0.0\nreturn y + v")[-2:] == ["slice.Tensor", "add.Tensor"]


def test_a_value_computed_before_keeps_it() -> None:
    assert operations(ERROR + "y = x * 1.0\nz = y * 2\ny[0] = 0.0\nreturn z")[-2:] == ["mul.Tensor", "mul.Tensor"]


def test_an_augmented_row_is_written_once() -> None:
    assert operations(ERROR + "y = x * 1.0\ny[0] += 1\nreturn y").count("select_scatter.default") == 1


def test_writes_by_loop_variable() -> None:
    found = graphs(ERROR + "y = torch.zeros_like(x)\nfor t in range(len(x)):\n    y[t] = x[t] * t\nreturn y")
    assert len(found) == 3


INPUTS = {
    "rewards": "y = traj.rewards\ny[0] = 0.0",
    "a_slice_of_a_head": "y = traj.online.value[:-1]\ny += 1",
    "a_flat_view": "y = traj.rewards.reshape(-1)\ny += 1",
    "the_same_type": "y = traj.rewards.float()\ny *= 2",
    "a_detached_head": "y = traj.online.value.detach()\ny += 1",
    "a_constant": "y = c.a\ny += 1",
}


@pytest.mark.parametrize("name", INPUTS)
def test_writing_into_what_was_given_is_refused(name: str) -> None:
    code, line, column, _ = refusal(f"{INPUTS[name]}\nreturn traj.online.value.mean() * y.sum()")
    assert (code, line, column) == ("in-place-input", 3, 5)


def test_what_a_detached_write_changed_may_not_be_read() -> None:
    assert refusal(ERROR + "y = x.detach()\ny[0] = 0.0\nreturn x * 2")[:2] == ("in-place-alias", 5)


def test_writing_through_parts_is_refused() -> None:
    assert refusal(ERROR + "y = x * 1.0\nfor row in y.unbind(0):\n    row += 1\nreturn y")[:2] == ("in-place-alias", 5)


def test_writing_by_a_tensor_of_indices_is_refused() -> None:
    assert refusal(ERROR + "y = x * 1.0\ny[traj.actions[0]] = 1.0\nreturn y")[:2] == ("in-place-unsupported", 4)
