"""What a program is made of, in the words that edits need: its policy, its values, its advantages, its discount."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from synth.proposers.edits.draft import Draft, names_read
from synth.proposers.edits.kinds import STEPS, Kind, kinds_of


@dataclass(frozen=True)
class Sketch:
    """Names of heads and of a local variable; None where the program has no such thing.

    `logits`: sampled from, one number an action. `q`: acted on otherwise, one number an action. `value`: one number a state.
    `advantage`: a local `[T, B]` that weighs the policy's gradient and carries none itself.
    """

    logits: str | None
    q: str | None
    value: str | None
    advantage: str | None
    kinds: dict[str, Kind]

    def names(self) -> dict[str, str]:
        """What is there, for filling templates."""
        parts = {"logits": self.logits, "q": self.q, "value": self.value, "advantage": self.advantage}
        return {name: value for name, value in parts.items() if value is not None}


def sketch(draft: Draft) -> Sketch:
    """Reads a draft."""
    acting = draft.heads[draft.act.head]
    plain = acting.name if not acting.vector else None
    kinds = kinds_of(draft)
    values = [head.name for head in draft.heads.values() if not head.per_action and head.size == 1]
    value = "value" if "value" in values else values[0] if values else None
    logits = plain if draft.act.kind == "sample" else None
    return Sketch(logits, None if logits else plain, value, _advantage(draft, kinds), kinds)


def _advantage(draft: Draft, kinds: dict[str, Kind]) -> str | None:
    """The last local `[T, B]` called an advantage, that is assigned at the top level and never follows from `traj.online` uncut."""
    names = [name for name, kind in kinds.items() if kind == STEPS and "adv" in name]
    cut = [name for name in names if _is_cut(draft, name)]
    return cut[-1] if cut else None


def _is_cut(draft: Draft, name: str) -> bool:
    """Whether every assignment of `name` is a call that cuts the gradient, or computes with the name itself and no heads."""
    cutting = ("rl.gae(", "rl.vtrace(", "rl.stop_gradient(")
    found = [one for one in draft.loss.body if isinstance(one, ast.Assign) and any(name in ast.unparse(t) for t in one.targets)]
    return bool(found) and all(
        ast.unparse(one.value).startswith(cutting) or (name in names_read(one.value) and "traj.online" not in ast.unparse(one.value))
        for one in found
    )


def discounts(draft: Draft) -> str:
    """Code of the discount of every step, `c.NAME * traj.continues`, from the program's own or a new constant."""
    for node in ast.walk(draft.loss):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            sides = (ast.unparse(node.left), ast.unparse(node.right))
            if "traj.continues" in sides and any(side.startswith("c.") and side[2:] in draft.constants for side in sides):
                return " * ".join(sorted(sides))
    name = "discount" if isinstance(draft.constants.get("discount"), float) else draft.add_constant("discount", 0.97)
    return f"c.{name} * traj.continues"
