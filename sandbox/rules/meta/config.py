"""Sizes of the meta-network. Disco103 is one preset, a network that a CPU can train another."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sandbox.records import Record

DISCO103_SHA256 = "dac840a15b81e8805326363458c33979626172618f620d9e6e170315388530aa"
"""Of `disco_103.npz` as published: 2,803,507 bytes, 42 arrays, 754,778 parameters."""


class EncoderSizes(Record):
    """One feature constructor: hidden width of the y and z embeddings, channels of the two action-equivariant blocks."""

    embedding: int = Field(16, ge=1)
    action_channels: tuple[int, int] = (16, 2)


class MetaNetworkConfig(Record):
    """All sizes and costs. Defaults are Disco103's: 754,778 parameters.

    `max_abs_value` bounds the categorical value in signed-hyperbolic space, with `num_bins` even points over it.
    """

    prediction_size: int = Field(600, ge=1, le=1024)
    num_bins: int = Field(601, ge=3, le=1024)
    max_abs_value: float = Field(300.0, gt=0)
    lstm_hidden: int = Field(256, ge=1)
    encoder: EncoderSizes = EncoderSizes()
    policy_channels: int = Field(16, ge=1)
    meta_hidden: int = Field(128, ge=1)
    meta_input: int = Field(16, ge=1)
    meta_encoder: EncoderSizes = EncoderSizes()

    value_discount: float = Field(0.997, gt=0, le=1)
    value_lambda: float = Field(0.95, ge=0, le=1)
    average_decay: float = Field(0.99, ge=0, lt=1)
    target_decay: float = Field(0.9, ge=0, lt=1)
    policy_cost: float = 1.0
    y_cost: float = 1.0
    z_cost: float = 1.0
    aux_policy_cost: float = 1.0
    value_cost: float = 0.2
    first_steps: bool = False  # whether the loss has the first steps of episodes, which the published one drops


Preset = Literal["disco103", "small"]

PRESETS: dict[Preset, MetaNetworkConfig] = {
    "disco103": MetaNetworkConfig(),
    "small": MetaNetworkConfig(
        prediction_size=16,
        num_bins=31,
        max_abs_value=4.0,
        lstm_hidden=32,
        policy_channels=16,
        meta_hidden=16,
        meta_input=16,
        first_steps=True,
    ),
}
