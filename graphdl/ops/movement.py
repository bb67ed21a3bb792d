"""Movement: result[i] = operand[index_map(i)]; no arithmetic. Fusion makes these index maps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdl.errors import ArgumentError, DTypeError, ShapeError
from graphdl.graph.op import Attributes, Guard, Op, OpKind
from graphdl.ops.reshape_map import reshape_index
from graphdl.ops.type_rules import require_axes, require_axis
from graphdl.typesystem.expression import Comparison, Size, product
from graphdl.typesystem.index_map import IndexMap, axis_symbols
from graphdl.typesystem.tensor_type import Shape, TensorType

Array = NDArray[Any]
Axes = tuple[int, ...]
Types = tuple[TensorType, ...]


# reshape ------------------------------------------------------------------------------------------


def _infer_reshape(operand: TensorType, *, shape: Shape) -> Types:
    """C1: equal element counts, for all named sizes or by a guard checked at the call."""
    before, after = operand.element_count, product(shape)
    if before != after and isinstance(before, int) and isinstance(after, int):
        raise ShapeError(
            f"reshape (C1): {before} elements do not fit {TensorType(operand.dtype, shape)}"
        )
    return (TensorType(operand.dtype, shape),)


def _guard_reshape(operand: TensorType, *, shape: Shape) -> tuple[Guard, ...]:
    before, after = operand.element_count, product(shape)
    if before == after:
        return ()
    target = ", ".join(map(str, shape))
    message = f"reshape: {operand} does not fit [{target}]: element counts differ"
    return (Guard(Comparison(before, "==", after), message),)


def _map_reshape(types: Types, attributes: Attributes, position: int) -> IndexMap:
    shape: Shape = attributes["shape"]
    symbols = axis_symbols(len(shape))
    return IndexMap(symbols, reshape_index(types[0].shape, shape, symbols))


def _reshape(array: Array, *, shape: tuple[int, ...]) -> Array:
    return np.ascontiguousarray(array).reshape(shape)


reshape = Op(
    "reshape",
    OpKind.MOVEMENT,
    _infer_reshape,
    _reshape,
    "the elements in row-major order under other sizes",
    index_map=_map_reshape,
    guards=_guard_reshape,
)


# transpose ----------------------------------------------------------------------------------------


def _infer_transpose(operand: TensorType, *, permutation: Axes) -> Types:
    """C1: a permutation of the operand's axes."""
    if sorted(permutation) != list(range(operand.rank)):
        raise ArgumentError(f"transpose (C1): {permutation} does not permute {operand.rank} axes")
    return (TensorType(operand.dtype, tuple(operand.shape[axis] for axis in permutation)),)


def _map_transpose(types: Types, attributes: Attributes, position: int) -> IndexMap:
    permutation: Axes = attributes["permutation"]
    symbols = axis_symbols(len(permutation))
    return IndexMap(
        symbols, tuple(symbols[permutation.index(axis)] for axis in range(len(permutation)))
    )


def _transpose(array: Array, *, permutation: Axes) -> Array:
    return np.ascontiguousarray(array.transpose(permutation)).reshape(
        tuple(array.shape[axis] for axis in permutation)
    )


transpose = Op(
    "transpose",
    OpKind.MOVEMENT,
    _infer_transpose,
    _transpose,
    "result axis a is operand axis permutation[a]",
    index_map=_map_transpose,
)


# broadcast_in_dim ---------------------------------------------------------------------------------


