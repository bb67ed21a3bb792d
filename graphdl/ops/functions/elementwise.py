"""Elementwise functions: operands are promoted and broadcast, then one primitive is applied."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphdl.errors import ArgumentError, DTypeError
from graphdl.graph.nodes import Tensor
from graphdl.graph.op import Op
from graphdl.ops import elementwise as raw
from graphdl.ops.arguments import (
    Operand,
    as_operand,
    as_tensor,
    broadcast_operands,
    cast,
    filled,
    operand_lines,
    promote_operands,
)
from graphdl.typesystem.dtype import as_dtype, bool_, float32

_NO_BOOL = "bool has no arithmetic: convert with gd.astype(x, 'int32'), or use logical functions"


def _unary(op: Op, name: str, x: Operand) -> Tensor:
    result: Tensor = op(as_tensor(x, name))
    return result


def _floating(op: Op, name: str, x: Operand) -> Tensor:
    """Integers and bools are computed in float32."""
    tensor = as_tensor(x, name)
    return _unary(op, name, tensor if tensor.dtype.is_floating else cast(tensor, float32))


def _rounding(op: Op, name: str, x: Operand) -> Tensor:
    """Integers are their own rounding."""
    tensor = as_tensor(x, name)
    return tensor if tensor.dtype.is_integer else _unary(op, name, tensor)


def _numeric(name: str, x: Operand) -> Tensor:
    tensor = as_tensor(x, name)
    if tensor.dtype.is_bool:
        raise DTypeError(f"{name}: got bool", details=operand_lines(x=tensor), hint=_NO_BOOL)
    return tensor


def apply_binary(op: Op, name: str, x: Operand, y: Operand) -> Tensor:
    """`op` on two operands of any mix, promoted and broadcast."""
    left, right = promote_operands(name, x, y)
    left, right = broadcast_operands(name, left, right)
    result: Tensor = op(left, right)
    return result


def _arithmetic(op: Op, name: str, x: Operand, y: Operand) -> Tensor:
    left, right = promote_operands(name, x, y)
    if left.dtype.is_bool:
        lines = operand_lines(lhs=left, rhs=right)
        raise DTypeError(f"{name}: both operands are bool", details=lines, hint=_NO_BOOL)
    left, right = broadcast_operands(name, left, right)
    result: Tensor = op(left, right)
    return result


def _floating_binary(op: Op, name: str, x: Operand, y: Operand) -> Tensor:
    """Integers and bools are computed in float32."""
    left, right = promote_operands(name, x, y)
    if not left.dtype.is_floating:
        left, right = cast(left, float32), cast(right, float32)
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


# Arithmetic ---------------------------------------------------------------------------------------


def add(x: Operand, y: Operand) -> Tensor:
    """x + y."""
    return _arithmetic(raw.add, "add", x, y)


def subtract(x: Operand, y: Operand) -> Tensor:
    """x - y."""
    return _arithmetic(raw.subtract, "subtract", x, y)


def multiply(x: Operand, y: Operand) -> Tensor:
    """x * y."""
    return _arithmetic(raw.multiply, "multiply", x, y)


def divide(x: Operand, y: Operand) -> Tensor:
    """x / y; integers are divided as float32."""
    return _floating_binary(raw.divide, "divide", x, y)


def floor_divide(x: Operand, y: Operand) -> Tensor:
    """floor(x / y); an integer over 0 is 0."""
    return _arithmetic(raw.floor_divide, "floor_divide", x, y)


def remainder(x: Operand, y: Operand) -> Tensor:
    """x - y*floor(x/y), with the sign of y; an integer over 0 is 0."""
    return _arithmetic(raw.remainder, "remainder", x, y)


def pow(x: Operand, y: Operand) -> Tensor:
    """x to the power y. A small constant whole y is multiplied out."""
    if isinstance(y, int) and not isinstance(y, bool) and isinstance(x, Tensor):
        multiplied = _small_power(x, y)
        if multiplied is not None:
            return multiplied
    if isinstance(y, float) and isinstance(x, Tensor) and x.dtype.is_floating:
        multiplied = _simple_root(x, y)
        if multiplied is not None:
            return multiplied
    return _arithmetic(raw.power, "pow", x, y)


def _small_power(x: Tensor, exponent: int) -> Tensor | None:
    if x.dtype.is_bool or not 1 <= exponent <= 3:
        return None
    result = x
    for _ in range(exponent - 1):
        result = raw.multiply(result, x)
    return result


def _simple_root(x: Tensor, exponent: float) -> Tensor | None:
    if exponent in (1.0, 2.0, 3.0):
        return _small_power(x, int(exponent))
    return None


def atan2(y: Operand, x: Operand) -> Tensor:
    """The angle of the point (x, y) in radians, between -pi and pi."""
    return _floating_binary(raw.atan2, "atan2", y, x)


def maximum(x: Operand, y: Operand) -> Tensor:
    """The larger of x and y; NaN if either is."""
    return _arithmetic(raw.maximum, "maximum", x, y)


def minimum(x: Operand, y: Operand) -> Tensor:
    """The smaller of x and y; NaN if either is."""
    return _arithmetic(raw.minimum, "minimum", x, y)


def negative(x: Operand) -> Tensor:
    """-x; unsigned integers wrap."""
    return _unary(raw.negative, "negative", _numeric("negative", x))


def positive(x: Operand) -> Tensor:
    """+x."""
    return _numeric("positive", x)


def abs(x: Operand) -> Tensor:
    """|x|."""
    return _unary(raw.abs_, "abs", _numeric("abs", x))


def sign(x: Operand) -> Tensor:
    """-1, 0 or 1; zeros and NaN as they are. The derivative is 0."""
    return _unary(raw.sign, "sign", _numeric("sign", x))


def square(x: Operand) -> Tensor:
    """x * x."""
    tensor = _numeric("square", x)
    result: Tensor = raw.multiply(tensor, tensor)
    return result


def reciprocal(x: Operand) -> Tensor:
    """1 / x."""
    return divide(1.0, x)


# Rounding -----------------------------------------------------------------------------------------


def floor(x: Operand) -> Tensor:
    """The greatest integer <= x, in x's dtype."""
    return _rounding(raw.floor, "floor", x)


