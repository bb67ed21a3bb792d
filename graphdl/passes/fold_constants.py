"""Compute what depends on constants alone.

Why: literals that users and gradients write meet each other; the result is one literal.
Requires: nothing. Ensures: no new constant is larger than `MOST_BYTES`; a broadcast stays a
broadcast, so that a large constant with equal elements stays one number.

    %0: float32[] = constant(value=float32(2.0))
    %1: float32[n] = broadcast_in_dim(%0, shape=(n,), broadcast_dimensions=())
    %2: float32[n] = multiply(%1, %1)
      ->
    %0: float32[] = constant(value=float32(4.0))
    %1: float32[n] = broadcast_in_dim(%0, shape=(n,), broadcast_dimensions=())

The numbers are those of the interpreter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphdl.graph.nodes import Graph, Node, Tensor, replacing
from graphdl.graph.op import OpKind
from graphdl.graph.rebuild import transform_graph
from graphdl.ops.arguments import broadcast, literal
from graphdl.ops.indexing import gather, gather_elements
from graphdl.ops.leaves import constant, size
from graphdl.ops.movement import broadcast_in_dim, concatenate, pad
from graphdl.ops.reduction import reduce_max, reduce_min
from graphdl.rewrite.driver import count_hits
from graphdl.rewrite.pattern import uniform_value
from graphdl.typesystem.expression import Expression

MOST_BYTES = 64 * 1024
"""Bytes of a new constant."""
MOST_OPERAND_BYTES = 4 * 1024 * 1024

Given = frozenset[tuple[int, int]]
"""Keys of graph inputs: a constant that is an input is whatever the caller says."""

_FOLDED = (
    OpKind.ELEMENTWISE,
    OpKind.MOVEMENT,
    OpKind.REDUCTION,
    OpKind.CUMULATIVE,
    OpKind.CONTRACTION,
    OpKind.GATHER,
    OpKind.SCATTER,
)


def fold_constants(graph: Graph) -> Graph:
    """`graph` with nodes of constant operands replaced by constants."""
    given = frozenset(tensor.key for tensor in graph.inputs)

    def visit(node: Node, operands: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
        return _visit(node, operands, given)

    return transform_graph(graph, visit)


def _visit(node: Node, operands: tuple[Tensor, ...], given: Given) -> Sequence[Tensor] | None:
    if node.op is size and isinstance(node.attributes["value"], int):
        return _replaced(node, node.op.reference(**node.attributes))  # type: ignore[misc]
    if node.op.kind not in _FOLDED or not operands or node.writes or node.op is broadcast_in_dim:
        return None
    value = _repeated_value(node, operands, given)
    if value is not None:
        return _replaced(node, value)
    is_known = all(t.node.op is constant and t.key not in given for t in operands)
    return _computed(node, operands) if is_known else None


def _replaced(node: Node, array: Any) -> Sequence[Tensor]:
    """`array` as a constant, repeated when it is 0-d, in the place of `node`."""
    count_hits("fold_constants")
    with replacing(node):
        return (broadcast(literal(np.asarray(array)), node.result_types[0].shape),)


def _repeated_value(node: Node, operands: tuple[Tensor, ...], given: Given) -> Any:
    """The one number that all elements of the result are; None when there is none."""
    if len(node.result_types) > 1 or node.op in (pad, concatenate):
        return None
    if node.op.kind is OpKind.ELEMENTWISE:
        values = [uniform_value(operand, given) for operand in operands]
        if any(value is None for value in values) or node.op.reference is None:
            return None
        return node.op.reference(*(np.asarray(value) for value in values), **node.attributes)
    is_choice = node.op.kind is OpKind.MOVEMENT or node.op in (
        gather,
        gather_elements,
        reduce_max,
        reduce_min,
    )
    return uniform_value(operands[0], given) if is_choice else None


def _computed(node: Node, operands: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
    result_bytes = sum(t.byte_count for t in node.result_types if isinstance(t.byte_count, int))
    if any(isinstance(t.byte_count, Expression) for t in node.result_types):
        return None
    arrays = [operand.node.attributes["value"].array for operand in operands]
    if result_bytes > MOST_BYTES or sum(a.nbytes for a in arrays) > MOST_OPERAND_BYTES:
        return None
    if node.op.reference is None or len(node.result_types) > 1 or node.guards:
        return None
    with np.errstate(all="ignore"):
        return _replaced(node, node.op.reference(*arrays, **node.attributes))
