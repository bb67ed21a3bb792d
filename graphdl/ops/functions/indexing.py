"""Choosing elements: slices and integer tensors.

A negative index counts from the end. An index tensor that reads outside is an error at the call
where it is an input, and is clamped to the nearest element where it is computed.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdl.errors import ArgumentError, DTypeError, ShapeError
from graphdl.graph.nodes import Tensor
from graphdl.ops import elementwise, leaves, movement
from graphdl.ops import indexing as raw
from graphdl.ops.arguments import (
    Operand,
    as_array,
    as_tensor,
    broadcast,
    broadcast_operands,
    cast,
    filled,
    literal,
    operand_lines,
    promote_operands,
    size_tensor,
)
from graphdl.ops.functions.creation import iota
from graphdl.typesystem.dtype import DType, Kind, as_dtype, int32, int64
from graphdl.typesystem.expression import Size
from graphdl.typesystem.shape import as_size, canonical_axis

# Index tensors ------------------------------------------------------------------------------------


def as_indices(value: Operand, size: Size, op: str) -> Tensor:
    """Indices into an axis of `size`: int32 or int64, negative ones counted from the end.

    Raises DTypeError for other than integers and ArgumentError for a constant outside the axis.
    """
    if not isinstance(value, Tensor):
        return _constant_indices(as_array(value, op), size, op)
    if not value.dtype.is_integer:
        raise DTypeError(
            f"{op}: indices must be integers, got {value.dtype}",
            details=operand_lines(indices=value),
        )
    if value.node.op is leaves.constant:
        return _constant_indices(value.node.attributes["value"].array, size, op)
    wide = value if value.dtype in (int32, int64) else cast(value, _index_dtype(value.dtype))
    return _count_from_end(wide, size) if value.dtype.kind is Kind.INT else wide


def _constant_indices(array: NDArray[Any], size: Size, op: str) -> Tensor:
    if array.dtype.kind not in "iu" and array.size:
        raise DTypeError(f"{op}: indices must be integers, got {array.dtype}")
    indices = array.astype(np.int64)
    if not isinstance(size, int):
        has_negative = bool((indices < 0).any())
        return _count_from_end(literal(indices), size) if has_negative else literal(indices)
    outside = indices[(indices < -size) | (indices >= size)]
    if outside.size:
        raise ArgumentError(f"{op}: index {outside.flat[0]} is outside an axis of size {size}")
    return literal(np.where(indices < 0, indices + size, indices))


def _index_dtype(dtype: DType) -> DType:
    return int64 if dtype.bits >= 32 else int32


def _count_from_end(indices: Tensor, size: Size) -> Tensor:
    zero = filled(0, indices.dtype, indices.shape)
    count = broadcast(size_tensor(size, indices.dtype), indices.shape)
    shifted = elementwise.add(indices, count)
    result: Tensor = elementwise.select(elementwise.less(indices, zero), shifted, indices)
    return result


# take and its inverse -----------------------------------------------------------------------------


def take(x: Operand, indices: Operand, *, axis: int | None = None) -> Tensor:
    """Slices of `x` at `indices` along an axis, which may be left out for 1-d.

    The result has the axes of `indices` in place of `axis`.

    >>> gd.take([10, 20, 30], [2, -3]).eval().tolist()
    [30, 10]
    """
    tensor = as_tensor(x, "take")
    if axis is None and tensor.ndim != 1:
        raise ArgumentError(
            f"take: an axis is needed for a {tensor.ndim}-d tensor", details=operand_lines(x=tensor)
        )
    along = _axis(tensor, 0 if axis is None else axis, "take")
    places = as_indices(indices, tensor.shape[along], "take")
    result: Tensor = raw.gather(tensor, places, axis=along)
    return result


def _axis(x: Tensor, axis: object, op: str) -> int:
    try:
        return canonical_axis(axis, x.ndim, op=op)
    except ArgumentError as error:
        lines = operand_lines(x=x)
        raise ArgumentError(error.message, details=lines, hint=error.hint) from None


def take_along_axis(x: Operand, indices: Operand, *, axis: int = -1) -> Tensor:
    """For each index, the element at that place along an axis; other axes are broadcast.

    >>> gd.take_along_axis([[1, 2], [3, 4]], [[1], [0]]).eval().tolist()
    [[2], [3]]
    """
    tensor = as_tensor(x, "take_along_axis")
    along = _axis(tensor, axis, "take_along_axis")
    places = as_indices(indices, tensor.shape[along], "take_along_axis")
    tensor, places = _align(tensor, places, along, "take_along_axis")
    result: Tensor = raw.gather_elements(tensor, places, axis=along)
    return result


def _align(x: Tensor, indices: Tensor, axis: int, op: str) -> tuple[Tensor, Tensor]:
    """Both broadcast to the same sizes, `axis` apart."""
    lines = operand_lines(x=x, indices=indices)
    if x.ndim != indices.ndim:
        raise ShapeError(
            f"{op}: x is {x.ndim}-d and indices are {indices.ndim}-d",
            details=lines,
            hint="add axes of size 1: gd.expand_dims(indices, axis)",
        )
    shapes = list(zip(x.shape, indices.shape, strict=True))
    for place, (left, right) in enumerate(shapes):
        if place != axis and left != right and 1 not in (left, right):
            raise ShapeError(
                f"{op}: axis {place} is {left} in x and {right} in indices", details=lines
            )
    agreed = [left if right == 1 else right for left, right in shapes]
    x_shape = (*agreed[:axis], x.shape[axis], *agreed[axis + 1 :])
    index_shape = (*agreed[:axis], indices.shape[axis], *agreed[axis + 1 :])
    return broadcast(x, x_shape), broadcast(indices, index_shape)


def scatter_add(x: Operand, indices: Operand, updates: Operand, *, axis: int = 0) -> Tensor:
    """`x` with slices of `updates` added at `indices` along an axis; repeated indices add up.

    `updates` has the shape of `gd.take(x, indices, axis=axis)`, or one that broadcasts to it.

    >>> gd.scatter_add([0, 0, 0], [2, 0, 2], [1, 5, 1]).eval().tolist()
    [5, 0, 2]
    """
    tensor, added = promote_operands("scatter_add", x, updates, names=("x", "updates"))
    along = _axis(tensor, axis, "scatter_add")
    places = as_indices(indices, tensor.shape[along], "scatter_add")
    shape = (*tensor.shape[:along], *places.shape, *tensor.shape[along + 1 :])
    wanted = filled(0, added.dtype, shape)
    _, added = broadcast_operands("scatter_add", wanted, added, names=("result", "updates"))
    result: Tensor = raw.scatter_add(tensor, places, added, axis=along)
    return result


def one_hot(
    indices: Operand, num_classes: int, *, dtype: object = "float32", axis: int = -1
) -> Tensor:
    """1 at the index and 0 elsewhere on a new axis of `num_classes`; all 0 for an index outside.

    >>> gd.one_hot([2, 0], 3).eval().tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """
    places = as_tensor(indices, "one_hot")
    if not places.dtype.is_integer:
        raise DTypeError(
            f"one_hot: indices must be integers, got {places.dtype}",
            details=operand_lines(indices=places),
        )
    rank = places.ndim + 1
    along = canonical_axis(axis, rank, op="one_hot")
    classes = as_size(num_classes, op="one_hot")
    shape = (*places.shape[:along], classes, *places.shape[along:])
    dimensions = tuple(place for place in range(rank) if place != along)
    wide = cast(places, int64 if places.dtype.bits == 64 else int32)
    repeated = movement.broadcast_in_dim(wide, shape=shape, broadcast_dimensions=dimensions)
    hits: Tensor = elementwise.equal(repeated, iota(shape, along, wide.dtype))
    return cast(hits, as_dtype(dtype))


def whole_number(value: object, op: str, what: str) -> int:
    """An index or step as an int. Raises ArgumentError."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise ArgumentError(f"{op}: {what} {value!r} is not a whole number")
    return operator.index(value)
