"""Poolings to a given number of places, and the inverse of max pooling.

Place i of n over `length` elements reads from floor(i * length / n) to ceil((i + 1) * length / n),
as in PyTorch: windows may differ in size and overlap.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdl.errors import DTypeError, ShapeError
from graphdl.graph.nodes import Tensor
from graphdl.ops import elementwise, indexing, movement, reduction
from graphdl.ops.arguments import (
    Operand,
    as_tensor,
    broadcast,
    cast,
    filled,
    literal,
    operand_lines,
    size_tensor,
)
from graphdl.ops.functions.spatial import (
    Steps,
    per_axis,
    require_floating,
    spatial_input,
    spatial_output,
)
from graphdl.typesystem.dtype import int64
from graphdl.typesystem.expression import product


def _pool(
    op: str, rank: int, x: Operand, output_size: Steps, data_format: str, is_mean: bool
) -> Tensor:
    """Pool one axis after the other."""
    image = spatial_input(op, x, rank, data_format)
    counts = per_axis(op, "output_size", output_size, rank)
    if is_mean:
        require_floating(op, image)
    return spatial_output(pool_to(op, image, counts, is_mean=is_mean), data_format)


def pool_to(op: str, image: Tensor, counts: tuple[int, ...], *, is_mean: bool) -> Tensor:
    """A channels-last input pooled to `counts` places, one axis after the other."""
    for axis, count in enumerate(counts, 1):
        if count == 1:
            image = _pool_whole(image, axis, is_mean)
        else:
            image = _pool_axis(op, image, axis, count, is_mean)
    return image


def _pool_whole(x: Tensor, axis: int, is_mean: bool) -> Tensor:
    shape = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
    if not is_mean:
        largest: Tensor = movement.reshape(reduction.reduce_max(x, axes=(axis,)), shape=shape)
        return largest
    total = reduction.reduce_sum(x, axes=(axis,))
    count = broadcast(size_tensor(x.shape[axis], x.dtype), total.shape)
    mean: Tensor = movement.reshape(elementwise.divide(total, count), shape=shape)
    return mean


def _pool_axis(op: str, x: Tensor, axis: int, count: int, is_mean: bool) -> Tensor:
    """Windows of several sizes: each is as wide as the widest and repeats its last element."""
    length = x.shape[axis]
    if not isinstance(length, int) or length == 0:
        raise ShapeError(
            f"{op}: spatial axis {axis - 1} must have a known size, it is {length}",
            details=operand_lines(x=x),
        )
    starts = np.arange(count) * length // count
    stops = -(-(np.arange(count) + 1) * length // count)
    steps = starts[:, None] + np.arange(int((stops - starts).max()))
    table = np.minimum(steps, stops[:, None] - 1).astype(np.int64)
    spread: Tensor = indexing.gather(x, literal(table), axis=axis)
    if not is_mean:
        largest: Tensor = reduction.reduce_max(spread, axes=(axis + 1,))
        return largest
    zeros = filled(0, x.dtype, spread.shape)
    inside = elementwise.select(
        _along(steps < stops[:, None], spread, (axis, axis + 1)), spread, zeros
    )
    total = reduction.reduce_sum(inside, axes=(axis + 1,))
    lengths = cast(_along(stops - starts, total, (axis,)), x.dtype)
    mean: Tensor = elementwise.divide(total, lengths)
    return mean


def _along(array: NDArray[Any], like: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Constant numbers along some axes of `like`."""
    result: Tensor = movement.broadcast_in_dim(
        literal(array), shape=like.shape, broadcast_dimensions=axes
    )
    return result


def _unpool(
    op: str, rank: int, x: Operand, indices: Operand, output_size: Steps, data_format: str
) -> Tensor:
    """Values put back at their places; equal ones that meet stay what they are."""
    values = spatial_input(op, x, rank, data_format)
    places = spatial_input(op, as_tensor(indices, op), rank, data_format)
    sizes = per_axis(op, "output_size", output_size, rank)
    lines = operand_lines(x=values, indices=places)
    if not places.dtype.is_integer:
        raise DTypeError(f"{op}: indices must be integers, got {places.dtype}", details=lines)
    if places.shape != values.shape:
        raise ShapeError(f"{op}: x and indices differ in shape", details=lines)
    batch, channels = values.shape[0], values.shape[-1]
    rows = (batch, product(values.shape[1:-1]), channels)
    flat = movement.reshape(values, shape=rows)
    where = movement.reshape(cast(places, int64), shape=rows)
    empty = filled(0, values.dtype, (batch, product(sizes), channels))
    total = indexing.scatter_add_elements(empty, where, flat, axis=1)
    ones = filled(1, values.dtype, rows)
    met = indexing.scatter_add_elements(empty, where, ones, axis=1)
    count = elementwise.maximum(met, filled(1, met.dtype, met.shape))
    mean = elementwise.divide(total, count)
    return spatial_output(movement.reshape(mean, shape=(batch, *sizes, channels)), data_format)


