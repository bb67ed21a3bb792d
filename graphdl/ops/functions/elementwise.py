"""Elementwise functions: operands are promoted and broadcast, then one primitive is applied."""

from __future__ import annotations

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
    operand_lines,
    promote_operands,
)
from graphdl.typesystem.dtype import as_dtype, float32

_NO_BOOL = "bool has no arithmetic: convert with gd.astype(x, 'int32'), or use logical functions"


def unary(op: Op, name: str, x: Operand) -> Tensor:
    """`op` on one operand, as it is."""
    result: Tensor = op(as_tensor(x, name))
    return result


def _floating(op: Op, name: str, x: Operand) -> Tensor:
    """Integers and bools are computed in float32."""
    tensor = as_tensor(x, name)
    return unary(op, name, tensor if tensor.dtype.is_floating else cast(tensor, float32))


def _rounding(op: Op, name: str, x: Operand) -> Tensor:
    """Integers are their own rounding."""
    tensor = as_tensor(x, name)
    return tensor if tensor.dtype.is_integer else unary(op, name, tensor)


def _numeric(name: str, x: Operand) -> Tensor:
    tensor = as_tensor(x, name)
    if tensor.dtype.is_bool:
        raise DTypeError(f"{name}: got bool", details=operand_lines(x=tensor), hint=_NO_BOOL)
    return tensor


def arithmetic(op: Op, name: str, x: Operand, y: Operand) -> Tensor:
    """`op` on two operands, promoted and broadcast; two bools are refused."""
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


# Arithmetic ---------------------------------------------------------------------------------------


def add(x: Operand, y: Operand) -> Tensor:
    """x + y.

    >>> gd.add([5, 6], 4).eval().tolist()
    [9, 10]
    """
    return arithmetic(raw.add, "add", x, y)


def subtract(x: Operand, y: Operand) -> Tensor:
    """x - y.

    >>> gd.subtract([5, 6], 4).eval().tolist()
    [1, 2]
    """
    return arithmetic(raw.subtract, "subtract", x, y)


def multiply(x: Operand, y: Operand) -> Tensor:
    """x * y.

    >>> gd.multiply([5, 6], 4).eval().tolist()
    [20, 24]
    """
    return arithmetic(raw.multiply, "multiply", x, y)


def divide(x: Operand, y: Operand) -> Tensor:
    """x / y; integers are divided as float32.

    >>> gd.divide([5, 6], 4).eval().tolist()
    [1.25, 1.5]
    """
    return _floating_binary(raw.divide, "divide", x, y)


def floor_divide(x: Operand, y: Operand) -> Tensor:
    """floor(x / y); an integer over 0 is 0.

    >>> gd.floor_divide([5, 6], 4).eval().tolist()
    [1, 1]
    """
    return arithmetic(raw.floor_divide, "floor_divide", x, y)


def remainder(x: Operand, y: Operand) -> Tensor:
    """x - y*floor(x/y), with the sign of y; an integer over 0 is 0.

    >>> gd.remainder([5, 6], 4).eval().tolist()
    [1, 2]
    """
    return arithmetic(raw.remainder, "remainder", x, y)


def pow(x: Operand, y: Operand) -> Tensor:
    """x to the power y. A constant power of 1, 2 or 3 is multiplied out.

    >>> gd.pow([1, 2, 3], 3).eval().tolist()
    [1, 8, 27]
    """
    multiplied = _multiplied_out(x, y)
    return arithmetic(raw.power, "pow", x, y) if multiplied is None else multiplied


def _multiplied_out(x: Operand, exponent: Operand) -> Tensor | None:
    if not isinstance(x, Tensor) or isinstance(exponent, bool) or x.dtype.is_bool:
        return None
    is_plain = isinstance(exponent, int) or (isinstance(exponent, float) and x.dtype.is_floating)
    if not (is_plain and exponent in (1, 2, 3)):
        return None
    result = x
    for _ in range(int(exponent) - 1):
        result = raw.multiply(result, x)
    return result


def atan2(y: Operand, x: Operand) -> Tensor:
    """The angle of the point (x, y) in radians, between -pi and pi.

    >>> gd.atan2(0.0, [1.0, 2.0]).eval().tolist()
    [0.0, 0.0]
    """
    return _floating_binary(raw.atan2, "atan2", y, x)


