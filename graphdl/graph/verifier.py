"""Checks that a graph is well formed; a failure is a bug in whatever built it.

V1 operands come before their users (no cycles). V2 result types follow the op's type rule.
V3 attributes can be hashed. V4 parameters belong to the region they stand in, and its inputs are
parameters. V5 a region uses nothing from outside. V6 an update has its variable's type, and each
variable one update. V7 guards are those of the op.
"""

from __future__ import annotations

from typing import Never

from graphdl.errors import GraphdlError, InternalError
from graphdl.graph.nodes import Graph, Node, topological_order
from graphdl.graph.printer import lines

_CONTEXT = 5
_MAXIMUM_WIDTH = 160
_OUTSIDE_LEAVES = ("placeholder", "variable")


def verify(graph: Graph) -> None:
    """Raise InternalError, with the node and the lines around it, unless `graph` is well formed."""
    _Verifier(graph).check(is_region=False)


class _Verifier:
    """Checks one graph; regions get their own."""

    def __init__(self, graph: Graph, outer: Graph | None = None) -> None:
        self.graph = graph
        self.outer = outer or graph
        self.inputs = {tensor.key for tensor in graph.inputs}

    def fail(self, code: str, why: str, node: Node) -> Never:
        where = f" at {node.location}" if node.location is not None else ""
        excerpt = _excerpt(self.outer, node)
        raise InternalError(f"verifier ({code}): {node.op.name}{where}: {why}\n{excerpt}")

    def check(self, is_region: bool) -> None:
        order = topological_order(self.graph.roots, self.inputs)
        position = {id(node): number for number, node in enumerate(order)}
        for number, node in enumerate(order):
            self.check_order(node, number, position)
            self.check_types(node)
            self.check_attributes(node)
            self.check_leaf(node, is_region)
            for region in node.regions:
                _Verifier(region, self.outer).check(is_region=True)
        if is_region:
            self.check_region_inputs()
        self.check_updates()

    def check_order(self, node: Node, number: int, position: dict[int, int]) -> None:
        for operand in node.operands:
            if not 0 <= operand.index < len(operand.node.result_types):
                self.fail("V1", f"{operand.node.op.name} has no result {operand.index}", node)
            if operand.key not in self.inputs and position[id(operand.node)] >= number:
                self.fail("V1", f"uses {operand.node.op.name}, which depends on it", node)

    def check_types(self, node: Node) -> None:
        types = tuple(operand.type for operand in node.operands)
        extra = {"regions": node.regions} if node.regions else {}
        try:
            wanted = node.op.infer(*types, **node.attributes, **extra)
            guards = node.op.guards(*types, **node.attributes) if node.op.guards else ()
        except (GraphdlError, TypeError, ValueError, KeyError, IndexError) as error:
            message = getattr(error, "message", str(error))
            self.fail("V2", f"the type rule refuses its operands: {message}", node)
        if wanted != node.result_types:
            given, right = (", ".join(map(str, some)) for some in (node.result_types, wanted))
            self.fail("V2", f"its type is {given}, the type rule gives {right}", node)
        if guards != node.guards:
            self.fail("V7", "its guards are not those of the op", node)

    def check_attributes(self, node: Node) -> None:
        try:
            hash(node.attributes)
        except TypeError as error:
            self.fail("V3", f"attributes cannot be hashed: {error}", node)

    def check_leaf(self, node: Node, is_region: bool) -> None:
        if node.op.name == "parameter":
            self.fail("V4", "not among the inputs of the graph it stands in", node)
        if is_region and node.op.name in _OUTSIDE_LEAVES:
            self.fail("V5", "used in a region without being passed in", node)

    def check_region_inputs(self) -> None:
        for position, tensor in enumerate(self.graph.inputs):
            node = tensor.node
            if node.op.name != "parameter" or node.attributes["position"] != position:
                self.fail("V4", f"input {position} of a region is not parameter {position}", node)

    def check_updates(self) -> None:
        seen: set[object] = set()
        for update in self.graph.updates:
            node = update.variable.node
            if node.op.name != "variable":
                self.fail("V6", "updated, but no variable", node)
            if update.variable.type != update.value.type:
                self.fail("V6", f"{node.result_types[0]} gets {update.value.type}", node)
            storage = id(node.attributes["storage"])
            if storage in seen:
                self.fail("V6", "updated twice", node)
            seen.add(storage)


def _excerpt(graph: Graph, node: Node) -> str:
    """The line of `node` and those around it, an arrow before it."""
    try:
        rows = lines(graph)
    except (RecursionError, KeyError, AttributeError):
        return repr(node)
    at = next((number for number, (_, owner) in enumerate(rows) if owner is node), 0)
    first = max(at - _CONTEXT, 0)
    return "\n".join(
        ("> " if number == at else "  ") + row[:_MAXIMUM_WIDTH]
        for number, (row, _) in enumerate(rows[first : at + _CONTEXT], first)
    )
