"""What is wrong with a program: the code, the place and the name, for each thing that models are known to write."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sandbox.language import trace as tracing_inside
from sandbox.language import trace_capture, trace_encode, trace_faults
from sandbox.language.tracing_messages import ADVICE
from tests.sandbox.language.trace_texts import ERROR, STATE, refusal

# name: (body after `x = …` on line 2, code, line, column, name)
FAULTS = {
    "if_on_tensor": ("if x.sum() > 0:\n    x = -x\nreturn x", "data-dependent", 3, 8, ""),
    "item": ("return x * x.sum().item()", "data-dependent", 3, 16, "item"),
    "float_of_tensor": ("return x * float(x.sum())", "data-dependent", 3, 16, "float"),
    "and_of_tensors": ("m = (x > 0) and (x < 1)\nreturn x * m", "data-dependent", 3, 9, ""),
    "index_by_tensor": ("i = x[0, 0].long()\nreturn x * [1, 2][i]", "data-dependent", 4, 16, ""),
    "boolean_index": ("return x[x > 0].sum()", "data-dependent-shape", 3, 12, ""),
    "nonzero": ("return x.sum() * torch.nonzero(x).sum()", "data-dependent-shape", 3, 22, "nonzero"),
    "float_of_constant": ("return x * float(c.a)", "constant-as-number", 3, 16, "a"),
    "max_of_constant": ("return x * max(c.a, 0.1)", "constant-as-number", 3, 16, "a"),
    "math_of_constant": ("return x * math.sqrt(1 - c.a)", "constant-as-number", 3, 16, "a"),
    "if_on_constant": ("if c.a > 0:\n    x = -x\nreturn x", "constant-as-number", 3, 8, "a"),
    "range_of_constant": ("for _ in range(c.a):\n    x = x + 1\nreturn x", "constant-as-number", 3, 14, "a"),
    "huber_delta": ("return F.huber_loss(x, x, delta=c.a)", "constant-as-number", 3, 12, "a"),
    "clamp_of_both": ("return torch.clamp(x, -1.0, c.a)", "constant-as-number", 3, 12, "a"),
    "full_of_constant": ("return x + torch.full((1,), c.a)", "constant-as-number", 3, 16, "a"),
    "format_of_constant": ("s = f'{c.a:.2f}'\nreturn x", "constant-as-number", 3, 9, "a"),
    "tensor_of_constants": ("return x * torch.tensor([c.a, c.a]).sum()", "tensor-of-tensors", 3, 16, "tensor"),
    "all_rows_of_a_head": ("return traj.online.value - traj.rewards", "shape-mismatch", 3, 12, ""),
    "wrong_axis": ("return x.sum(5)", "shape-mismatch", 3, 12, "sum"),
    "wrong_reshape": ("return x.reshape(77)", "shape-mismatch", 3, 12, "reshape"),
    "row_too_far": ("return x * x[99]", "shape-mismatch", 3, 16, ""),
    "cat_of_unequal": ("return torch.cat([x, traj.online.logits])", "shape-mismatch", 3, 12, "cat"),
    "toolkit": ("return rl.log_prob(traj.online.logits, traj.actions)", "toolkit-shape", 3, 12, "rl.log_prob"),
    "gather_by_float": ("return x.gather(0, x)", "dtype", 3, 12, "gather"),
    "mean_of_integers": ("return x * traj.actions.mean()", "dtype", 3, 16, "mean"),
    "half_precision": ("return x.to(torch.float16)", "dtype", 3, 12, "to"),
    "random": ("return x * torch.rand_like(x)", "unsupported-op", 3, 16, "rand_like"),
    "data_attribute": ("return x.data * x", "unsupported-op", 3, 12, ""),
    "maximum_of_number": ("return torch.maximum(x, 0.0)", "wrong-argument", 3, 12, "maximum"),
    "unknown_keyword": ("return torch.sum(x, axes=1)", "wrong-argument", 3, 12, "sum"),
    "no_result": ("x", "not-a-tensor", 1, 1, ""),
    "number_as_loss": ("return 1.0", "not-a-tensor", 3, 5, ""),
    "loss_per_step_alone": ("return x.sum(1)", "loss-shape", 3, 5, ""),
    "integer_loss": ("return traj.actions", "loss-dtype", 3, 5, ""),
    "endless_recursion": ("def f(y):\n    return f(y)\nreturn f(x)", "recursion", 4, 16, "f"),
    "huge_list": ("y = [0] * 10 ** 14\nreturn x", "memory", 3, 9, ""),
    "huge_literal": ("return x * torch.tensor([1.0] * 2000).sum()", "literal-too-large", 3, 16, "tensor"),
    "list_index": ("return x * [1, 2][7]", "python-error:IndexError", 3, 16, ""),
    "unknown_name": ("return x * foo", "python-error:NameError", 3, 16, ""),
    "unknown_head": ("return x * traj.online.q", "python-error:AttributeError", 3, 16, ""),
    "division_by_zero": ("return x * (1 / 0)", "python-error:ZeroDivisionError", 3, 17, ""),
    "missing_key": ("return x * {}['a']", "python-error:KeyError", 3, 16, ""),
    "import": ("import os\nreturn x", "python-error:ImportError", 3, 5, ""),
    "assertion": ("assert x.shape[0] == 9\nreturn x", "python-error:AssertionError", 3, 12, ""),
    "syntax": ("return x +", "python-error:SyntaxError", 3, 15, ""),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault(name: str) -> None:
    body, *expected = FAULTS[name]
    assert refusal(ERROR + body) == tuple(expected)


STATE_FAULTS = {
    "no_pair": ("return x", "state-pair", ""),
    "missing_name": ("return x, {'mean': x.mean()}", "state-names", ""),
    "wrong_shape": ("return x, {'mean': x.mean(), 'pair': x.mean()}", "state-shape", "pair"),
    "no_tensor": ("return x, {'mean': 'much', 'pair': state.pair}", "not-a-tensor", "mean"),
}


@pytest.mark.parametrize("name", STATE_FAULTS)
def test_fault_of_the_new_state(name: str) -> None:
    body, code, what = STATE_FAULTS[name]
    assert refusal(ERROR + body, before=STATE, state=True) == (code, 7, 5, what)


@pytest.mark.parametrize(
    "value", ["[1]", "{'a': [0.0] * 5000}", "{'a': []}", "{'a': 'b'}", "{'a': float('nan')}", "{'A b': 0.0}", "{'a': True}"]
)
def test_fault_of_the_initial_state(value: str) -> None:
    before = f"def initial_state(c):\n    return {value}\n\n\n"
    assert refusal(ERROR + "return x, state", before=before, state=True) == ("initial-state", 2, 5, "")


def test_more_operations_than_a_graph_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_encode, "GRAPH_NODES", 40)
    assert refusal(ERROR + "for _ in range(50):\n    x = x + 1\nreturn x") == ("too-many-nodes", 4, 13, "")


def test_more_operations_than_are_worth_tracing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_capture, "RAW_NODES", 40)
    assert refusal(ERROR + "for _ in range(10 ** 9):\n    x = x + 1\nreturn x") == ("too-many-nodes", 4, 13, "")


def test_where_our_own_code_stumbles_the_program_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing_inside, "functionalise", lambda module: {}["secret"])
    assert refusal(ERROR + "return x") == ("untraceable", 3, 5, "")


@pytest.mark.parametrize("path", sorted(Path(trace_faults.__file__).parent.glob("trace*.py")), ids=lambda path: path.name)
def test_every_code_has_its_advice(path: Path) -> None:
    codes = re.findall(r"""TraceError\("([a-z:-]+)"|_refuse\("([a-z-]+)"|return "([a-z]+-[a-z-]+)", """, path.read_text())
    assert {"".join(code) for code in codes} <= set(ADVICE)
    assert {f"python-error:{name}" for name in trace_faults._PYTHON_ERRORS} <= set(ADVICE)
