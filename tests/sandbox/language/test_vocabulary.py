from __future__ import annotations

import inspect

import torch
import torch.nn.functional as F

from sandbox.language import toolkit, vocabulary


def test_toolkit_signatures_are_the_toolkit() -> None:
    assert set(vocabulary.RL_FUNCTIONS) == set(toolkit.__all__)
    for name, expected in vocabulary.RL_FUNCTIONS.items():
        parameters = inspect.signature(getattr(toolkit, name)).parameters.values()
        positional = [one for one in parameters if one.name != "stop_gradient"]
        assert tuple(one.name for one in positional) == expected.parameters, name
        assert sum(one.default is inspect.Parameter.empty for one in positional) == expected.required, name
        assert ("stop_gradient" in {one.name for one in parameters}) == expected.cuts, name


def test_every_legal_name_exists_in_torch() -> None:
    assert not [name for name in vocabulary.TORCH_FUNCTIONS if not hasattr(torch, name)]
    assert not [name for name in vocabulary.F_FUNCTIONS if not hasattr(F, name)]
    results = {"values", "indices"}  # of x.max(dim)
    assert not [name for name in vocabulary.METHODS - results if not hasattr(torch.zeros(1, 1), name)]


def test_no_forbidden_name_is_legal() -> None:
    legal = vocabulary.TORCH_FUNCTIONS | vocabulary.METHODS
    dangerous = {
        "data",
        "requires_grad_",
        "register_hook",
        "item",
        "numpy",
        "tolist",
        "autograd",
        "inference_mode",
        "backward",
        "save",
        "load",
    }
    assert not dangerous & legal
    assert not set(vocabulary.FORBIDDEN_NAMES) & vocabulary.BUILTINS


def test_advice_names_the_nearest() -> None:
    assert vocabulary.allowed("advantage", ["advantages", "value"]) == "Did you mean advantages?"
    assert vocabulary.allowed("x", ["gae"], "rl.") == "Allowed: rl.gae."
    assert vocabulary.allowed("x", []) == "There is none."
