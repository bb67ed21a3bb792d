"""Entropies, logits and Bessel functions: elementwise.

Integers count as float32, 16-bit floats are computed in float32. Errors are at most 4 ulps in
float32 and float64, unless a function says otherwise.
"""

from __future__ import annotations

from graphdl.graph.nodes import Tensor
from graphdl.ops import elementwise as raw
from graphdl.ops.arguments import Operand, as_floating, floating_operands, number_like
from graphdl.ops.functions import special_tables as tables
from graphdl.ops.functions.derivative import with_slopes
from graphdl.ops.functions.hyperbolic import with_sign_of
from graphdl.ops.functions.series import chebyshev, on_range
from graphdl.ops.functions.special_tables import Series

# Products with logarithms -------------------------------------------------------------------------


def _unless_zero(x: Tensor, y: Tensor, value: Tensor) -> Tensor:
    """0 where x is 0 and y is not NaN, else value."""
    is_zero = raw.bitwise_and(raw.equal(x, number_like(0, x)), raw.equal(y, y))
    result: Tensor = raw.select(is_zero, number_like(0, x), value)
    return result


def xlogy(x: Operand, y: Operand) -> Tensor:
    """x log(y), 0 where x is 0 (NaN stays).

    >>> gd.xlogy([0.0, 2.0], [0.0, 1.0]).eval().tolist()
    [0.0, 0.0]
    """

    def value(a: Tensor, b: Tensor) -> Tensor:
        return _unless_zero(a, b, raw.multiply(a, raw.log(b)))

    def slopes(a: Tensor, b: Tensor) -> list[Tensor]:
        zero = number_like(0, a)
        is_corner = raw.bitwise_and(raw.equal(a, zero), raw.less_equal(b, zero))
        logarithm = raw.log(raw.select(is_corner, number_like(1, b), b))
        return [logarithm, _unless_zero(a, b, raw.divide(a, b))]

    return with_slopes(floating_operands("xlogy", x, y, names=("x", "y")), value, slopes)


def xlog1py(x: Operand, y: Operand) -> Tensor:
    """x log(1 + y), 0 where x is 0 (NaN stays), accurate for small y.

    >>> gd.xlog1py([0.0, 2.0], [-1.0, 0.0]).eval().tolist()
    [0.0, 0.0]
    """

    def value(a: Tensor, b: Tensor) -> Tensor:
        return _unless_zero(a, b, raw.multiply(a, raw.log1p(b)))

    def slopes(a: Tensor, b: Tensor) -> list[Tensor]:
        low = number_like(-1, a)
        is_corner = raw.bitwise_and(raw.equal(a, number_like(0, a)), raw.less_equal(b, low))
        logarithm = raw.log1p(raw.select(is_corner, number_like(0, b), b))
        above = raw.add(b, number_like(1, b))
        return [logarithm, _unless_zero(a, b, raw.divide(a, above))]

    return with_slopes(floating_operands("xlog1py", x, y, names=("x", "y")), value, slopes)


def entr(x: Operand) -> Tensor:
    """-x log(x), 0 at 0, -inf below.

    >>> print(gd.entr([0.5, 1.5]).eval().round(3))
    [ 0.347 -0.608]
    """
    tensor = as_floating(x, "entr")
    lowest = number_like(float("-inf"), tensor)
    is_negative = raw.less(tensor, number_like(0, tensor))
    product = raw.negative(xlogy(tensor, raw.select(is_negative, number_like(1, tensor), tensor)))
    result: Tensor = raw.select(is_negative, lowest, product)
    return result


def rel_entr(x: Operand, y: Operand) -> Tensor:
    """x log(x / y) for x, y > 0, 0 for x = 0 and y >= 0, else inf.

    >>> gd.rel_entr([0.0, 1.0], [0.0, 1.0]).eval().tolist()
    [0.0, 0.0]
    """
    left, right = floating_operands("rel_entr", x, y, names=("x", "y"))
    zero, one = number_like(0, left), number_like(1, left)
    is_plain = raw.bitwise_and(raw.greater(left, zero), raw.greater(right, zero))
    top, bottom = raw.select(is_plain, left, one), raw.select(is_plain, right, one)
    inside = raw.multiply(top, raw.log(raw.divide(top, bottom)))
    is_zero = raw.bitwise_and(raw.equal(left, zero), raw.greater_equal(right, zero))
    outside = raw.select(is_zero, zero, number_like(float("inf"), left))
    is_nan = raw.bitwise_or(raw.not_equal(left, left), raw.not_equal(right, right))
    outside = raw.select(is_nan, raw.add(left, right), outside)
    result: Tensor = raw.select(is_plain, inside, outside)
    return result


def kl_div(x: Operand, y: Operand) -> Tensor:
    """x log(x / y) - x + y: `rel_entr` made positive; inf where that is.

    >>> gd.kl_div([1.0], [1.0]).eval().tolist()
    [0.0]
    """
    left, right = floating_operands("kl_div", x, y, names=("x", "y"))
    result: Tensor = raw.add(raw.subtract(rel_entr(left, right), left), right)
    return result


