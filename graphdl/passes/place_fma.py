"""Turn a product that feeds one sum into a fused multiply-add.

Why: one instruction and one rounding in place of two. Code generators are not allowed to do it on
their own, so that every target rounds alike; the interpreter computes `fma` exactly as well.
Requires: "fast" numerics; equal expressions merged, or a product would look used once when it is
not. Ensures: no product of float32 or float64 with a single use feeds an `add` or `subtract`.

    %0: float32[n] = multiply(a, b)          ->      %1: float32[n] = fma(a, b, c)
    %1: float32[n] = add(%0, c)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from graphdl.graph.nodes import Graph, Node, Tensor, rebuild, replacing
from graphdl.graph.rebuild import transform, with_regions, with_roots
from graphdl.ops.arguments import filled
from graphdl.ops.elementwise import add, fma, multiply, negative, subtract
from graphdl.rewrite.driver import count_hits
from graphdl.rewrite.pattern import uniform_value
from graphdl.typesystem.dtype import float32, float64

Key = tuple[int, int]


def place_fma(graph: Graph) -> Graph:
    """`graph` with multiply-adds fused, inside regions too."""
    cut = {tensor.key for tensor in graph.inputs}
    uses = _count_uses(graph)

    def visit(node: Node, operands: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
        if node.regions:
            regions = with_regions(node, place_fma)
            is_same = regions is node.regions
            return None if is_same else rebuild(node, operands, regions=regions).results
        position = _product_position(node, uses, cut)
        if position is None:
            return None
        count_hits("place_fma")
        with replacing(node):
            fused = _fused(node, operands, position, cut)
        return (replace(fused, name=node.name).results[0],) if node.name else fused.results

    return with_roots(graph, transform(graph.roots, visit, cut))


def _count_uses(graph: Graph) -> Counter[Key]:
    uses = Counter((id(t.node), t.index) for node in graph.nodes() for t in node.operands)
    uses.update(root.key for root in graph.roots)
    return uses


def _product_position(node: Node, uses: Counter[Key], cut: set[Key]) -> int | None:
    """Which operand of a sum is a product that nothing else uses."""
    if node.op is not add and node.op is not subtract:
        return None
    if node.result_types[0].dtype not in (float32, float64) or node.writes:
        return None
    for position, operand in enumerate(node.operands):
        is_product = operand.node.op is multiply and operand.key not in cut
        if is_product and uses[operand.key] == 1 and not operand.node.writes:
            return position
    return None


def _fused(node: Node, operands: tuple[Tensor, ...], position: int, cut: set[Key]) -> Node:
    x, y = operands[position].node.operands
    other = operands[1 - position]
    if node.op is subtract and position == 0:
        other = _negated(other, cut)
    elif node.op is subtract and uniform_value(y, cut) is not None:
        y = _negated(y, cut)
    elif node.op is subtract:
        x = _negated(x, cut)
    result: Tensor = fma(x, y, other)
    return result.node


def _negated(tensor: Tensor, cut: set[Key]) -> Tensor:
    value = uniform_value(tensor, cut)
    if value is not None:
        return filled(-value, tensor.dtype, tensor.shape)
    result: Tensor = negative(tensor)
    return result
