"""Small elementwise functions: angles, steps, remainders, and choices that ignore NaN."""

from __future__ import annotations

from math import pi

from graphdl.graph.nodes import Tensor
from graphdl.ops import elementwise as raw
from graphdl.ops.arguments import (
    Operand,
    as_floating,
    as_tensor,
    broadcast_operands,
    filled,
    floating_operands,
    number_like,
    promote_operands,
)
from graphdl.ops.functions.derivative import with_slopes
from graphdl.ops.functions.elementwise import floor_divide, multiply, remainder, where
from graphdl.ops.functions.hyperbolic import with_sign_of
from graphdl.ops.functions.logic import isnan
from graphdl.typesystem.dtype import bool_


def deg2rad(x: Operand) -> Tensor:
    """Degrees as radians. Integers count as float32.

    >>> gd.deg2rad([0.0, 180.0]).eval()
    array([0.       , 3.1415927], dtype=float32)
    """
    return multiply(as_floating(x, "deg2rad"), pi / 180)


def rad2deg(x: Operand) -> Tensor:
    """Radians as degrees. Integers count as float32.

    >>> gd.rad2deg([0.0, 3.1415927]).eval()
    array([  0., 180.], dtype=float32)
    """
    return multiply(as_floating(x, "rad2deg"), 180 / pi)


def sinc(x: Operand) -> Tensor:
    """sin(pi x) / (pi x), 1 at 0, differentiable there. Integers count as float32.

    >>> gd.sinc([0.0, 0.5]).eval().round(5)
    array([1.     , 0.63662], dtype=float32)
    """
    return with_slopes([as_floating(x, "sinc")], _sinc, lambda t: [_sinc_slope(t)])


def sine_of_turns(x: Tensor) -> Tensor:
    """sin(pi x): x reduced to a quarter turn first, so that large x keep their digits."""
    nearest = raw.round_(x)
    rest = raw.sin(raw.multiply(raw.subtract(x, nearest), number_like(pi, x)))
    half = raw.multiply(nearest, number_like(0.5, x))
    is_even = raw.equal(raw.floor(half), half)
    result: Tensor = raw.select(is_even, rest, raw.negative(rest))
    return result


def cosine_of_turns(x: Tensor) -> Tensor:
    """cos(pi x)."""
    nearest = raw.round_(x)
    rest = raw.cos(raw.multiply(raw.subtract(x, nearest), number_like(pi, x)))
    half = raw.multiply(nearest, number_like(0.5, x))
    is_even = raw.equal(raw.floor(half), half)
    result: Tensor = raw.select(is_even, rest, raw.negative(rest))
    return result


def _sinc(x: Tensor) -> Tensor:
    is_zero = raw.equal(x, number_like(0, x))
    safe = raw.select(is_zero, number_like(1, x), x)
    ratio = raw.divide(sine_of_turns(safe), raw.multiply(safe, number_like(pi, x)))
    result: Tensor = raw.select(is_zero, number_like(1, x), ratio)
    return result


def _sinc_slope(x: Tensor) -> Tensor:
    """(cos(pi x) - sinc(x)) / x, and its series near 0, where that cancels."""
    limit = 0.05 if x.dtype.bits == 64 else 0.3
    is_small = raw.less(raw.abs_(x), number_like(limit, x))
    safe = raw.select(is_small, number_like(1, x), x)
    far = raw.divide(raw.subtract(cosine_of_turns(safe), _sinc(safe)), safe)
    small = raw.select(is_small, x, number_like(0, x))
    square = raw.multiply(small, small)
    series = number_like(_SINC_SLOPE[-1], x)
    for coefficient in reversed(_SINC_SLOPE[:-1]):
        series = raw.add(raw.multiply(series, square), number_like(coefficient, x))
    result: Tensor = raw.select(is_small, raw.multiply(small, series), far)
    return result


_SINC_SLOPE = (-(pi**2) / 3, pi**4 / 30, -(pi**6) / 840, pi**8 / 45360, -(pi**10) / 3991680)
"""sinc'(x) / x in powers of x * x."""


def heaviside(x: Operand, at_zero: Operand) -> Tensor:
    """0 below 0, 1 above, `at_zero` at 0; NaN stays. The derivative by x is 0.

    >>> gd.heaviside([-1.0, 0.0, 2.0], 0.5).eval().tolist()
    [0.0, 0.5, 1.0]
    """
    tensor, middle = floating_operands("heaviside", x, at_zero, names=("x", "at_zero"))
    zero, one = number_like(0, tensor), number_like(1, tensor)
    side = raw.select(raw.less(tensor, zero), zero, one)
    side = raw.select(raw.equal(tensor, zero), middle, side)
    return where(isnan(tensor), number_like(float("nan"), tensor), side)


