"""dot_general: the one contraction; matmul, tensordot, einsum and convolution are views of it."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdl.errors import ArgumentError, DTypeError, ShapeError
from graphdl.graph.op import Op, OpKind
from graphdl.ops.type_rules import is_number, require_axes, require_dtype
from graphdl.typesystem.arithmetic import widen
from graphdl.typesystem.tensor_type import TensorType

Array = NDArray[Any]
Axes = tuple[int, ...]


def free_axes(rank: int, contract: Axes, batch: Axes) -> Axes:
    """The axes of an operand that are neither contracted nor batch axes, ascending."""
    return tuple(axis for axis in range(rank) if axis not in contract and axis not in batch)


def _infer_dot_general(
    lhs: TensorType,
    rhs: TensorType,
    *,
    lhs_contract: Axes,
    rhs_contract: Axes,
    lhs_batch: Axes = (),
    rhs_batch: Axes = (),
) -> tuple[TensorType, ...]:
    """Result axes: batch, lhs free, rhs free; the dtype of both operands.

    C1: a number. C2: equal dtypes. C3: as many contracted (batch) axes on both sides.
    C4: axes distinct and in range. C5: batch sizes equal. C6: contracted sizes equal.
    """
    require_dtype("dot_general", is_number, lhs.dtype)
    if lhs.dtype != rhs.dtype:
        raise DTypeError(f"dot_general (C2): operand dtypes differ: {lhs.dtype} and {rhs.dtype}")
    if len(lhs_contract) != len(rhs_contract) or len(lhs_batch) != len(rhs_batch):
        raise ArgumentError(
            "dot_general (C3): both operands need as many contracted and batch axes"
        )
    require_axes("dot_general", lhs_contract + lhs_batch, lhs.rank, "C4")
    require_axes("dot_general", rhs_contract + rhs_batch, rhs.rank, "C4")
    _require_equal_sizes("C5", "batch", lhs, rhs, lhs_batch, rhs_batch)
    _require_equal_sizes("C6", "contracted", lhs, rhs, lhs_contract, rhs_contract)
    shape = tuple(lhs.shape[axis] for axis in lhs_batch)
    shape += tuple(lhs.shape[axis] for axis in free_axes(lhs.rank, lhs_contract, lhs_batch))
    shape += tuple(rhs.shape[axis] for axis in free_axes(rhs.rank, rhs_contract, rhs_batch))
    return (TensorType(lhs.dtype, shape),)


def _require_equal_sizes(
    constraint: str, what: str, lhs: TensorType, rhs: TensorType, lhs_axes: Axes, rhs_axes: Axes
) -> None:
    for left, right in zip(lhs_axes, rhs_axes, strict=True):
        if lhs.shape[left] != rhs.shape[right]:
            raise ShapeError(
                f"dot_general ({constraint}): {what} sizes differ: lhs axis {left} is "
                f"{lhs.shape[left]}, rhs axis {right} is {rhs.shape[right]}"
            )


def _dot_general(
    lhs: Array,
    rhs: Array,
    *,
    lhs_contract: Axes,
    rhs_contract: Axes,
    lhs_batch: Axes = (),
    rhs_batch: Axes = (),
) -> Array:
    """One accumulator from +0, ascending over the contracted points; 16-bit floats in float32."""
    lhs_free = free_axes(lhs.ndim, lhs_contract, lhs_batch)
    rhs_free = free_axes(rhs.ndim, rhs_contract, rhs_batch)
    shape = tuple(lhs.shape[axis] for axis in lhs_batch + lhs_free)
    shape += tuple(rhs.shape[axis] for axis in rhs_free)
    batch = prod(lhs.shape[axis] for axis in lhs_batch)
    depth = prod(lhs.shape[axis] for axis in lhs_contract)
    rows = prod(lhs.shape[axis] for axis in lhs_free)
    columns = prod(rhs.shape[axis] for axis in rhs_free)
    left = widen(lhs).transpose(lhs_contract + lhs_batch + lhs_free).reshape(depth, batch, rows, 1)
    right = widen(rhs).transpose(rhs_contract + rhs_batch + rhs_free)
    right = right.reshape(depth, batch, 1, columns)
    total = np.zeros((batch, rows, columns), left.dtype)
    with np.errstate(all="ignore"):
        for k in range(depth):
            total += left[k] * right[k]
        return total.reshape(shape).astype(lhs.dtype)


dot_general = Op(
    "dot_general",
    OpKind.CONTRACTION,
    _infer_dot_general,
    _dot_general,
    "sums of products over contracted axes, for each batch, lhs free and rhs free index",
    identity=0,
    reducer="add",
)

OPS: tuple[Op, ...] = (dot_general,)
"""Every contraction."""
