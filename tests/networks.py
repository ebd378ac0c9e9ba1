"""Small meta-networks with random weights, for tests of whatever names one: real files, real networks, only untrained."""

from __future__ import annotations

from pathlib import Path

import torch

from sandbox.rules.meta.config import PRESETS
from sandbox.rules.meta.network import MetaNetwork
from sandbox.rules.meta.weights import save


def write_network(path: Path, seed: int = 0, card: dict[str, str] | None = None) -> Path:
    """The small preset's, in our own format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save(MetaNetwork(PRESETS["small"], torch.Generator().manual_seed(seed)), path, card)
    return path
