"""An exported file computes the program's own loss, holds nothing of ours, keeps the linter's rules and runs by itself."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from sandbox.errors import Refusal, UsageError
from sandbox.evaluate import Evaluator, ShortMemory
from sandbox.execution.local import LocalExecutor
from sandbox.language.fingerprint import SHAPE
from sandbox.language.probing import evaluate, newborn_state
from sandbox.language.program import parse
from sandbox.language.synthetic import Recipe, make_batch
from sandbox.language.trace import trace_reply
from sandbox.language.tracing import traced_from_reply
from sandbox.records import AgentSettings, Rung
from sandbox.rules.program_rule import ProgramRule
from sandbox.rules.references import reference_names, reference_text
from synth.export.assemble import export
from synth.export.toolkit import toolkit_source

AGENT = AgentSettings()
VALID = sorted((Path(__file__).parents[2] / "data" / "programs" / "valid").glob("*.py"))
BATCH_NAMES = ("actions", "rewards", "continues", "truncated", "progress")


def namespace_of(text: str) -> dict[str, Any]:
    """The exported file's names, as an import would give them."""
    gymnasium.registry.pop("Catch", None)
    namespace: dict[str, Any] = {"__name__": "exported"}
    exec(compile(export(text, AGENT), "exported.py", "exec"), namespace)
    return namespace


@pytest.mark.parametrize("name", reference_names())
def test_the_loss_in_the_file_is_the_one_that_was_traced(name: str) -> None:
    program = parse(reference_text(name))
    rule = ProgramRule(traced_from_reply(program, trace_reply(program, (SHAPE,), seed=0), (SHAPE,)))
    batch = make_batch(program.heads, program.act, SHAPE, Recipe(seed=5))
    expected = evaluate(rule, batch, newborn_state(rule))

    file = namespace_of(program.text)
    online = {head: x.detach().requires_grad_() for head, x in batch.online.items()}
    traj = SimpleNamespace(
        **{field: getattr(batch, field) for field in BATCH_NAMES},
        online=SimpleNamespace(**online),
        behaviour=SimpleNamespace(**batch.behaviour, log_prob=batch.behaviour_log_prob),
        target=SimpleNamespace(**batch.target),
    )
    constants = SimpleNamespace(**{one.name: one.value if one.structural else torch.tensor(one.value) for one in program.constants})
    state = [SimpleNamespace(**newborn_state(rule))] if program.carries_state else []
    loss = file["loss"](traj, constants, *state)
    loss, new_state = loss if program.carries_state else (loss, {})

    torch.testing.assert_close(loss.detach(), expected.loss)
    gradients = torch.autograd.grad(loss.mean(), list(online.values()), allow_unused=True)
    for head, gradient in zip(online, gradients, strict=True):
        torch.testing.assert_close(torch.zeros_like(online[head]) if gradient is None else gradient, expected.gradients[head])
    for key, value in new_state.items():
        torch.testing.assert_close(value.detach(), expected.state[key])


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_every_program_becomes_a_file_that_imports_nothing_of_ours(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(export(text, AGENT))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported <= {"__future__", "argparse", "gymnasium", "math", "numpy", "torch", "torch.nn.functional", "types"}
    agent = namespace_of(text)["Agent"]("Catch", 2 * 16 * 32, 0)
    agent.train()
    returns = agent.evaluate(4)
    assert returns.shape == (4,)
    assert set(np.unique(returns)) <= {-1.0, 1.0}


def test_the_programs_text_stands_there_word_for_word() -> None:
    text = reference_text("vmpo")
    docstring, code = text.split('"""\n\n', 1)
    file = export(text, AGENT)
    assert file.startswith(docstring)
    assert code.strip() in file


def test_only_what_is_used_is_there() -> None:
    numbers, methods = toolkit_source({"retrace"})
    assert re.findall(r"def (\w+)", methods) == ["linear_recurrence", "select", "_spread", "retrace", "_cut"]
    assert numbers == ""
    assert "rl.select(q[:-1], actions)" in methods
    assert "check_" not in methods


def test_what_the_agent_does_follows_the_declarations() -> None:
    parts = ("self.slow", "self.memory", 'f"heads.{name}"', "torch.linspace(-10.0, 10.0", "rl.signed_parabolic(x)", "initial_state(")
    found = {
        name: [part in export(reference_text(name), AGENT) for part in parts] for name in ("ppo", "dqn", "categorical_retrace", "vmpo")
    }
    assert found == {
        "ppo": [False, False, True, False, False, False],
        "dqn": [True, True, False, False, False, False],
        "categorical_retrace": [True, True, False, True, True, False],
        "vmpo": [False, False, True, False, False, True],
    }


def test_the_campaigns_agent_is_the_files() -> None:
    agent = AgentSettings(num_envs=4, rollout_length=8, hidden=(32,), learning_rate=1e-3)
    file = export(re.sub(r', "learning_rate": [\d.e-]+', "", reference_text("a2c")), agent)
    for line in ("num_envs = 4", "rollout_length = 8", "for size in (32,):", "learning_rate = 0.001"):
        assert line in file


def test_a_learning_rate_that_falls_falls_in_the_file() -> None:
    falling = reference_text("a2c").replace("TRAINING = {", 'TRAINING = {"learning_rate_decay": 0.5, ')
    assert "learning_rate_decay" not in export(reference_text("a2c"), AGENT)
    file = export(falling, AGENT)
    assert 'learning_rate_decay = TRAINING["learning_rate_decay"]' in file
    assert 'group["lr"] = self.learning_rate * (1 - self.learning_rate_decay * progress)' in file


def test_a_helper_may_not_hide_what_the_file_needs() -> None:
    with pytest.raises(UsageError, match="gym"):
        export(reference_text("ppo").replace("def loss", "def gym(x):\n    return x\n\n\ndef loss"), AGENT)
    with pytest.raises(Refusal):
        export("print(1)", AGENT)


def test_the_linter_has_nothing_to_say(tmp_path: Path) -> None:
    for name in reference_names():
        (tmp_path / f"{name}.py").write_text(export(reference_text(name), AGENT))
    done = subprocess.run([sys.executable, "-m", "ruff", "check", "--isolated", str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["ppo", "dqn", "vmpo"])
def test_the_file_learns_catch_as_lossmith_does(name: str, tmp_path: Path) -> None:
    """Means over five seeds differ by less than three standard errors."""
    path = tmp_path / "agent.py"
    path.write_text(export(reference_text(name), AGENT))
    apart = [_played(path, seed) for seed in range(5)]
    rung = Rung(name="export", tasks=("probe:catch",), steps=20_000, seeds=5, evaluation_episodes=64)
    executor = LocalExecutor(2)
    evaluator = Evaluator(executor, None, AGENT)
    try:
        traced = evaluator.reference(name, [rung])
        together = [run.final_return for run in evaluator.run_rung(traced, rung, evaluator.seeds(rung), ShortMemory()).runs]
    finally:
        evaluator.close()
        executor.close()
    error = np.sqrt(np.var(apart, ddof=1) / 5 + np.var(together, ddof=1) / 5)
    assert abs(np.mean(apart) - np.mean(together)) < 3 * error + 0.02, (apart, together)
    assert np.mean(apart) > 0.5


def _played(path: Path, seed: int) -> float:
    command = [sys.executable, "-I", "-W", "error", str(path), "--env-id", "Catch", "--seed", str(seed), "--episodes", "64"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"OMP_NUM_THREADS": "1"}, cwd=path.parent)
    return float(re.search(r"evaluation: mean return (\S+)", done.stdout)[1])  # type: ignore[index]
