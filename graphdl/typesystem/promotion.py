"""Promotion: the dtype of a result from the dtypes of its operands.

The table is the array API standard's (2024.12, "Type Promotion Rules"). Where the standard leaves a
mix undefined, graphdl decides: bool joins any other dtype, an integer with a floating dtype gives
the floating dtype, and float16 with bfloat16 gives float32. uint64 with a signed integer has no
common integer dtype and is refused. Python scalars are weak: they choose a family, never a width.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from graphdl.errors import DTypeError
from graphdl.typesystem.dtype import ALL, DType, Kind, as_dtype, bool_, float32, int64
from graphdl.typesystem.expression import Expression

WeakType = type[bool] | type[int] | type[float]

_RANK = {bool: 0, int: 1, float: 2}
_DEFAULT = {bool: bool_, int: int64, float: float32}
_SIGNED = {dtype.bits: dtype for dtype in ALL if dtype.kind is Kind.INT}


def promote(*dtypes: DType) -> DType:
    """The dtype that holds a mix of `dtypes`, in any order and grouping.

    Raises DTypeError for uint64 with a signed integer, and ValueError for no dtype at all.
    """
    if not dtypes:
        raise ValueError("promote needs at least one dtype")
    floating = [dtype for dtype in dtypes if dtype.is_floating]
    result, *others = floating or dtypes
    for dtype in others:
        result = _promote_two(result, dtype)
    return result


def result_dtype(*operands: object) -> DType:
    """The promoted dtype of operands, where Python scalars are weak.

    An operand is a DType, a NumPy scalar or dtype, one of the types bool, int and float, or a
    Python scalar of them; a symbolic size counts as an int. A weak operand changes the dtype only
    when its family is higher: int8 with 2.0 is float32, float16 with 2.0 is float16, bool with 2 is
    int64. With weak operands alone the result is bool, int64 or float32. np.float64 scalars are
    Python floats and therefore weak. Raises DTypeError for a mix or operand without a dtype.
    """
    strong = [operand for operand in map(_strong, operands) if operand is not None]
    weak = [operand for operand in map(_weak, operands) if operand is not None]
    if not strong and not weak:
        raise ValueError("result_dtype needs at least one operand")
    family = max(weak, key=_RANK.__getitem__) if weak else bool
    if not strong:
        return _DEFAULT[family]
    return with_weak(promote(*strong), family)


def with_weak(dtype: DType, family: WeakType) -> DType:
    """`dtype` mixed with a Python scalar of type `family`: kept, unless the family is higher."""
    if family is float and not dtype.is_floating:
        return float32
    if family is int and dtype.is_bool:
        return int64
    return dtype


def weak_type(operand: object) -> WeakType | None:
    """bool, int or float when `operand` is a Python scalar (or a symbolic size), else None."""
    if isinstance(operand, bool):
        return bool
    if isinstance(operand, int | Expression):
        return int
    return float if isinstance(operand, float) else None


def _weak(operand: object) -> WeakType | None:
    if operand is bool or operand is int or operand is float:
        return operand
    return weak_type(operand)


def _strong(operand: object) -> DType | None:
    if isinstance(operand, DType):
        return operand
    if _weak(operand) is not None:
        return None
    if isinstance(operand, np.generic):
        return as_dtype(operand.dtype)
    if isinstance(operand, complex):
        raise DTypeError(f"complex numbers are not supported: {operand!r}")
    return as_dtype(operand)


@cache
def _promote_two(left: DType, right: DType) -> DType:
    if left is right or right.is_bool:
        return left
    if left.is_bool:
        return right
    if left.kind is right.kind:
        return _wider(left, right)
    if left.is_floating or right.is_floating:
        return left if left.is_floating else right
    return _promote_signs(left, right)


def _wider(left: DType, right: DType) -> DType:
    if left.bits == right.bits:  # float16 with bfloat16: neither holds the other
        return float32
    return left if left.bits > right.bits else right


def _promote_signs(left: DType, right: DType) -> DType:
    unsigned, signed = (left, right) if left.kind is Kind.UINT else (right, left)
    bits = max(signed.bits, 2 * unsigned.bits)
    if bits > 64:
        raise DTypeError(
            f"{left} and {right} have no common integer dtype",
            hint="convert one of them with astype first",
        )
    return _SIGNED[bits]