def ceil(x: Operand) -> Tensor:
    """The least integer >= x, in x's dtype."""
    return _rounding(raw.ceil, "ceil", x)


def round(x: Operand) -> Tensor:
    """The nearest integer, halves to even, in x's dtype."""
    return _rounding(raw.round_, "round", x)


def trunc(x: Operand) -> Tensor:
    """The integer part, in x's dtype."""
    return _rounding(raw.trunc, "trunc", x)


# Exponentials and trigonometry --------------------------------------------------------------------


def exp(x: Operand) -> Tensor:
    """e to the power x."""
    return _floating(raw.exp, "exp", x)


def exp2(x: Operand) -> Tensor:
    """2 to the power x."""
    return pow(2.0, x)


def expm1(x: Operand) -> Tensor:
    """exp(x) - 1, accurate near 0."""
    return _floating(raw.expm1, "expm1", x)


def log(x: Operand) -> Tensor:
    """The natural logarithm."""
    return _floating(raw.log, "log", x)


def log2(x: Operand) -> Tensor:
    """The logarithm to base 2."""
    return multiply(log(x), 1.4426950408889634)


def log10(x: Operand) -> Tensor:
    """The logarithm to base 10."""
    return multiply(log(x), 0.4342944819032518)


def log1p(x: Operand) -> Tensor:
    """log(1 + x), accurate near 0."""
    return _floating(raw.log1p, "log1p", x)


def sqrt(x: Operand) -> Tensor:
    """The square root."""
    return _floating(raw.sqrt, "sqrt", x)


def rsqrt(x: Operand) -> Tensor:
    """1 / sqrt(x)."""
    return _floating(raw.rsqrt, "rsqrt", x)


def sin(x: Operand) -> Tensor:
    """The sine of radians."""
    return _floating(raw.sin, "sin", x)


def cos(x: Operand) -> Tensor:
    """The cosine of radians."""
    return _floating(raw.cos, "cos", x)


