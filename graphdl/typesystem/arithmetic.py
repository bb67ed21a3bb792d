"""What each scalar operation means, on NumPy arrays of one dtype: the numerics of every IR.

Graph and kernel interpreters share these definitions. Rules that hold throughout:
integers wrap; an integer divided by zero is 0; float16 and bfloat16 compute in float32 and round
once; transcendental functions of float32 are computed in float64 and rounded; NaN spreads.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdl.typesystem.dtype import DType, bfloat16, float16
from graphdl.typesystem.fused_multiply_add import fused_multiply_add

Array = NDArray[Any]
Scalar = Callable[..., Array]

_SIXTEEN_BITS = (float16.numpy, bfloat16.numpy)


def is_sixteen_bit_float(array: Array) -> bool:
    """Whether elements are float16 or bfloat16, which compute in float32."""
    return array.dtype in _SIXTEEN_BITS


def widen(array: Array) -> Array:
    """float16 and bfloat16 as float32; everything else as it is."""
    return array.astype(np.float32) if is_sixteen_bit_float(array) else array


def rounding_once(function: Scalar) -> Scalar:
    """`function` computed in float32 and rounded once when its operands are 16-bit floats."""

    def compute(*arrays: Array) -> Array:
        arrays = tuple(np.asarray(array) for array in arrays)
        dtype = arrays[-1].dtype
        with np.errstate(all="ignore"):
            result = np.asarray(function(*(widen(array) for array in arrays)))
            return result.astype(dtype) if result.dtype == np.float32 != dtype else result

    return compute


def through_float64(function: Scalar) -> Scalar:
    """`function` computed in float64 and rounded to float32."""

    def compute(*arrays: Array) -> Array:
        dtype = arrays[0].dtype
        return np.asarray(function(*(array.astype(np.float64) for array in arrays))).astype(dtype)

    return compute


def convert(array: Array, dtype: DType) -> Array:
    """Elements as another dtype.

    Floats round to nearest even, to a 16-bit float by way of float32. A float becomes an integer
    by truncation, saturated, NaN as 0. Integers wrap. Anything but zero is True.
    """
    target = dtype.numpy
    if array.dtype == target:
        return array
    if dtype.is_bool:
        return np.asarray(array != 0)
    source = widen(array)
    with np.errstate(all="ignore"):
        if dtype.is_integer and source.dtype.kind == "f":
            return _saturate(source, target)
        if target in _SIXTEEN_BITS:
            return source.astype(np.float32).astype(target)
        return source.astype(target)


def _saturate(array: Array, target: np.dtype[Any]) -> Array:
    limits = np.iinfo(target)
    is_high = array >= array.dtype.type(2.0 ** (limits.bits - (limits.min < 0)))
    is_low = array <= array.dtype.type(limits.min)
    is_plain = ~(is_high | is_low | np.isnan(array))
    inside = np.where(is_plain, array, 0).astype(target)
    return np.where(is_high, limits.max, np.where(is_low, limits.min, inside)).astype(target)


def bitcast(array: Array, dtype: DType) -> Array:
    """The same bits as another dtype of the same width."""
    return np.ascontiguousarray(array).view(dtype.numpy).reshape(array.shape)


# Arithmetic ---------------------------------------------------------------------------------------


def _sign(x: Array) -> Array:
    return np.where((x == 0) | (x != x), x, np.sign(x)).astype(x.dtype)


def _rsqrt(x: Array) -> Array:
    return np.asarray(1.0 / np.sqrt(x))


def _logistic(x: Array) -> Array:
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0 / (1.0 + small), small / (1.0 + small))


_erf = np.frompyfunc(math.erf, 1, 1)


def _error_function(x: Array) -> Array:
    return np.asarray(_erf(x)).astype(np.float64)


def _divide(x: Array, y: Array) -> Array:
    return np.asarray(np.true_divide(x, y))


def _truncated_remainder(x: Array, y: Array) -> Array:
    """x - y*trunc(x/y), with the sign of x; kernel/math/division.py writes the same steps.

    Two steps of a rounded quotient and its exact remainder: exact while |x/y| is below 2**46
    (float32) or 2**104 (float64).
    """
    rest = fused_multiply_add(-np.trunc(x / y), y, x)
    rest = fused_multiply_add(-np.trunc(rest / y), y, rest)
    is_over = (rest != 0) & ((rest < 0) != (x < 0))
    rest = np.where(is_over, rest + np.copysign(y, x), rest)
    return np.where(np.isinf(y) & np.isfinite(x), x, rest)


def _floor_divide(x: Array, y: Array) -> Array:
    if x.dtype.kind != "f":
        return np.asarray(np.floor_divide(x, y))
    rest = _truncated_remainder(x, y)
    one = x.dtype.type(1)
    is_other_side = (rest != 0) & ((rest < 0) != (y < 0))
    exact = (x - rest) / y
    exact = np.where(is_other_side, exact - one, exact)
    down = np.floor(exact)
    down = np.where(exact - down > x.dtype.type(0.5), down + one, down)
    down = np.where(exact == 0, np.copysign(x.dtype.type(0), x / y), down)
    return np.where(y == 0, x / y, down)


def _remainder(x: Array, y: Array) -> Array:
    if x.dtype.kind != "f":
        return np.asarray(np.remainder(x, y))
    rest = _truncated_remainder(x, y)
    is_other_side = (rest != 0) & ((rest < 0) != (y < 0))
    rest = np.where(is_other_side, rest + y, rest)
    return np.where(rest == 0, np.copysign(x.dtype.type(0), y), rest)


def _power(x: Array, y: Array) -> Array:
    if x.dtype.kind == "f":
        # NumPy takes a 0-d exponent of 0.5 for a square root, which differs at -0 and -inf.
        exponent = np.array(np.broadcast_to(y, np.broadcast_shapes(x.shape, y.shape)), ndmin=1)
        return np.asarray(np.power(x, exponent)).reshape(np.broadcast_shapes(x.shape, y.shape))
    return _integer_power(x, y)


def _integer_power(x: Array, y: Array) -> Array:
    """Wrapping power by squaring; a negative exponent gives the power truncated to an integer."""
    is_negative = y < 0
    exponent = np.where(is_negative, 0, y)
    result = np.power(x, exponent.astype(y.dtype))
    is_odd = (y & 1) == 1
    inverse = np.where(x == 1, 1, np.where(x == -1, np.where(is_odd, -1, 1), 0))
    return np.where(is_negative, inverse.astype(x.dtype), result)


def _maximum(x: Array, y: Array) -> Array:
    result = np.maximum(x, y)
    if x.dtype.kind != "f":
        return np.asarray(result)
    return np.where(x == y, np.where(np.signbit(x), y, x), result)


def _minimum(x: Array, y: Array) -> Array:
    result = np.minimum(x, y)
    if x.dtype.kind != "f":
        return np.asarray(result)
    return np.where(x == y, np.where(np.signbit(x), x, y), result)


# Bits ---------------------------------------------------------------------------------------------


def _unsigned(x: Array) -> Array:
    return x.view(f"u{x.dtype.itemsize}") if x.dtype.kind == "i" else x


def _shift_left(x: Array, y: Array) -> Array:
    bits, amount = x.dtype.itemsize * 8, _unsigned(np.asarray(y))
    inside = np.left_shift(x, np.where(amount < bits, amount, 0).astype(x.dtype))
    return np.where(amount < bits, inside, 0).astype(x.dtype)


def _shift_right_logical(x: Array, y: Array) -> Array:
    bits, amount = x.dtype.itemsize * 8, _unsigned(np.asarray(y))
    raw = _unsigned(np.asarray(x))
    inside = np.right_shift(raw, np.where(amount < bits, amount, 0).astype(raw.dtype))
    return np.where(amount < bits, inside, 0).astype(raw.dtype).view(x.dtype)


def _shift_right_arithmetic(x: Array, y: Array) -> Array:
    bits, amount = x.dtype.itemsize * 8, _unsigned(np.asarray(y))
    if x.dtype.kind == "u":
        return _shift_right_logical(x, y)
    return np.asarray(np.right_shift(x, np.minimum(amount, bits - 1).astype(x.dtype)))


def _multiply_high(x: Array, y: Array) -> Array:
    return ((x.astype(np.uint64) * y.astype(np.uint64)) >> np.uint64(32)).astype(np.uint32)


# Tables -------------------------------------------------------------------------------------------


def _math(function: Scalar) -> Scalar:
    return rounding_once(through_float64(function))


def _in_float64(function: Scalar) -> Scalar:
    narrow = _math(function)
    direct = rounding_once(function)

    def compute(*arrays: Array) -> Array:
        return direct(*arrays) if np.asarray(arrays[0]).dtype.kind in "iub" else narrow(*arrays)

    return compute


UNARY: dict[str, Scalar] = {
    "negative": rounding_once(np.negative),
    "abs": rounding_once(np.abs),
    "sign": rounding_once(_sign),
    "floor": rounding_once(np.floor),
    "ceil": rounding_once(np.ceil),
    "round": rounding_once(np.rint),
    "trunc": rounding_once(np.trunc),
    "exp": _math(np.exp),
    "expm1": _math(np.expm1),
    "log": _math(np.log),
    "log1p": _math(np.log1p),
    "sqrt": rounding_once(np.sqrt),
    "rsqrt": _math(_rsqrt),
    "sin": _math(np.sin),
    "cos": _math(np.cos),
    "tan": _math(np.tan),
    "asin": _math(np.arcsin),
    "acos": _math(np.arccos),
    "atan": _math(np.arctan),
    "sinh": _math(np.sinh),
    "cosh": _math(np.cosh),
    "tanh": _math(np.tanh),
    "erf": _math(_error_function),
    "logistic": _math(_logistic),
    "bitwise_not": rounding_once(np.bitwise_not),
    "is_finite": rounding_once(np.isfinite),
}
"""name -> meaning, elementwise on one array."""

BINARY: dict[str, Scalar] = {
    "add": rounding_once(np.add),
    "subtract": rounding_once(np.subtract),
    "multiply": rounding_once(np.multiply),
    "divide": rounding_once(_divide),
    "floor_divide": rounding_once(_floor_divide),
    "remainder": rounding_once(_remainder),
    "power": _in_float64(_power),
    "atan2": _math(np.arctan2),
    "maximum": rounding_once(_maximum),
    "minimum": rounding_once(_minimum),
    "equal": rounding_once(np.equal),
    "not_equal": rounding_once(np.not_equal),
    "less": rounding_once(np.less),
    "less_equal": rounding_once(np.less_equal),
    "greater": rounding_once(np.greater),
    "greater_equal": rounding_once(np.greater_equal),
    "bitwise_and": rounding_once(np.bitwise_and),
    "bitwise_or": rounding_once(np.bitwise_or),
    "bitwise_xor": rounding_once(np.bitwise_xor),
    "shift_left": rounding_once(_shift_left),
    "shift_right_logical": rounding_once(_shift_right_logical),
    "shift_right_arithmetic": rounding_once(_shift_right_arithmetic),
    "multiply_high": rounding_once(_multiply_high),
}
"""name -> meaning, elementwise on two arrays of one dtype."""


def select(condition: Array, on_true: Array, on_false: Array) -> Array:
    """on_true where condition, else on_false."""
    return np.where(condition, on_true, on_false)


def _multiply_add(x: Array, y: Array, z: Array) -> Array:
    return fused_multiply_add(x, y, z) if x.dtype.kind == "f" else np.asarray(x * y + z)


fma: Scalar = rounding_once(_multiply_add)
"""x * y + z, rounded once."""
