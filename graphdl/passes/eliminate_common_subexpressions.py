"""Compute equal things once.

Why: nodes are never shared when they are built; gradients repeat the forward computation.
Requires: nothing. Ensures: no two nodes without effects have the same op, attributes and operands.
What comes out of an `optimization_barrier` is not what went in, so a computation that `remat`
repeats stays apart. Placeholders, parameters and nodes with state writes are never merged; effects
only with copies of themselves.

    %1: float32[4] = exp(x)                    %1: float32[4] = exp(x)
    %2: float32[4] = exp(x)               ->   %3: float32[4] = add(%1, %1)
    %3: float32[4] = add(%1, %2)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphdl.graph.nodes import Graph, Node, Tensor, rebuild
from graphdl.graph.rebuild import transform, with_regions, with_roots
from graphdl.ops.leaves import parameter, placeholder
from graphdl.rewrite.driver import count_hits


def eliminate_common_subexpressions(graph: Graph) -> Graph:
    """`graph` with equal nodes merged into the first of them, inside regions too."""
    seen: dict[Any, Node] = {}

    def visit(node: Node, operands: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
        if node.writes or node.op is placeholder or node.op is parameter:
            return None
        current = node
        regions = with_regions(node, eliminate_common_subexpressions)
        if operands is not node.operands or regions is not node.regions:
            current = rebuild(node, operands, regions=regions)
        first = seen.setdefault(_identity(current), current)
        if first is node:
            return None
        if first is not current:
            count_hits("eliminate_common_subexpressions")
        return first.results

    cut = {tensor.key for tensor in graph.inputs}
    return with_roots(graph, transform(graph.roots, visit, cut))


def _identity(node: Node) -> Any:
    """A key that is equal for nodes that compute the same."""
    keys = [(id(operand.node), operand.index) for operand in node.operands]
    if node.op.commutative:
        keys.sort()
    regions = tuple(map(_structure, node.regions)) if node.regions else ()
    built = node.serial if node.op.has_effect else None
    return (node.op, node.attributes, tuple(keys), regions, built)


def _structure(graph: Graph) -> Any:
    """A region without names and lines: equal for regions that compute the same."""
    numbers = {tensor.key: number for number, tensor in enumerate(graph.inputs)}
    rows = []
    for node in graph.nodes():
        operands = tuple(numbers[operand.key] for operand in node.operands)
        rows.append((node.op, node.attributes, operands, tuple(map(_structure, node.regions))))
        for result in node.results:
            numbers.setdefault(result.key, len(numbers))
    types = tuple(tensor.type for tensor in graph.inputs)
    return (types, tuple(rows), tuple(numbers[tensor.key] for tensor in graph.outputs))
