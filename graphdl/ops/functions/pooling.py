"""Poolings in 1 to 3 dimensions: reductions over windows of the input, which are never copied.

Inputs are channels-last unless `data_format` says otherwise. `padding` is "valid", "same", a width,
one per axis, or a (before, after) per axis; what is padded never wins a maximum. Where several
elements of a window are its maximum, they share the gradient equally, as in `gd.max`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from graphdl.errors import ArgumentError
from graphdl.graph.nodes import Tensor
from graphdl.ops import elementwise, movement, reduction
from graphdl.ops.arguments import Operand, broadcast, cast, filled, size_tensor
from graphdl.ops.functions.creation import iota
from graphdl.ops.functions.spatial import (
    Padding,
    Sliding,
    Steps,
    Widths,
    pad_space,
    padding_widths,
    read_sliding,
    require_floating,
    space_windows,
    spatial_input,
    spatial_output,
)
from graphdl.typesystem.dtype import DType, int64
from graphdl.typesystem.expression import Size, product


@dataclass(frozen=True, slots=True)
class _Pool:
    """A channels-last input, how windows move over it, and the padding; `spare` is what rounding up
    the number of windows adds behind."""

    image: Tensor
    form: Sliding
    widths: Widths
    spare: tuple[Size, ...]

    @property
    def inside(self) -> tuple[int, ...]:
        """The axes inside windows."""
        rank = len(self.form.sizes)
        return tuple(range(rank + 1, 2 * rank + 1))

    def windows(self, op: str, value: float) -> Tensor:
        """The windows, `value` where they reach over the input's ends."""
        padded = pad_space(self.image, self.all_widths, value)
        return space_windows(op, padded, self.form)

    @property
    def all_widths(self) -> Widths:
        """The padding with what is spare."""
        pairs = zip(self.widths, self.spare, strict=True)
        return tuple((low, high + more) for (low, high), more in pairs)


def _read(
    op: str,
    rank: int,
    x: Operand,
    kernel_size: Steps,
    stride: Steps | None,
    padding: Padding,
    dilation: Steps,
    ceil_mode: bool,
    data_format: str,
) -> _Pool:
    image = spatial_input(op, x, rank, data_format)
    form = read_sliding(op, kernel_size, stride, dilation, rank)
    lengths = image.shape[1:-1]
    widths = padding_widths(op, padding, lengths, form)
    spare: tuple[Size, ...] = (0,) * rank
    if ceil_mode:
        spare = tuple(
            _spare(op, length, width, form, axis)
            for axis, (length, width) in enumerate(zip(lengths, widths, strict=True))
        )
    return _Pool(image, form, widths, spare)


