"""One hash for all ways of writing the same loss down, as far as algebra of sums, products and names goes.

Equal: order of factors and summands, signs, numeric factors (x/2 and 0.5 x), x**2 and square, clip and clamp, shared or repeated or dead
code, and every name: heads, constants and state count by where they are used. Literal numbers count; the values of float constants, which
are inputs, do not. Not seen as equal, on purpose: anything that needs distribution, x*x for x**2, other spellings of an axis.

Sums and products of different shapes are reordered freely: that never changes the value, since the result's shape is the same.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping

from sandbox.graph.graph import Argument, Graph, Node, Ref
from sandbox.graph.simplify import simplify
from sandbox.graph.terms import Term, terms, without_term

__all__ = ["Term", "node_count", "operations", "structure_hash", "terms", "without_term"]

_ALIASES = {
    "clip": "clamp",
    "absolute": "abs",
    "negative": "neg",
    "multiply": "mul",
    "subtract": "sub",
    "divide": "div",
    "true_divide": "div",
    "special_expit": "sigmoid",
    "concat": "cat",
    "concatenate": "cat",
    "not_equal": "ne",
    "less": "lt",
    "less_equal": "le",
    "greater": "gt",
    "greater_equal": "ge",
    "moveaxis": "movedim",
    "swapaxes": "transpose",
    "swapdims": "transpose",
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
    "fix": "trunc",
}
_SYMMETRIC = frozenset(
    {"maximum", "minimum", "fmax", "fmin", "eq", "ne", "logical_and", "logical_or", "logical_xor", "logaddexp", "hypot"}
    | {"bitwise_and", "bitwise_or", "bitwise_xor", "__and__", "__or__", "__xor__"}
)
_MOST = 64
"""Summands and factors that are put in order together; longer sums are ordered in parts, so that hashing takes linear time."""

Linear = tuple[float, tuple[tuple[str, float], ...]]
"""A number plus numbers times products: `(constant, ((digest of a product, coefficient), …))`."""


def structure_hash(graph: Graph) -> str:
    """32 hex digits, equal for graphs that differ only in ways named above. Compare hashes of graphs verified at the same shape."""
    graph = simplify(graph)
    return _outputs(graph, _colours(graph))


def operations(graph: Graph) -> Counter[str]:
    """How often each operation remains, by its plain name, when nothing is dead and nothing is computed twice; inputs and literals not."""
    return Counter(_name(node) for node in simplify(graph).nodes if node.op not in ("input", "const"))


def node_count(graph: Graph) -> int:
    """Operations that remain when nothing is dead and nothing is computed twice; inputs and literals not counted."""
    return operations(graph).total()


def _outputs(graph: Graph, colours: Mapping[str, str]) -> str:
    """The loss first, then each state paired with the input of its name, in an order without names."""
    digests = _Digests(graph, colours)
    loss, *states = [digests.of(ref) for ref in graph.outputs]
    pairs = [_hash(digests.leaf(name), digest) for name, digest in zip(graph.output_names[1:], states, strict=True)]
    return _hash("outputs", loss, *sorted(pairs))


def _colours(graph: Graph) -> dict[str, str]:
    """What stands in for the name of every head, constant and state: the role it plays in the graph.

    A role is the hash of the outputs in which this one is marked and the others carry the roles found so far. Those that two rounds cannot
    tell apart play the same role; one of them is marked for good, which tells the others apart.
    """
    names = [str(node.args[0]) for node in graph.nodes if node.op == "input"]
    groups = sorted({_group(name) for name in (*names, *graph.output_names[1:]) if "." in _group(name)})
    colours = _refined(graph, _refined(graph, dict.fromkeys(groups, "")))
    while len(set(colours.values())) < len(groups):
        tied = Counter(colours.values())
        first = min((group for group in groups if tied[colours[group]] > 1), key=colours.__getitem__)
        colours = _refined(graph, {**colours, first: colours[first] + "+"})
    return colours


def _refined(graph: Graph, colours: Mapping[str, str]) -> dict[str, str]:
    return {group: _outputs(graph, {**colours, group: f"{colour}!"}) for group, colour in colours.items()}


def _group(name: str) -> str:
    """What an input is renamed with, with a dot in it, or its own name if that has a meaning: the views of a head share its name."""
    view, _, rest = name.partition(".")
    if name == "behaviour.log_prob":
        return "log_prob"
    return f"head.{rest}" if view in ("online", "behaviour", "target") else name


def _name(node: Node) -> str:
    plain = node.op.split(".")[1] if "." in node.op else node.op
    return _ALIASES.get(plain, plain)


class _Digests:
    """Bottom-up digests of every result, names of heads, constants and state replaced by their colours."""

    def __init__(self, graph: Graph, colours: Mapping[str, str]) -> None:
        self._graph = graph
        self._colours = colours
        self._products: dict[str, tuple[str, ...]] = {}  # digest of a product -> digests of its factors, sorted
        self._linear: list[Linear] = []
        for node in graph.nodes:
            self._linear.append(self._read(node))

    def of(self, ref: Ref) -> str:
        """Digest of one result."""
        return self._close(self._value(ref))

    def leaf(self, name: str) -> str:
        """Digest of an input."""
        group = _group(name)
        if "." not in group:
            return _hash("input", name)
        axes = next((len(entry.shape) for entry in self._graph.inputs if entry.name == name), 0)
        return _hash("input", name.partition(".")[0], str(axes), self._colours[group])

    def _value(self, ref: Ref) -> Linear:
        whole = self._linear[ref.node]
        return whole if ref.output is None else _single(_hash("output", str(ref.output), self._close(whole)))

    def _read(self, node: Node) -> Linear:
        """The node as a number plus numbers times products, if it is of that kind; else one product of one factor."""
        if node.op == "input":
            return _single(self.leaf(str(node.args[0])))
        if node.inserted:  # a clamp of the verifier is no part of what was written
            return self._value(next(node.refs()))
        name = _name(node)
        if name in ("add", "sub", "rsub") and self._is_float(node):
            return self._sum(node, name)
        if name == "neg":
            return _scale(self._value(next(node.refs())), -1.0)
        if name == "mul" and self._is_float(node):
            return self._times(self._number_or_value(node.args[0]), self._number_or_value(node.args[1]))
        if name == "div" and not node.kwargs and self._is_float(node):
            return self._quotient(node)
        if name == "reciprocal":
            return _single(_hash("reciprocal", self.of(next(node.refs()))))
        return _single(self._operation(node, name))

    def _is_float(self, node: Node) -> bool:
        """Integers and masks are left as they are written: there, x/2 and 0.5 x are different things."""
        return all(self._graph.type_of(ref).dtype == "float32" for ref in node.refs())

    def _number_or_value(self, item: Argument) -> Linear:
        return self._value(item) if isinstance(item, Ref) else (float(item), ())  # type: ignore[arg-type]

    def _sum(self, node: Node, name: str) -> Linear:
        left, right = (self._number_or_value(item) for item in node.args[:2])
        factor = dict(node.kwargs).get("alpha", node.args[2] if len(node.args) > 2 else 1)
        if name == "rsub":
            left, right = right, left
        assert isinstance(factor, (int, float))
        whole = _add(left, _scale(right, factor if name == "add" else -factor))
        return whole if len(whole[1]) <= _MOST else _single(self._close(whole))

    def _quotient(self, node: Node) -> Linear:
        left, right = (self._number_or_value(item) for item in node.args[:2])
        if not right[1]:
            return _scale(left, 1 / right[0]) if right[0] else _single(self._operation(node, "div"))
        return self._times(left, _single(_hash("reciprocal", self._close(right))))

    def _times(self, left: Linear, right: Linear) -> Linear:
        for one, other in ((left, right), (right, left)):
            if not one[1]:
                return _scale(other, one[0])
        (first, one_factor), (second, other_factor) = self._factors(left), self._factors(right)
        factors = tuple(sorted((*first, *second)))
        product = _hash("product", *factors)
        self._products[product] = factors
        return (0.0, ((product, _rounded(one_factor * other_factor)),))

    def _factors(self, value: Linear) -> tuple[tuple[str, ...], float]:
        """Factors and coefficient: of a sum, the sum itself is the one factor."""
        constant, summands = value
        if constant or len(summands) != 1:
            return (self._close(value),), 1.0
        ((digest, coefficient),) = summands
        factors = self._products.get(digest, (digest,))
        return factors if len(factors) <= _MOST else (digest,), coefficient

    def _close(self, value: Linear) -> str:
        """One digest for a sum; a lone product with coefficient 1 is itself."""
        constant, summands = value
        if not constant and len(summands) == 1 and summands[0][1] == 1:
            return summands[0][0]
        return _hash("sum", repr(constant), *(f"{digest}*{coefficient!r}" for digest, coefficient in summands))

    def _operation(self, node: Node, name: str) -> str:
        if name == "square":
            return _hash("pow", self.of(next(node.refs())), "2")
        args = [self._argument(item) for item in node.args]
        if name == "pow" and args[1:] in (["2"], ["2.0"]):
            args[1] = "2"
        if name in _SYMMETRIC:
            args.sort()
        return _hash(name, *args, *(f"{key}={self._argument(item)}" for key, item in node.kwargs))

    def _argument(self, item: Argument) -> str:
        if isinstance(item, Ref):
            return self.of(item)
        if isinstance(item, tuple):
            return "[" + ",".join(map(self._argument, item)) + "]"
        return repr(item)


def _hash(*parts: str) -> str:
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=16).hexdigest()


def _single(digest: str) -> Linear:
    return (0.0, ((digest, 1.0),))


def _rounded(number: float) -> float:
    """Twelve digits, so that 0.1 * 3 and 0.3 are one number."""
    return float(f"{number:.12g}") + 0.0


def _scale(value: Linear, factor: float) -> Linear:
    constant, summands = value
    return (_rounded(constant * factor), tuple((digest, _rounded(coefficient * factor)) for digest, coefficient in summands))


def _add(left: Linear, right: Linear) -> Linear:
    return (_rounded(left[0] + right[0]), _collected((*left[1], *right[1])))


def _collected(summands: Iterable[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
    """Equal products added up, in order of their digests. What cancels stays, with coefficient 0: its shape and its NaN count."""
    total: dict[str, float] = {}
    for digest, coefficient in summands:
        total[digest] = _rounded(total.get(digest, 0.0) + coefficient)
    return tuple(sorted(total.items()))
