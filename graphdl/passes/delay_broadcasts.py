"""Compute before repeating, not after.

Why: users and gradients broadcast first (`x / n` for a 0-d `n` divides every element by the same
number, a cotangent is negated after it was spread), and an elementwise op on repeated values
repeats the work.
Requires: nothing. Ensures: no elementwise op whose operands are all the same broadcast of smaller
tensors, constants apart. The same bits.

    %1: float32[n, 4] = broadcast_in_dim(x, shape=(n, 4), broadcast_dimensions=(0,))
    %2: float32[n, 4] = exp(%1)
      ->
    %1: float32[n] = exp(x)
    %2: float32[n, 4] = broadcast_in_dim(%1, shape=(n, 4), broadcast_dimensions=(0,))
"""

from __future__ import annotations

from collections.abc import Sequence

from graphdl.graph.nodes import Graph, Node, Tensor, build_node, replacing
from graphdl.graph.op import OpKind
from graphdl.graph.rebuild import transform_graph
from graphdl.ops.arguments import filled
from graphdl.ops.movement import broadcast_in_dim
from graphdl.rewrite.driver import count_hits
from graphdl.rewrite.pattern import uniform_value

Given = frozenset[tuple[int, int]]


def delay_broadcasts(graph: Graph) -> Graph:
    """`graph` with broadcasts moved behind the elementwise ops that read them."""
    given = frozenset(tensor.key for tensor in graph.inputs)

    def visit(node: Node, operands: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
        if node.op.kind is not OpKind.ELEMENTWISE or node.writes:
            return None
        model = _common_broadcast(operands, given)
        if model is None:
            return None
        count_hits("delay_broadcasts")
        with replacing(node):
            return _delayed(node, operands, model, given)

    return transform_graph(graph, visit)


def _common_broadcast(operands: tuple[Tensor, ...], given: Given) -> Node | None:
    """The broadcast that all operands, constants apart, are instances of."""
    model: Node | None = None
    for operand in operands:
        node = operand.node
        if node.op is not broadcast_in_dim or operand.key in given:
            return None
        if uniform_value(operand, given) is not None:
            continue
        if model is not None and not _is_same_broadcast(node, model):
            return None
        model = node
    is_smaller = model is not None and model.operands[0].type.element_count != (
        model.result_types[0].element_count
    )
    return model if is_smaller else None


def _is_same_broadcast(left: Node, right: Node) -> bool:
    is_same_shape = left.operands[0].shape == right.operands[0].shape
    return is_same_shape and left.attributes == right.attributes


def _delayed(
    node: Node, operands: tuple[Tensor, ...], model: Node, given: Given
) -> Sequence[Tensor]:
    shape = model.operands[0].shape
    inner = [
        operand.node.operands[0]
        if (value := uniform_value(operand, given)) is None
        else filled(value, operand.dtype, shape)
        for operand in operands
    ]
    small = build_node(node.op, inner, node.attributes).results
    return build_node(broadcast_in_dim, small, model.attributes, name=node.name).results
