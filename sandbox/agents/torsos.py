"""Torsos: what turns a batch of observations `[N, *shape]` into embeddings `[N, width]`.

Raw bytes are accepted and scaled inside, so that observations are stored and moved as they come: pixels by a fixed factor, memory by what
was seen of it. All weights are drawn from the generator that is passed in.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal, TypeAlias, TypeVar

import torch
from torch import Tensor, nn

from sandbox.agents.memory import Memory
from sandbox.errors import UsageError
from sandbox.records import AgentSettings, ObservationSpec

RELU_GAIN = math.sqrt(2.0)
"""Gain of orthogonal initial weights under ReLU, which halves the second moment."""

ConvLayer: TypeAlias = tuple[int, int, int]
"""Channels, kernel size and stride of one convolution."""

SMALL: tuple[ConvLayer, ...] = ((16, 8, 4), (16, 4, 2))
"""For 42 pixels: an eighth of Nature's cost a sample, so that emulation and not the learner is the limit."""

NATURE: tuple[ConvLayer, ...] = ((32, 8, 4), (64, 4, 2), (64, 3, 1))
"""Mnih et al. 2015."""

IMPALA_CHANNELS = (16, 32, 32)
"""Espeholt et al. 2018, the deep network."""


class Torso(nn.Module):
    """Base of all torsos; `width` is the size of the embedding."""

    width: int

    def forward(self, observation: Tensor) -> Tensor:
        """`[N, *shape]` to `[N, width]`."""
        raise NotImplementedError

    def observe(self, observation: Tensor, actions: Tensor) -> None:
        """Learns how to look, where there is that to learn, from observations `[T+1, B, *shape]` and the actions `[T, B]` between."""


def make_torso(observation: ObservationSpec, settings: AgentSettings, generator: torch.Generator) -> Torso:
    """The torso that `settings.torso` names; `auto` picks by the observation's kind and size. UsageError if it cannot see it."""
    kind = _kind(observation, settings)
    if kind in ("mlp", "mlp-linear"):
        if not settings.hidden:
            raise UsageError("The torso has no hidden layer.", "Set agent.hidden to sizes such as [64, 64].")
        return MLP(observation, settings.hidden, generator, linear_out=kind == "mlp-linear")
    if observation.kind != "pixels":
        raise UsageError(
            f"The torso {kind!r} needs pixels, and this task shows a {observation.kind}.", 'Set agent.torso = "mlp" or "auto".'
        )
    if kind == "impala":
        return Impala(observation, generator)
    return Conv(observation, SMALL, 128, generator) if kind == "conv" else Conv(observation, NATURE, 512, generator)


def convolves(observation: ObservationSpec, settings: AgentSettings) -> bool:
    """Whether that torso has convolutions, so that most of a training's time is spent in them."""
    return _kind(observation, settings) not in ("mlp", "mlp-linear")


def _kind(observation: ObservationSpec, settings: AgentSettings) -> Literal["mlp", "mlp-linear", "conv", "nature", "impala"]:
    if settings.torso != "auto":
        return settings.torso
    if observation.kind != "pixels":
        return "mlp"
    return "nature" if min(observation.shape[1:]) >= 64 else "conv"


class MLP(Torso):
    """Flattens, then linear layers with ReLU, the last without it if `linear_out` (DiscoRL's agent).

    Bytes of memory are standardised by what was observed, with their nearness to what the agent moves beside them; others are scaled to
    [-1, 1].
    """

    def __init__(
        self, observation: ObservationSpec, hidden: tuple[int, ...], generator: torch.Generator, *, linear_out: bool = False
    ) -> None:
        super().__init__()
        self.linear_out = linear_out
        inputs = math.prod(observation.shape)
        self.memory = Memory(inputs) if observation.kind == "ram" else None
        sizes = (inputs if self.memory is None else self.memory.width, *hidden)
        self.layers = nn.ModuleList(linear(*pair, RELU_GAIN, generator) for pair in pairwise(sizes))
        self.width = sizes[-1]

    def forward(self, observation: Tensor) -> Tensor:
        """`[N, *shape]` to `[N, width]`."""
        x = observation.flatten(1)
        if self.memory is not None:
            x = self.memory(x)
        elif x.dtype == torch.uint8:
            x = x.to(self.layers[0].weight.dtype).mul_(2 / 255).sub_(1)  # type: ignore[arg-type]
        *inner, last = self.layers
        for layer in inner:
            x = torch.relu(layer(x))
        x = last(x)
        return x if self.linear_out else torch.relu(x)

    def observe(self, observation: Tensor, actions: Tensor) -> None:
        """Bytes of memory `[T+1, B, 128]` and the actions between teach how those to come are looked at."""
        if self.memory is not None:
            self.memory.observe(observation, actions)


