"""The meta-network: from a batch of trajectories to targets for the policy and for the predictions without fixed meaning.

Shapes: T steps, B environments, A actions, P prediction size. Source: Oh et al. 2025, Methods and Extended Data; layer order, gates and
initial scales as in the published implementation.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sandbox.rules.meta.config import MetaNetworkConfig
from sandbox.rules.meta.features import Encoder, Observed, embed_predictions, features, pair_embeddings


class Targets(NamedTuple):
    """What the network says the agent should predict (all logits), the new meta-state, and intermediates for parity.

    A tuple, so that function transforms can return it.
    """

    policy: Tensor  # [T, B, A]
    y: Tensor  # [T, B, P]
    z: Tensor  # [T, B, P], for the action taken
    hidden: Tensor  # [H] of the meta-RNN, updated
    cell: Tensor  # [H]
    features: Tensor  # [T, B, F]
    meta_features: Tensor  # [T, B, F]
    action_embedding: Tensor  # [T, B, A, C]
    meta_action_embedding: Tensor  # [T, B, A, C]
    unrolled: Tensor  # [T, B, L] of the reverse LSTM
    gated: Tensor  # [T, B, L]
    summary: Tensor  # [T, B, 1], what the meta-RNN is told about the gated stream


def lstm_step(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """One LSTM step from its four stacked gates in the order i, g, f, o; the forget bias of one is added here."""
    update, candidate, forget, output = gates.chunk(4, -1)
    cell = torch.sigmoid(forget + 1) * cell + torch.sigmoid(update) * torch.tanh(candidate)
    return torch.sigmoid(output) * torch.tanh(cell), cell


class ReverseLSTM(nn.Module):
    """An LSTM unrolled backwards in time; the state is zeroed where an episode ends, before that step is processed."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.linear = nn.Linear(inputs + hidden, 4 * hidden)

    def forward(self, x: Tensor, continues: Tensor) -> Tensor:
        """`[T, B, inputs]` and `[T, B]` to `[T, B, hidden]`, both in forward order of time."""
        width = x.shape[-1]
        from_input = nn.functional.linear(x, self.linear.weight[:, :width], self.linear.bias)
        recurrent = self.linear.weight[:, width:].T
        hidden = cell = x.new_zeros(x.shape[1], self.hidden)
        rows: list[Tensor] = []
        for t in reversed(range(x.shape[0])):
            keep = continues[t].unsqueeze(-1)
            hidden, cell = lstm_step(from_input[t] + (hidden * keep) @ recurrent, cell * keep)
            rows.append(hidden)
        return torch.stack(rows[::-1])


class MetaNetwork(nn.Module):
    """All learned weights of the rule."""

    def __init__(self, config: MetaNetworkConfig, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.config = config
        width, predictions = config.lstm_hidden, config.prediction_size
        channels = config.encoder.action_channels[-1]
        self.main = Encoder(predictions, config.encoder)
        self.trajectory_lstm = ReverseLSTM(features(config.encoder), width)
        self.gate = nn.Linear(config.meta_hidden, width)
        self.summary_head = nn.Linear(width, 1)
        self.y_head = nn.Linear(width, predictions)
        self.z_head = nn.Linear(width, predictions)
        self.policy_block = nn.Linear(2 * (width + channels), config.policy_channels)
        self.policy_head = nn.Linear(config.policy_channels, 1)
        self.meta = Encoder(predictions, config.meta_encoder)
        self.meta_input = nn.Linear(features(config.meta_encoder) + 2, config.meta_input)
        self.meta_lstm = nn.Linear(config.meta_input + config.meta_hidden, 4 * config.meta_hidden)
        if generator is not None:
            self.reset_parameters(generator)

    def reset_parameters(self, generator: torch.Generator) -> None:
        """Truncated normals of deviation 1/sqrt(fan_in), but 1 for the gate and 0.3 for the output layers; biases zero."""
        wide = {self.gate: 1.0} | dict.fromkeys((self.summary_head, self.y_head, self.z_head, self.policy_head), 0.3)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                deviation = wide.get(module, 1 / math.sqrt(module.in_features))
                nn.init.trunc_normal_(module.weight, std=deviation, a=-2 * deviation, b=2 * deviation, generator=generator)
                nn.init.zeros_(module.bias)

    def forward(self, seen: Observed, hidden: Tensor, cell: Tensor) -> Targets:
        """Targets for one batch from the meta-RNN's previous state (`hidden`, `cell`, both `[H]`)."""
        main_embedded, meta_embedded = pair_embeddings(seen, self.main, self.meta)
        stream, action_embedding = self.main(seen, main_embedded)
        unrolled = self.trajectory_lstm(stream, seen.continues)
        gated = unrolled * self.gate(hidden)
        summary, y, z = self.summary_head(gated), self.y_head(gated), self.z_head(gated)
        policy = self._policy(gated, action_embedding)
        meta_features, meta_action_embedding = self.meta(seen, meta_embedded)
        y_embedded = embed_predictions(y, self.meta.y_net)
        inputs = self.meta_input(torch.cat([meta_features, summary, y_embedded], -1)).mean((0, 1))
        hidden, cell = lstm_step(self.meta_lstm(torch.cat([inputs, hidden])), cell)
        return Targets(policy, y, z, hidden, cell, stream, meta_features, action_embedding, meta_action_embedding, unrolled, gated, summary)

    def _policy(self, gated: Tensor, action_embedding: Tensor) -> Tensor:
        """An equivariant block over [gated, embedding of a], and one score an action: `[T, B, A]`.

        The gated stream is the same for all actions and so is its own mean, so its part is computed once for all of them.
        """
        own, shared = torch.split(self.policy_block.weight, self.policy_block.in_features // 2, 1)
        width = gated.shape[-1]
        common = nn.functional.linear(gated, own[:, :width] + shared[:, :width], self.policy_block.bias)
        common = common + nn.functional.linear(action_embedding.mean(2), shared[:, width:])
        hidden = torch.relu(common.unsqueeze(2) + nn.functional.linear(action_embedding, own[:, width:]))
        scores: Tensor = self.policy_head(hidden)
        return scores.squeeze(-1)