def _infer_broadcast(operand: TensorType, *, shape: Shape, broadcast_dimensions: Axes) -> Types:
    """C1: one result axis per operand axis. C2: ascending and in range. C3: sizes equal or 1."""
    name = "broadcast_in_dim"
    if len(broadcast_dimensions) != operand.rank:
        raise ArgumentError(f"{name} (C1): {operand.rank} axes, {broadcast_dimensions} given")
    require_axes(name, broadcast_dimensions, len(shape), "C2")
    if list(broadcast_dimensions) != sorted(broadcast_dimensions):
        raise ArgumentError(f"{name} (C2): {broadcast_dimensions} is not ascending")
    for axis, target in enumerate(broadcast_dimensions):
        if operand.shape[axis] not in (1, shape[target]):
            raise ShapeError(
                f"{name} (C3): axis {axis} is {operand.shape[axis]}, "
                f"result axis {target} is {shape[target]}"
            )
    return (TensorType(operand.dtype, shape),)


def _guard_broadcast(
    operand: TensorType, *, shape: Shape, broadcast_dimensions: Axes
) -> tuple[Guard, ...]:
    return guard_sizes("broadcast_in_dim", shape, operand.shape)


def guard_sizes(op: str, sizes: Shape, known: Shape = ()) -> tuple[Guard, ...]:
    """Sizes that an op is given must not be negative; `known` ones are those of an operand."""
    return tuple(
        Guard(Comparison(0, "<=", size), f"{op}: a size of {size} is negative")
        for size in dict.fromkeys(sizes)
        if not isinstance(size, int) and size not in known and not is_evidently_not_negative(size)
    )


def _map_broadcast(types: Types, attributes: Attributes, position: int) -> IndexMap:
    symbols = axis_symbols(len(attributes["shape"]))
    pairs = zip(types[0].shape, attributes["broadcast_dimensions"], strict=True)
    return IndexMap(symbols, tuple(0 if size == 1 else symbols[axis] for size, axis in pairs))


def _broadcast(array: Array, *, shape: tuple[int, ...], broadcast_dimensions: Axes) -> Array:
    aligned = [1] * len(shape)
    for size, axis in zip(array.shape, broadcast_dimensions, strict=True):
        aligned[axis] = size
    return np.broadcast_to(array.reshape(aligned), shape).copy()


broadcast_in_dim = Op(
    "broadcast_in_dim",
    OpKind.MOVEMENT,
    _infer_broadcast,
    _broadcast,
    "operand axis a becomes result axis broadcast_dimensions[a]; the others repeat",
    index_map=_map_broadcast,
    guards=_guard_broadcast,
)


# slice --------------------------------------------------------------------------------------------


def sliced_size(start: Size, stop: Size, step: int) -> Size:
    """How many indices start, start + step, … lie below stop."""
    count = (stop - start + (step - 1)) // step
    return max(count, 0) if isinstance(count, int) else count


def _infer_slice(
    operand: TensorType, *, starts: Shape, stops: Shape, steps: tuple[int, ...]
) -> Types:
    """C1: a start, stop and step for each axis. C2: step > 0. C3: 0 <= start <= stop <= size."""
    if not len(starts) == len(stops) == len(steps) == operand.rank:
        raise ArgumentError(f"slice (C1): {operand.rank} starts, stops and steps are needed")
    for axis, (start, stop, step) in enumerate(zip(starts, stops, steps, strict=True)):
        if step <= 0:
            raise ArgumentError(f"slice (C2): step {step} of axis {axis} is not positive")
        if _is_known_outside(start, stop, operand.shape[axis]):
            raise ShapeError(
                f"slice (C3): {start}:{stop} is outside axis {axis} of size {operand.shape[axis]}"
            )
    sizes = (sliced_size(*bounds) for bounds in zip(starts, stops, steps, strict=True))
    return (TensorType(operand.dtype, tuple(sizes)),)


def _is_known_outside(start: Size, stop: Size, size: Size) -> bool:
    distances = (start, stop - start, size - stop)
    return any(isinstance(distance, int) and distance < 0 for distance in distances)


