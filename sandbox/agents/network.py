"""The base agent's network: one torso, and the heads that a rule declared."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sandbox.agents.action_lstm import ActionLSTM
from sandbox.agents.heads import ActionHeads, LinearHeads
from sandbox.agents.torsos import Torso, make_torso
from sandbox.records import AgentSettings, Head, ObservationSpec
from sandbox.rules.base import Heads


class AgentNetwork(nn.Module):
    """Observations `[N, *shape]`, raw bytes or floats, to every head's output `[N, *head.shape(A)]`, in the order of declaration."""

    def __init__(
        self, torso: Torso, heads: tuple[Head, ...], num_actions: int, settings: AgentSettings, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.torso = torso
        self.names = [head.name for head in heads]
        plain = tuple(head for head in heads if not head.vector)
        vectors = tuple(head for head in heads if head.vector)
        self.linear_heads = LinearHeads(torso.width, plain, num_actions, generator) if plain else None
        self.action_heads = _action_heads(torso.width, vectors, num_actions, settings, generator) if vectors else None

    def forward(self, observation: Tensor) -> Heads:
        """Every head's output by name."""
        embedding = self.torso(observation)
        outputs: Heads = {}
        if self.linear_heads is not None:
            outputs |= self.linear_heads(embedding)
        if self.action_heads is not None:
            outputs |= self.action_heads(embedding)
        return {name: outputs[name] for name in self.names}

    def observe(self, observation: Tensor, actions: Tensor) -> None:
        """Learns how to look from observations `[T+1, B, *shape]` and the actions `[T, B]` between them; the trainer calls it; acting and
        evaluating change nothing."""
        self.torso.observe(observation, actions)


def make_network(
    observation: ObservationSpec, num_actions: int, heads: tuple[Head, ...], settings: AgentSettings, generator: torch.Generator
) -> AgentNetwork:
    """A newborn network on the CPU; the same generator state gives the same weights. UsageError if the torso cannot see the task."""
    return AgentNetwork(make_torso(observation, settings, generator), heads, num_actions, settings, generator)


def _action_heads(
    width: int, heads: tuple[Head, ...], num_actions: int, settings: AgentSettings, generator: torch.Generator
) -> ActionHeads | ActionLSTM:
    if settings.action_model == "lstm":
        return ActionLSTM(width, heads, num_actions, settings, generator)
    return ActionHeads(width, heads, num_actions, generator)
