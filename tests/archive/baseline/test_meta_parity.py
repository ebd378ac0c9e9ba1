"""Parity with the published learner: three updates in a row, and one full meta-gradient.

Same files, precisions and tolerances as `tests/sandbox/rules/test_meta_parity.py`, which compares single calls.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from archive.baseline.meta_gradient import AgentNetwork, Learner, Life, inner_step, meta_gradient, moves_of
from archive.baseline.rollout import Rollout
from archive.baseline.value_function import ValueNetwork, ValueSettings, ValueState
from sandbox.agents.network import make_network
from sandbox.records import AgentSettings, ObservationSpec
from sandbox.rules.base import Heads
from sandbox.rules.meta.optimiser import AdamState
from sandbox.rules.meta.weights import HAIKU_MODULES
from sandbox.rules.meta_network import MetaNetworkRule
from tests.sandbox.rules.test_meta_parity import PRECISIONS, arrays, check, files, network, relative_error, tensor

ACTIONS = 3
Golden = dict[str, np.ndarray]


def agent(golden: Golden, rule: MetaNetworkRule, dtype: torch.dtype) -> tuple[dict[str, Tensor], AgentNetwork]:
    """Our agent with the reference's parameters, as a function."""
    width = golden["p0/mlp/~_embedding_pass/torso/~/linear_0/w"].shape
    settings = AgentSettings(
        torso="mlp-linear",
        hidden=(width[1],),
        action_model="lstm",
        action_lstm=golden["p0/mlp/linear/w"].shape[1],
        action_hidden=golden["p0/mlp/mlp/~/linear_0/w"].shape[1],
    )
    spec = ObservationSpec(shape=(width[0],), dtype="float32", kind="vector")
    module = make_network(spec, ACTIONS, rule.heads(ACTIONS), settings, torch.Generator()).to(dtype)

    def apply(parameters: dict[str, Tensor], observations: Tensor) -> Heads:
        flat: Heads = functional_call(module, parameters, (observations.flatten(0, 1),))
        return {name: head.unflatten(0, observations.shape[:2]) for name, head in flat.items()}

    return from_haiku(golden, "p0/", dtype), apply


def from_haiku(golden: Golden, prefix: str, dtype: torch.dtype) -> dict[str, Tensor]:
    """The reference's agent parameters under our names."""

    def layer(name: str, leaf: str) -> Tensor:
        value = tensor(golden[f"{prefix}mlp/{name}/{leaf}"], dtype)
        return value.T if leaf == "w" else value

    ours: dict[str, Tensor] = {}
    for leaf, kind in (("w", "weight"), ("b", "bias")):
        heads = [layer(f"~_head_pass/{head}/~/linear_0", leaf) for head in ("torso_head", "torso_head_1")]
        ours[f"torso.layers.0.{kind}"] = layer("~_embedding_pass/torso/~/linear_0", leaf)
        ours[f"linear_heads.layer.{kind}"] = torch.cat(heads)
        ours[f"action_heads.root.{kind}"] = layer("linear", leaf)
        ours[f"action_heads.gates.{kind}"] = layer("action_cond/linear", leaf)
        for branch, module in enumerate(("mlp", "mlp_1", "mlp_2")):
            ours[f"action_heads.branches.{branch}.0.{kind}"] = layer(f"{module}/~/linear_0", leaf)
            ours[f"action_heads.branches.{branch}.2.{kind}"] = layer(f"{module}/~/linear_1", leaf)
    return ours


def check_parameters(golden: Golden, prefix: str, mine: dict[str, Tensor], tolerance: float) -> None:
    exact = from_haiku(golden, prefix.replace("out32", "out64") + "/", torch.float64)
    recorded = from_haiku(golden, f"{prefix}/", torch.float64)
    for name, value in mine.items():
        worst = min(relative_error(name, value, wanted[name]) for wanted in (recorded, exact))
        assert worst <= tolerance, f"{prefix}/{name}: off by {worst:.3g} of its maximum"


def rollout(golden: Golden, prefix: str, dtype: torch.dtype) -> Rollout:
    given = {name: tensor(golden[f"{prefix}/{name}"], dtype) for name in ("obs", "actions", "rewards", "discounts", "mu_logits")}
    return Rollout(given["obs"], given["actions"], given["rewards"], given["discounts"], given["mu_logits"])


def norm(tensors: dict[str, Tensor]) -> Tensor:
    return torch.stack([value.square().sum() for value in tensors.values()]).sum().sqrt()