def adaptive_avg_pool1d(
    x: Operand, output_size: Steps, *, data_format: str = "channels_last"
) -> Tensor:
    """The mean of each of `output_size` places of (batch, width, channels).

    Axes pooled to 1 may have a named size; others need a known one.

    >>> gd.adaptive_avg_pool1d(gd.ones((1, 7, 2)), 3).shape
    (1, 3, 2)
    """
    return _pool("adaptive_avg_pool1d", 1, x, output_size, data_format, True)


def adaptive_avg_pool2d(
    x: Operand, output_size: Steps, *, data_format: str = "channels_last"
) -> Tensor:
    """The mean of each of `output_size` places of (batch, height, width, channels).

    Axes pooled to 1 may have a named size; others need a known one.

    >>> gd.adaptive_avg_pool2d(gd.ones((1, 7, 4, 2)), 3).shape
    (1, 3, 3, 2)
    """
    return _pool("adaptive_avg_pool2d", 2, x, output_size, data_format, True)


def adaptive_avg_pool3d(
    x: Operand, output_size: Steps, *, data_format: str = "channels_last"
) -> Tensor:
    """The mean of each of `output_size` places of (batch, depth, height, width, channels).

    Axes pooled to 1 may have a named size; others need a known one.

    >>> gd.adaptive_avg_pool3d(gd.ones((1, 7, 4, 2, 2)), 3).shape
    (1, 3, 3, 3, 2)
    """
    return _pool("adaptive_avg_pool3d", 3, x, output_size, data_format, True)


def adaptive_max_pool1d(
    x: Operand, output_size: Steps, *, data_format: str = "channels_last"
) -> Tensor:
    """The largest element of each of `output_size` places of (batch, width, channels).

    Axes pooled to 1 may have a named size; others need a known one.

    >>> gd.adaptive_max_pool1d(gd.ones((1, 7, 2)), 3).shape
    (1, 3, 2)
    """
    return _pool("adaptive_max_pool1d", 1, x, output_size, data_format, False)


def adaptive_max_pool2d(
    x: Operand, output_size: Steps, *, data_format: str = "channels_last"
) -> Tensor:
    """The largest element of each of `output_size` places of (batch, height, width, channels).

    Axes pooled to 1 may have a named size; others need a known one.

    >>> gd.adaptive_max_pool2d(gd.ones((1, 7, 4, 2)), 3).shape
    (1, 3, 3, 2)
    """
    return _pool("adaptive_max_pool2d", 2, x, output_size, data_format, False)


def adaptive_max_pool3d(
    x: Operand, output_size: Steps, *, data_format: str = "channels_last"
) -> Tensor:
    """The largest element of each of `output_size` places of a channels-last volume.

    Axes pooled to 1 may have a named size; others need a known one.

    >>> gd.adaptive_max_pool3d(gd.ones((1, 7, 4, 2, 2)), 3).shape
    (1, 3, 3, 3, 2)
    """
    return _pool("adaptive_max_pool3d", 3, x, output_size, data_format, False)


def max_unpool1d(
    x: Operand, indices: Operand, output_size: Steps, *, data_format: str = "channels_last"
) -> Tensor:
    """The inverse of `max_pool1d_with_indices`: each maximum at its place, zeros elsewhere.

    `output_size` is the spatial size before pooling. Zeiler, Fergus (2013).

    >>> values, indices = gd.max_pool1d_with_indices(gd.ones((1, 4, 1)), 2)
    >>> gd.max_unpool1d(values, indices, 4).shape
    (1, 4, 1)
    """
    return _unpool("max_unpool1d", 1, x, indices, output_size, data_format)


def max_unpool2d(
    x: Operand, indices: Operand, output_size: Steps, *, data_format: str = "channels_last"
) -> Tensor:
    """The inverse of `max_pool2d_with_indices`: each maximum at its place, zeros elsewhere.

    `output_size` is the spatial size before pooling. Zeiler, Fergus (2013).

    >>> values, indices = gd.max_pool2d_with_indices(gd.ones((1, 4, 4, 1)), 2)
    >>> gd.max_unpool2d(values, indices, 4).shape
    (1, 4, 4, 1)
    """
    return _unpool("max_unpool2d", 2, x, indices, output_size, data_format)


def max_unpool3d(
    x: Operand, indices: Operand, output_size: Steps, *, data_format: str = "channels_last"
) -> Tensor:
    """The inverse of `max_pool3d_with_indices`: each maximum at its place, zeros elsewhere.

    `output_size` is the spatial size before pooling. Zeiler, Fergus (2013).

    >>> values, indices = gd.max_pool3d_with_indices(gd.ones((1, 4, 4, 4, 1)), 2)
    >>> gd.max_unpool3d(values, indices, 4).shape
    (1, 4, 4, 4, 1)
    """
    return _unpool("max_unpool3d", 3, x, indices, output_size, data_format)