def logit(x: Operand) -> Tensor:
    """log(x / (1 - x)), the inverse of sigmoid, accurate at 0.5; infinite at 0 and 1, NaN outside.

    >>> gd.logit([0.5, 1.0]).eval().tolist()
    [0.0, inf]
    """
    return with_slopes([as_floating(x, "logit")], _logit, _logit_slope)


def _logit(x: Tensor) -> Tensor:
    """log1p((2 x - 1) / (1 - x)) from 1/4 to 3/4."""
    one = number_like(1, x)
    rest = raw.subtract(one, x)
    offset = raw.subtract(raw.add(x, x), one)
    is_middle = raw.less(raw.abs_(offset), number_like(0.5, x))
    middle = raw.log1p(raw.divide(raw.select(is_middle, offset, number_like(0, x)), rest))
    result: Tensor = raw.select(is_middle, middle, raw.log(raw.divide(x, rest)))
    return result


def _logit_slope(x: Tensor) -> list[Tensor]:
    one = number_like(1, x)
    return [raw.divide(one, raw.multiply(x, raw.subtract(one, x)))]


# Bessel functions ---------------------------------------------------------------------------------


def i0e(x: Operand) -> Tensor:
    """exp(-|x|) I0(x), I0 the modified Bessel function of order 0. Series after Clenshaw (1962).

    >>> gd.i0e([0.0, 10.0]).eval().round(4)
    array([1.    , 0.1278], dtype=float32)
    """

    return _bessel(0, as_floating(x, "i0e"), _ORDERS)


_ORDERS = 2
"""How often Bessel functions are differentiated by their own rules; then as they are computed."""


def _bessel(order: int, x: Tensor, depth: int) -> Tensor:
    value, slope = (_i0e, _i0e_slope) if order == 0 else (_i1e, _i1e_slope)
    if depth == 0:
        return value(x)
    return with_slopes([x], value, lambda t: [slope(t, depth - 1)])


def _i0e_slope(x: Tensor, depth: int) -> Tensor:
    """i1e - sign(x) i0e."""
    signed = raw.multiply(raw.sign(x), _bessel(0, x, depth))
    result: Tensor = raw.subtract(_bessel(1, x, depth), signed)
    return result


def _i1e_slope(x: Tensor, depth: int) -> Tensor:
    """i0e - i1e (sign(x) + 1 / x); i1e / x is 1/2 at 0."""
    is_zero = raw.equal(x, number_like(0, x))
    safe = raw.select(is_zero, number_like(1, x), x)
    ratio = raw.select(is_zero, number_like(0.5, x), raw.divide(_bessel(1, safe, depth), safe))
    signed = raw.multiply(raw.sign(x), _bessel(1, x, depth))
    result: Tensor = raw.subtract(raw.subtract(_bessel(0, x, depth), signed), ratio)
    return result


def _i0e(x: Tensor) -> Tensor:
    size = raw.abs_(x)
    one = number_like(1, x)
    near = on_range(tables.I0E_NEAR, size, 0.0, 8.0)
    near = raw.select(raw.equal(size, number_like(0, x)), one, near)
    return _by_range(size, near, tables.I0E_FAR)


def _by_range(size: Tensor, near: Tensor, far: Series) -> Tensor:
    """`near` below 8, from there on the series in 16 / x - 1 over sqrt(x)."""
    large = raw.maximum(size, number_like(8, size))
    t = raw.subtract(raw.divide(number_like(16, size), large), number_like(1, size))
    beyond = raw.divide(chebyshev(far, t), raw.sqrt(large))
    result: Tensor = raw.select(raw.less(size, number_like(8, size)), near, beyond)
    return result


def i1e(x: Operand) -> Tensor:
    """exp(-|x|) I1(x), I1 the modified Bessel function of order 1. Series after Clenshaw (1962).

    >>> gd.i1e([0.0, 10.0]).eval().round(4)
    array([0.    , 0.1213], dtype=float32)
    """

    return _bessel(1, as_floating(x, "i1e"), _ORDERS)


def _i1e(x: Tensor) -> Tensor:
    size = raw.abs_(x)
    wide = raw.add(size, number_like(2, x))
    near = raw.divide(on_range(tables.I1E_NEAR, size, 0.0, 8.0), raw.multiply(wide, wide))
    near = raw.multiply(size, near)
    return with_sign_of(_by_range(size, near, tables.I1E_FAR), x)


def i0(x: Operand) -> Tensor:
    """The modified Bessel function of order 0; the error is that of exp, some ulps times |x| / 50.

    >>> gd.i0([0.0, 1.0]).eval().round(4)
    array([1.    , 1.2661], dtype=float32)
    """
    tensor = as_floating(x, "i0")
    result: Tensor = raw.multiply(raw.exp(raw.abs_(tensor)), i0e(tensor))
    return result


def i1(x: Operand) -> Tensor:
    """The modified Bessel function of order 1; the error is that of exp, some ulps times |x| / 50.

    >>> gd.i1([0.0, 1.0]).eval().round(4)
    array([0.    , 0.5652], dtype=float32)
    """
    tensor = as_floating(x, "i1")
    result: Tensor = raw.multiply(raw.exp(raw.abs_(tensor)), i1e(tensor))
    return result
