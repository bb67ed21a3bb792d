"""What fusion knows before it starts: uses, and which tensors memory must hold in any case."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from graphdl.graph.nodes import Graph, Node, Tensor
from graphdl.graph.op import OpKind
from graphdl.ops.movement import broadcast_in_dim, concatenate, pad, transpose
from graphdl.ops.windows import windows
from graphdl.schedule.accesses import Index, operand_accesses, stored_base
from graphdl.schedule.costs import is_pointwise, node_cost
from graphdl.typesystem.expression import Size, Sum, Symbol
from graphdl.typesystem.index_map import axis_symbols

_CHOOSING = frozenset({pad, concatenate})
"""Movements that read one of several operands."""


@dataclass(slots=True)
class Marks:
    """Per node, in topological order.

    `uses` counts consumers (through movements); `costs` what the whole cone above stored values
    costs; `wanted`: stored in any case; `alone`: stored unless a group with folds computes it.
    """

    nodes: list[Node]
    position: dict[int, int]
    cut: dict[tuple[int, int], int]
    inputs: tuple[Tensor, ...]
    uses: list[int]
    costs: list[int]
    wanted: list[bool]
    alone: list[bool]

    def at(self, tensor: Tensor) -> int:
        """The position of a tensor's node; negative numbers count the graph's inputs."""
        given = self.cut.get(tensor.key)
        return given if given is not None else self.position[id(tensor.node)]

    def rank(self, number: int) -> int:
        """The number of axes of what stands at a position."""
        if number < 0:
            return self.inputs[-1 - number].ndim
        return self.nodes[number].result_types[0].rank


def mark(graph: Graph) -> Marks:
    """Count uses and find the tensors that must be stored."""
    nodes = graph.nodes()
    count = len(nodes)
    position = {id(node): number for number, node in enumerate(nodes)}
    cut = {tensor.key: -1 - number for number, tensor in enumerate(graph.inputs)}
    costs, uses = [0] * count, [0] * count
    wanted, alone = [False] * count, [False] * count
    marks = Marks(nodes, position, cut, graph.inputs, uses, costs, wanted, alone)
    for root in graph.roots:
        _want(marks, root)
        if (number := marks.at(root)) >= 0:
            marks.uses[number] += 1
    for node in nodes:
        _count(marks, node)
    for number in range(count - 1, -1, -1):
        _spread_uses(marks, number)
    for node in nodes:
        _want_operands(marks, node)
    return marks


def _want(marks: Marks, tensor: Tensor) -> None:
    number = marks.at(stored_base(tensor, marks.cut))
    if number >= 0:
        marks.wanted[number] = True


def _count(marks: Marks, node: Node) -> None:
    operands = {marks.at(operand) for operand in node.operands}
    total = node_cost(node)
    for number in operands:
        if number < 0:
            continue
        marks.uses[number] += 1
        if is_pointwise(marks.nodes[number]):
            total += marks.costs[number]
    marks.costs[marks.position[id(node)]] = min(total, 1 << 20)


def _spread_uses(marks: Marks, number: int) -> None:
    """A movement with several consumers gives them to its operands."""
    node = marks.nodes[number]
    if node.op.kind is not OpKind.MOVEMENT or marks.uses[number] < 2:
        return
    for operand in node.operands:
        below = marks.at(operand)
        if below >= 0:
            marks.uses[below] = max(marks.uses[below], marks.uses[number])


def _want_operands(marks: Marks, node: Node) -> None:
    match node.op.kind:
        case OpKind.CONTRACTION:
            for operand in node.operands:
                _want_contraction_operand(marks, operand)
            left, right = node.operands
            if left.node.op is windows and right.node.op is transpose:
                _want(marks, right)  # read once per window, in the order of the sum
        case OpKind.SCATTER:
            _want(marks, node.operands[0])
        case OpKind.EFFECT | OpKind.REGION:
            for operand in node.operands:
                _want(marks, operand)
        case OpKind.GATHER:
            _mark_repeated(marks, node.operands[0])
        case OpKind.MOVEMENT if _repeats(node):
            if node.op is windows and stored_base(node.operands[0], marks.cut).node.op is pad:
                _want(marks, node.operands[0])  # else every element is tested once per window
            _mark_repeated(marks, node.operands[0])


def _repeats(node: Node) -> bool:
    """Whether a movement reads some elements several times."""
    if node.op is windows:
        sizes, strides = node.attributes["sizes"], node.attributes["strides"]
        return any(size > stride for size, stride in zip(sizes, strides, strict=True))
    return node.op is broadcast_in_dim


def _mark_repeated(marks: Marks, tensor: Tensor) -> None:
    """Read more often than it has elements: worth storing unless cheap."""
    number = marks.at(tensor)
    while number >= 0 and marks.nodes[number].op.kind is OpKind.MOVEMENT:
        number = marks.at(marks.nodes[number].operands[0])
    if number >= 0 and marks.costs[number] > 2:
        marks.alone[number] = True


def _want_contraction_operand(marks: Marks, operand: Tensor) -> None:
    number = marks.at(contraction_source(operand, marks.cut))
    if number < 0:
        return
    if is_pointwise(marks.nodes[number]) and marks.uses[number] == 1 and marks.costs[number] < 2:
        return
    marks.wanted[number] = True


def contraction_source(tensor: Tensor, cut: Collection[tuple[int, int]]) -> Tensor:
    """The tensor in memory that a contraction reads for this operand.

    Movements are followed as long as the index stays a sum of multiples of the loops' symbols, so
    that the contraction steps through memory evenly. What a last reshape views must be in memory.
    """
    index: Index = axis_symbols(tensor.ndim)
    current = tensor
    while current.key not in cut and current.node.op.kind is OpKind.MOVEMENT:
        node = current.node
        if node.op in _CHOOSING:
            break
        ((below, place),) = operand_accesses(node, index)
        if not all(map(_is_even, place)):
            break
        current, index = below, place
    return stored_base(current, cut)


def _is_even(size: Size) -> bool:
    """Whether a size is a polynomial: no division, remainder or extreme."""
    if isinstance(size, int | Symbol):
        return True
    return isinstance(size, Sum) and all(
        isinstance(atom, Symbol) for _, atoms in size.terms for atom in atoms
    )
