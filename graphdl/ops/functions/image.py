"""Images: resizing, sampling at computed places, and channels turned into space.

Inputs are channels-last unless `data_format` says otherwise. Element i of n covers [i, i + 1); by
default centres are matched (half-pixel), with `align_corners` the first and last elements are.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from graphdl.errors import ArgumentError, ShapeError
from graphdl.graph.nodes import Tensor
from graphdl.ops import elementwise as raw
from graphdl.ops import indexing, movement, reduction
from graphdl.ops.arguments import Operand, as_tensor, cast, filled, literal, operand_lines
from graphdl.ops.functions.adaptive_pooling import pool_to
from graphdl.ops.functions.spatial import (
    Steps,
    is_channels_first,
    per_axis,
    require_floating,
    spatial_input,
    spatial_output,
)
from graphdl.typesystem.dtype import float32, int64
from graphdl.typesystem.expression import Size

Numbers = NDArray[np.float64]
Taps = tuple[NDArray[np.int64], Numbers]
"""For each result index: the elements that it reads, and their weights; (count, taps) each."""

_BY_RANK = {"linear": 1, "bilinear": 2, "trilinear": 3, "bicubic": 2}


# Resizing -----------------------------------------------------------------------------------------


def interpolate(
    x: Operand,
    size: Steps | None = None,
    *,
    scale_factor: float | tuple[float, ...] | None = None,
    mode: str = "nearest",
    align_corners: bool = False,
    data_format: str = "channels_last",
) -> Tensor:
    """An input (batch, space, channels) resized to a spatial `size`, or by `scale_factor`.

    `mode`: "nearest" (floor of the scaled index), "nearest-exact" (of its centre), "linear",
    "bilinear", "trilinear", "bicubic" (Keys 1981 with a = -0.75, as PyTorch), or "area". Outside
    the edges the last element repeats. Spatial sizes must be known.

    >>> gd.interpolate([[[1.0], [2.0]]], 4, mode="linear").eval().ravel().tolist()
    [1.0, 1.25, 1.75, 2.0]
    """
    op = "interpolate"
    tensor = as_tensor(x, op)
    rank = max(tensor.ndim - 2, 1)
    image = spatial_input(op, tensor, rank, data_format)
    lengths = _known_lengths(op, image)
    counts, scales = _result_sizes(op, lengths, size, scale_factor)
    if mode == "area":
        return spatial_output(pool_to(op, image, counts, is_mean=True), data_format)
    rule = _taps_rule(op, mode, rank)
    if mode not in ("nearest", "nearest-exact"):
        require_floating(op, image)
    for axis, (length, count, scale) in enumerate(zip(lengths, counts, scales, strict=True), 1):
        places = _places(length, count, scale, mode, align_corners)
        image = _resample(image, axis, rule(places, length))
    return spatial_output(image, data_format)


def _known_lengths(op: str, image: Tensor) -> tuple[int, ...]:
    found: list[int] = []
    for length in image.shape[1:-1]:
        if not isinstance(length, int) or length == 0:
            raise ShapeError(
                f"{op}: spatial sizes must be known numbers above 0, got {image.type}",
                details=operand_lines(x=image),
            )
        found.append(length)
    return tuple(found)


def _result_sizes(
    op: str,
    lengths: tuple[int, ...],
    size: Steps | None,
    scale_factor: float | tuple[float, ...] | None,
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Result sizes, and how many elements of the input one of the result covers."""
    if (size is None) == (scale_factor is None):
        raise ArgumentError(f"{op}: give either size or scale_factor")
    if size is not None:
        counts = per_axis(op, "size", size, len(lengths))
        return counts, tuple(n / count for n, count in zip(lengths, counts, strict=True))
    factors = _factors(op, scale_factor, len(lengths))
    counts = tuple(int(n * factor) for n, factor in zip(lengths, factors, strict=True))
    if min(counts) < 1:
        raise ArgumentError(f"{op}: scale_factor {scale_factor!r} leaves nothing of {lengths}")
    return counts, tuple(1 / factor for factor in factors)


