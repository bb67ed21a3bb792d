"""Which element of each operand an element of a result needs: index propagation in one node."""

from __future__ import annotations

from collections.abc import Collection

from graphdl.graph.nodes import Node, Tensor
from graphdl.graph.op import OpKind
from graphdl.ops.control_flow import WITH_BODIES
from graphdl.ops.indexing import gather
from graphdl.ops.movement import broadcast_in_dim, reshape
from graphdl.typesystem.expression import Size, Symbol
from graphdl.typesystem.index_map import IndexMap

Index = tuple[Size, ...]


def movement_map(node: Node, position: int) -> IndexMap:
    """The index map of a movement's operand."""
    rule = node.op.index_map
    assert rule is not None, f"{node.op.name} has no index map"
    return rule(tuple(operand.type for operand in node.operands), node.attributes, position)


def operand_accesses(node: Node, index: Index) -> list[tuple[Tensor, Index]]:
    """(operand, its index) for each operand of a pointwise node.

    An index that is read from memory (gather) stands as a symbol of its own.
    """
    match node.op.kind:
        case OpKind.ELEMENTWISE:
            return [(operand, index) for operand in node.operands]
        case OpKind.MOVEMENT:
            return [
                (operand, _moved(node, position, index))
                for position, operand in enumerate(node.operands)
            ]
        case OpKind.GATHER:
            return _gathered(node, index)
    return []


def _moved(node: Node, position: int, index: Index) -> Index:
    if node.operands[position].ndim == 0:
        return ()
    if node.op is broadcast_in_dim:
        return broadcast_index(node, index)
    return movement_map(node, position).apply(index)[0]


def broadcast_index(node: Node, index: Index) -> Index:
    """The operand index of a broadcast_in_dim, without building a map."""
    sizes = node.operands[0].shape
    axes: tuple[int, ...] = node.attributes["broadcast_dimensions"]
    return tuple(0 if size == 1 else index[axis] for size, axis in zip(sizes, axes, strict=True))


def _gathered(node: Node, index: Index) -> list[tuple[Tensor, Index]]:
    operand, indices = node.operands
    axis: int = node.attributes["axis"]
    found = Symbol(f"gather{id(node)}")
    if node.op is gather:
        end = axis + indices.ndim
        return [(operand, (*index[:axis], found, *index[end:])), (indices, index[axis:end])]
    return [(operand, (*index[:axis], found, *index[axis + 1 :])), (indices, index)]


def stored_base(tensor: Tensor, cut: Collection[tuple[int, int]]) -> Tensor:
    """The tensor whose memory holds `tensor`: reshapes, effects and barriers are only views."""
    while tensor.key not in cut:
        node = tensor.node
        if node.op is reshape or node.op.kind is OpKind.EFFECT:
            tensor = node.operands[0]
        elif node.op.kind is OpKind.REGION and node.op not in WITH_BODIES:
            tensor = node.operands[tensor.index]
        else:
            break
    return tensor