def tan(x: Operand) -> Tensor:
    """The tangent of radians."""
    return _floating(raw.tan, "tan", x)


def asin(x: Operand) -> Tensor:
    """The inverse sine in radians."""
    return _floating(raw.asin, "asin", x)


def acos(x: Operand) -> Tensor:
    """The inverse cosine in radians."""
    return _floating(raw.acos, "acos", x)


def atan(x: Operand) -> Tensor:
    """The inverse tangent in radians."""
    return _floating(raw.atan, "atan", x)


def sinh(x: Operand) -> Tensor:
    """The hyperbolic sine."""
    return _floating(raw.sinh, "sinh", x)


def cosh(x: Operand) -> Tensor:
    """The hyperbolic cosine."""
    return _floating(raw.cosh, "cosh", x)


def tanh(x: Operand) -> Tensor:
    """The hyperbolic tangent."""
    return _floating(raw.tanh, "tanh", x)


def erf(x: Operand) -> Tensor:
    """The error function: 2/sqrt(pi) times the integral of exp(-t*t) from 0 to x."""
    return _floating(raw.erf, "erf", x)


# Comparison and logic -----------------------------------------------------------------------------


def equal(x: Operand, y: Operand) -> Tensor:
    """x == y, as bools."""
    return apply_binary(raw.equal, "equal", x, y)


def not_equal(x: Operand, y: Operand) -> Tensor:
    """x != y, as bools."""
    return apply_binary(raw.not_equal, "not_equal", x, y)


def _ordered(op: Op, name: str, x: Operand, y: Operand) -> Tensor:
    return _arithmetic(op, name, x, y)


def less(x: Operand, y: Operand) -> Tensor:
    """x < y, as bools."""
    return _ordered(raw.less, "less", x, y)


def less_equal(x: Operand, y: Operand) -> Tensor:
    """x <= y, as bools."""
    return _ordered(raw.less_equal, "less_equal", x, y)


def greater(x: Operand, y: Operand) -> Tensor:
    """x > y, as bools."""
    return _ordered(raw.greater, "greater", x, y)


def greater_equal(x: Operand, y: Operand) -> Tensor:
    """x >= y, as bools."""
    return _ordered(raw.greater_equal, "greater_equal", x, y)


def logical_and(x: Operand, y: Operand) -> Tensor:
    """Whether both are not zero."""
    return _logical(raw.bitwise_and, "logical_and", x, y)


def logical_or(x: Operand, y: Operand) -> Tensor:
    """Whether either is not zero."""
    return _logical(raw.bitwise_or, "logical_or", x, y)


def logical_xor(x: Operand, y: Operand) -> Tensor:
    """Whether exactly one is not zero."""
    return _logical(raw.bitwise_xor, "logical_xor", x, y)


def logical_not(x: Operand) -> Tensor:
    """Whether x is zero."""
    return _unary(raw.bitwise_not, "logical_not", _as_bool(x, "logical_not"))


def isfinite(x: Operand) -> Tensor:
    """Whether x is neither NaN nor infinite."""
    tensor = as_tensor(x, "isfinite")
    if not tensor.dtype.is_floating:
        return filled(True, bool_, tensor.shape)
    return _unary(raw.is_finite, "isfinite", tensor)


def isnan(x: Operand) -> Tensor:
    """Whether x is NaN."""
    tensor = as_tensor(x, "isnan")
    result: Tensor = raw.not_equal(tensor, tensor)
    return result


def isinf(x: Operand) -> Tensor:
    """Whether x is plus or minus infinity."""
    tensor = as_tensor(x, "isinf")
    if not tensor.dtype.is_floating:
        return filled(False, bool_, tensor.shape)
    size: Tensor = raw.abs_(tensor)
    result: Tensor = raw.equal(size, filled(float("inf"), tensor.dtype, tensor.shape))
    return result


# Bits ---------------------------------------------------------------------------------------------


def bitwise_and(x: Operand, y: Operand) -> Tensor:
    """Bits set in both."""
    return _bits(raw.bitwise_and, "bitwise_and", x, y)


