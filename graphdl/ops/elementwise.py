"""Elementwise primitives: result[i] from operand[i]; operands have one dtype and one shape.

What each computes is defined once in `typesystem/arithmetic.py`.
"""

from __future__ import annotations

from typing import Any

from graphdl.errors import DTypeError
from graphdl.graph.op import Op, OpKind
from graphdl.ops.type_rules import (
    Accepts,
    elementwise_rule,
    is_anything,
    is_floating,
    is_integer,
    is_integer_or_bool,
    is_number,
    require_arity,
    require_bool,
    require_same,
)
from graphdl.typesystem import arithmetic
from graphdl.typesystem.dtype import DType, as_dtype, bool_, uint32
from graphdl.typesystem.tensor_type import TensorType


def _unary(name: str, accepts: Accepts, doc: str, **traits: Any) -> Op:
    infer = elementwise_rule(name, accepts, 1, traits.pop("result", None))
    return Op(name, OpKind.ELEMENTWISE, infer, arithmetic.UNARY[name], doc, **traits)


def _binary(name: str, accepts: Accepts, doc: str, **traits: Any) -> Op:
    infer = elementwise_rule(name, accepts, 2, traits.pop("result", None))
    return Op(name, OpKind.ELEMENTWISE, infer, arithmetic.BINARY[name], doc, **traits)


def _function(name: str, doc: str) -> Op:
    return _unary(name, is_floating, doc, is_transcendental=True)


def _comparison(name: str, doc: str, accepts: Accepts = is_number, **traits: Any) -> Op:
    return _binary(name, accepts, doc, result=bool_, is_differentiable=False, **traits)


negative = _unary("negative", is_number, "-x; unsigned integers wrap")
abs_ = _unary("abs", is_number, "|x|")
sign = _unary("sign", is_number, "-1, 0 or 1; zeros and NaN as they are; derivative 0")
floor = _unary("floor", is_floating, "the greatest integer <= x; derivative 0")
ceil = _unary("ceil", is_floating, "the least integer >= x; derivative 0")
round_ = _unary("round", is_floating, "the nearest integer, halves to even; derivative 0")
trunc = _unary("trunc", is_floating, "the integer part; derivative 0")

exp = _function("exp", "e to the x")
expm1 = _function("expm1", "exp(x) - 1, accurate near 0")
log = _function("log", "natural logarithm")
log1p = _function("log1p", "log(1 + x), accurate near 0")
sqrt = _unary("sqrt", is_floating, "square root, correctly rounded")
rsqrt = _function("rsqrt", "1 / sqrt(x)")
sin = _function("sin", "sine of radians")
cos = _function("cos", "cosine of radians")
tan = _function("tan", "tangent of radians")
asin = _function("asin", "inverse sine in radians")
acos = _function("acos", "inverse cosine in radians")
atan = _function("atan", "inverse tangent in radians")
sinh = _function("sinh", "hyperbolic sine")
cosh = _function("cosh", "hyperbolic cosine")
tanh = _function("tanh", "hyperbolic tangent")
erf = _function("erf", "2/sqrt(pi) times the integral of exp(-t*t) from 0 to x")
logistic = _function("logistic", "1 / (1 + exp(-x))")

bitwise_not = _unary(
    "bitwise_not", is_integer_or_bool, "every bit inverted; logical not", is_differentiable=False
)
is_finite = _unary(
    "is_finite", is_floating, "neither NaN nor infinite", result=bool_, is_differentiable=False
)

add = _binary("add", is_number, "x + y", commutative=True, associative=True, identity=0)
subtract = _binary("subtract", is_number, "x - y")
multiply = _binary(
    "multiply", is_number, "x * y", commutative=True, associative=True, identity=1, annihilator=0
)
divide = _binary("divide", is_floating, "x / y, correctly rounded")
floor_divide = _binary("floor_divide", is_number, "floor(x / y); an integer over 0 is 0")
remainder = _binary("remainder", is_number, "x - y*floor(x/y); an integer over 0 is 0")
power = _binary("power", is_number, "x to the y; integers wrap", is_transcendental=True)
atan2 = _binary("atan2", is_floating, "the angle of (y, x) in radians", is_transcendental=True)
maximum = _binary(
    "maximum", is_number, "the larger; NaN spreads; -0 < +0", commutative=True, associative=True
)
minimum = _binary(
    "minimum", is_number, "the smaller; NaN spreads; -0 < +0", commutative=True, associative=True
)

equal = _comparison("equal", "x == y", is_anything, commutative=True)
not_equal = _comparison("not_equal", "x != y", is_anything, commutative=True)
less = _comparison("less", "x < y")
less_equal = _comparison("less_equal", "x <= y")
greater = _comparison("greater", "x > y")
greater_equal = _comparison("greater_equal", "x >= y")

