"""Padding in all of NumPy's modes but the median."""

from __future__ import annotations

from collections.abc import Callable

from graphdl.errors import ArgumentError, ShapeError
from graphdl.graph.nodes import Tensor
from graphdl.ops import elementwise as raw
from graphdl.ops import indexing
from graphdl.ops.arguments import (
    Operand,
    as_tensor,
    broadcast,
    cast,
    number_like,
    operand_lines,
    size_tensor,
)
from graphdl.ops.functions.creation import iota
from graphdl.ops.functions.movement import concat, flip, pad_pairs, slice_axis
from graphdl.ops.functions.movement import pad as pad_constant
from graphdl.ops.functions.reduction import max as max_of
from graphdl.ops.functions.reduction import mean as mean_of
from graphdl.ops.functions.reduction import min as min_of
from graphdl.typesystem.dtype import float32, int64
from graphdl.typesystem.expression import Size

Widths = tuple[Size, Size]


def pad(x: Operand, widths: object, mode: str = "constant", *, value: Operand = 0) -> Tensor:
    """More elements before and after each axis: `gd.pad(x, ((0, 0), (1, 2)))`.

    `widths` is one number for all sides, one pair for all axes, or a pair per axis. Modes:
    "constant" (copies of `value`), "edge" (the last element), "reflect" (mirrored at the last
    element), "symmetric" (mirrored behind it), "wrap" (from the other end), "linear_ramp" (down to
    `value`), "maximum", "minimum", "mean" (of the axis) and "empty" (zeros). Raises ArgumentError
    for another mode and ShapeError where an empty axis has nothing to repeat.

    >>> gd.pad([1, 2], (1, 2)).eval().tolist()
    [0, 1, 2, 0, 0]
    >>> gd.pad([1, 2, 3], 2, "reflect").eval().tolist()
    [3, 2, 1, 2, 3, 2, 1]
    """
    tensor = as_tensor(x, "pad")
    if mode in ("constant", "empty"):
        return pad_constant(tensor, widths, value=value if mode == "constant" else 0)
    pairs = pad_pairs(tensor, widths)
    if mode not in _MODES:
        names = ", ".join(["constant", *_MODES, "empty"])
        raise ArgumentError(f"pad: unknown mode {mode!r}", hint=f"use one of {names}")
    for axis, pair in enumerate(pairs):
        if pair != (0, 0):
            _require_elements(tensor, axis, mode)
            tensor = _MODES[mode](tensor, axis, pair, value)
    return tensor


def _require_elements(x: Tensor, axis: int, mode: str) -> None:
    if x.shape[axis] == 0:
        raise ShapeError(
            f"pad: axis {axis} is empty, {mode!r} has nothing to repeat", details=operand_lines(x=x)
        )


# Copies of elements: a place for each new element ------------------------------------------------


def _edge(x: Tensor, axis: int, widths: Widths, value: Operand) -> Tensor:
    first = slice_axis(x, axis, 0, 1)
    last = slice_axis(x, axis, x.shape[axis] - 1, x.shape[axis])
    return _between(_repeat(first, axis, widths[0]), x, _repeat(last, axis, widths[1]), axis)


def _repeat(slab: Tensor, axis: int, count: Size) -> Tensor:
    return broadcast(slab, (*slab.shape[:axis], count, *slab.shape[axis + 1 :]))


def _between(before: Tensor, x: Tensor, after: Tensor, axis: int) -> Tensor:
    parts = [before, x, after]
    return concat([part for part in parts if part.shape[axis] != 0], axis=axis)


def _reflect(x: Tensor, axis: int, widths: Widths, value: Operand) -> Tensor:
    return _mirror(x, axis, widths, 1)


def _symmetric(x: Tensor, axis: int, widths: Widths, value: Operand) -> Tensor:
    return _mirror(x, axis, widths, 0)