@pytest.mark.parametrize(("dtype", "key", "tolerance"), PRECISIONS)
@pytest.mark.parametrize("path", files("seq3"), ids=lambda path: path.stem)
def test_three_updates(path: Path, dtype: torch.dtype, key: str, tolerance: float) -> None:
    golden = arrays(path)
    rule = MetaNetworkRule(network(golden, dtype))
    parameters, apply = agent(golden, rule, dtype)
    life = Life.born(parameters, rule)
    for k in range(3):
        given, at = rollout(golden, f"in{k}", dtype), f"{key}_{k}"
        before, heads = life, apply(life.parameters, given.observations)
        life, step = inner_step(Learner(rule, apply, no_judge), dict(rule.network.named_parameters()), life, given)
        values = rule.targets(
            given.trajectory, heads, apply(before.target_parameters, given.observations), given.behaviour_logits, before.rule_state
        )
        actual = {
            "agent_logits": heads["logits"],
            "agent_aux_pi": heads["aux_pi"],
            "pi_hat": step.targets.policy,
            "q_target": values[1].q_target,
            "adv": values[1].advantage,
            "normalized_adv": values[1].normalized_advantage,
            "q_td": values[1].q_td,
            "meta_input_emb": step.targets.summary,
            "y_hat_b03": step.targets.y[:, [0, 3]],
            "z_hat_b03": step.targets.z[:, [0, 3]],
            "target_logits_out": step.target_logits,
            "total_loss": step.loss,
            "pi_loss": step.terms.policy.mean(),
            "aux_kl_loss": step.terms.aux_policy.mean(),
            "q_loss": step.terms.value.mean(),
            "global_update_norm": norm({name: life.parameters[name] - before.parameters[name] for name in life.parameters}),
            "rnn_h": life.rule_state["rnn_h"],
            "rnn_c": life.rule_state["rnn_c"],
            "adv_ema": life.rule_state["advantage_average"],
            "td_ema": life.rule_state["td_average"],
        }
        if k == 0:
            actual |= {f"agent_{name}_t2b2": heads[name][:2, :2] for name in ("y", "z", "q")}
        for name, value in actual.items():
            check(golden, f"{at}/{name}", value, tolerance)
        for view, mine in (("params", life.parameters), ("target_params", life.target_parameters)):
            if any(name.startswith(f"{at}/{view}/") for name in golden):
                check_parameters(golden, f"{at}/{view}", mine, tolerance)


@pytest.mark.parametrize(("dtype", "key", "tolerance"), PRECISIONS)
@pytest.mark.parametrize("path", files("metagrad"), ids=lambda path: path.stem)
def test_the_whole_meta_gradient(path: Path, dtype: torch.dtype, key: str, tolerance: float) -> None:
    golden = arrays(path)
    rule = MetaNetworkRule(network(golden, dtype))
    parameters, apply = agent(golden, rule, dtype)
    value_parameters, value_network = value_function(golden, dtype)
    start = torch.tensor([0.0, 0.5, 0.5], dtype=dtype)
    state = rule.initial_state(torch.device("cpu")) | {"advantage_average": start, "td_average": start}
    settings = ValueSettings(discount=0.99, lambda_=0.96, learning_rate=1e-3, release_alignment=True)
    trajectories = [*(rollout(golden, f"in{k}", dtype) for k in range(3)), rollout(golden, "val", dtype)]
    window = meta_gradient(
        moves_of(Learner(rule, apply, value_network, learning_rate=1e-2, value_settings=settings), 3),
        {name: value.detach() for name, value in rule.network.named_parameters()},
        Life(parameters, dict(parameters), warm(parameters), state),
        ValueState(value_parameters, warm(value_parameters), start, start),
        lambda _, k: trajectories[k],
        updates=3,
    )
    actual = {
        "inner_total_loss": torch.stack([step.loss for step in window.steps]),
        "log_meta_loss": window.loss,
        "log_pg_loss": window.outer.policy_gradient,
        "log_reg_loss": window.loss - window.outer.policy_gradient,
        "log_adv": window.outer.advantage.mean(),
        "rnn_h": window.life.rule_state["rnn_h"],
        "rnn_c": window.life.rule_state["rnn_c"],
        "v_adv_ema": window.value_state.advantage_average,
        "v_td_ema": window.value_state.td_average,
    }
    for name, value in actual.items():
        check(golden, f"{key}/{name}", value, tolerance)
    check_parameters(golden, f"{key}/params", window.life.parameters, tolerance)
    for name, haiku in VALUE_NAMES.items():
        value = window.value_state.parameters[name]
        check(golden, f"{key}/vparams/{haiku}", value.T if name.endswith("/w") else value, tolerance)
    for ours, haiku in HAIKU_MODULES.items():
        check(golden, f"{key}/grad/{haiku}/b", window.gradient[f"{ours}.bias"], tolerance)
        check(golden, f"{key}/grad/{haiku}/w", window.gradient[f"{ours}.weight"], tolerance)


VALUE_NAMES = {
    f"{layer}/{leaf}": f"value_fn/{path}/~/linear_0/{leaf}"
    for layer, path in (("torso", "~_embedding_pass/torso"), ("head", "~_head_pass/torso_head"))
    for leaf in ("w", "b")
}


def value_function(golden: Golden, dtype: torch.dtype) -> tuple[dict[str, Tensor], ValueNetwork]:
    parameters = {ours: tensor(golden[f"v0/{haiku}"], dtype) for ours, haiku in VALUE_NAMES.items()}

    def apply(parameters: dict[str, Tensor], observations: Tensor) -> Tensor:
        hidden = observations @ parameters["torso/w"] + parameters["torso/b"]
        return (hidden @ parameters["head/w"] + parameters["head/b"]).squeeze(-1)

    return parameters, apply


def warm(parameters: dict[str, Tensor]) -> AdamState:
    """The recording's optimisers start with ten updates behind them and moments of 1e-3."""
    moments = {name: torch.full_like(value, 1e-3) for name, value in parameters.items()}
    return AdamState(moments, dict(moments), next(iter(moments.values())).new_tensor(10.0))


def no_judge(_: dict[str, Tensor], observations: Tensor) -> Tensor:
    """Where no value function is asked."""
    return observations.new_zeros(observations.shape[:2])