def maximum(x: Operand, y: Operand) -> Tensor:
    """The larger of x and y; NaN if either is.

    >>> gd.maximum([5, 6], 4).eval().tolist()
    [5, 6]
    """
    return arithmetic(raw.maximum, "maximum", x, y)


def minimum(x: Operand, y: Operand) -> Tensor:
    """The smaller of x and y; NaN if either is.

    >>> gd.minimum([5, 6], 4).eval().tolist()
    [4, 4]
    """
    return arithmetic(raw.minimum, "minimum", x, y)


def negative(x: Operand) -> Tensor:
    """-x; unsigned integers wrap.

    >>> gd.negative([1, -2]).eval().tolist()
    [-1, 2]
    """
    return unary(raw.negative, "negative", _numeric("negative", x))


def positive(x: Operand) -> Tensor:
    """+x.

    >>> gd.positive([1, -2]).eval().tolist()
    [1, -2]
    """
    return _numeric("positive", x)


def abs(x: Operand) -> Tensor:
    """|x|.

    >>> gd.abs([1, -2]).eval().tolist()
    [1, 2]
    """
    return unary(raw.abs_, "abs", _numeric("abs", x))


def sign(x: Operand) -> Tensor:
    """-1, 0 or 1; zeros and NaN as they are. The derivative is 0.

    >>> gd.sign([5.0, -2.0, 0.0]).eval().tolist()
    [1.0, -1.0, 0.0]
    """
    return unary(raw.sign, "sign", _numeric("sign", x))


def square(x: Operand) -> Tensor:
    """x * x.

    >>> gd.square([3, -2]).eval().tolist()
    [9, 4]
    """
    tensor = _numeric("square", x)
    result: Tensor = raw.multiply(tensor, tensor)
    return result


def reciprocal(x: Operand) -> Tensor:
    """1 / x.

    >>> gd.reciprocal([2.0, 4.0]).eval().tolist()
    [0.5, 0.25]
    """
    return divide(1.0, x)


# Rounding -----------------------------------------------------------------------------------------


def floor(x: Operand) -> Tensor:
    """The greatest integer <= x, in x's dtype.

    >>> gd.floor([1.5, -2.5]).eval().tolist()
    [1.0, -3.0]
    """
    return _rounding(raw.floor, "floor", x)


def ceil(x: Operand) -> Tensor:
    """The least integer >= x, in x's dtype.

    >>> gd.ceil([1.5, -2.5]).eval().tolist()
    [2.0, -2.0]
    """
    return _rounding(raw.ceil, "ceil", x)


def round(x: Operand) -> Tensor:
    """The nearest integer, halves to even, in x's dtype.

    >>> gd.round([1.5, -2.5]).eval().tolist()
    [2.0, -2.0]
    """
    return _rounding(raw.round_, "round", x)


def trunc(x: Operand) -> Tensor:
    """The integer part, in x's dtype.

    >>> gd.trunc([1.5, -2.5]).eval().tolist()
    [1.0, -2.0]
    """
    return _rounding(raw.trunc, "trunc", x)


# Exponentials and trigonometry --------------------------------------------------------------------


def exp(x: Operand) -> Tensor:
    """e to the power x.

    >>> gd.exp([0.0, 1.0]).eval()
    array([1.       , 2.7182817], dtype=float32)
    """
    return _floating(raw.exp, "exp", x)


def exp2(x: Operand) -> Tensor:
    """2 to the power x.

    >>> gd.exp2([0.0, 1.0]).eval()
    array([1., 2.], dtype=float32)
    """
    return pow(2.0, x)


def expm1(x: Operand) -> Tensor:
    """exp(x) - 1, accurate near 0.

    >>> gd.expm1([0.0, 1.0]).eval()
    array([0.       , 1.7182819], dtype=float32)
    """
    return _floating(raw.expm1, "expm1", x)


def log(x: Operand) -> Tensor:
    """The natural logarithm.

    >>> gd.log([1.0, 2.0]).eval()
    array([0.       , 0.6931472], dtype=float32)
    """
    return _floating(raw.log, "log", x)


def log2(x: Operand) -> Tensor:
    """The logarithm to base 2.

    >>> gd.log2([1.0, 2.0]).eval()
    array([0., 1.], dtype=float32)
    """
    return multiply(log(x), 1.4426950408889634)


def log10(x: Operand) -> Tensor:
    """The logarithm to base 10.

    >>> gd.log10([1.0, 2.0]).eval()
    array([0.     , 0.30103], dtype=float32)
    """
    return multiply(log(x), 0.4342944819032518)


