"""The contract as the code has it, for prompts: limits, bounds, names and the toolkit's reference. Reads source text; loads no torch."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Final

import sandbox.language
from sandbox.language import limits, vocabulary
from sandbox.language.trees import parse_module
from sandbox.records import Record, Training

_FOLDER: Final = Path(sandbox.language.__file__).parent
_MEANINGS: Final = {
    "epochs": "passes over each batch",
    "minibatches": "each pass is split by environment, time kept whole; `loss` sees one minibatch",
    "replay_ratio": "replayed trajectories beside each fresh one",
    "learning_rate": "Adam's; default: the campaign's",
    "learning_rate_decay": "the part of the learning rate that is gone by the end, in a straight line; 1: it falls to nothing",
    "max_grad_norm": "clips the norm of the gradient",
    "weight_decay": "Adam's",
    "target_decay": "of the slow parameters behind `traj.target`, per gradient step",
}


class Function(Record):
    """One function of the toolkit: the call, and the first paragraph of its docstring."""

    call: str
    summary: str


class Setting(Record):
    """One key of `TRAINING` with its bounds."""

    name: str
    default: str
    low: str
    high: str
    meaning: str


class Contract(Record):
    """Everything that the system prompt says about the language."""

    lines: int
    line_characters: int
    heads: int
    head_size: int
    toolkit_legend: str
    toolkit: tuple[Function, ...]
    training: tuple[Setting, ...]
    torch: tuple[str, ...]
    functional: tuple[str, ...]
    methods: tuple[str, ...]  # those that are no function of torch
    math: tuple[str, ...]
    builtins: tuple[str, ...]


@cache
def contract() -> Contract:
    """The contract of this version."""
    torch_names = {name.removeprefix("torch.") for name in vocabulary.TORCH_FUNCTIONS}
    return Contract(
        lines=limits.LINES,
        line_characters=limits.LINE_CHARACTERS,
        heads=limits.HEADS,
        head_size=limits.HEAD_SIZE,
        toolkit_legend=_legend(),
        toolkit=toolkit_reference(),
        training=training_bounds(),
        torch=tuple(sorted(torch_names)),
        functional=tuple(sorted(vocabulary.F_FUNCTIONS)),
        methods=tuple(sorted(vocabulary.METHODS - torch_names)),
        math=tuple(sorted(vocabulary.MATH_FUNCTIONS)),
        builtins=tuple(sorted(vocabulary.BUILTINS)),
    )


def toolkit_reference() -> tuple[Function, ...]:
    """Every function that a program sees as `rl`, from the source text of the modules that the toolkit imports it from."""
    found = {}
    for statement in _tree("toolkit").body:
        if isinstance(statement, ast.ImportFrom) and (statement.module or "").startswith("sandbox.language."):
            module = _tree(str(statement.module).rpartition(".")[2])
            names = {alias.name for alias in statement.names}
            found.update({node.name: _function(node) for node in module.body if isinstance(node, ast.FunctionDef) and node.name in names})
    return tuple(found[name] for name in sorted(found))


def training_bounds() -> tuple[Setting, ...]:
    """The keys of `TRAINING` as `sandbox.records.Training` bounds them."""
    settings = []
    for name, field in Training.model_fields.items():
        low, high = (next(getattr(each, side) for each in field.metadata if hasattr(each, side)) for side in ("ge", "le"))
        default = "-" if field.default is None else f"{field.default:g}"
        settings.append(Setting(name=name, default=default, low=f"{low:g}", high=f"{high:g}", meaning=_MEANINGS[name]))
    return tuple(settings)


def _tree(module: str) -> ast.Module:
    return parse_module((_FOLDER / f"{module}.py").read_text(encoding="utf-8"))


def _legend() -> str:
    """The shapes, from the second paragraph of the toolkit's docstring."""
    return " ".join((ast.get_docstring(_tree("toolkit")) or "").partition("\n\n")[2].split())


def _function(node: ast.FunctionDef) -> Function:
    arguments = node.args.args
    defaults = [None] * (len(arguments) - len(node.args.defaults)) + list(node.args.defaults)
    shown = [one.arg if default is None else f"{one.arg}={ast.unparse(default)}" for one, default in zip(arguments, defaults, strict=True)]
    paragraph = " ".join((ast.get_docstring(node) or "").partition("\n\n")[0].split())
    return Function(call=f"rl.{node.name}({', '.join(shown)})", summary=paragraph.partition(" Source:")[0])
