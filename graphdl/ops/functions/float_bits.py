"""Signs, exponents and neighbours of floating numbers, read from their bits."""

from __future__ import annotations

import ml_dtypes

from graphdl.errors import DTypeError
from graphdl.graph.nodes import Tensor
from graphdl.ops import elementwise as raw
from graphdl.ops.arguments import (
    Operand,
    as_floating,
    as_tensor,
    broadcast_operands,
    cast,
    floating_operands,
    number_like,
    operand_lines,
)
from graphdl.ops.functions.elementwise import where
from graphdl.ops.functions.logic import equal, isnan
from graphdl.typesystem.dtype import DType, as_dtype, float32, int32

_FRACTION = {"float16": 10, "bfloat16": 7, "float32": 23, "float64": 52}
_BIAS = {"float32": 127, "float64": 1023}


def _bits(x: Tensor, family: str) -> Tensor:
    result: Tensor = raw.bitcast(x, dtype=as_dtype(f"{family}{x.dtype.bits}"))
    return result


def signbit(x: Operand) -> Tensor:
    """Whether the sign is negative, -0.0 and -NaN included: bool.

    >>> gd.signbit([-2.0, -0.0, 0.0]).eval().tolist()
    [True, True, False]
    """
    tensor = as_tensor(x, "signbit")
    if tensor.dtype.is_bool:
        raise DTypeError("signbit: got bool", details=operand_lines(x=tensor))
    bits = _bits(tensor, "int") if tensor.dtype.is_floating else tensor
    result: Tensor = raw.less(bits, number_like(0, bits))
    return result


def copysign(x: Operand, y: Operand) -> Tensor:
    """|x| with the sign of y, -0.0 included. Integers count as float32.

    >>> gd.copysign([1.0, 2.0], [-0.0, 3.0]).eval().tolist()
    [-1.0, 2.0]
    """
    size, sign = floating_operands("copysign", x, y, names=("x", "y"))
    magnitude = raw.abs_(size)
    result: Tensor = raw.select(signbit(sign), raw.negative(magnitude), magnitude)
    return result


def nextafter(x: Operand, y: Operand) -> Tensor:
    """The number next to x in the direction of y; no derivative.

    >>> (gd.nextafter(1.0, 2.0) - 1.0).eval().item() == 2.0**-23
    True
    """
    start, goal = floating_operands("nextafter", x, y, names=("x", "y"))
    bits = _bits(start, "int")
    zero, one = number_like(0, start), number_like(1, bits)
    grows = equal(raw.less(start, goal), raw.less(zero, start))
    moved = raw.select(grows, raw.add(bits, one), raw.subtract(bits, one))
    moved = raw.bitcast(moved, dtype=start.dtype)
    least = copysign(number_like(_least(start.dtype), start), goal)
    result: Tensor = where(raw.equal(start, zero), least, moved)
    result = where(raw.equal(start, goal), goal, result)
    return where(raw.bitwise_or(isnan(start), isnan(goal)), raw.add(start, goal), result)


def _least(dtype: DType) -> float:
    return float(ml_dtypes.finfo(dtype.numpy).smallest_subnormal)


def ldexp(x: Operand, exponent: Operand) -> Tensor:
    """x * 2**exponent; a result below the smallest normal number may be rounded twice.

    `exponent` is an integer tensor. Integers x count as float32. Raises DTypeError.

    >>> gd.ldexp([1.0, 3.0], [4, -1]).eval().tolist()
    [16.0, 1.5]
    """
    tensor, power = as_floating(x, "ldexp"), as_tensor(exponent, "ldexp")
    if not power.dtype.is_integer:
        raise DTypeError(
            f"ldexp: the exponent must be an integer, got {power.dtype}",
            details=operand_lines(x=tensor, exponent=power),
        )
    if tensor.dtype.bits == 16:
        return cast(ldexp(cast(tensor, float32), power), tensor.dtype)
    tensor, power = broadcast_operands("ldexp", tensor, power, names=("x", "exponent"))
    return _scale(tensor, power)


def _scale(x: Tensor, power: Tensor) -> Tensor:
    """In three steps, each by a power of two that is a normal number."""
    bits = as_dtype(f"int{x.dtype.bits}")
    most = 3 * _BIAS[x.dtype.name] - 3
    wide = cast(power, bits) if power.dtype.bits <= x.dtype.bits else power
    low, high = number_like(-most, wide), number_like(most, wide)
    rest = cast(raw.minimum(raw.maximum(wide, low), high), bits)
    for parts in (3, 2, 1):
        part = raw.floor_divide(rest, number_like(parts, rest))
        rest = raw.subtract(rest, part)
        x = raw.multiply(x, _power_of_two(part, x.dtype))
    return x


def _power_of_two(exponent: Tensor, dtype: DType) -> Tensor:
    biased = raw.add(exponent, number_like(_BIAS[dtype.name], exponent))
    shifted = raw.shift_left(biased, number_like(_FRACTION[dtype.name], exponent))
    result: Tensor = raw.bitcast(shifted, dtype=dtype)
    return result


def frexp(x: Operand) -> tuple[Tensor, Tensor]:
    """(m, e) with x = m * 2**e and 0.5 <= |m| < 1; e is int32, 0 for zeros, infinities and NaN.

    >>> [part.eval().tolist() for part in gd.frexp([8.0, -3.0, 0.0])]
    [[0.5, -0.75, 0.0], [4, 2, 0]]
    """
    tensor = as_floating(x, "frexp")
    if tensor.dtype.bits == 16:
        mantissa, exponent = frexp(cast(tensor, float32))
        return cast(mantissa, tensor.dtype), exponent
    fraction, bias = _FRACTION[tensor.dtype.name], _BIAS[tensor.dtype.name]
    scale = 2.0 ** (fraction + 2)
    zero, one = number_like(0, tensor), number_like(1, tensor)
    is_plain = raw.bitwise_and(raw.is_finite(tensor), raw.not_equal(tensor, zero))
    is_tiny = raw.less(raw.abs_(tensor), number_like(2.0 ** (1 - bias), tensor))
    lifted = raw.multiply(tensor, raw.select(is_tiny, number_like(scale, tensor), one))
    bits = _bits(raw.abs_(lifted), "int")
    exponents = raw.shift_right_arithmetic(bits, number_like(fraction, bits))
    exponents = raw.subtract(exponents, number_like(bias - 1, bits))
    lift = raw.select(is_tiny, number_like(fraction + 2, bits), number_like(0, bits))
    exponents = raw.subtract(exponents, lift)
    exponent = cast(raw.select(is_plain, exponents, number_like(0, bits)), int32)
    return ldexp(tensor, raw.negative(exponent)), exponent


def nan_to_num(
    x: Operand, *, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Tensor:
    """NaN replaced by `nan`, infinities by the largest and the lowest number unless given.

    >>> gd.nan_to_num([float("nan"), float("inf"), 1.0], posinf=9.0).eval().tolist()
    [0.0, 9.0, 1.0]
    """
    tensor = as_tensor(x, "nan_to_num")
    if not tensor.dtype.is_floating:
        return tensor
    limits = ml_dtypes.finfo(tensor.dtype.numpy)
    above = float(limits.max) if posinf is None else posinf
    below = float(limits.min) if neginf is None else neginf
    infinity = number_like(float("inf"), tensor)
    result = where(raw.equal(tensor, infinity), number_like(above, tensor), tensor)
    is_lowest = raw.equal(tensor, raw.negative(infinity))
    result = where(is_lowest, number_like(below, tensor), result)
    return where(isnan(tensor), number_like(nan, tensor), result)
