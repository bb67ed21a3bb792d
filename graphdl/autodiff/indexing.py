"""Derivatives of gather and scatter: each is the other's."""

from __future__ import annotations

from collections.abc import Sequence

from graphdl.autodiff.reduction import spread
from graphdl.autodiff.rules import (
    Contribution,
    batch_rule,
    batched,
    jvp_rule,
    to_front,
    vjp_rule,
    zeros_like,
)
from graphdl.graph.nodes import Node, Tensor, build_node
from graphdl.ops import indexing as ops
from graphdl.ops.arguments import broadcast, cast, size_tensor
from graphdl.ops.creation import iota
from graphdl.ops.elementwise import add, equal, maximum, minimum, multiply, select
from graphdl.ops.movement import reshape, transpose
from graphdl.typesystem.dtype import int64
from graphdl.typesystem.expression import Size

Cotangents = tuple[Tensor, ...]
Tangents = tuple[Tensor | None, ...]
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


# Forward and batched ------------------------------------------------------------------------------


@jvp_rule(ops.gather, ops.gather_elements)
def gather_jvp(node: Node, tangents: Tangents) -> Sequence[Tensor | None]:
    """t at the places that are read."""
    t, indices = tangents[0], node.operands[1]
    return (None if t is None else node.op(t, indices, **node.attributes),)


@jvp_rule(ops.scatter_add, ops.scatter_add_elements)
def scatter_jvp(node: Node, tangents: Tangents) -> Sequence[Tensor | None]:
    """The tangent of the updates added to that of the operand."""
    (into, _, added), (x, indices, _) = tangents, node.operands
    if added is None:
        return (into,)
    into = zeros_like(x) if into is None else into
    return (node.op(into, indices, added, **node.attributes),)


@batch_rule(ops.gather_elements, ops.scatter_add_elements)
def elements_batch(
    node: Node, operands: Cotangents, has_batch: tuple[bool, ...], size: Size
) -> Sequence[Tensor]:
    """Along the axis behind the batch."""
    given = (batched(x, has, size) for x, has in zip(operands, has_batch, strict=True))
    return (node.op(*given, axis=node.attributes["axis"] + 1),)


@batch_rule(ops.gather)
def gather_batch(
    node: Node, operands: Cotangents, has_batch: tuple[bool, ...], size: Size
) -> Sequence[Tensor]:
    """With indices for each example: from the rows of all examples, joined."""
    (x, indices), axis = operands, node.attributes["axis"]
    if not has_batch[1]:
        return (ops.gather(x, indices, axis=axis + 1),)
    if not has_batch[0]:
        return (to_front(ops.gather(x, indices, axis=axis), axis),)
    rows = _joined_rows(x, axis)
    found = ops.gather(rows, _places(indices, x.shape[axis + 1], size), axis=0)
    return (_move(found, tuple(range(1, indices.ndim)), axis + 1),)


@batch_rule(ops.scatter_add)
def scatter_add_batch(
    node: Node, operands: Cotangents, has_batch: tuple[bool, ...], size: Size
) -> Sequence[Tensor]:
    """With indices for each example: into the rows of all examples, joined."""
    axis = node.attributes["axis"]
    x, updates = (batched(operands[i], has_batch[i], size) for i in (0, 2))
    indices = operands[1]
    if not has_batch[1]:
        return (ops.scatter_add(x, indices, updates, axis=axis + 1),)
    source = _move(updates, tuple(range(axis + 1, axis + indices.ndim)), 1)
    places = _places(indices, x.shape[axis + 1], size)
    added = ops.scatter_add(_joined_rows(x, axis), places, source, axis=0)
    apart = reshape(added, shape=(size, x.shape[axis + 1], *added.shape[1:]))
    return (_move(apart, (1,), axis + 1),)


def _joined_rows(x: Tensor, axis: int) -> Tensor:
    """(batch, ..., n at `axis` behind it, ...) as (batch * n, ...)."""
    moved = _move(x, (axis + 1,), 1)
    result: Tensor = reshape(moved, shape=(moved.shape[0] * moved.shape[1], *moved.shape[2:]))
    return result


def _places(indices: Tensor, count: Size, size: Size) -> Tensor:
    """Where the indices of each example are in the joined rows; int64."""
    clamped = _clamp(cast(indices, int64), count)
    counting = {"shape": indices.shape, "axis": 0, "dtype": int64}
    examples = build_node(iota, (), counting).results[0]
    start = multiply(examples, broadcast(size_tensor(count), indices.shape))
    result: Tensor = add(clamped, start)
    return result


def _move(x: Tensor, axes: tuple[int, ...], place: int) -> Tensor:
    """`x` with consecutive `axes` moved so that they begin at `place`."""
    order = [axis for axis in range(x.ndim) if axis not in axes]
    order[place:place] = axes
    if order == list(range(x.ndim)):
        return x
    result: Tensor = transpose(x, permutation=tuple(order))
    return result
