"""Gather and scatter: elements chosen by integer tensors. Indices outside an axis are clamped."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdl.errors import DTypeError, ShapeError
from graphdl.graph.op import Guard, Op, OpKind
from graphdl.ops.type_rules import is_number, require_axis, require_dtype
from graphdl.typesystem.arithmetic import widen
from graphdl.typesystem.dtype import DType, int32, int64
from graphdl.typesystem.expression import Comparison, Size
from graphdl.typesystem.tensor_type import TensorType

Array = NDArray[Any]


def _require_index_dtype(op: str, dtype: DType) -> None:
    if dtype not in (int32, int64):
        raise DTypeError(f"{op} (C1): indices must be int32 or int64, got {dtype}")


def _require_elements(op: str, size: Size, axis: int, count: Size) -> None:
    if size == 0 and count != 0:
        raise ShapeError(f"{op} (C3): axis {axis} has no elements to choose from")


def _guard_elements(op: str, size: Size, axis: int) -> tuple[Guard, ...]:
    if isinstance(size, int):
        return ()
    return (Guard(Comparison(size, "!=", 0), f"{op}: axis {axis} of size {size} is empty"),)


def _clamp(indices: Array, size: int) -> Array:
    return np.clip(indices, 0, max(size - 1, 0)).astype(np.int64)


# gather -------------------------------------------------------------------------------------------


def _infer_gather(operand: TensorType, indices: TensorType, *, axis: int) -> tuple[TensorType, ...]:
    """C1: integer indices. C2: the axis is in range. C3: the axis is not empty."""
    _require_index_dtype("gather", indices.dtype)
    require_axis("gather", axis, operand.rank, "C2")
    _require_elements("gather", operand.shape[axis], axis, indices.element_count)
    shape = operand.shape[:axis] + indices.shape + operand.shape[axis + 1 :]
    return (TensorType(operand.dtype, shape),)


def _guard_gather(operand: TensorType, indices: TensorType, *, axis: int) -> tuple[Guard, ...]:
    return _guard_elements("gather", operand.shape[axis], axis)


def _gather(array: Array, indices: Array, *, axis: int) -> Array:
    if indices.size == 0:
        shape = array.shape[:axis] + indices.shape + array.shape[axis + 1 :]
        return np.empty(shape, array.dtype)
    return np.take(array, _clamp(indices, array.shape[axis]), axis=axis)


gather = Op(
    "gather",
    OpKind.GATHER,
    _infer_gather,
    _gather,
    "slices of the operand at `indices` along an axis",
    guards=_guard_gather,
)


def _infer_gather_elements(
    operand: TensorType, indices: TensorType, *, axis: int
) -> tuple[TensorType, ...]:
    """C1: integer indices. C2: axis in range. C3: axis not empty. C4: other sizes equal."""
    _require_index_dtype("gather_elements", indices.dtype)
    require_axis("gather_elements", axis, operand.rank, "C2")
    _require_elements("gather_elements", operand.shape[axis], axis, indices.element_count)
    _require_same_but("gather_elements", operand, indices, axis)
    return (TensorType(operand.dtype, indices.shape),)


def _require_same_but(op: str, operand: TensorType, indices: TensorType, axis: int) -> None:
    left = operand.shape[:axis] + operand.shape[axis + 1 :]
    right = indices.shape[:axis] + indices.shape[axis + 1 :]
    if operand.rank != indices.rank or left != right:
        raise ShapeError(f"{op} (C4): {operand} and {indices} may differ in axis {axis} only")


def _guard_gather_elements(
    operand: TensorType, indices: TensorType, *, axis: int
) -> tuple[Guard, ...]:
    return _guard_elements("gather_elements", operand.shape[axis], axis)


def _gather_elements(array: Array, indices: Array, *, axis: int) -> Array:
    if indices.size == 0:
        return np.empty(indices.shape, array.dtype)
    return np.take_along_axis(array, _clamp(indices, array.shape[axis]), axis=axis)


gather_elements = Op(
    "gather_elements",
    OpKind.GATHER,
    _infer_gather_elements,
    _gather_elements,
    "for each index, the element at that place along an axis",
    guards=_guard_gather_elements,
)


# scatter ------------------------------------------------------------------------------------------


def _infer_scatter_add(
    operand: TensorType, indices: TensorType, updates: TensorType, *, axis: int
) -> tuple[TensorType, ...]:
    """C1: integer indices. C2: axis in range. C3: axis not empty. C4: a number, equal dtypes.
    C5: updates have the shape of the gather that this inverts."""
    (wanted,) = _infer_gather(operand, indices, axis=axis)
    _require_updates("scatter_add", wanted, updates)
    return (operand,)


def _require_updates(op: str, wanted: TensorType, updates: TensorType) -> None:
    require_dtype(op, is_number, updates.dtype, "C4")
    if updates.dtype != wanted.dtype:
        raise DTypeError(f"{op} (C4): dtypes differ: {wanted.dtype} and {updates.dtype}")
    if updates.shape != wanted.shape:
        raise ShapeError(f"{op} (C5): updates must be {wanted}, got {updates}")


def _guard_scatter_add(
    operand: TensorType, indices: TensorType, updates: TensorType, *, axis: int
) -> tuple[Guard, ...]:
    return _guard_elements("scatter_add", operand.shape[axis], axis)


def _scatter_add(array: Array, indices: Array, updates: Array, *, axis: int) -> Array:
    result = widen(array).copy()
    if indices.size == 0 or updates.size == 0:
        return result.astype(array.dtype)
    target = np.moveaxis(result, axis, 0)
    places = tuple(range(axis, axis + indices.ndim))
    source = np.moveaxis(widen(updates), places, tuple(range(indices.ndim)))
    source = source.reshape(indices.size, *target.shape[1:])
    with np.errstate(all="ignore"):
        for row, place in enumerate(_clamp(indices, array.shape[axis]).reshape(-1)):
            target[place] += source[row]
    return result.astype(array.dtype)


scatter_add = Op(
    "scatter_add",
    OpKind.SCATTER,
    _infer_scatter_add,
    _scatter_add,
    "the operand with updates added at `indices` along an axis, in row-major order of updates",
    reducer="add",
    guards=_guard_scatter_add,
)


def _infer_scatter_add_elements(
    operand: TensorType, indices: TensorType, updates: TensorType, *, axis: int
) -> tuple[TensorType, ...]:
    """C1 to C4 as gather_elements; C4, C5 for updates as scatter_add."""
    (wanted,) = _infer_gather_elements(operand, indices, axis=axis)
    _require_updates("scatter_add_elements", wanted, updates)
    return (operand,)


def _guard_scatter_add_elements(
    operand: TensorType, indices: TensorType, updates: TensorType, *, axis: int
) -> tuple[Guard, ...]:
    return _guard_elements("scatter_add_elements", operand.shape[axis], axis)


def _scatter_add_elements(array: Array, indices: Array, updates: Array, *, axis: int) -> Array:
    result = widen(array).copy()
    target = np.moveaxis(result, axis, 0)
    places = np.moveaxis(_clamp(indices, array.shape[axis]), axis, 0)
    source = np.moveaxis(widen(updates), axis, 0)
    rest: tuple[Array, ...] = tuple(np.indices(target.shape[1:], sparse=True))
    with np.errstate(all="ignore"):
        for row in range(places.shape[0] if indices.size else 0):
            target[(places[row], *rest)] += source[row]
    return result.astype(array.dtype)


scatter_add_elements = Op(
    "scatter_add_elements",
    OpKind.SCATTER,
    _infer_scatter_add_elements,
    _scatter_add_elements,
    "the operand with each update added at its place along an axis, in row-major order of updates",
    reducer="add",
    guards=_guard_scatter_add_elements,
)

OPS: tuple[Op, ...] = (gather, gather_elements, scatter_add, scatter_add_elements)
"""Every gather and scatter."""
