"""Contractions: one sweep over the contracted axes, then the epilogue on the finished element."""

from __future__ import annotations

from graphdl.graph.nodes import Node, Tensor
from graphdl.kernel.nodes import Accumulator, Axis, Binary, Order, Statement, Sweep, Variable
from graphdl.lowering.elementwise import narrow, widen
from graphdl.lowering.emitter import Emitter, Index
from graphdl.lowering.loops import parallel_nest, store_outputs
from graphdl.ops.contraction import free_axes
from graphdl.typesystem.expression import Size, Symbol


def lower_contraction(emitter: Emitter) -> tuple[Statement, ...]:
    """PARALLEL batch, lhs free and rhs free; Sweep; epilogue."""
    (node,) = emitter.group.anchors
    domain = emitter.group.domain
    emitter.bind_symbols([part for part in domain.index if isinstance(part, Symbol)])
    axes = _contracted_axes(node)
    lhs, rhs = _operand_indices(node, domain.index)
    with emitter.inner_scope([axis.symbol for axis in axes]) as inside:
        left = widen(emitter.value(node.operands[0], lhs))
        right = widen(emitter.value(node.operands[1], rhs))
        product = Binary("multiply", left, right)
    name = emitter.name("s")
    accumulator = Accumulator((name,), "add", (product,), Order.ASCENDING)
    emitter.scope.statements.append(Sweep(axes, tuple(inside.statements), (accumulator,)))
    result = narrow(Variable(name, product.dtype), node.result_types[0].dtype)
    emitter.know(Tensor(node), domain.index, emitter.let(result))
    store_outputs(emitter, emitter.group.outputs)
    return parallel_nest(emitter, range(len(domain.shape)))


def _contracted_axes(node: Node) -> tuple[Axis, ...]:
    """Axes of size 1 need no loop, but one axis must stay."""
    sizes = [node.operands[0].shape[axis] for axis in node.attributes["lhs_contract"]]
    axes = [Axis(Symbol(f"k{number}"), size) for number, size in enumerate(sizes)]
    return tuple(axis for axis in axes if axis.extent != 1) or (Axis(Symbol("k0"), 1),)


def _operand_indices(node: Node, index: Index) -> tuple[Index, Index]:
    """The indices of both operands at one point of the result and of the sweep."""
    attributes = node.attributes
    lhs, rhs = node.operands
    lhs_free = free_axes(lhs.ndim, attributes["lhs_contract"], attributes["lhs_batch"])
    rhs_free = free_axes(rhs.ndim, attributes["rhs_contract"], attributes["rhs_batch"])
    batch = len(attributes["lhs_batch"])
    parts = (index[:batch], index[batch : batch + len(lhs_free)], index[batch + len(lhs_free) :])
    left: list[Size] = [0] * lhs.ndim
    right: list[Size] = [0] * rhs.ndim
    for axes, values, target in (
        (attributes["lhs_batch"], parts[0], left),
        (attributes["rhs_batch"], parts[0], right),
        (lhs_free, parts[1], left),
        (rhs_free, parts[2], right),
    ):
        for axis, value in zip(axes, values, strict=True):
            target[axis] = value
    pairs = zip(attributes["lhs_contract"], attributes["rhs_contract"], strict=True)
    for number, (left_axis, right_axis) in enumerate(pairs):
        if lhs.shape[left_axis] != 1:
            left[left_axis] = right[right_axis] = Symbol(f"k{number}")
    return tuple(left), tuple(right)
