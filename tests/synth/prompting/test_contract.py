"""What prompts say of the language is what the code does."""

from __future__ import annotations

import subprocess
import sys

from sandbox.language import limits, vocabulary
from sandbox.records import Training
from synth.prompting.context import Briefing, ProgramView
from synth.prompting.contract import contract, toolkit_reference, training_bounds
from synth.prompting.render import Renderer


def test_the_reference_is_the_toolkit() -> None:
    calls = {function.call.partition("(")[0].removeprefix("rl."): function for function in toolkit_reference()}
    assert calls.keys() == vocabulary.RL_FUNCTIONS.keys()
    for name, signature in vocabulary.RL_FUNCTIONS.items():
        names = [one.partition("=")[0].strip() for one in calls[name].call.partition("(")[2].rstrip(")").split(",")]
        assert tuple(one for one in names if one != "stop_gradient") == signature.parameters, name
        assert ("stop_gradient" in names) == signature.cuts
        assert len(calls[name].summary) > 10


def test_bounds_are_those_of_the_record() -> None:
    bounds = {setting.name: setting for setting in training_bounds()}
    assert bounds.keys() == Training.model_fields.keys()
    assert (bounds["epochs"].default, bounds["epochs"].low, bounds["epochs"].high) == ("1", "1", "8")
    assert (bounds["learning_rate"].low, bounds["learning_rate"].high) == ("1e-05", "0.01")


def test_the_system_prompt_says_all_of_it() -> None:
    baseline = ProgramView(id="b", title="ppo", code="x", operator="reference")
    text = Renderer().render("fresh", Briefing(campaign="c", rungs=(), baseline=baseline), 16_000).system
    for word in (
        *vocabulary.TRAJECTORY_FIELDS,
        *vocabulary.RL_FUNCTIONS,
        *vocabulary.F_FUNCTIONS,
        *vocabulary.BUILTINS,
        *Training.model_fields,
    ):
        assert word in text, word
    assert f"at most {limits.LINES} lines of at most {limits.LINE_CHARACTERS} characters" in text
    assert len(text) < 14_000


def test_it_needs_no_torch() -> None:
    code = "import sys; from synth.prompting.contract import contract; contract(); assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert len(contract().torch) > 100
