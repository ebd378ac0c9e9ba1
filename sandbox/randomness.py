"""Random streams: derived from (seed, purpose, counter), passed in, never global."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def derive(seed: int, purpose: str, *counters: int | str) -> int:
    """A 63-bit seed that depends on every argument and on nothing else (not on Python's hash, not on the platform)."""
    text = "\x1f".join([str(seed), purpose, *map(str, counters)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def numpy_stream(seed: int, purpose: str, *counters: int | str) -> np.random.Generator:
    """A numpy generator for one purpose."""
    return np.random.default_rng(derive(seed, purpose, *counters))


def torch_stream(seed: int, purpose: str, *counters: int | str, device: str = "cpu") -> torch.Generator:
    """A torch generator for one purpose, living on `device`."""
    import torch  # imported here: commands that never train must not load torch

    return torch.Generator(device=device).manual_seed(derive(seed, purpose, *counters))
