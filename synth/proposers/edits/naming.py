"""What the terms of a loss are called in a title, and what they say with their local names written out."""

from __future__ import annotations

import ast

from synth.proposers.edits.draft import Draft, expression


def name_of(draft: Draft, term: ast.expr) -> str:
    """A short name of a term for people, from its own words."""
    constants = [node.attr for node in ast.walk(term) if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "c"]
    for name in constants:
        if name.rstrip("_0123456789").endswith("_cost"):
            return f"{name.rstrip('_0123456789').removesuffix('_cost').replace('_', ' ')} term"
    code = ast.unparse(_expanded(draft, term))
    for word, name in (
        ("rl.entropy", "entropy term"),
        ("kl_divergence", "divergence term"),
        ("torch.minimum(ratio", "policy term"),
        ("log_prob(traj.online", "policy term"),
        ("smooth_l1_loss", "error term"),
        ("** 2", "error term"),
    ):
        if word in code:
            return name
    return f"{term.id.replace('_', ' ')} term" if isinstance(term, ast.Name) else "one term"


def _expanded(draft: Draft, term: ast.expr, depth: int = 3) -> ast.expr:
    """A term with the local names in it replaced by what was last assigned to them."""
    values = {
        one.targets[0].id: one.value for one in draft.loss.body if isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name)
    }

    class Expand(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return values.get(node.id, node)

    code = term
    for _ in range(depth):
        code = Expand().visit(expression(ast.unparse(code)))
    return code


def expanded_code(draft: Draft, term: ast.expr) -> str:
    """Code of a term with its local names written out, three levels deep."""
    return ast.unparse(_expanded(draft, term))
