"""From text nobody trusts to a graph everybody may run.

The text is JSON out of the sandbox: `{"nodes": [[op, args, kwargs], …], "outputs": {name: ref}, "lines": [line of each node]}`; the form of
arguments is in `arguments`. Operations are found by looking them up in a table, never by an object or an attribute the text names;
arguments fit the schema; references point backwards; indices are in range; shapes, memory and work are bounded.

What this does not stop: a loss that is wrong, useless or not finite. That is for the later gates.
"""

from __future__ import annotations

import json
from typing import Any

from sandbox.errors import Refusal
from sandbox.graph.arguments import bind, decode, dtype
from sandbox.graph.bounds import BOUNDS, Bounds
from sandbox.graph.graph import Argument, DTypeName, Graph, Node, Ref, TensorType
from sandbox.graph.indices import Index, indices_of
from sandbox.graph.ops import OPS
from sandbox.graph.overloads import exists, gives_several
from sandbox.graph.propagate import Propagation, count, quiet
from sandbox.graph.ranges import Interval, interval_of
from sandbox.graph.refusals import refuse, refuse_operation
from sandbox.graph.signature import Input

_INTEGER_DIVISIONS = ("floor_divide", "remainder", "fmod", "div")


def verify(
    text: str, inputs: tuple[Input, ...], outputs: tuple[str, ...], num_actions: int | None = None, bounds: Bounds = BOUNDS
) -> Graph:
    """The graph that `text` describes, for inputs of these shapes; raises Refusal (gate `trace`) and nothing else.

    `outputs` are the names it must give, `loss` first; the loss is `[T, B]` (the shape of the input `rewards`) or a scalar, a state has the
    shape of the input of its name. `num_actions` is what the input `actions` is trusted to stay below; without it, indexing with actions is
    clamped like any other index whose range is not proven.
    """
    nodes, named, lines = _document(text, bounds)
    with quiet():
        builder = _Builder(inputs, num_actions, bounds)
        for (op, args, kwargs), line in zip(nodes, lines, strict=True):
            try:
                builder.read(op, args, kwargs, line)
            except Refusal:
                raise
            except Exception as error:  # a bug of ours that a hostile trace found must end as a refusal, too
                raise refuse("unverifiable", "An operation of the trace cannot be understood.", line) from error
        return builder.graph(named, outputs)


def _document(text: str, bounds: Bounds) -> tuple[list[list[Any]], dict[str, Any], list[int]]:
    """Nodes, outputs and lines, of the right types and not too many."""
    if len(text) > bounds.characters:
        raise refuse("too-large", f"The trace is longer than {bounds.characters:,} characters.")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise refuse("malformed", "The trace is not JSON.") from error
    nodes, named = (document.get("nodes"), document.get("outputs")) if isinstance(document, dict) else (None, None)
    if not isinstance(nodes, list) or not isinstance(named, dict):
        raise refuse("malformed", "The trace holds no nodes or no outputs.")
    if len(nodes) > bounds.nodes:
        raise refuse("too-many-nodes", f"The loss has {len(nodes):,} operations, more than the {bounds.nodes:,} allowed.")
    if not all(_is_row(row) for row in nodes):
        raise refuse("malformed", "A node of the trace is not [operation, arguments, keyword arguments].")
    return nodes, named, _lines(document.get("lines"), len(nodes))


def _is_row(row: Any) -> bool:
    return (
        isinstance(row, list) and len(row) == 3 and all(isinstance(part, kind) for part, kind in zip(row, (str, list, dict), strict=True))
    )


def _lines(lines: Any, wanted: int) -> list[int]:
    """Places are only for messages: nonsense is no place."""
    if not isinstance(lines, list) or len(lines) != wanted:
        return [0] * wanted
    return [line if type(line) is int and 0 <= line < 100_000 else 0 for line in lines]


