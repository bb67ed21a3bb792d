"""How dear a node is to compute again: rough flops for one element."""

from __future__ import annotations

from graphdl.graph.nodes import Node
from graphdl.graph.op import OpKind
from graphdl.ops.elementwise import divide, floor_divide, remainder, sqrt
from graphdl.ops.random import random_bits

CHEAP = 4
"""Nodes up to this cost are computed again in each kernel that needs them."""

DEAR = 10
"""The cost of a transcendental function."""

_DIVISIONS = frozenset({divide, floor_divide, remainder, sqrt})


def node_cost(node: Node) -> int:
    """Rough flops of one element, its operands given."""
    match node.op.kind:
        case OpKind.ELEMENTWISE:
            if node.op.is_transcendental:
                return DEAR
            return 3 if node.op in _DIVISIONS else 1
        case OpKind.GATHER:
            return 2
        case OpKind.CREATION:
            return 4 * DEAR if node.op is random_bits else 1
        case OpKind.CONTRACTION | OpKind.REDUCTION | OpKind.CUMULATIVE | OpKind.SCATTER:
            return 100 * DEAR
    return 0


def is_pointwise(node: Node) -> bool:
    """Whether any element can be computed by itself from elements of the operands."""
    kind = node.op.kind
    if kind is OpKind.CREATION:
        return node.op is not random_bits
    return kind in (OpKind.ELEMENTWISE, OpKind.MOVEMENT, OpKind.GATHER)