def _guard_slice(
    operand: TensorType, *, starts: Shape, stops: Shape, steps: tuple[int, ...]
) -> tuple[Guard, ...]:
    guards: list[Guard] = []
    for axis, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        size = operand.shape[axis]
        for low, high in ((0, start), (start, stop), (stop, size)):
            if not isinstance(high - low, int) and not _is_evident(low, high):
                message = f"slice: {start}:{stop} is outside axis {axis} of size {size}"
                guards.append(Guard(Comparison(low, "<=", high), message))
    return tuple(guards)


def _is_evident(low: Size, high: Size) -> bool:
    return low == 0 and is_evidently_not_negative(high)


def is_evidently_not_negative(value: Size) -> bool:
    """Whether `value` is plainly >= 0 for all sizes: a sum of products of names."""
    return not str(value).startswith("-") and "-" not in str(value)


def _map_slice(types: Types, attributes: Attributes, position: int) -> IndexMap:
    symbols = axis_symbols(types[0].rank)
    bounds = zip(symbols, attributes["starts"], attributes["steps"], strict=True)
    return IndexMap(symbols, tuple(symbol * step + start for symbol, start, step in bounds))


def _slice(
    array: Array, *, starts: tuple[int, ...], stops: tuple[int, ...], steps: tuple[int, ...]
) -> Array:
    bounds = zip(starts, stops, steps, strict=True)
    return np.array(array[tuple(slice(*bound) for bound in bounds)], order="C")


slice_ = Op(
    "slice",
    OpKind.MOVEMENT,
    _infer_slice,
    _slice,
    "every step-th index from start up to stop, on each axis",
    index_map=_map_slice,
    guards=_guard_slice,
)


# reverse ------------------------------------------------------------------------------------------


def _infer_reverse(operand: TensorType, *, axes: Axes) -> Types:
    """C1: axes distinct and in range."""
    require_axes("reverse", axes, operand.rank, "C1")
    return (operand,)


def _map_reverse(types: Types, attributes: Attributes, position: int) -> IndexMap:
    symbols = axis_symbols(types[0].rank)
    results = tuple(
        types[0].shape[axis] - 1 - symbol if axis in attributes["axes"] else symbol
        for axis, symbol in enumerate(symbols)
    )
    return IndexMap(symbols, results)


def _reverse(array: Array, *, axes: Axes) -> Array:
    return np.array(np.flip(array, axes), order="C")


reverse = Op(
    "reverse",
    OpKind.MOVEMENT,
    _infer_reverse,
    _reverse,
    "the elements in opposite order along axes",
    index_map=_map_reverse,
)


# pad ----------------------------------------------------------------------------------------------


def _infer_pad(operand: TensorType, value: TensorType, *, low: Shape, high: Shape) -> Types:
    """C1: the value is 0-d. C2: of the operand's dtype. C3: one width >= 0 per side and axis."""
    if value.rank != 0:
        raise ShapeError(f"pad (C1): the padding value must be 0-d, got {value}")
    if value.dtype != operand.dtype:
        raise DTypeError(f"pad (C2): dtypes differ: {operand.dtype} and {value.dtype}")
    if not len(low) == len(high) == operand.rank:
        raise ArgumentError(f"pad (C3): {operand.rank} widths are needed on each side")
    for width in (*low, *high):
        if isinstance(width, int) and width < 0:
            raise ArgumentError(f"pad (C3): width {width} is negative")
    sizes = zip(low, operand.shape, high, strict=True)
    return (TensorType(operand.dtype, tuple(a + size + b for a, size, b in sizes)),)


def _guard_pad(
    operand: TensorType, value: TensorType, *, low: Shape, high: Shape
) -> tuple[Guard, ...]:
    return guard_sizes("pad", (*low, *high))


def _map_pad(types: Types, attributes: Attributes, position: int) -> IndexMap:
    symbols = axis_symbols(types[0].rank)
    if position == 1:
        return IndexMap(symbols, ())
    results: list[Size] = []
    conditions: list[Comparison] = []
    widths = zip(attributes["low"], types[0].shape, attributes["high"], strict=True)
    for symbol, (low, size, high) in zip(symbols, widths, strict=True):
        results.append(symbol - low)
        if low != 0:
            conditions.append(Comparison(low, "<=", symbol))
        if high != 0:
            conditions.append(Comparison(symbol, "<", low + size))
    return IndexMap(symbols, tuple(results), tuple(conditions))


