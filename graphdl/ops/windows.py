"""Windows: every place of a sliding window as a view, and the diagonal that undoes it.

A convolution is a contraction over windows, a pooling a reduction over them; neither copies.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from graphdl.errors import ArgumentError, ShapeError
from graphdl.graph.op import Attributes, Guard, Op, OpKind
from graphdl.ops.type_rules import require_axes
from graphdl.typesystem.expression import Comparison, Size
from graphdl.typesystem.index_map import IndexMap, axis_symbols
from graphdl.typesystem.tensor_type import Shape, TensorType

Array = NDArray[Any]
Axes = tuple[int, ...]
Types = tuple[TensorType, ...]


# windows ------------------------------------------------------------------------------------------


def window_span(size: int, dilation: int) -> int:
    """How many elements a window reaches over."""
    return (size - 1) * dilation + 1


def window_count(length: Size, size: int, stride: int, dilation: int) -> Size:
    """How many windows fit into `length` elements."""
    return (length - window_span(size, dilation)) // stride + 1


def count_axis(axis: int, axes: Axes) -> int:
    """Where an axis of the operand is in the result; a windowed one counts windows there."""
    return axis if axis <= axes[-1] else axis + len(axes)


def size_axes(axes: Axes) -> Axes:
    """Where the axes inside a window are in the result."""
    return tuple(axes[-1] + 1 + number for number in range(len(axes)))


def _infer_windows(
    operand: TensorType, *, axes: Axes, sizes: Axes, strides: Axes, dilations: Axes
) -> Types:
    """C1: axes ascending, distinct, in range, one at least. C2: a size, stride, dilation for each.
    C3: all of them positive. C4: a window fits into its axis, by a guard where that is named."""
    require_axes("windows", axes, operand.rank, "C1")
    if not axes or list(axes) != sorted(axes):
        raise ArgumentError(f"windows (C1): {axes} is not an ascending list of axes")
    if not len(axes) == len(sizes) == len(strides) == len(dilations):
        raise ArgumentError(f"windows (C2): {len(axes)} sizes, strides and dilations are needed")
    if any(number < 1 for number in (*sizes, *strides, *dilations)):
        raise ArgumentError("windows (C3): sizes, strides and dilations must be positive")
    shape = list(operand.shape)
    for axis, size, stride, dilation in zip(axes, sizes, strides, dilations, strict=True):
        length, span = shape[axis], window_span(size, dilation)
        if isinstance(length, int) and length < span:
            raise ShapeError(
                f"windows (C4): a window over {span} does not fit axis {axis} of {length}"
            )
        shape[axis] = window_count(length, size, stride, dilation)
    end = axes[-1] + 1
    return (TensorType(operand.dtype, (*shape[:end], *sizes, *shape[end:])),)


def _guard_windows(
    operand: TensorType, *, axes: Axes, sizes: Axes, strides: Axes, dilations: Axes
) -> tuple[Guard, ...]:
    guards: list[Guard] = []
    for axis, size, dilation in zip(axes, sizes, dilations, strict=True):
        length, span = operand.shape[axis], window_span(size, dilation)
        if not isinstance(length - span, int):
            message = f"windows: a window over {span} does not fit axis {axis} of size {length}"
            guards.append(Guard(Comparison(span, "<=", length), message))
    return tuple(guards)


def _map_windows(types: Types, attributes: Attributes, position: int) -> IndexMap:
    axes: Axes = attributes["axes"]
    symbols = axis_symbols(types[0].rank + len(axes))
    results: list[Size] = [symbols[count_axis(axis, axes)] for axis in range(types[0].rank)]
    inside = (symbols[axis] for axis in size_axes(axes))
    steps = zip(axes, inside, attributes["strides"], attributes["dilations"], strict=True)
    for axis, symbol, stride, dilation in steps:
        results[axis] = results[axis] * stride + symbol * dilation
    return IndexMap(symbols, tuple(results))


def _windows(array: Array, *, axes: Axes, sizes: Axes, strides: Axes, dilations: Axes) -> Array:
    array = np.ascontiguousarray(array)
    shape, steps = list(array.shape), list(array.strides)
    end = axes[-1] + 1
    shape[end:end] = sizes
    steps[end:end] = [array.strides[a] * d for a, d in zip(axes, dilations, strict=True)]
    for axis, size, stride, dilation in zip(axes, sizes, strides, dilations, strict=True):
        shape[axis] = (array.shape[axis] - window_span(size, dilation)) // stride + 1
        steps[axis] = array.strides[axis] * stride
    return np.array(as_strided(array, shape, steps), order="C")


windows = Op(
    "windows",
    OpKind.MOVEMENT,
    _infer_windows,
    _windows,
    "each axis listed counts windows; the axes inside a window follow the last one listed",
    index_map=_map_windows,
    guards=_guard_windows,
)


# diagonal -----------------------------------------------------------------------------------------


def _infer_diagonal(operand: TensorType, *, first: int, second: int) -> Types:
    """C1: two axes in range, first < second. C2: of equal size."""
    require_axes("diagonal", (first, second), operand.rank, "C1")
    if first >= second:
        raise ArgumentError(f"diagonal (C1): axis {first} is not before axis {second}")
    shape = operand.shape
    if shape[first] != shape[second]:
        raise ShapeError(
            f"diagonal (C2): axis {first} is {shape[first]}, axis {second} is {shape[second]}"
        )
    return (TensorType(operand.dtype, _without(shape, second)),)


def _without(shape: Shape, axis: int) -> Shape:
    return shape[:axis] + shape[axis + 1 :]


def _map_diagonal(types: Types, attributes: Attributes, position: int) -> IndexMap:
    first, second = attributes["first"], attributes["second"]
    symbols = axis_symbols(types[0].rank - 1)
    return IndexMap(symbols, (*symbols[:second], symbols[first], *symbols[second:]))


def _diagonal(array: Array, *, first: int, second: int) -> Array:
    along = np.diagonal(array, axis1=first, axis2=second)
    return np.array(np.moveaxis(along, -1, first), order="C")


diagonal = Op(
    "diagonal",
    OpKind.MOVEMENT,
    _infer_diagonal,
    _diagonal,
    "the elements whose indices on two axes are equal; axis `second` goes",
    index_map=_map_diagonal,
)

OPS: tuple[Op, ...] = (windows, diagonal)
"""Movements over windows."""