def _factors(op: str, scale_factor: object, rank: int) -> tuple[float, ...]:
    is_list = isinstance(scale_factor, tuple | list)
    given = tuple(scale_factor) if is_list else (scale_factor,) * rank  # type: ignore[arg-type]
    factors = tuple(float(f) for f in given if isinstance(f, int | float) and f > 0)
    if len(given) != rank or len(factors) != rank:
        raise ArgumentError(f"{op}: scale_factor must be a number above 0, got {scale_factor!r}")
    return factors


TapsRule = Callable[[Numbers, int], Taps]


def _taps_rule(op: str, mode: str, rank: int) -> TapsRule:
    if mode in ("nearest", "nearest-exact"):
        return _nearest
    wanted = _BY_RANK.get(mode)
    if wanted is None:
        known = ", ".join(("nearest", "nearest-exact", "area", *_BY_RANK))
        raise ArgumentError(f"{op}: unknown mode {mode!r}", hint=f"use one of {known}")
    if wanted != rank:
        raise ArgumentError(f"{op}: mode {mode!r} is for {wanted} spatial axes, not {rank}")
    return _cubic if mode == "bicubic" else _linear


def _places(length: int, count: int, scale: float, mode: str, align_corners: bool) -> Numbers:
    """Where each result element lies among the input's indices."""
    index = np.arange(count, dtype=np.float64)
    if mode == "nearest":
        return index * scale
    if mode == "nearest-exact":
        return (index + 0.5) * scale
    if align_corners:
        return index * ((length - 1) / (count - 1) if count > 1 else 0.0)
    return (index + 0.5) * scale - 0.5


def _nearest(places: Numbers, length: int) -> Taps:
    index = np.minimum(np.floor(places).astype(np.int64), length - 1)
    return index[:, None], np.ones((len(places), 1))


def _linear(places: Numbers, length: int) -> Taps:
    places = np.maximum(places, 0)
    low = np.minimum(np.floor(places).astype(np.int64), length - 1)
    part = places - low
    high = np.minimum(low + 1, length - 1)
    return np.stack([low, high], 1), np.stack([1 - part, part], 1)


def _cubic(places: Numbers, length: int) -> Taps:
    low = np.floor(places).astype(np.int64)
    part = places - low
    index = np.clip(low[:, None] + np.arange(-1, 3), 0, length - 1)
    distance = np.abs(part[:, None] - np.arange(-1, 3))
    return index, np.asarray(_cubic_weight(distance), np.float64)


def _cubic_weight(distance: Numbers, a: float = -0.75) -> Numbers:
    """Keys' piecewise cubic at a distance of at most 2."""
    near = ((a + 2) * distance - (a + 3)) * distance * distance + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return np.where(distance <= 1, near, far)


def _resample(x: Tensor, axis: int, taps: Taps) -> Tensor:
    """Weighted sums of elements along an axis."""
    index, weights = taps
    count = index.shape[0]
    length = x.shape[axis]
    if index.shape[1] == 1:
        return _pick(x, axis, index[:, 0])
    if count == length and np.array_equal(weights[:, 0], np.ones(count)):
        return _pick(x, axis, index[:, 0])
    spread = indexing.gather(x, literal(index), axis=axis)
    factor = movement.broadcast_in_dim(
        cast(literal(weights), x.dtype),
        shape=spread.shape,
        broadcast_dimensions=(axis, axis + 1),
    )
    result: Tensor = reduction.reduce_sum(raw.multiply(spread, factor), axes=(axis + 1,))
    return result


def _pick(x: Tensor, axis: int, index: NDArray[np.int64]) -> Tensor:
    """Elements along an axis; whole repeats are views, whose gradient is a sum."""
    length = x.shape[axis]
    if not isinstance(length, int):
        raise ShapeError("interpolate: the axis must have a known size")
    times = len(index) // length
    if times and np.array_equal(index, np.arange(length).repeat(times)):
        return _repeat(x, axis, times)
    result: Tensor = indexing.gather(x, literal(index), axis=axis)
    return result