class _Builder:
    """Adds nodes one by one, each checked when it comes."""

    def __init__(self, inputs: tuple[Input, ...], num_actions: int | None, bounds: Bounds) -> None:
        self._inputs = inputs
        self._by_name = {entry.name: entry for entry in inputs}
        self._bounds = bounds
        self._propagation = Propagation(bounds)
        self._nodes: list[Node] = []
        self._places: list[int] = []  # row of the text -> node
        self._intervals: dict[Ref, Interval] = {}
        self._actions: Interval = (0, num_actions - 1) if num_actions else None
        self._literals = 0

    def read(self, op: str, args: list[Any], kwargs: dict[str, Any], line: int) -> None:
        """One row of the text."""
        if op == "input":
            place = self._input(args, kwargs, line)
        elif op == "const":
            place = self._const(args, kwargs, line)
        elif op in OPS:
            place = self._operation(OPS[op].key, args, kwargs, line)
        else:
            raise refuse_operation(op[:80], exists(op), line)
        self._places.append(place)

    def graph(self, named: dict[str, Any], wanted: tuple[str, ...]) -> Graph:
        """The finished graph, if its outputs are what was asked for."""
        if set(named) != set(wanted):
            raise refuse("outputs", "The outputs are not the loss and the declared state.")
        refs = tuple(self._output(name, named[name]) for name in wanted)
        cost = self._propagation.cost
        return Graph(self._inputs, tuple(self._nodes), refs, wanted, cost.work, cost.memory)

    def _input(self, args: list[Any], kwargs: dict[str, Any], line: int) -> int:
        entry = self._by_name.get(args[0]) if len(args) == 1 and isinstance(args[0], str) and not kwargs else None
        if entry is None:
            raise refuse("malformed", "The trace reads an input that does not exist.", line)
        node = self._add(Node("input", (entry.name,), (), self._propagation.input(entry)))
        if entry.name == "actions":
            self._intervals[Ref(node)] = self._actions
        return node

    def _const(self, args: list[Any], kwargs: dict[str, Any], line: int) -> int:
        kind = decode(args[1], 1, line) if len(args) == 2 and not kwargs else None
        if not isinstance(kind, DTypeName):
            kind = dtype(args[1] if len(args) == 2 else None, line)
        value = decode(args[0], self._bounds.list_length, line)
        self._literals += count(value)
        if self._literals > self._bounds.literal_numbers or any(_refs(value)):
            raise refuse("malformed", "A literal tensor holds too many numbers, or something else.", line)
        return self._add(Node("const", (value, kind), (), self._propagation.const(value, kind.name, line), line=line))

    def _operation(self, op: str, args: list[Any], kwargs: dict[str, Any], line: int) -> int:
        longest = self._bounds.list_length
        decoded = tuple(self._placed(decode(item, longest, line), line) for item in args)
        named = {name: self._placed(decode(item, longest, line), line) for name, item in kwargs.items()}
        bound, keywords = bind(op, decoded, named, line)
        if op == "aten.one_hot.default":
            return self._one_hot(bound, line)
        return self._call(op, self._clamped(op, bound, line), keywords, line)

    def _call(
        self, op: str, args: tuple[Argument, ...], kwargs: tuple[tuple[str, Argument], ...], line: int, inserted: bool = False
    ) -> int:
        node = Node(op, args, kwargs, (), gives_several(op), line, inserted)
        results = self._propagation.call(node)
        _check_integer_arithmetic(op, args, results, line)
        return self._add(Node(op, args, kwargs, results, node.several, line, inserted))

    def _add(self, node: Node) -> int:
        place = len(self._nodes)
        self._nodes.append(node)
        for output in range(len(node.results)):
            ref = Ref(place, output if node.several else None)
            self._intervals[ref] = interval_of(node, output, self._intervals.get, self._type)
        return place

    def _type(self, ref: Ref) -> TensorType:
        return self._nodes[ref.node].results[ref.output or 0]

    def _placed(self, item: Argument, line: int) -> Argument:
        """References to rows of the text become references to nodes; only what stands before may be read."""
        if isinstance(item, Ref):
            if item.node >= len(self._places):
                raise refuse("malformed", "The trace reads a result before it is there.", line)
            node = self._nodes[self._places[item.node]]
            if node.several != (item.output is not None) or (item.output or 0) >= len(node.results):
                raise refuse("malformed", "The trace reads a result that does not exist.", line)
            return Ref(self._places[item.node], item.output)
        if isinstance(item, tuple) and not isinstance(item, DTypeName):
            return tuple(self._placed(part, line) for part in item)
        return item

    def _clamped(self, op: str, args: tuple[Argument, ...], line: int) -> tuple[Argument, ...]:
        """The arguments with every index proven in range, or clamped."""
        safe = {index.ref: self._in_range(index, line) for index in indices_of(op, args, self._type)}
        if not safe:
            return args
        tensor, *rest = args
        renamed = Node(op, tuple(rest)).renamed(lambda ref: safe.get(ref, ref))
        return (tensor, *renamed.args)

    def _in_range(self, index: Index, line: int) -> Ref:
        if self._type(index.ref).dtype == "bool":
            raise refuse("boolean-index", "A tensor is indexed with a mask.", line)
        if self._type(index.ref).dtype != "int64" or index.size == 0:
            raise refuse("index", "An index is not an integer tensor, or the axis it picks from is empty.", line)
        interval = self._intervals.get(index.ref)
        if interval is not None and index.low <= interval[0] and interval[1] < index.size:
            return index.ref
        return Ref(self._call("aten.clamp.default", (index.ref, index.low, index.size - 1), (), line, inserted=True))

    def _one_hot(self, args: tuple[Argument, ...], line: int) -> int:
        """`x.unsqueeze(-1) == arange(n)`: the same for every class in range, and unlike one_hot it reads no data to check that."""
        classes = args[1] if len(args) == 2 else -1
        if type(classes) is not int or classes < 1:
            raise refuse("one-hot", "one_hot is called without its number of classes.", line)
        if not isinstance(args[0], Ref) or self._type(args[0]).dtype != "int64":
            raise refuse("index", "one_hot is called on something else than integers.", line)
        wide = self._call("aten.unsqueeze.default", (args[0], -1), (), line)
        points = self._call("aten.arange.default", (classes,), (), line)
        hot = self._call("aten.eq.Tensor", (Ref(wide), Ref(points)), (), line)
        return self._call("aten.to.dtype", (Ref(hot), DTypeName("int64")), (), line)

    def _output(self, name: str, value: Any) -> Ref:
        ref = self._placed(decode(value, 1, 0), 0)
        if not isinstance(ref, Ref):
            raise refuse("malformed", "An output is no reference.")
        found, line = self._type(ref), self._nodes[ref.node].line
        if name != "loss":
            wanted = self._by_name[name].shape
            if found != TensorType(wanted, "float32"):
                raise refuse("state-shape", f"{name} is {found}, but must stay float32{list(wanted)}.", line)
            return ref
        rows = self._by_name["rewards"].shape if "rewards" in self._by_name else found.shape
        if found.dtype != "float32" or found.shape not in (rows, ()):
            raise refuse("loss-shape", f"The loss is {found}, but must be float32{list(rows)} or a scalar.", line)
        return ref


def _refs(value: Argument) -> list[Argument]:
    """What in a literal tensor is no number."""
    if isinstance(value, tuple) and not isinstance(value, (Ref, DTypeName)):
        return [found for item in value for found in _refs(item)]
    return [] if isinstance(value, (bool, int, float)) else [value]


def _check_integer_arithmetic(op: str, args: tuple[Argument, ...], results: tuple[TensorType, ...], line: int) -> None:
    """The smallest integer divided by -1 kills the process, so integers are divided by positive literals only."""
    if results[0].dtype == "float32":
        return
    second = args[1] if len(args) > 1 else None
    if op.split(".")[1] in _INTEGER_DIVISIONS and not (type(second) is int and second > 0):
        raise refuse("integer-division", "Integers are divided by something else than a positive literal number.", line)
    if op.split(".")[1] == "pow" and not (type(second) is int and second >= 0):
        raise refuse("integer-division", "An integer is raised to something else than a literal power.", line)