def _mirror(x: Tensor, axis: int, widths: Widths, skipped: int) -> Tensor:
    """Flipped slices where the axis is known to be long enough, else places counted to and fro."""
    size, (low, high) = x.shape[axis], widths
    if _fits(low, size, skipped) and _fits(high, size, skipped):
        before = flip(slice_axis(x, axis, skipped, skipped + low), axis=axis)
        after = flip(slice_axis(x, axis, size - skipped - high, size - skipped), axis=axis)
        return _between(before, x, after, axis)
    period = 2 * (size - skipped)

    def place(index: Tensor) -> Tensor:
        count = broadcast(size_tensor(period), index.shape)
        turned = raw.remainder(index, count)
        last = raw.subtract(count, number_like(1 - skipped, index))
        result: Tensor = raw.minimum(turned, raw.subtract(last, turned))
        return result

    return _gather(x, axis, widths, place)


def _fits(width: Size, size: Size, skipped: int) -> bool:
    return isinstance(width, int) and isinstance(size, int) and width <= size - skipped


def _wrap(x: Tensor, axis: int, widths: Widths, value: Operand) -> Tensor:
    size, (low, high) = x.shape[axis], widths
    if _fits(low, size, 0) and _fits(high, size, 0):
        before, after = slice_axis(x, axis, size - low, size), slice_axis(x, axis, 0, high)
        return _between(before, x, after, axis)

    def place(index: Tensor) -> Tensor:
        result: Tensor = raw.remainder(index, broadcast(size_tensor(size), index.shape))
        return result

    return _gather(x, axis, widths, place)


def _gather(x: Tensor, axis: int, widths: Widths, place: Callable[[Tensor], Tensor]) -> Tensor:
    total = x.shape[axis] + widths[0] + widths[1]
    counted = iota((total,), 0, int64)
    shift = broadcast(size_tensor(widths[0]), counted.shape)
    result: Tensor = indexing.gather(x, place(raw.subtract(counted, shift)), axis=axis)
    return result


# Other numbers ------------------------------------------------------------------------------------


def _linear_ramp(x: Tensor, axis: int, widths: Widths, value: Operand) -> Tensor:
    """Evenly spaced from `value`, at the outermost element, towards the edge."""
    first = slice_axis(x, axis, 0, 1)
    last = slice_axis(x, axis, x.shape[axis] - 1, x.shape[axis])
    before = _ramp(first, axis, widths[0], value)
    after = flip(_ramp(last, axis, widths[1], value), axis=axis)
    return _between(before, x, after, axis)


def _ramp(edge: Tensor, axis: int, width: Size, value: Operand) -> Tensor:
    inner = edge.dtype if edge.dtype.is_floating else float32
    shape = (*edge.shape[:axis], width, *edge.shape[axis + 1 :])
    steps = iota(shape, axis, inner)
    count = broadcast(size_tensor(width, inner), shape)
    goal = broadcast(cast(edge, inner), shape)
    start = broadcast(cast(as_tensor(value, "pad"), inner), shape)
    slope = raw.divide(raw.subtract(goal, start), count)
    ramp = raw.add(start, raw.multiply(slope, steps))
    return cast(ramp if edge.dtype.is_floating else raw.floor(ramp), edge.dtype)


def _statistic(reduce: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def extend(x: Tensor, axis: int, widths: Widths, value: Operand) -> Tensor:
        slab = reduce(x, axis=axis, keepdims=True)
        if slab.dtype != x.dtype:
            slab = cast(raw.round_(slab), x.dtype)
        return _between(_repeat(slab, axis, widths[0]), x, _repeat(slab, axis, widths[1]), axis)

    return extend


_MODES: dict[str, Callable[[Tensor, int, Widths, Operand], Tensor]] = {
    "edge": _edge,
    "reflect": _reflect,
    "symmetric": _symmetric,
    "wrap": _wrap,
    "linear_ramp": _linear_ramp,
    "maximum": _statistic(max_of),
    "minimum": _statistic(min_of),
    "mean": _statistic(mean_of),
}