class Conv(Torso):
    """Convolutions, then one linear layer, all with ReLU."""

    def __init__(self, observation: ObservationSpec, layers: tuple[ConvLayer, ...], width: int, generator: torch.Generator) -> None:
        super().__init__()
        channels, *size = observation.shape
        self.convolutions = nn.ModuleList()
        for outputs, kernel, stride in layers:
            self.convolutions.append(conv(channels, outputs, kernel, generator, stride=stride))
            channels, size = outputs, [(side - kernel) // stride + 1 for side in size]
        if min(size) < 1:
            raise UsageError(f"Images of {observation.shape[1:]} are too small for this torso.", 'Set agent.torso = "mlp".')
        self.output = linear(channels * math.prod(size), width, RELU_GAIN, generator)
        self.width = width

    def forward(self, observation: Tensor) -> Tensor:
        """`[N, C, H, W]` to `[N, width]`."""
        x = scaled(observation, self.output.weight.dtype)
        for convolution in self.convolutions:
            x = torch.relu(convolution(x))
        return torch.relu(self.output(x.flatten(1)))


class ResidualBlock(nn.Module):
    """x + conv(relu(conv(relu(x))))."""

    def __init__(self, channels: int, generator: torch.Generator) -> None:
        super().__init__()
        self.first = conv(channels, channels, 3, generator, padding=1)
        self.second = conv(channels, channels, 3, generator, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Same shape."""
        y: Tensor = self.second(torch.relu(self.first(torch.relu(x))))
        return x + y


class Impala(Torso):
    """IMPALA's deep residual network: three times convolution, max-pooling and two residual blocks, then 256 units."""

    def __init__(self, observation: ObservationSpec, generator: torch.Generator) -> None:
        super().__init__()
        channels, *size = observation.shape
        sections: list[nn.Module] = []
        for outputs in IMPALA_CHANNELS:
            sections += [conv(channels, outputs, 3, generator, padding=1), nn.MaxPool2d(3, stride=2, padding=1)]
            sections += [ResidualBlock(outputs, generator), ResidualBlock(outputs, generator)]
            channels, size = outputs, [(side + 1) // 2 for side in size]
        self.sections = nn.Sequential(*sections)
        self.width = 256
        self.output = linear(channels * math.prod(size), self.width, RELU_GAIN, generator)

    def forward(self, observation: Tensor) -> Tensor:
        """`[N, C, H, W]` to `[N, 256]`."""
        x = self.sections(scaled(observation, self.output.weight.dtype))
        return torch.relu(self.output(torch.relu(x).flatten(1)))


def scaled(pixels: Tensor, dtype: torch.dtype) -> Tensor:
    """Bytes to [0, 1]; floats as they are. Channels lie innermost where a gradient is wanted: with it, convolutions take two thirds of the
    time; without, a tenth more."""
    order = torch.channels_last if torch.is_grad_enabled() else torch.contiguous_format
    return pixels.contiguous(memory_format=order).to(dtype).mul_(1 / 255) if pixels.dtype == torch.uint8 else pixels


def linear(inputs: int, outputs: int, gain: float, generator: torch.Generator) -> nn.Linear:
    """A linear layer with orthogonal weights and zero biases. Torch's own constructor would draw from the global generator."""
    return initialised(nn.Linear(inputs, outputs, device="meta"), gain, generator)


def conv(inputs: int, outputs: int, kernel: int, generator: torch.Generator, *, stride: int = 1, padding: int = 0) -> nn.Conv2d:
    """A convolution with orthogonal weights and zero biases."""
    layer = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=padding, device="meta")
    return initialised(layer, RELU_GAIN, generator)


Layer = TypeVar("Layer", nn.Linear, nn.Conv2d)


def initialised(layer: Layer, gain: float, generator: torch.Generator) -> Layer:
    """The layer, built without storage, with orthogonal weights (Saxe et al. 2014) drawn from `generator` and zero biases."""
    layer = layer.to_empty(device="cpu")
    nn.init.orthogonal_(layer.weight, gain, generator=generator)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
