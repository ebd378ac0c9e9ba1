"""Files of meta-network weights: the published npz with its Haiku names, and our own safetensors."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from sandbox.errors import UsageError
from sandbox.rules.meta.config import DISCO103_SHA256, PRESETS, MetaNetworkConfig
from sandbox.rules.meta.network import MetaNetwork

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

META = "lstm/~/meta_lstm/~unroll"
HAIKU_MODULES: dict[str, str] = {
    "main.y_net.0": "lstm/mlp/~/linear_0",
    "main.y_net.2": "lstm/mlp/~/linear_1",
    "main.z_net.0": "lstm/mlp_1/~/linear_0",
    "main.z_net.2": "lstm/mlp_1/~/linear_1",
    "main.action_net.0": "lstm/sequential/conv1_d",
    "main.action_net.1": "lstm/sequential/conv1_d_1",
    "trajectory_lstm.linear": "lstm/lstm/linear",
    "gate": "lstm/linear",
    "summary_head": "lstm/linear_1",
    "y_head": "lstm/linear_2",
    "z_head": "lstm/linear_3",
    "policy_block": "lstm/sequential_1/conv1_d",
    "policy_head": "lstm/linear_4",
    "meta.y_net.0": f"{META}/mlp/~/linear_0",
    "meta.y_net.2": f"{META}/mlp/~/linear_1",
    "meta.z_net.0": f"{META}/mlp_1/~/linear_0",
    "meta.z_net.2": f"{META}/mlp_1/~/linear_1",
    "meta.action_net.0": f"{META}/sequential/conv1_d",
    "meta.action_net.1": f"{META}/sequential/conv1_d_1",
    "meta_input": f"{META}/mlp_2/~/linear_0",
    "meta_lstm": f"{META}/lstm/linear",
}
"""Our module to the published one. A linear layer is stored `[in, out]`, a convolution of width 1 `[1, in, out]`."""


def load_haiku(network: nn.Module, arrays: Mapping[str, NDArray[Any]], names: Mapping[str, str] = HAIKU_MODULES) -> None:
    """Copies Haiku arrays into `network`. UsageError names the first array that is missing, of another shape, or not expected."""
    expected = {f"{haiku}/{leaf}" for haiku in names.values() for leaf in ("w", "b")}
    if extra := sorted(set(arrays) - expected):
        raise UsageError(
            f"The weights hold an array {extra[0]!r} that a meta-network does not have.", "Check that the file is the right one."
        )
    with torch.no_grad():
        for ours, haiku in names.items():
            linear = network.get_submodule(ours)
            assert isinstance(linear, nn.Linear)
            _copy(linear.weight, arrays, f"{haiku}/w")
            _copy(linear.bias, arrays, f"{haiku}/b")


def _copy(parameter: torch.Tensor, arrays: Mapping[str, NDArray[Any]], name: str) -> None:
    if name not in arrays:
        raise UsageError(f"The weights lack the array {name!r}.", "Check that the file is complete and the right one.")
    array = np.asarray(arrays[name], dtype=np.float64)
    value = torch.from_numpy(array.reshape(array.shape[-2:]) if name.endswith("/w") else array)
    value = value.T if name.endswith("/w") else value
    if value.shape != parameter.shape:
        raise UsageError(
            f"The array {name!r} is for a layer of shape {tuple(value.shape)}, not {tuple(parameter.shape)}.", "Check the preset."
        )
    parameter.copy_(value)


def load_disco103(path: Path, *, verify: bool = True) -> MetaNetwork:
    """The published network. UsageError if the file is not the published one, byte for byte."""
    data = _read(path)
    digest = hashlib.sha256(data).hexdigest()
    if verify and digest != DISCO103_SHA256:
        raise UsageError(f"{path} is not the published disco_103.npz: its SHA-256 is {digest}.", "Download the official file again.")
    network = MetaNetwork(PRESETS["disco103"])
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        load_haiku(network, dict(arrays))
    return network


def save(network: MetaNetwork, path: Path, card: dict[str, str] | None = None) -> None:
    """Writes our own format: safetensors, with the sizes as JSON in its metadata.

    One entry there, since safetensors orders several at random: equal networks give equal files.
    """
    from safetensors.torch import save_file

    metadata = {"lossmith": json.dumps({"config": network.config.model_dump(), **(card or {})})}
    save_file({name: value.detach().contiguous() for name, value in network.state_dict().items()}, path, metadata)


def load(path: Path) -> MetaNetwork:
    """Reads what `save` wrote, or the published npz, by the file's suffix. UsageError says what is wrong with the file."""
    if path.suffix == ".npz":
        return load_disco103(path)
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            config = MetaNetworkConfig.model_validate(json.loads((file.metadata() or {})["lossmith"])["config"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise UsageError(
            f"{path} is no meta-network of ours: {type(error).__name__}.", "Give a file written by `baseline train`."
        ) from error
    network = MetaNetwork(config)
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise UsageError(f"{path} does not fit its own sizes.", "The file is damaged: copy it again.") from error
    return network


def load_checked(path: Path, sha256: str) -> MetaNetwork:
    """Reads a network that a record names by path and hash. UsageError if the file has changed since."""
    if hashlib.sha256(_read(path)).hexdigest() != sha256:
        raise UsageError(
            f"{path} is not the meta-network that was named: its SHA-256 differs.", "Import the file again under another name."
        )
    return load(path)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {error.strerror}.", "Give the path of the weights file.") from error
