"""Comparison, logic and bit functions: operands are promoted and broadcast, then one primitive."""

from __future__ import annotations

from graphdl.errors import DTypeError
from graphdl.graph.nodes import Tensor
from graphdl.graph.op import Op
from graphdl.ops import elementwise as raw
from graphdl.ops.arguments import (
    Operand,
    as_tensor,
    broadcast_operands,
    cast,
    filled,
    operand_lines,
    promote_operands,
)
from graphdl.ops.functions.elementwise import arithmetic, unary
from graphdl.typesystem.dtype import bool_


def _compare(op: Op, name: str, x: Operand, y: Operand) -> Tensor:
    """`op` on two operands, bools too."""
    left, right = promote_operands(name, x, y)
    left, right = broadcast_operands(name, left, right)
    result: Tensor = op(left, right)
    return result


def _bits(op: Op, name: str, x: Operand, y: Operand) -> Tensor:
    left, right = promote_operands(name, x, y)
    if left.dtype.is_floating:
        lines = operand_lines(lhs=left, rhs=right)
        raise DTypeError(f"{name}: needs integers or bools, got {left.dtype}", details=lines)
    left, right = broadcast_operands(name, left, right)
    result: Tensor = op(left, right)
    return result


def _as_bool(x: Operand, name: str) -> Tensor:
    tensor = as_tensor(x, name)
    return tensor if tensor.dtype.is_bool else cast(tensor, bool_)


def _logical(op: Op, name: str, x: Operand, y: Operand) -> Tensor:
    left, right = broadcast_operands(name, _as_bool(x, name), _as_bool(y, name))
    result: Tensor = op(left, right)
    return result


# Comparison and logic -----------------------------------------------------------------------------


def equal(x: Operand, y: Operand) -> Tensor:
    """x == y, as bools.

    >>> gd.equal([5, 6], 4).eval().tolist()
    [False, False]
    """
    return _compare(raw.equal, "equal", x, y)


def not_equal(x: Operand, y: Operand) -> Tensor:
    """x != y, as bools.

    >>> gd.not_equal([5, 6], 4).eval().tolist()
    [True, True]
    """
    return _compare(raw.not_equal, "not_equal", x, y)


def less(x: Operand, y: Operand) -> Tensor:
    """x < y, as bools.

    >>> gd.less([5, 6], 4).eval().tolist()
    [False, False]
    """
    return arithmetic(raw.less, "less", x, y)


def less_equal(x: Operand, y: Operand) -> Tensor:
    """x <= y, as bools.

    >>> gd.less_equal([5, 6], 4).eval().tolist()
    [False, False]
    """
    return arithmetic(raw.less_equal, "less_equal", x, y)


def greater(x: Operand, y: Operand) -> Tensor:
    """x > y, as bools.

    >>> gd.greater([5, 6], 4).eval().tolist()
    [True, True]
    """
    return arithmetic(raw.greater, "greater", x, y)


def greater_equal(x: Operand, y: Operand) -> Tensor:
    """x >= y, as bools.

    >>> gd.greater_equal([5, 6], 4).eval().tolist()
    [True, True]
    """
    return arithmetic(raw.greater_equal, "greater_equal", x, y)


def logical_and(x: Operand, y: Operand) -> Tensor:
    """Whether both are not zero.

    >>> gd.logical_and([True, True], [True, False]).eval().tolist()
    [True, False]
    """
    return _logical(raw.bitwise_and, "logical_and", x, y)


def logical_or(x: Operand, y: Operand) -> Tensor:
    """Whether either is not zero.

    >>> gd.logical_or([True, True], [True, False]).eval().tolist()
    [True, True]
    """
    return _logical(raw.bitwise_or, "logical_or", x, y)


def logical_xor(x: Operand, y: Operand) -> Tensor:
    """Whether exactly one is not zero.

    >>> gd.logical_xor([True, True], [True, False]).eval().tolist()
    [False, True]
    """
    return _logical(raw.bitwise_xor, "logical_xor", x, y)


def logical_not(x: Operand) -> Tensor:
    """Whether x is zero.

    >>> gd.logical_not([True, False]).eval().tolist()
    [False, True]
    """
    return unary(raw.bitwise_not, "logical_not", _as_bool(x, "logical_not"))


def isfinite(x: Operand) -> Tensor:
    """Whether x is neither NaN nor infinite.

    >>> gd.isfinite([1.0, np.inf, np.nan]).eval().tolist()
    [True, False, False]
    """
    tensor = as_tensor(x, "isfinite")
    if not tensor.dtype.is_floating:
        return filled(True, bool_, tensor.shape)
    return unary(raw.is_finite, "isfinite", tensor)


def isnan(x: Operand) -> Tensor:
    """Whether x is NaN.

    >>> gd.isnan([1.0, np.inf, np.nan]).eval().tolist()
    [False, False, True]
    """
    tensor = as_tensor(x, "isnan")
    result: Tensor = raw.not_equal(tensor, tensor)
    return result


def isinf(x: Operand) -> Tensor:
    """Whether x is plus or minus infinity.

    >>> gd.isinf([1.0, np.inf, np.nan]).eval().tolist()
    [False, True, False]
    """
    tensor = as_tensor(x, "isinf")
    if not tensor.dtype.is_floating:
        return filled(False, bool_, tensor.shape)
    size: Tensor = raw.abs_(tensor)
    result: Tensor = raw.equal(size, filled(float("inf"), tensor.dtype, tensor.shape))
    return result


# Bits ---------------------------------------------------------------------------------------------


def bitwise_and(x: Operand, y: Operand) -> Tensor:
    """Bits set in both.

    >>> gd.bitwise_and([12, 10], 6).eval().tolist()
    [4, 2]
    """
    return _bits(raw.bitwise_and, "bitwise_and", x, y)


def bitwise_or(x: Operand, y: Operand) -> Tensor:
    """Bits set in either.

    >>> gd.bitwise_or([12, 10], 6).eval().tolist()
    [14, 14]
    """
    return _bits(raw.bitwise_or, "bitwise_or", x, y)


def bitwise_xor(x: Operand, y: Operand) -> Tensor:
    """Bits set in one of the two.

    >>> gd.bitwise_xor([12, 10], 6).eval().tolist()
    [10, 12]
    """
    return _bits(raw.bitwise_xor, "bitwise_xor", x, y)


def bitwise_invert(x: Operand) -> Tensor:
    """Every bit inverted; bools negated.

    >>> gd.bitwise_invert([0, 5]).eval().tolist()
    [-1, -6]
    """
    return unary(raw.bitwise_not, "bitwise_invert", x)


def bitwise_left_shift(x: Operand, y: Operand) -> Tensor:
    """x * 2**y; 0 when y >= the width.

    >>> gd.bitwise_left_shift([12, 10], 1).eval().tolist()
    [24, 20]
    """
    return _bits(raw.shift_left, "bitwise_left_shift", x, y)


def bitwise_right_shift(x: Operand, y: Operand) -> Tensor:
    """floor(x / 2**y).

    >>> gd.bitwise_right_shift([12, 10], 1).eval().tolist()
    [6, 5]
    """
    return _bits(raw.shift_right_arithmetic, "bitwise_right_shift", x, y)