def _pad(array: Array, value: Array, *, low: tuple[int, ...], high: tuple[int, ...]) -> Array:
    sizes = tuple(a + size + b for a, size, b in zip(low, array.shape, high, strict=True))
    result = np.full(sizes, value, array.dtype)
    inside = zip(low, array.shape, strict=True)
    result[tuple(slice(start, start + size) for start, size in inside)] = array
    return result


pad = Op(
    "pad",
    OpKind.MOVEMENT,
    _infer_pad,
    _pad,
    "the operand with `low` and `high` copies of a 0-d value before and after it on each axis",
    index_map=_map_pad,
    guards=_guard_pad,
)


# concatenate --------------------------------------------------------------------------------------


def _infer_concatenate(*types: TensorType, axis: int) -> Types:
    """C1: an operand at least. C2: equal dtypes. C3: axis in range. C4: other sizes equal."""
    if not types:
        raise ArgumentError("concatenate (C1): nothing to join")
    first = types[0]
    require_axis("concatenate", axis, first.rank, "C3")
    for number, other in enumerate(types):
        if other.dtype != first.dtype:
            raise DTypeError(f"concatenate (C2): dtypes differ: {first.dtype} and {other.dtype}")
        if _without(other.shape, axis) != _without(first.shape, axis) or other.rank != first.rank:
            raise ShapeError(
                f"concatenate (C4): operand {number} does not fit: {first} and {other} "
                f"may differ in axis {axis} only"
            )
    total: Size = 0
    for other in types:
        total = total + other.shape[axis]
    return (TensorType(first.dtype, (*first.shape[:axis], total, *first.shape[axis + 1 :])),)


def _without(shape: Shape, axis: int) -> Shape:
    return shape[:axis] + shape[axis + 1 :]


def _map_concatenate(types: Types, attributes: Attributes, position: int) -> IndexMap:
    axis: int = attributes["axis"]
    symbols = axis_symbols(types[0].rank)
    start: Size = 0
    for other in types[:position]:
        start = start + other.shape[axis]
    results = tuple(
        symbol - start if number == axis else symbol for number, symbol in enumerate(symbols)
    )
    conditions: list[Comparison] = []
    if position > 0:
        conditions.append(Comparison(start, "<=", symbols[axis]))
    if position < len(types) - 1:
        conditions.append(Comparison(symbols[axis], "<", start + types[position].shape[axis]))
    return IndexMap(symbols, results, tuple(conditions))


def _concatenate(*arrays: Array, axis: int) -> Array:
    return np.concatenate(arrays, axis=axis)


concatenate = Op(
    "concatenate",
    OpKind.MOVEMENT,
    _infer_concatenate,
    _concatenate,
    "operands one after the other along an axis",
    index_map=_map_concatenate,
)

# stop_gradient ------------------------------------------------------------------------------------


def _infer_stop_gradient(operand: TensorType) -> Types:
    return (operand,)


def _map_stop_gradient(types: Types, attributes: Attributes, position: int) -> IndexMap:
    symbols = axis_symbols(types[0].rank)
    return IndexMap(symbols, symbols)


def _stop_gradient(array: Array) -> Array:
    return array


stop_gradient = Op(
    "stop_gradient",
    OpKind.MOVEMENT,
    _infer_stop_gradient,
    _stop_gradient,
    "the operand, which counts as a constant for derivatives",
    index_map=_map_stop_gradient,
    is_differentiable=False,
)

OPS: tuple[Op, ...] = (
    reshape, transpose, broadcast_in_dim, slice_, reverse, pad, concatenate, stop_gradient,
)  # fmt: skip
"""Every movement."""
