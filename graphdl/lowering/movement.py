"""Movements as index arithmetic: nothing moves, the index does."""

from __future__ import annotations

from graphdl.graph.nodes import Node
from graphdl.kernel.nodes import Condition, Select, Value
from graphdl.lowering.emitter import Emitter, Index, Mask
from graphdl.ops.movement import broadcast_in_dim, concatenate, pad
from graphdl.schedule.accesses import broadcast_index, movement_map
from graphdl.typesystem.expression import Comparison


def lower_movement(emitter: Emitter, node: Node, index: Index, mask: Mask) -> Value:
    """The operand at the mapped index; for pad and concatenate, whichever operand is there."""
    if node.op is broadcast_in_dim:
        return emitter.value(node.operands[0], broadcast_index(node, index), mask)
    if node.op is pad:
        return _pad(emitter, node, index, mask)
    if node.op is concatenate:
        return _concatenate(emitter, node, index, mask)
    place, conditions = movement_map(node, 0).apply(index)
    assert not conditions, f"{node.op.name} has conditions"
    return emitter.value(node.operands[0], place, mask)


def _pad(emitter: Emitter, node: Node, index: Index, mask: Mask) -> Value:
    place, conditions = movement_map(node, 0).apply(index)
    padding = emitter.value(node.operands[1], (), mask)
    return _where(emitter, node, conditions, place, 0, mask, padding)


def _concatenate(emitter: Emitter, node: Node, index: Index, mask: Mask) -> Value:
    """From the last operand to the first; the mask of each holds both of its ends."""
    result: Value | None = None
    for position in reversed(range(len(node.operands))):
        place, conditions = movement_map(node, position).apply(index)
        if result is None and not _is_impossible(conditions):
            result = emitter.value(node.operands[position], place, _joined(mask, conditions))
        elif result is not None:
            result = _where(emitter, node, conditions, place, position, mask, result)
    assert result is not None, "concatenate of nothing"
    return result


def _where(
    emitter: Emitter,
    node: Node,
    conditions: Mask,
    place: Index,
    position: int,
    mask: Mask,
    otherwise: Value,
) -> Value:
    """The operand where the conditions hold, else `otherwise`; decided here where possible."""
    if _is_impossible(conditions):
        return otherwise
    left = tuple(each for each in conditions if _decide(each) is None)
    value = emitter.value(node.operands[position], place, _joined(mask, left))
    return Select(Condition(left), value, otherwise) if left else value


def _joined(mask: Mask, conditions: Mask) -> Mask:
    added = (each for each in conditions if each not in mask and _decide(each) is None)
    return (*mask, *added)


def _is_impossible(conditions: Mask) -> bool:
    return any(_decide(each) is False for each in conditions)


def _decide(condition: Comparison) -> bool | None:
    """Whether a comparison of plain numbers holds; None when it depends on an index."""
    distance = condition.right - condition.left
    if not isinstance(distance, int):
        return None
    return Comparison(0, condition.relation, distance).holds({})