def log1p(x: Operand) -> Tensor:
    """log(1 + x), accurate near 0.

    >>> gd.log1p([0.0, 1.0]).eval()
    array([0.       , 0.6931472], dtype=float32)
    """
    return _floating(raw.log1p, "log1p", x)


def sqrt(x: Operand) -> Tensor:
    """The square root.

    >>> gd.sqrt([0.0, 1.0]).eval()
    array([0., 1.], dtype=float32)
    """
    return _floating(raw.sqrt, "sqrt", x)


def rsqrt(x: Operand) -> Tensor:
    """1 / sqrt(x).

    >>> gd.rsqrt([1.0, 4.0]).eval().tolist()
    [1.0, 0.5]
    """
    return _floating(raw.rsqrt, "rsqrt", x)


def sin(x: Operand) -> Tensor:
    """The sine of radians.

    >>> gd.sin([0.0, 1.0]).eval()
    array([0.        , 0.84147096], dtype=float32)
    """
    return _floating(raw.sin, "sin", x)


def cos(x: Operand) -> Tensor:
    """The cosine of radians.

    >>> gd.cos([0.0, 1.0]).eval()
    array([1.       , 0.5403023], dtype=float32)
    """
    return _floating(raw.cos, "cos", x)


def tan(x: Operand) -> Tensor:
    """The tangent of radians.

    >>> gd.tan([0.0, 1.0]).eval()
    array([0.       , 1.5574077], dtype=float32)
    """
    return _floating(raw.tan, "tan", x)


def asin(x: Operand) -> Tensor:
    """The inverse sine in radians.

    >>> gd.asin([0.0, 1.0]).eval()
    array([0.       , 1.5707964], dtype=float32)
    """
    return _floating(raw.asin, "asin", x)


def acos(x: Operand) -> Tensor:
    """The inverse cosine in radians.

    >>> gd.acos([0.0, 1.0]).eval()
    array([1.5707964, 0.       ], dtype=float32)
    """
    return _floating(raw.acos, "acos", x)


def atan(x: Operand) -> Tensor:
    """The inverse tangent in radians.

    >>> gd.atan([0.0, 1.0]).eval()
    array([0.       , 0.7853982], dtype=float32)
    """
    return _floating(raw.atan, "atan", x)


def sinh(x: Operand) -> Tensor:
    """The hyperbolic sine.

    >>> gd.sinh([0.0, 1.0]).eval()
    array([0.       , 1.1752012], dtype=float32)
    """
    return _floating(raw.sinh, "sinh", x)


def cosh(x: Operand) -> Tensor:
    """The hyperbolic cosine.

    >>> gd.cosh([0.0, 1.0]).eval()
    array([1.       , 1.5430807], dtype=float32)
    """
    return _floating(raw.cosh, "cosh", x)


def tanh(x: Operand) -> Tensor:
    """The hyperbolic tangent.

    >>> gd.tanh([0.0, 1.0]).eval()
    array([0.       , 0.7615942], dtype=float32)
    """
    return _floating(raw.tanh, "tanh", x)


def erf(x: Operand) -> Tensor:
    """The error function: 2/sqrt(pi) times the integral of exp(-t*t) from 0 to x.

    >>> gd.erf([0.0, 1.0]).eval()
    array([0.       , 0.8427008], dtype=float32)
    """
    return _floating(raw.erf, "erf", x)


# Choice and conversion ----------------------------------------------------------------------------


def where(condition: Operand, x: Operand, y: Operand) -> Tensor:
    """x where condition, else y.

    >>> gd.where([True, False], [1, 2], 9).eval().tolist()
    [1, 9]
    """
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

    >>> gd.clip([-3.0, 0.5, 3.0], 0, 1).eval().tolist()
    [0.0, 0.5, 1.0]
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
    """x converted: floats round to even, floats to integers truncate and saturate, NaN is 0.

    >>> gd.astype([1.9, -1.9, 300.0], "int8").eval().tolist()
    [1, -1, 127]
    """
    return cast(as_tensor(x, "astype"), as_dtype(dtype))


def bitcast(x: Operand, dtype: object) -> Tensor:
    """The bits of x read as another dtype of the same width.

    >>> hex(gd.bitcast(1.0, "uint32").eval())
    '0x3f800000'
    """
    result: Tensor = raw.bitcast(as_tensor(x, "bitcast"), dtype=as_dtype(dtype))
    return result
