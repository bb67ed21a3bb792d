"""Reductions over axes, in a fixed order.

Points are enumerated row-major over the reduced axes. When the operand's last axis is among them a
sum or product is INTERLEAVED: point p goes to partial p mod 64, each partial ascending from the
identity, then a halving tree (32+32, 16+16, … 1). Otherwise it is ASCENDING: one partial.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdl.errors import ShapeError
from graphdl.graph.op import Guard, Op, OpKind
from graphdl.ops.type_rules import (
    Accepts,
    is_integer_or_bool,
    is_number,
    require_axes,
    require_axis,
    require_dtype,
)
from graphdl.typesystem.arithmetic import widen
from graphdl.typesystem.dtype import int64
from graphdl.typesystem.expression import Comparison, Size, product
from graphdl.typesystem.tensor_type import TensorType

Array = NDArray[Any]
LANES = 64
"""Partial sums of an interleaved reduction, on every target."""


# Type rules ---------------------------------------------------------------------------------------


def _reduction_rule(name: str, accepts: Accepts) -> Callable[..., tuple[TensorType, ...]]:
    def infer(operand: TensorType, *, axes: tuple[int, ...]) -> tuple[TensorType, ...]:
        """C1: the dtype is accepted. C2: axes distinct and in range."""
        require_dtype(name, accepts, operand.dtype)
        require_axes(name, axes, operand.rank, "C2")
        kept = tuple(size for axis, size in enumerate(operand.shape) if axis not in axes)
        return (TensorType(operand.dtype, kept),)

    return infer


def _argument_rule(name: str) -> Callable[..., tuple[TensorType, ...]]:
    def infer(operand: TensorType, *, axis: int) -> tuple[TensorType, ...]:
        """C1: a number. C2: the axis is in range. C3: the axis is not empty."""
        require_dtype(name, is_number, operand.dtype)
        require_axis(name, axis, operand.rank, "C2")
        _require_not_empty(name, operand.shape[axis])
        return (TensorType(int64, operand.shape[:axis] + operand.shape[axis + 1 :]),)

    return infer


def _require_not_empty(name: str, size: Size) -> None:
    if size == 0:
        raise ShapeError(f"{name} (C3): nothing to choose from: the reduced axes have 0 elements")


def _extreme_rule(name: str) -> Callable[..., tuple[TensorType, ...]]:
    reduce_type = _reduction_rule(name, is_number)

    def infer(operand: TensorType, *, axes: tuple[int, ...]) -> tuple[TensorType, ...]:
        """C1: a number. C2: axes distinct and in range. C3: the reduced axes are not empty."""
        result = reduce_type(operand, axes=axes)
        _require_not_empty(name, product(operand.shape[axis] for axis in axes))
        return result

    return infer


def _guard_not_empty(name: str, size: Size) -> tuple[Guard, ...]:
    if isinstance(size, int):
        return ()
    return (Guard(Comparison(size, "!=", 0), f"{name}: nothing to choose from when {size} is 0"),)


def _extreme_guards(name: str) -> Callable[..., tuple[Guard, ...]]:
    def guards(operand: TensorType, *, axes: tuple[int, ...]) -> tuple[Guard, ...]:
        return _guard_not_empty(name, product(operand.shape[axis] for axis in axes))

    return guards


def _argument_guards(name: str) -> Callable[..., tuple[Guard, ...]]:
    def guards(operand: TensorType, *, axis: int) -> tuple[Guard, ...]:
        return _guard_not_empty(name, operand.shape[axis])

    return guards


# References ---------------------------------------------------------------------------------------


def _rows(array: Array, axes: tuple[int, ...]) -> tuple[Array, tuple[int, ...]]:
    """(kept points, reduced points) as a matrix, and the kept sizes."""
    kept = tuple(axis for axis in range(array.ndim) if axis not in axes)
    shape = tuple(array.shape[axis] for axis in kept)
    count = prod(array.shape[axis] for axis in axes)
    return array.transpose(kept + axes).reshape(prod(shape), count), shape


def fold_in_order(
    function: np.ufunc, identity: float, array: Array, axes: tuple[int, ...]
) -> Array:
    """Fold `axes` with np.add or np.multiply in graphdl's order; 16-bit floats in float32.

    Without axes each element meets the identity alone: -0 becomes +0 in a sum, as in NumPy.
    """
    wide = widen(array)
    rows, shape = _rows(wide, tuple(sorted(axes)))
    with np.errstate(all="ignore"):
        if array.ndim - 1 in axes:
            folded = _fold_interleaved(function, identity, rows)
        else:
            folded = _fold_ascending(function, identity, rows)
        return folded.reshape(shape).astype(array.dtype)


def _fold_ascending(function: np.ufunc, identity: float, rows: Array) -> Array:
    start = np.full((rows.shape[0], 1), identity, rows.dtype)
    scanned = function.accumulate(np.concatenate([start, rows], axis=1), axis=1, dtype=rows.dtype)
    return np.asarray(scanned[:, -1])


def _fold_interleaved(function: np.ufunc, identity: float, rows: Array) -> Array:
    count = rows.shape[1]
    rounds = -(-count // LANES)
    padded = np.full((rows.shape[0], (rounds + 1) * LANES), identity, rows.dtype)
    padded[:, LANES : LANES + count] = rows
    lanes = padded.reshape(rows.shape[0], rounds + 1, LANES)
    partials = function.accumulate(lanes, axis=1, dtype=rows.dtype)[:, -1]
    width = LANES
    while width > 1:
        width //= 2
        partials = function(partials[:, :width], partials[:, width:])
    return np.asarray(partials[:, 0])


def _reduce_sum(array: Array, *, axes: tuple[int, ...]) -> Array:
    return fold_in_order(np.add, 0, array, axes)


def _reduce_prod(array: Array, *, axes: tuple[int, ...]) -> Array:
    return fold_in_order(np.multiply, 1, array, axes)


def _reduce_extreme(function: np.ufunc, *, prefers_negative: bool) -> Callable[..., Array]:
    """Fold with maximum or minimum; -0 < +0, which NumPy leaves open."""

    def reduce(array: Array, *, axes: tuple[int, ...]) -> Array:
        if not axes:
            return array
        wide = widen(array)
        with np.errstate(all="ignore"):
            result = np.asarray(function.reduce(wide, axis=axes))
        if wide.dtype.kind == "f":
            is_wanted = (wide == 0) & (np.signbit(wide) == prefers_negative)
            is_negative = np.any(is_wanted, axis=axes) == prefers_negative
            zero = np.where(is_negative, -0.0, 0.0).astype(wide.dtype)
            result = np.where(result == 0, zero, result)
        return result.astype(array.dtype)

    return reduce


def _reduce_bits(function: np.ufunc, identity: int) -> Callable[..., Array]:
    def reduce(array: Array, *, axes: tuple[int, ...]) -> Array:
        if not axes:
            return array
        start = bool(identity) if array.dtype == np.bool_ else array.dtype.type(0)
        if identity and array.dtype != np.bool_:
            start = np.invert(start)
        return np.asarray(function.reduce(array, axis=axes, initial=start)).astype(array.dtype)

    return reduce


def _argument(find: Callable[..., Any]) -> Callable[..., Array]:
    def reduce(array: Array, *, axis: int) -> Array:
        return np.asarray(find(widen(array), axis=axis)).astype(np.int64)

    return reduce


# Records ------------------------------------------------------------------------------------------

reduce_sum = Op(
    "reduce_sum",
    OpKind.REDUCTION,
    _reduction_rule("reduce_sum", is_number),
    _reduce_sum,
    "the sum over axes, which are removed; integers wrap",
    identity=0,
    reducer="add",
)
reduce_prod = Op(
    "reduce_prod",
    OpKind.REDUCTION,
    _reduction_rule("reduce_prod", is_number),
    _reduce_prod,
    "the product over axes, which are removed; integers wrap",
    identity=1,
    reducer="multiply",
)
reduce_max = Op(
    "reduce_max",
    OpKind.REDUCTION,
    _extreme_rule("reduce_max"),
    _reduce_extreme(np.maximum, prefers_negative=False),
    "the largest element over axes, which are removed; NaN spreads",
    reducer="maximum",
    guards=_extreme_guards("reduce_max"),
)
reduce_min = Op(
    "reduce_min",
    OpKind.REDUCTION,
    _extreme_rule("reduce_min"),
    _reduce_extreme(np.minimum, prefers_negative=True),
    "the smallest element over axes, which are removed; NaN spreads",
    reducer="minimum",
    guards=_extreme_guards("reduce_min"),
)
reduce_and = Op(
    "reduce_and",
    OpKind.REDUCTION,
    _reduction_rule("reduce_and", is_integer_or_bool),
    _reduce_bits(np.bitwise_and, 1),
    "bits set in every element over axes, which are removed; all of bools",
    reducer="bitwise_and",
    is_differentiable=False,
)
reduce_or = Op(
    "reduce_or",
    OpKind.REDUCTION,
    _reduction_rule("reduce_or", is_integer_or_bool),
    _reduce_bits(np.bitwise_or, 0),
    "bits set in some element over axes, which are removed; any of bools",
    identity=0,
    reducer="bitwise_or",
    is_differentiable=False,
)
argmax = Op(
    "argmax",
    OpKind.REDUCTION,
    _argument_rule("argmax"),
    _argument(np.argmax),
    "the index of the first NaN, else of the first largest element; int64",
    reducer="argmax",
    guards=_argument_guards("argmax"),
    is_differentiable=False,
)
argmin = Op(
    "argmin",
    OpKind.REDUCTION,
    _argument_rule("argmin"),
    _argument(np.argmin),
    "the index of the first NaN, else of the first smallest element; int64",
    reducer="argmin",
    guards=_argument_guards("argmin"),
    is_differentiable=False,
)


OPS: tuple[Op, ...] = (
    reduce_sum, reduce_prod, reduce_max, reduce_min, reduce_and, reduce_or, argmax, argmin,
)  # fmt: skip
"""Every reduction."""