def _repeat(x: Tensor, axis: int, times: int) -> Tensor:
    if times == 1:
        return x
    before, size, after = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    kept = tuple(place for place in range(x.ndim + 1) if place != axis + 1)
    spread = movement.broadcast_in_dim(
        x, shape=(*before, size, times, *after), broadcast_dimensions=kept
    )
    result: Tensor = movement.reshape(spread, shape=(*before, size * times, *after))
    return result


# Channels and space -------------------------------------------------------------------------------


def pixel_shuffle(x: Operand, upscale_factor: int, *, data_format: str = "channels_last") -> Tensor:
    """Groups of r * r channels as r x r squares of pixels: (b, h, w, c r r) to (b, h r, w r, c).

    Channel c r r + i r + j goes to row i and column j of channel c's squares, as in PyTorch. Shi et
    al. (2016).

    >>> gd.pixel_shuffle(gd.arange(4).reshape((1, 1, 1, 4)), 2).eval()[0, :, :, 0].tolist()
    [[0, 1], [2, 3]]
    """
    image = spatial_input("pixel_shuffle", x, 2, data_format)
    (r,) = per_axis("pixel_shuffle", "upscale_factor", upscale_factor, 1)
    batch, height, width, channels = image.shape
    _require_division("pixel_shuffle", image, channels, r * r, "channels")
    left = channels // (r * r)
    apart = movement.reshape(image, shape=(batch, height, width, left, r, r))
    mixed = movement.transpose(apart, permutation=(0, 1, 4, 2, 5, 3))
    result = movement.reshape(mixed, shape=(batch, height * r, width * r, left))
    return spatial_output(result, data_format)


