"""Inverse hyperbolic functions, and sums of squares and exponentials that do not overflow.

After W. Kahan, "Branch Cuts for Complex Elementary Functions" (1987): each is one log1p of an
argument that keeps its digits near 0.
"""

from __future__ import annotations

from math import log, log2

from graphdl.graph.nodes import Tensor
from graphdl.ops import elementwise as raw
from graphdl.ops.arguments import Operand, as_floating, floating_operands, number_like
from graphdl.ops.functions.derivative import with_slopes

LARGE = 2.0**28
"""Where the square of x makes x * x + 1 equal x * x in float64, too."""


def acosh(x: Operand) -> Tensor:
    """The inverse hyperbolic cosine; NaN below 1. Integers count as float32.

    >>> gd.acosh([1.0, 2.0]).eval().round(5)
    array([0.     , 1.31696], dtype=float32)
    """
    return with_slopes([as_floating(x, "acosh")], _acosh, _acosh_slope)


def _acosh(x: Tensor) -> Tensor:
    """log1p(t + sqrt(t (t + 2))) with t = x - 1; log(x) + log(2) for large x."""
    is_large = raw.greater(x, number_like(LARGE, x))
    less = raw.subtract(raw.select(is_large, number_like(1, x), x), number_like(1, x))
    root = raw.sqrt(raw.multiply(less, raw.add(less, number_like(2, x))))
    near = raw.log1p(raw.add(less, root))
    result: Tensor = raw.select(is_large, raw.add(raw.log(x), number_like(log(2), x)), near)
    return result


def _acosh_slope(x: Tensor) -> list[Tensor]:
    below = raw.subtract(x, number_like(1, x))
    above = raw.add(x, number_like(1, x))
    return [raw.multiply(raw.rsqrt(below), raw.rsqrt(above))]


def asinh(x: Operand) -> Tensor:
    """The inverse hyperbolic sine. Integers count as float32.

    >>> gd.asinh([0.0, 1.0]).eval()
    array([0.       , 0.8813736], dtype=float32)
    """
    return with_slopes([as_floating(x, "asinh")], _asinh, _asinh_slope)


def _asinh(x: Tensor) -> Tensor:
    """log1p(a + a a / (1 + sqrt(a a + 1))) with a = |x|; log(a) + log(2) for large a."""
    size, one = raw.abs_(x), number_like(1, x)
    is_large = raw.greater(size, number_like(LARGE, x))
    small = raw.select(is_large, one, size)
    square = raw.multiply(small, small)
    rest = raw.divide(square, raw.add(one, raw.sqrt(raw.add(square, one))))
    far = raw.add(raw.log(raw.select(is_large, size, one)), number_like(log(2), x))
    return with_sign_of(raw.select(is_large, far, raw.log1p(raw.add(small, rest))), x)


def with_sign_of(size: Tensor, x: Tensor) -> Tensor:
    """`size`, which is not negative, with the sign of x; zeros and NaN of x as they are."""
    signed = raw.select(raw.less(x, number_like(0, x)), raw.negative(size), size)
    result: Tensor = raw.select(raw.equal(x, number_like(0, x)), x, signed)
    return result


def _asinh_slope(x: Tensor) -> list[Tensor]:
    """1 / hypot(x, 1), so that a large x does not overflow."""
    return [raw.divide(number_like(1, x), _hypot(x, number_like(1, x)))]


def atanh(x: Operand) -> Tensor:
    """The inverse hyperbolic tangent; infinite at -1 and 1, NaN outside. Integers count as float32.

    >>> gd.atanh([0.0, 0.5]).eval().round(5)
    array([0.     , 0.54931], dtype=float32)
    """
    return with_slopes([as_floating(x, "atanh")], _atanh, _atanh_slope)


def _atanh(x: Tensor) -> Tensor:
    """log1p(2 a / (1 - a)) / 2 with a = |x|."""
    size, one = raw.abs_(x), number_like(1, x)
    ratio = raw.divide(raw.add(size, size), raw.subtract(one, size))
    return with_sign_of(raw.multiply(raw.log1p(ratio), number_like(0.5, x)), x)