def _spare(op: str, length: Size, width: tuple[Size, Size], form: Sliding, axis: int) -> Size:
    """What one more window needs, where it still starts inside the input or before it."""
    stride, span = form.strides[axis], form.spans[axis]
    end, padded = length + width[0], length + width[0] + width[1]
    if not isinstance(end, int) or not isinstance(padded, int):
        raise ArgumentError(f"{op}: ceil_mode needs spatial sizes that are known numbers")
    last = -(-(padded - span) // stride) * stride
    return max(0, last + span - padded) if last < end else 0


def _lowest(dtype: DType) -> float:
    if dtype.is_floating:
        return -np.inf
    return 0 if dtype.is_bool else int(np.iinfo(dtype.numpy).min)


def _maximum(op: str, pool: _Pool) -> Tensor:
    slid = pool.windows(op, _lowest(pool.image.dtype))
    result: Tensor = reduction.reduce_max(slid, axes=pool.inside)
    return result


def _places(op: str, pool: _Pool) -> Tensor:
    """The number of each window's first maximum among the input's spatial elements, row-major."""
    slid = pool.windows(op, _lowest(pool.image.dtype))
    rank = len(pool.form.sizes)
    shape = (*slid.shape[: rank + 1], product(pool.form.sizes), *slid.shape[2 * rank + 1 :])
    offset: Tensor = reduction.argmax(movement.reshape(slid, shape=shape), axis=rank + 1)
    place = filled(0, int64, offset.shape)
    for axis in range(rank):
        behind = prod(pool.form.sizes[axis + 1 :])
        inside = elementwise.remainder(
            elementwise.floor_divide(offset, filled(behind, int64, offset.shape)),
            filled(pool.form.sizes[axis], int64, offset.shape),
        )
        start = elementwise.multiply(
            iota(offset.shape, axis + 1, int64),
            filled(pool.form.strides[axis], int64, offset.shape),
        )
        step = elementwise.multiply(inside, filled(pool.form.dilations[axis], int64, offset.shape))
        index = elementwise.add(start, step)
        low = pool.widths[axis][0]
        index = elementwise.subtract(index, _number(low, offset))
        place = elementwise.multiply(place, _number(pool.image.shape[axis + 1], offset))
        place = elementwise.add(place, index)
    return place


def _number(size: Size, like: Tensor) -> Tensor:
    return broadcast(size_tensor(size, like.dtype), like.shape)


def _average(
    op: str, pool: _Pool, padding: Padding, counts_padding: bool | None, divisor: int | None
) -> Tensor:
    require_floating(op, pool.image)
    if counts_padding is None:
        counts_padding = not (isinstance(padding, str) and padding.lower() == "same")
    total: Tensor = reduction.reduce_sum(pool.windows(op, 0), axes=pool.inside)
    number = _divisor(op, pool, counts_padding, divisor)
    result: Tensor = elementwise.divide(total, broadcast(cast(number, total.dtype), total.shape))
    return result


def _divisor(op: str, pool: _Pool, counts_padding: bool, divisor: int | None) -> Tensor:
    """How many elements a window has: a number, or (1, places, 1)."""
    dtype = pool.image.dtype
    if divisor is not None:
        if isinstance(divisor, bool) or divisor == 0:
            raise ArgumentError(f"{op}: divisor_override must be a whole number, not 0")
        return filled(divisor, dtype)
    none = ((0, 0),) * len(pool.widths)
    if all(more == 0 for more in pool.spare) and (counts_padding or pool.widths == none):
        return filled(prod(pool.form.sizes), dtype)
    ones = filled(1, dtype, (1, *pool.image.shape[1:-1], 1))
    counted = _Pool(ones, pool.form, pool.widths, pool.spare)
    if counts_padding:
        counted = _Pool(pad_space(ones, pool.widths, 1), pool.form, none, pool.spare)
    total: Tensor = reduction.reduce_sum(counted.windows(op, 0), axes=pool.inside)
    return total


def _norm(op: str, pool: _Pool, norm_type: float) -> Tensor:
    """(sum |x|^p)^(1/p), with derivative 0 where all of a window is 0."""
    require_floating(op, pool.image)
    if not norm_type > 0:
        raise ArgumentError(f"{op}: norm_type must be above 0, got {norm_type!r}")
    if norm_type == np.inf:
        pool = _Pool(elementwise.abs_(pool.image), pool.form, pool.widths, pool.spare)
        return _maximum(op, pool)
    size = elementwise.abs_(pool.image)
    power = elementwise.power(size, filled(norm_type, size.dtype, size.shape))
    raised = _Pool(power, pool.form, pool.widths, pool.spare)
    total = reduction.reduce_sum(raised.windows(op, 0), axes=pool.inside)
    is_zero = elementwise.equal(total, filled(0, total.dtype, total.shape))
    safe = elementwise.select(is_zero, filled(1, total.dtype, total.shape), total)
    root = elementwise.power(safe, filled(1 / norm_type, total.dtype, total.shape))
    result: Tensor = elementwise.select(is_zero, filled(0, total.dtype, total.shape), root)
    return result


def max_pool1d(
    x: Operand,
    kernel_size: Steps,
    *,
    stride: Steps | None = None,
    padding: Padding = "valid",
    dilation: Steps = 1,
    ceil_mode: bool = False,
    data_format: str = "channels_last",
) -> Tensor:
    """The largest element of each window of (batch, width, channels).

    `stride` is the window's size by default; `ceil_mode` keeps a last window that reaches over the
    end.

    >>> gd.max_pool1d(gd.ones((1, 6, 2)), 2).shape
    (1, 3, 2)
    """
    op = "max_pool1d"
    pool = _read(op, 1, x, kernel_size, stride, padding, dilation, ceil_mode, data_format)
    return spatial_output(_maximum(op, pool), data_format)


def max_pool2d(
    x: Operand,
    kernel_size: Steps,
    *,
    stride: Steps | None = None,
    padding: Padding = "valid",
    dilation: Steps = 1,
    ceil_mode: bool = False,
    data_format: str = "channels_last",
) -> Tensor:
    """The largest element of each window of (batch, height, width, channels).

    `stride` is the window's size by default; `ceil_mode` keeps a last window that reaches over the
    end.

    >>> gd.max_pool2d(gd.ones((1, 6, 4, 2)), 2).shape
    (1, 3, 2, 2)
    """
    op = "max_pool2d"
    pool = _read(op, 2, x, kernel_size, stride, padding, dilation, ceil_mode, data_format)
    return spatial_output(_maximum(op, pool), data_format)


def max_pool3d(
    x: Operand,
    kernel_size: Steps,
    *,
    stride: Steps | None = None,
    padding: Padding = "valid",
    dilation: Steps = 1,
    ceil_mode: bool = False,
    data_format: str = "channels_last",
) -> Tensor:
    """The largest element of each window of (batch, depth, height, width, channels).

    `stride` is the window's size by default; `ceil_mode` keeps a last window that reaches over the
    end.

    >>> gd.max_pool3d(gd.ones((1, 6, 4, 2, 2)), 2).shape
    (1, 3, 2, 1, 2)
    """
    op = "max_pool3d"
    pool = _read(op, 3, x, kernel_size, stride, padding, dilation, ceil_mode, data_format)
    return spatial_output(_maximum(op, pool), data_format)


def max_pool1d_with_indices(
    x: Operand,
    kernel_size: Steps,
    *,
    stride: Steps | None = None,
    padding: Padding = "valid",
    dilation: Steps = 1,
    ceil_mode: bool = False,
    data_format: str = "channels_last",
) -> tuple[Tensor, Tensor]:
    """`max_pool1d`, and where each maximum was: its number among the spatial elements, int64.

    >>> values, indices = gd.max_pool1d_with_indices(gd.ones((1, 6, 2)), 2)
    >>> indices.shape
    (1, 3, 2)
    """
    op = "max_pool1d_with_indices"
    pool = _read(op, 1, x, kernel_size, stride, padding, dilation, ceil_mode, data_format)
    values, indices = _maximum(op, pool), _places(op, pool)
    return spatial_output(values, data_format), spatial_output(indices, data_format)


def max_pool2d_with_indices(
    x: Operand,
    kernel_size: Steps,
    *,
    stride: Steps | None = None,
    padding: Padding = "valid",
    dilation: Steps = 1,
    ceil_mode: bool = False,
    data_format: str = "channels_last",
) -> tuple[Tensor, Tensor]:
    """`max_pool2d`, and where each maximum was: its number among the spatial elements, int64.

    >>> values, indices = gd.max_pool2d_with_indices(gd.ones((1, 6, 4, 2)), 2)
    >>> indices.shape
    (1, 3, 2, 2)
    """
    op = "max_pool2d_with_indices"
    pool = _read(op, 2, x, kernel_size, stride, padding, dilation, ceil_mode, data_format)
    values, indices = _maximum(op, pool), _places(op, pool)
    return spatial_output(values, data_format), spatial_output(indices, data_format)


def max_pool3d_with_indices(
    x: Operand,
    kernel_size: Steps,
    *,
    stride: Steps | None = None,
    padding: Padding = "valid",
    dilation: Steps = 1,
    ceil_mode: bool = False,
    data_format: str = "channels_last",
) -> tuple[Tensor, Tensor]:
    """`max_pool3d`, and where each maximum was: its number among the spatial elements, int64.

    >>> values, indices = gd.max_pool3d_with_indices(gd.ones((1, 6, 4, 2, 2)), 2)
    >>> indices.shape
    (1, 3, 2, 1, 2)
    """
    op = "max_pool3d_with_indices"
    pool = _read(op, 3, x, kernel_size, stride, padding, dilation, ceil_mode, data_format)
    values, indices = _maximum(op, pool), _places(op, pool)
    return spatial_output(values, data_format), spatial_output(indices, data_format)


def avg_pool1d(
    x: Operand,
    kernel_size: Steps,
    *,
    stride: Steps | None = None,
    padding: Padding = "valid",
    ceil_mode: bool = False,
    count_include_pad: bool | None = None,
    divisor_override: int | None = None,
    data_format: str = "channels_last",
) -> Tensor:
    """The mean of each window of (batch, width, channels).

    `count_include_pad` says whether padding counts as zeros: by default not for "same", as in
    Keras, and for widths, as in PyTorch. `divisor_override` replaces the count.

    >>> gd.avg_pool1d(gd.ones((1, 6, 2)), 2).shape
    (1, 3, 2)
    """
    op = "avg_pool1d"
    pool = _read(op, 1, x, kernel_size, stride, padding, 1, ceil_mode, data_format)
    mean = _average(op, pool, padding, count_include_pad, divisor_override)
    return spatial_output(mean, data_format)


def avg_pool2d(
    x: Operand,
    kernel_size: Steps,
    *,
    stride: Steps | None = None,
    padding: Padding = "valid",
    ceil_mode: bool = False,
    count_include_pad: bool | None = None,
    divisor_override: int | None = None,
    data_format: str = "channels_last",
) -> Tensor:
    """The mean of each window of (batch, height, width, channels).

    `count_include_pad` says whether padding counts as zeros: by default not for "same", as in
    Keras, and for widths, as in PyTorch. `divisor_override` replaces the count.

    >>> gd.avg_pool2d(gd.ones((1, 6, 4, 2)), 2).shape
    (1, 3, 2, 2)
    """
    op = "avg_pool2d"
    pool = _read(op, 2, x, kernel_size, stride, padding, 1, ceil_mode, data_format)
    mean = _average(op, pool, padding, count_include_pad, divisor_override)
    return spatial_output(mean, data_format)


def avg_pool3d(
    x: Operand,
    kernel_size: Steps,
    *,
    stride: Steps | None = None,
    padding: Padding = "valid",
    ceil_mode: bool = False,
    count_include_pad: bool | None = None,
    divisor_override: int | None = None,
    data_format: str = "channels_last",
) -> Tensor:
    """The mean of each window of (batch, depth, height, width, channels).

    `count_include_pad` says whether padding counts as zeros: by default not for "same", as in
    Keras, and for widths, as in PyTorch. `divisor_override` replaces the count.

    >>> gd.avg_pool3d(gd.ones((1, 6, 4, 2, 2)), 2).shape
    (1, 3, 2, 1, 2)
    """
    op = "avg_pool3d"
    pool = _read(op, 3, x, kernel_size, stride, padding, 1, ceil_mode, data_format)
    mean = _average(op, pool, padding, count_include_pad, divisor_override)
    return spatial_output(mean, data_format)


def lp_pool1d(
    x: Operand,
    norm_type: float,
    kernel_size: Steps,
    *,
    stride: Steps | None = None,
    ceil_mode: bool = False,
    data_format: str = "channels_last",
) -> Tensor:
    """The p-norm of each window of (batch, width, channels): (sum |x|^p)^(1/p).

    >>> gd.lp_pool1d(gd.ones((1, 6, 2)), 2, 2).shape
    (1, 3, 2)
    """
    op = "lp_pool1d"
    pool = _read(op, 1, x, kernel_size, stride, "valid", 1, ceil_mode, data_format)
    return spatial_output(_norm(op, pool, norm_type), data_format)


def lp_pool2d(
    x: Operand,
    norm_type: float,
    kernel_size: Steps,
    *,
    stride: Steps | None = None,
    ceil_mode: bool = False,
    data_format: str = "channels_last",
) -> Tensor:
    """The p-norm of each window of (batch, height, width, channels): (sum |x|^p)^(1/p).

    >>> gd.lp_pool2d(gd.ones((1, 6, 4, 2)), 2, 2).shape
    (1, 3, 2, 2)
    """
    op = "lp_pool2d"
    pool = _read(op, 2, x, kernel_size, stride, "valid", 1, ceil_mode, data_format)
    return spatial_output(_norm(op, pool, norm_type), data_format)


def lp_pool3d(
    x: Operand,
    norm_type: float,
    kernel_size: Steps,
    *,
    stride: Steps | None = None,
    ceil_mode: bool = False,
    data_format: str = "channels_last",
) -> Tensor:
    """The p-norm of each window of (batch, depth, height, width, channels): (sum |x|^p)^(1/p).

    >>> gd.lp_pool3d(gd.ones((1, 6, 4, 2, 2)), 2, 2).shape
    (1, 3, 2, 1, 2)
    """
    op = "lp_pool3d"
    pool = _read(op, 3, x, kernel_size, stride, "valid", 1, ceil_mode, data_format)
    return spatial_output(_norm(op, pool, norm_type), data_format)
