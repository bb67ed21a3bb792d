"""Comparisons with a tolerance, and of whole tensors."""

from __future__ import annotations

from graphdl.graph.nodes import Tensor
from graphdl.ops import elementwise as raw
from graphdl.ops.arguments import (
    Operand,
    as_tensor,
    broadcast_operands,
    filled,
    floating_operands,
    number_like,
    promote_operands,
)
from graphdl.ops.functions.logic import isnan
from graphdl.ops.functions.reduction import all as all_of
from graphdl.typesystem.dtype import bool_


def isclose(
    x: Operand, y: Operand, *, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """Whether |x - y| <= atol + rtol * |y|: bool. Equal infinities are close.

    >>> gd.isclose([1.0, 2.0], [1.000001, 2.1]).eval().tolist()
    [True, False]
    """
    left, right = floating_operands("isclose", x, y)
    distance = raw.abs_(raw.subtract(left, right))
    size = raw.multiply(number_like(rtol, right), raw.abs_(right))
    is_near = raw.less_equal(distance, raw.add(number_like(atol, right), size))
    is_near = raw.bitwise_and(is_near, raw.is_finite(right))
    result: Tensor = raw.bitwise_or(is_near, raw.equal(left, right))
    if equal_nan:
        result = raw.bitwise_or(result, raw.bitwise_and(isnan(left), isnan(right)))
    return result


def allclose(
    x: Operand, y: Operand, *, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """Whether all elements are close (see isclose): a 0-d bool.

    >>> gd.allclose([1.0, 2.0], [1.0, 2.1]).eval().item()
    False
    """
    return all_of(isclose(x, y, rtol=rtol, atol=atol, equal_nan=equal_nan))


def array_equal(x: Operand, y: Operand) -> Tensor:
    """Whether shapes and all elements are equal: a 0-d bool. NaN equals nothing.

    >>> gd.array_equal([1, 2], [1, 2]).eval().item()
    True
    """
    if as_tensor(x, "array_equal").shape != as_tensor(y, "array_equal").shape:
        return filled(False, bool_)
    left, right = broadcast_operands("array_equal", *promote_operands("array_equal", x, y))
    return all_of(raw.equal(left, right))