bitwise_and = _binary(
    "bitwise_and",
    is_integer_or_bool,
    "bits set in both; logical and",
    commutative=True,
    associative=True,
    is_differentiable=False,
)
bitwise_or = _binary(
    "bitwise_or",
    is_integer_or_bool,
    "bits set in either; logical or",
    commutative=True,
    associative=True,
    identity=0,
    is_differentiable=False,
)
bitwise_xor = _binary(
    "bitwise_xor",
    is_integer_or_bool,
    "bits set in one of the two",
    commutative=True,
    associative=True,
    identity=0,
    is_differentiable=False,
)
shift_left = _binary(
    "shift_left", is_integer, "x * 2**y; 0 when y >= the width", is_differentiable=False
)
shift_right_logical = _binary(
    "shift_right_logical",
    is_integer,
    "bits moved down, zeros in; 0 when y >= the width",
    is_differentiable=False,
)
shift_right_arithmetic = _binary(
    "shift_right_arithmetic",
    is_integer,
    "bits moved down, the sign in; all sign when y >= the width",
    is_differentiable=False,
)


def _is_uint32(dtype: DType) -> bool:
    return dtype == uint32


def _infer_multiply_high(*types: TensorType) -> tuple[TensorType, ...]:
    """C1: uint32. C2, C3: as for every elementwise op."""
    require_arity("multiply_high", types, 2)
    if not _is_uint32(types[0].dtype):
        raise DTypeError(f"multiply_high (C1): needs uint32, got {types[0].dtype}")
    require_same("multiply_high", types)
    return (types[0],)


multiply_high = Op(
    "multiply_high",
    OpKind.ELEMENTWISE,
    _infer_multiply_high,
    arithmetic.BINARY["multiply_high"],
    "the upper 32 bits of the 64-bit product",
    commutative=True,
    is_differentiable=False,
)


def _infer_select(*types: TensorType) -> tuple[TensorType, ...]:
    """C1: the condition is bool. C2: branches of one dtype. C3: all of one shape."""
    require_arity("select", types, 3)
    condition, on_true, on_false = types
    require_bool("select", condition.dtype, "C1")
    require_same("select", (on_true, on_false))
    require_same("select", (TensorType(on_true.dtype, condition.shape), on_true))
    return (on_true,)


select = Op(
    "select",
    OpKind.ELEMENTWISE,
    _infer_select,
    arithmetic.select,
    "the second operand where the first is true, else the third",
)

fma = Op(
    "fma",
    OpKind.ELEMENTWISE,
    elementwise_rule("fma", is_number, 3, None),
    arithmetic.fma,
    "x * y + z, rounded once",
)


def _infer_convert(operand: TensorType, *, dtype: DType) -> tuple[TensorType, ...]:
    return (TensorType(as_dtype(dtype), operand.shape),)


def _infer_bitcast(operand: TensorType, *, dtype: DType) -> tuple[TensorType, ...]:
    """C1: both dtypes have the same width. C2: neither or both are bool."""
    if operand.dtype.bits != dtype.bits:
        raise DTypeError(f"bitcast (C1): widths differ: {operand.dtype} and {dtype}")
    if operand.dtype.is_bool != dtype.is_bool:
        raise DTypeError(f"bitcast (C2): bool has no bits to share with {operand.dtype}, {dtype}")
    return (TensorType(dtype, operand.shape),)


convert = Op(
    "convert",
    OpKind.ELEMENTWISE,
    _infer_convert,
    arithmetic.convert,
    "another dtype: floats round to even, float to integer truncates and saturates, NaN is 0",
)
bitcast = Op(
    "bitcast",
    OpKind.ELEMENTWISE,
    _infer_bitcast,
    arithmetic.bitcast,
    "the same bits as another dtype of the same width",
    is_differentiable=False,
)

OPS: tuple[Op, ...] = (
    negative, abs_, sign, floor, ceil, round_, trunc, exp, expm1, log, log1p, sqrt, rsqrt, sin,
    cos, tan, asin, acos, atan, sinh, cosh, tanh, erf, logistic, bitwise_not, is_finite,
    convert, bitcast, add, subtract, multiply, divide, floor_divide, remainder, power, atan2,
    maximum, minimum, equal, not_equal, less, less_equal, greater, greater_equal, bitwise_and,
    bitwise_or, bitwise_xor, shift_left, shift_right_logical, shift_right_arithmetic,
    multiply_high, select, fma,
)  # fmt: skip
"""Every elementwise primitive."""