def bitwise_or(x: Operand, y: Operand) -> Tensor:
    """Bits set in either."""
    return _bits(raw.bitwise_or, "bitwise_or", x, y)


def bitwise_xor(x: Operand, y: Operand) -> Tensor:
    """Bits set in one of the two."""
    return _bits(raw.bitwise_xor, "bitwise_xor", x, y)


def bitwise_invert(x: Operand) -> Tensor:
    """Every bit inverted; bools negated."""
    return _unary(raw.bitwise_not, "bitwise_invert", x)


def bitwise_left_shift(x: Operand, y: Operand) -> Tensor:
    """x * 2**y; 0 when y >= the width."""
    return _bits(raw.shift_left, "bitwise_left_shift", x, y)


def bitwise_right_shift(x: Operand, y: Operand) -> Tensor:
    """floor(x / 2**y)."""
    return _bits(raw.shift_right_arithmetic, "bitwise_right_shift", x, y)


# Choice and conversion ----------------------------------------------------------------------------


def where(condition: Operand, x: Operand, y: Operand) -> Tensor:
    """x where condition, else y."""
    chosen = as_tensor(condition, "where")
    if not chosen.dtype.is_bool:
        raise DTypeError(
            f"where: the condition must be bool, got {chosen.dtype}",
            details=operand_lines(condition=chosen),
            hint="compare it: gd.where(x != 0, …)",
        )
    on_true, on_false = promote_operands("where", x, y, names=("x", "y"))
    operands = broadcast_operands("where", chosen, on_true, on_false, names=("condition", "x", "y"))
    result: Tensor = raw.select(*operands)
    return result


def clip(x: Operand, min: Operand = None, max: Operand = None) -> Tensor:
    """x brought between min and max; a bound that is None is not applied.

    The dtype is x's: bounds are converted to it.
    """
    tensor = _numeric("clip", x)
    for bound, op in ((min, raw.maximum), (max, raw.minimum)):
        if bound is not None:
            limit = _bound(bound, tensor)
            left, right = broadcast_operands("clip", tensor, limit, names=("x", "bound"))
            tensor = op(left, right)
    return tensor


def _bound(bound: Operand, x: Tensor) -> Tensor:
    if isinstance(bound, float) and not x.dtype.is_floating:
        raise ArgumentError(f"clip: the bound {bound} is a float, x is {x.dtype}")
    operand = as_operand(bound, "clip", keep_float64=True)
    if isinstance(operand, Tensor):
        return cast(operand, x.dtype)
    return promote_operands("clip", x, operand, names=("x", "bound"))[1]


def astype(x: Operand, dtype: object) -> Tensor:
    """x converted: floats round to even, floats to integers truncate and saturate, NaN is 0."""
    return cast(as_tensor(x, "astype"), as_dtype(dtype))


def bitcast(x: Operand, dtype: object) -> Tensor:
    """The bits of x read as another dtype of the same width."""
    result: Tensor = raw.bitcast(as_tensor(x, "bitcast"), dtype=as_dtype(dtype))
    return result


UNARY_OPERATORS: dict[str, Callable[[Any], Tensor]] = {
    "negative": negative,
    "positive": positive,
    "abs": abs,
    "bitwise_invert": bitwise_invert,
}
"""Array-API name -> function, for Tensor's unary operators."""

BINARY_OPERATORS: dict[str, Callable[[Any, Any], Tensor]] = {
    "add": add,
    "subtract": subtract,
    "multiply": multiply,
    "divide": divide,
    "floor_divide": floor_divide,
    "remainder": remainder,
    "pow": pow,
    "equal": equal,
    "not_equal": not_equal,
    "less": less,
    "less_equal": less_equal,
    "greater": greater,
    "greater_equal": greater_equal,
    "bitwise_and": bitwise_and,
    "bitwise_or": bitwise_or,
    "bitwise_xor": bitwise_xor,
    "bitwise_left_shift": bitwise_left_shift,
    "bitwise_right_shift": bitwise_right_shift,
}
"""Array-API name -> function, for Tensor's binary operators."""
