"""Values that cross from one group to another: stored, or stored earlier and computed again."""

from __future__ import annotations

from graphdl.graph.nodes import Node, Tensor
from graphdl.ops.movement import reshape
from graphdl.schedule.costs import CHEAP, is_pointwise, node_cost
from graphdl.schedule.fusion_state import FusionState


def pull(state: FusionState, number: int) -> None:
    """A group or a free node needs a value made elsewhere: store it, or store less and compute
    the rest again."""
    if state.home[number] < 0 or state.stored[number]:
        return
    cut = _cut_below(state, number)
    if cut is None:
        store(state, number)
        return
    for below in cut:
        store(state, below)


def _cut_below(state: FusionState, number: int) -> set[int] | None:
    """Values to store instead of this one, from which it is cheap to compute; None for none.

    They are stored anyway, read by several, or smaller than what they give.
    """
    if state.marks.wanted[number] or not state.nodes[number].result_types[0].rank:
        return None
    cut: set[int] = set()
    wide: set[int] = set()
    cost = 0
    stack = [number]
    while stack:
        current = stack.pop()
        node = state.nodes[current]
        if not is_pointwise(node):
            return None
        cost += node_cost(node)
        if cost > CHEAP:
            return None
        for operand in node.operands:
            below = state.marks.at(operand)
            if _must_go_deeper(state, below, number):
                stack.append(below)
                continue
            if below >= 0 and state.home[below] >= 0 and not state.stored[below]:
                if not _is_worth_storing(state, below, number):
                    return None
                cut.add(below)
            if _width(operand) >= _width_of(state.nodes[number]):
                wide.add(id(operand.node))
    return cut if len(wide) <= 2 else None


def _must_go_deeper(state: FusionState, below: int, top: int) -> bool:
    """Whether an operand is itself computed again: free, or pending and not worth storing."""
    if below < 0 or state.source[below] or state.stored[below]:
        return False
    if state.home[below] < 0:
        return True
    if state.marks.wanted[below] or not is_pointwise(state.nodes[below]):
        return False
    return not _is_worth_storing(state, below, top)


def _is_worth_storing(state: FusionState, below: int, top: int) -> bool:
    """Whether a value is stored anyway, read by several, or smaller than what it gives."""
    is_narrow = _width_of(state.nodes[below]) < _width_of(state.nodes[top])
    is_read_outside = state.marks.uses[below] > state.uses_inside[below]
    return is_narrow or state.marks.wanted[below] or is_read_outside


def store(state: FusionState, number: int) -> None:
    """Give a member memory; a reshape inside a group is a view of its operand."""
    node = state.nodes[number]
    while node.op is reshape:
        below = state.marks.at(node.operands[0])
        if below < 0 or state.home[below] != state.home[number]:
            break
        number, node = below, state.nodes[below]
    state.stored[number] = True


def _width(tensor: Tensor) -> int:
    return sum(size != 1 for size in tensor.shape)


def _width_of(node: Node) -> int:
    return sum(size != 1 for size in node.result_types[0].shape)
