"""The feature constructor: 27 numbers a step as published, and a short vector for every action. Used twice, with separate weights."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sandbox.language import toolkit as rl
from sandbox.rules.base import Heads
from sandbox.rules.meta.config import EncoderSizes
from sandbox.rules.meta.values import Trajectory, Values, softmax_linear

OWN_FEATURES = 23
"""Numbers a step beside the action embedding, which is seen twice: its mean over actions, and the taken action's."""

ACTION_FEATURES = 9


def features(sizes: EncoderSizes) -> int:
    """Width of the base stream; 27 as published."""
    return OWN_FEATURES + 2 * sizes.action_channels[-1]


@dataclass(frozen=True)
class Observed:
    """Everything both feature constructors read, computed once. Gradients flow through y and z alone."""

    actions: Tensor  # [T, B]
    continues: Tensor  # [T, B]
    y: Tensor  # [T+1, B, P] logits
    target_y: Tensor
    z: Tensor  # [T+1, B, A, P] logits
    target_z: Tensor
    policy: Tensor  # [T+1, B, A] probabilities under the current parameters
    scalars: tuple[Tensor, ...]  # features 1-8 of the base stream, each [T, B, 1 or 2]
    per_action: tuple[Tensor, ...]  # [T, B, A]: current, behaviour, target policy; target q, its advantage, the same normalised, one-hot


@dataclass(frozen=True)
class Embedded:
    """y and z of one network through its embeddings."""

    y: Tensor  # [T+1, B]
    target_y: Tensor
    z: Tensor  # [T+1, B, A]
    target_z: Tensor


def observe(trajectory: Trajectory, online: Heads, target: Heads, behaviour_logits: Tensor, values: Values) -> Observed:
    """Gathers the inputs of both feature constructors."""
    with torch.no_grad():
        policies = [logits.softmax(-1) for logits in (online["logits"], behaviour_logits, target["logits"])]
        current, behaviour, slow = (rl.select(policy[:-1], trajectory.actions).unsqueeze(-1) for policy in policies)
        scalars = (
            current,
            behaviour,
            rl.signed_log(trajectory.rewards).unsqueeze(-1),
            trajectory.continues.unsqueeze(-1),
            pair(rl.signed_log(values.v)),
            rl.signed_log(values.advantage).unsqueeze(-1),
            values.normalized_advantage.unsqueeze(-1),
            slow,
        )
        q_features = (rl.signed_log(values.target_q), rl.signed_log(values.qv_advantage), values.normalized_qv_advantage)
        every = torch.arange(policies[0].shape[-1], device=policies[0].device)
        taken = (trajectory.actions.unsqueeze(-1) == every).to(policies[0].dtype)  # one_hot looks at data, which vmap refuses
        per_action = (*(policy[:-1] for policy in policies), *(feature[:-1] for feature in q_features), taken)
    return Observed(
        actions=trajectory.actions,
        continues=trajectory.continues,
        y=online["y"],
        target_y=target["y"],
        z=online["z"],
        target_z=target["z"],
        policy=policies[0],
        scalars=scalars,
        per_action=per_action,
    )


def pair(x: Tensor) -> Tensor:
    """Each row beside the next one: `[T+1, B]` to `[T, B, 2]`."""
    return torch.stack([x[:-1], x[1:]], -1)


def equivariant(x: Tensor, linear: nn.Linear) -> Tensor:
    """ReLU(Linear([x_a, mean over actions of x])): the same map for every action, `[T, B, A, C]` to `[T, B, A, C']`."""
    width = x.shape[-1]
    own = nn.functional.linear(x, linear.weight[:, :width], linear.bias)
    shared = nn.functional.linear(x.mean(2, keepdim=True), linear.weight[:, width:])
    return torch.relu(own + shared)


class Encoder(nn.Module):
    """The weights of one feature constructor."""

    def __init__(self, prediction_size: int, sizes: EncoderSizes) -> None:
        super().__init__()
        first, second = sizes.action_channels
        self.y_net = nn.Sequential(nn.Linear(prediction_size, sizes.embedding), nn.ReLU(), nn.Linear(sizes.embedding, 1))
        self.z_net = nn.Sequential(nn.Linear(prediction_size, sizes.embedding), nn.ReLU(), nn.Linear(sizes.embedding, 1))
        self.action_net = nn.ModuleList([nn.Linear(2 * ACTION_FEATURES, first), nn.Linear(2 * first, second)])

    def forward(self, seen: Observed, embedded: Embedded) -> tuple[Tensor, Tensor]:
        """The base stream `[T, B, F]`, F as `features` says, and the action embedding `[T, B, A, C]`."""
        policy, behaviour, slow, *rest = seen.per_action
        action = torch.stack([policy, behaviour, slow, embedded.z[:-1], embedded.target_z[:-1], *rest], -1)
        for block in self.action_net:
            assert isinstance(block, nn.Linear)
            action = equivariant(action, block)
        base = [
            *seen.scalars,
            pair(embedded.y),
            pair(embedded.target_y),
            *prediction_features(embedded.z, seen),
            *prediction_features(embedded.target_z, seen),
            action.mean(2),
            rl.select(action, seen.actions),
        ]
        return torch.cat(base, -1), action


def prediction_features(z: Tensor, seen: Observed) -> list[Tensor]:
    """Of an embedded action-conditional prediction `[T+1, B, A]`: the taken action's, the policy's mean, the largest."""
    return [
        rl.select(z[:-1], seen.actions).unsqueeze(-1),
        pair((seen.policy * z).sum(-1)),
        pair(z.amax(-1)),
    ]


def embed_predictions(logits: Tensor, net: nn.Sequential) -> Tensor:
    """One embedding of softmax(logits): `[…, P]` to `[…, 1]`."""
    return _tail(softmax_linear(logits, _first(net).weight.T), net)


def pair_embeddings(seen: Observed, main: Encoder, meta: Encoder) -> tuple[Embedded, Embedded]:
    """y and z through both networks' embeddings, each softmax read once for the two of them."""
    y, meta_y = _both(seen.y, main.y_net, meta.y_net)
    target_y, meta_target_y = _both(seen.target_y, main.y_net, meta.y_net)
    z, meta_z = _both(seen.z, main.z_net, meta.z_net)
    target_z, meta_target_z = _both(seen.target_z, main.z_net, meta.z_net)
    return Embedded(y, target_y, z, target_z), Embedded(meta_y, meta_target_y, meta_z, meta_target_z)


def _both(logits: Tensor, first: nn.Sequential, second: nn.Sequential) -> tuple[Tensor, Tensor]:
    weights = [_first(net).weight for net in (first, second)]
    product = softmax_linear(logits, torch.cat(weights).T)
    ours, theirs = torch.split(product, [weight.shape[0] for weight in weights], -1)
    return _tail(ours, first).squeeze(-1), _tail(theirs, second).squeeze(-1)


def _first(net: nn.Sequential) -> nn.Linear:
    layer = net[0]
    assert isinstance(layer, nn.Linear)
    return layer


def _tail(product: Tensor, net: nn.Sequential) -> Tensor:
    out: Tensor = net[2](torch.relu(product + _first(net).bias))
    return out