def pixel_unshuffle(
    x: Operand, downscale_factor: int, *, data_format: str = "channels_last"
) -> Tensor:
    """The inverse of `pixel_shuffle`: r x r squares of pixels as channels.

    >>> gd.pixel_unshuffle([[[[0], [1]], [[2], [3]]]], 2).eval().ravel().tolist()
    [0, 1, 2, 3]
    """
    image = spatial_input("pixel_unshuffle", x, 2, data_format)
    (r,) = per_axis("pixel_unshuffle", "downscale_factor", downscale_factor, 1)
    batch, height, width, channels = image.shape
    for size, what in ((height, "rows"), (width, "columns")):
        _require_division("pixel_unshuffle", image, size, r, what)
    apart = movement.reshape(image, shape=(batch, height // r, r, width // r, r, channels))
    mixed = movement.transpose(apart, permutation=(0, 1, 3, 5, 2, 4))
    result = movement.reshape(mixed, shape=(batch, height // r, width // r, channels * r * r))
    return spatial_output(result, data_format)


def channel_shuffle(x: Operand, groups: int, *, data_format: str = "channels_last") -> Tensor:
    """Channels of `groups` groups interleaved. Zhang et al. (2018).

    >>> gd.channel_shuffle([[[[0, 1, 2, 3]]]], 2).eval().ravel().tolist()
    [0, 2, 1, 3]
    """
    tensor = as_tensor(x, "channel_shuffle")
    (count,) = per_axis("channel_shuffle", "groups", groups, 1)
    is_first = is_channels_first("channel_shuffle", data_format)
    if tensor.ndim < 3:
        raise ShapeError(
            f"channel_shuffle: needs batch, space and channels, got {tensor.type}",
            details=operand_lines(x=tensor),
        )
    axis = 1 if is_first else tensor.ndim - 1
    channels = tensor.shape[axis]
    _require_division("channel_shuffle", tensor, channels, count, "channels")
    before, after = tensor.shape[:axis], tensor.shape[axis + 1 :]
    apart = movement.reshape(tensor, shape=(*before, count, channels // count, *after))
    order = (*range(axis), axis + 1, axis, *range(axis + 2, apart.ndim))
    result: Tensor = movement.reshape(
        movement.transpose(apart, permutation=order), shape=tensor.shape
    )
    return result


def _require_division(op: str, x: Tensor, size: Size, number: int, what: str) -> None:
    if isinstance(size, int) and size % number:
        raise ShapeError(
            f"{op}: {size} {what} do not divide by {number}", details=operand_lines(x=x)
        )


# Sampling -----------------------------------------------------------------------------------------


def affine_grid(theta: Operand, size: tuple[int, int], *, align_corners: bool = False) -> Tensor:
    """Where an affine map (batch, 2, 3) takes the pixels of a (height, width) image.

    The result (batch, height, width, 2) holds (x, y) in [-1, 1], as `grid_sample` takes them.
    Jaderberg et al. (2015).

    >>> gd.affine_grid([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]], (1, 2)).eval().ravel().tolist()
    [-0.5, 0.0, 0.5, 0.0]
    """
    tensor = as_tensor(theta, "affine_grid")
    require_floating("affine_grid", tensor)
    if tensor.ndim != 3 or tensor.shape[1:] != (2, 3):
        raise ShapeError(
            f"affine_grid: theta must be (batch, 2, 3), got {tensor.type}",
            details=operand_lines(theta=tensor),
        )
    height, width = per_axis("affine_grid", "size", size, 2)
    rows, columns = (_ends(count, align_corners) for count in (height, width))
    points = np.ones((height, width, 3))
    points[..., 0], points[..., 1] = columns[None, :], rows[:, None]
    flat = cast(literal(points.reshape(height * width, 3)), tensor.dtype)
    return _apply_affine(tensor, flat, height, width)


def _apply_affine(theta: Tensor, points: Tensor, height: int, width: int) -> Tensor:
    batch = theta.shape[0]
    shape = (batch, height * width, 2, 3)
    left = movement.broadcast_in_dim(points, shape=shape, broadcast_dimensions=(1, 3))
    right = movement.broadcast_in_dim(theta, shape=shape, broadcast_dimensions=(0, 2, 3))
    total = reduction.reduce_sum(raw.multiply(left, right), axes=(3,))
    result: Tensor = movement.reshape(total, shape=(batch, height, width, 2))
    return result


def _ends(count: int, align_corners: bool) -> Numbers:
    if align_corners:
        return np.linspace(-1, 1, count) if count > 1 else np.zeros(1)
    return (2 * np.arange(count) + 1) / count - 1


def grid_sample(
    x: Operand,
    grid: Operand,
    *,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool = False,
    data_format: str = "channels_last",
) -> Tensor:
    """An image read at computed places: `grid` (batch, rows, columns, 2) holds (x, y) in [-1, 1].

    `mode`: "bilinear" or "nearest". `padding_mode` outside the image: "zeros", "border" (the
    nearest edge) or "reflection". Derivatives reach both the image and the grid. Jaderberg et al.
    (2015).

    >>> grid = gd.affine_grid([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]], (2, 2))
    >>> gd.grid_sample([[[[1.0], [2.0]], [[3.0], [4.0]]]], grid).eval().ravel().tolist()
    [1.0, 2.0, 3.0, 4.0]
    """
    op = "grid_sample"
    image, places = spatial_input(op, x, 2, data_format), as_tensor(grid, op)
    require_floating(op, image)
    if mode not in ("bilinear", "nearest"):
        raise ArgumentError(f'{op}: mode must be "bilinear" or "nearest", got {mode!r}')
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ArgumentError(
            f'{op}: padding_mode must be "zeros", "border" or "reflection", got {padding_mode!r}'
        )
    if places.ndim != 4 or places.shape[-1] != 2 or places.shape[0] != image.shape[0]:
        raise ShapeError(
            f"{op}: the grid must be (batch, rows, columns, 2), got {places.type}",
            details=operand_lines(x=image, grid=places),
        )
    wide = cast(image, float32) if image.dtype.bits == 16 else image
    places = cast(places, wide.dtype)
    height, width = _known_lengths(op, image)
    column = _position(places, 0, width, padding_mode, align_corners)
    row = _position(places, 1, height, padding_mode, align_corners)
    if mode == "nearest":
        result = _read(wide, raw.round_(row), raw.round_(column))
    else:
        result = _blend(wide, row, column)
    return spatial_output(cast(result, image.dtype), data_format)


def _position(
    grid: Tensor, part: int, length: int, padding_mode: str, align_corners: bool
) -> Tensor:
    """Coordinates in [-1, 1] as indices."""
    shape = grid.shape[:-1]
    starts, stops = (0, 0, 0, part), (*shape, part + 1)
    single = movement.slice_(grid, starts=starts, stops=stops, steps=(1, 1, 1, 1))
    value = movement.reshape(single, shape=shape)
    half, offset = ((length - 1) / 2, (length - 1) / 2)
    if not align_corners:
        half, offset = length / 2, (length - 1) / 2
    index: Tensor = _plus(_times(value, half), offset)
    if padding_mode == "reflection":
        low, high = (0.0, length - 1.0) if align_corners else (-0.5, length - 0.5)
        index = _reflect(index, low, high)
    if padding_mode != "zeros":
        index = _clip(index, 0, length - 1)
    return index


def _like(value: float, x: Tensor) -> Tensor:
    return filled(value, x.dtype, x.shape)


def _times(x: Tensor, factor: float) -> Tensor:
    result: Tensor = raw.multiply(x, _like(factor, x))
    return result


def _plus(x: Tensor, term: float) -> Tensor:
    result: Tensor = raw.add(x, _like(term, x))
    return result


def _clip(x: Tensor, low: float, high: float) -> Tensor:
    result: Tensor = raw.minimum(raw.maximum(x, _like(low, x)), _like(high, x))
    return result


def _reflect(x: Tensor, low: float, high: float) -> Tensor:
    """x folded back at both ends until it lies between them."""
    if high <= low:
        return _like(0, x)
    span = high - low
    distance = raw.abs_(_plus(x, -low))
    within = raw.remainder(distance, _like(2 * span, x))
    mirrored = raw.subtract(_like(2 * span, x), within)
    folded = raw.select(raw.greater(within, _like(span, x)), mirrored, within)
    return _plus(folded, low)


def _blend(image: Tensor, row: Tensor, column: Tensor) -> Tensor:
    top, left = (movement.stop_gradient(raw.floor(index)) for index in (row, column))
    down, right = raw.subtract(row, top), raw.subtract(column, left)
    up, near = raw.subtract(_like(1, down), down), raw.subtract(_like(1, right), right)
    total: Tensor | None = None
    for step, vertical in ((0, up), (1, down)):
        for shift, horizontal in ((0, near), (1, right)):
            value = _read(image, _plus(top, step), _plus(left, shift))
            weight = raw.multiply(vertical, horizontal)
            part = raw.multiply(value, _over_channels(weight, value))
            total = part if total is None else raw.add(total, part)
    assert total is not None
    return total


def _over_channels(x: Tensor, like: Tensor) -> Tensor:
    result: Tensor = movement.broadcast_in_dim(x, shape=like.shape, broadcast_dimensions=(0, 1, 2))
    return result


def _read(image: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """The pixels at whole places; zeros outside."""
    height, width = _known_lengths("grid_sample", image)
    batch, channels = image.shape[0], image.shape[-1]
    flat = movement.reshape(image, shape=(batch, height * width, channels))
    inside = raw.bitwise_and(_is_inside(row, height), _is_inside(column, width))
    whole = [
        cast(_clip(index, 0, length - 1), int64)
        for index, length in ((row, height), (column, width))
    ]
    index = raw.add(_times(whole[0], width), whole[1])
    rows, columns = row.shape[1], row.shape[2]
    spread = movement.broadcast_in_dim(
        movement.reshape(index, shape=(batch, rows * columns)),
        shape=(batch, rows * columns, channels),
        broadcast_dimensions=(0, 1),
    )
    found = movement.reshape(
        indexing.gather_elements(flat, spread, axis=1), shape=(batch, rows, columns, channels)
    )
    result: Tensor = raw.select(_over_channels(inside, found), found, _like(0, found))
    return result


def _is_inside(index: Tensor, length: int) -> Tensor:
    result: Tensor = raw.bitwise_and(
        raw.greater_equal(index, _like(0, index)), raw.less_equal(index, _like(length - 1, index))
    )
    return result