def _atanh_slope(x: Tensor) -> list[Tensor]:
    one = number_like(1, x)
    return [raw.divide(one, raw.multiply(raw.subtract(one, x), raw.add(one, x)))]


def hypot(x: Operand, y: Operand) -> Tensor:
    """sqrt(x*x + y*y) without overflow; infinite if either is. The derivative at (0, 0) is 0.

    >>> gd.hypot(3.0, [4.0, 0.0]).eval().tolist()
    [5.0, 3.0]
    """
    return with_slopes(floating_operands("hypot", x, y), _hypot, _hypot_slopes)


def _hypot(x: Tensor, y: Tensor) -> Tensor:
    """large sqrt(1 + (small / large)**2), where a scale of powers of two would not help more."""
    left, right = raw.abs_(x), raw.abs_(y)
    large, small = raw.maximum(left, right), raw.minimum(left, right)
    is_plain = raw.bitwise_and(raw.greater(large, number_like(0, x)), raw.is_finite(large))
    ratio = raw.divide(small, raw.select(is_plain, large, number_like(1, x)))
    root = raw.sqrt(raw.add(number_like(1, x), raw.multiply(ratio, ratio)))
    result: Tensor = raw.select(is_plain, raw.multiply(large, root), _degenerate(left, right))
    return result


def _degenerate(left: Tensor, right: Tensor) -> Tensor:
    """What hypot is where it is 0, infinite or NaN."""
    infinity = number_like(float("inf"), left)
    is_infinite = raw.bitwise_or(raw.equal(left, infinity), raw.equal(right, infinity))
    result: Tensor = raw.select(is_infinite, infinity, raw.maximum(left, right))
    return result


def _hypot_slopes(x: Tensor, y: Tensor) -> list[Tensor]:
    length = _hypot(x, y)
    safe = raw.select(raw.equal(length, number_like(0, x)), number_like(1, x), length)
    return [raw.divide(x, safe), raw.divide(y, safe)]


def logaddexp(x: Operand, y: Operand) -> Tensor:
    """log(exp(x) + exp(y)) without overflow; of two -inf it is -inf.

    >>> gd.logaddexp(1000.0, [1000.0, 0.0]).eval().round(2)
    array([1000.69, 1000.  ], dtype=float32)
    """
    return with_slopes(floating_operands("logaddexp", x, y), _logaddexp, _logaddexp_slopes)


def _logaddexp(x: Tensor, y: Tensor) -> Tensor:
    rest = raw.log1p(raw.exp(raw.negative(_distance(x, y))))
    result: Tensor = raw.add(raw.maximum(x, y), rest)
    return result


def _distance(x: Tensor, y: Tensor) -> Tensor:
    """|x - y|, 0 for equal infinities."""
    zero = number_like(0, x)
    result: Tensor = raw.select(raw.equal(x, y), zero, raw.abs_(raw.subtract(x, y)))
    return result


def _logaddexp_slopes(x: Tensor, y: Tensor) -> list[Tensor]:
    gap = raw.select(raw.equal(x, y), number_like(0, x), raw.subtract(x, y))
    return [raw.logistic(gap), raw.logistic(raw.negative(gap))]


def logaddexp2(x: Operand, y: Operand) -> Tensor:
    """log2(2**x + 2**y) without overflow.

    >>> gd.logaddexp2(1000.0, [1000.0, 0.0]).eval().tolist()
    [1001.0, 1000.0]
    """
    operands = floating_operands("logaddexp2", x, y)
    return with_slopes(operands, _logaddexp2, _logaddexp2_slopes)


def _logaddexp2(x: Tensor, y: Tensor) -> Tensor:
    power = raw.exp(raw.multiply(_distance(x, y), number_like(-log(2), x)))
    rest = raw.multiply(raw.log1p(power), number_like(log2(2.718281828459045), x))
    result: Tensor = raw.add(raw.maximum(x, y), rest)
    return result


def _logaddexp2_slopes(x: Tensor, y: Tensor) -> list[Tensor]:
    gap = raw.select(raw.equal(x, y), number_like(0, x), raw.subtract(x, y))
    scaled = raw.multiply(gap, number_like(log(2), x))
    return [raw.logistic(scaled), raw.logistic(raw.negative(scaled))]