def cbrt(x: Operand) -> Tensor:
    """The cube root, of negative numbers too. Integers count as float32.

    >>> gd.cbrt([-8.0, 27.0]).eval()
    array([-2.,  3.], dtype=float32)
    """
    return with_slopes([as_floating(x, "cbrt")], _cbrt, lambda t: [_cbrt_slope(t)])


def _cbrt(x: Tensor) -> Tensor:
    """|x| ** (1/3), brought to the last bit by one step of Newton's method."""
    size = raw.abs_(x)
    is_plain = raw.bitwise_and(raw.is_finite(x), raw.not_equal(x, number_like(0, x)))
    safe = raw.select(is_plain, size, number_like(1, x))
    root = raw.exp(raw.multiply(raw.log(safe), number_like(1 / 3, x)))
    off = raw.subtract(root, raw.divide(safe, raw.multiply(root, root)))
    better = raw.subtract(root, raw.multiply(off, number_like(1 / 3, x)))
    return with_sign_of(raw.select(is_plain, better, size), x)


def _cbrt_slope(x: Tensor) -> Tensor:
    root = _cbrt(x)
    result: Tensor = raw.divide(number_like(1 / 3, x), raw.multiply(root, root))
    return result


def fmod(x: Operand, y: Operand) -> Tensor:
    """x - y * trunc(x / y), with the sign of x; an integer over 0 is 0.

    >>> gd.fmod([-5, 5], 3).eval().tolist()
    [-2, 2]
    """
    left, right = broadcast_operands("fmod", *promote_operands("fmod", x, y))
    rest = remainder(raw.abs_(left), raw.abs_(right))
    negated = raw.negative(rest)
    result: Tensor = raw.select(raw.less(left, number_like(0, left)), negated, rest)
    return result


def divmod(x: Operand, y: Operand) -> tuple[Tensor, Tensor]:
    """(x // y, x % y).

    >>> [part.eval().tolist() for part in gd.divmod([7, -7], 2)]
    [[3, -4], [1, 1]]
    """
    return floor_divide(x, y), remainder(x, y)


def modf(x: Operand) -> tuple[Tensor, Tensor]:
    """(fraction, whole part), both with the sign of x.

    >>> [part.eval().tolist() for part in gd.modf([1.5, -2.25])]
    [[0.5, -0.25], [1.0, -2.0]]
    """
    tensor = as_floating(x, "modf")
    whole: Tensor = raw.trunc(tensor)
    rest = raw.select(raw.is_finite(tensor), raw.subtract(tensor, whole), number_like(0, tensor))
    return where(isnan(tensor), tensor, rest), whole


def fmax(x: Operand, y: Operand) -> Tensor:
    """The larger of x and y; where one is NaN, the other.

    >>> gd.fmax([1.0, float("nan")], 0.5).eval().tolist()
    [1.0, 0.5]
    """
    left, right = broadcast_operands("fmax", *promote_operands("fmax", x, y))
    result: Tensor = raw.maximum(where(isnan(left), right, left), where(isnan(right), left, right))
    return result


def fmin(x: Operand, y: Operand) -> Tensor:
    """The smaller of x and y; where one is NaN, the other.

    >>> gd.fmin([1.0, float("nan")], 0.5).eval().tolist()
    [0.5, 0.5]
    """
    left, right = broadcast_operands("fmin", *promote_operands("fmin", x, y))
    result: Tensor = raw.minimum(where(isnan(left), right, left), where(isnan(right), left, right))
    return result


def isposinf(x: Operand) -> Tensor:
    """Whether x is +inf: bool.

    >>> gd.isposinf([float("inf"), 1.0]).eval().tolist()
    [True, False]
    """
    return _is_infinity(as_tensor(x, "isposinf"), float("inf"))


def isneginf(x: Operand) -> Tensor:
    """Whether x is -inf: bool.

    >>> gd.isneginf([float("-inf"), 1.0]).eval().tolist()
    [True, False]
    """
    return _is_infinity(as_tensor(x, "isneginf"), float("-inf"))


def _is_infinity(x: Tensor, infinity: float) -> Tensor:
    if not x.dtype.is_floating:
        return filled(False, bool_, x.shape)
    result: Tensor = raw.equal(x, number_like(infinity, x))
    return result
