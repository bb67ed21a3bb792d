"""Derivatives of gather and scatter: each is the other's."""

from __future__ import annotations

from collections.abc import Sequence

from graphdl.autodiff.reduction import spread
from graphdl.autodiff.rules import Contribution, vjp_rule, zeros_like
from graphdl.graph.nodes import Node, Tensor, build_node
from graphdl.ops import indexing as ops
from graphdl.ops.arguments import broadcast, size_tensor
from graphdl.ops.creation import iota
from graphdl.ops.elementwise import equal, maximum, minimum, select
from graphdl.ops.movement import reshape
from graphdl.typesystem.expression import Size

Cotangents = tuple[Tensor, ...]
Contributions = Sequence[Contribution]


@vjp_rule(ops.gather)
def gather_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """g added to zeros at the places that were read."""
    (g,), (x, indices), axis = cotangents, node.operands, node.attributes["axis"]
    return ops.scatter_add(zeros_like(x), indices, g, axis=axis), None


@vjp_rule(ops.gather_elements)
def gather_elements_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """g added to zeros at the places that were read.

    One element per row (a label's logit) needs no scatter: `where(position == index, g, 0)` fuses
    with what surrounds it.
    """
    (g,), (x, indices), axis = cotangents, node.operands, node.attributes["axis"]
    if indices.shape[axis] != 1:
        return ops.scatter_add_elements(zeros_like(x), indices, g, axis=axis), None
    positions = build_node(
        iota, (), {"shape": x.shape, "axis": axis, "dtype": indices.dtype}
    ).results[0]
    is_read = equal(positions, _spread_one(_clamp(indices, x.shape[axis]), x, axis))
    return select(is_read, _spread_one(g, x, axis), zeros_like(x)), None


def _spread_one(tensor: Tensor, like: Tensor, axis: int) -> Tensor:
    """`tensor`, of size 1 along `axis`, repeated to the shape of `like`."""
    dropped = tensor.shape[:axis] + tensor.shape[axis + 1 :]
    return spread(reshape(tensor, shape=dropped), like, (axis,))


def _clamp(indices: Tensor, count: Size) -> Tensor:
    """The index that a gather really reads."""
    lowest = broadcast(size_tensor(0, indices.dtype), indices.shape)
    highest = broadcast(size_tensor(count - 1, indices.dtype), indices.shape)
    result: Tensor = minimum(maximum(indices, lowest), highest)
    return result


@vjp_rule(ops.scatter_add)
def scatter_add_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """g, and g at the places that were added to."""
    (g,), indices, axis = cotangents, node.operands[1], node.attributes["axis"]
    return g, None, ops.gather(g, indices, axis=axis)


@vjp_rule(ops.scatter_add_elements)
def scatter_add_elements_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """g, and g at the places that were added to."""
    (g,), indices, axis = cotangents, node.operands[1], node.attributes["axis"]
    return g, None, ops.gather_elements(g, indices, axis=axis)
