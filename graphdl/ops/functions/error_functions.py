"""The complement and the inverse of erf, and the normal distribution: elementwise.

Integers count as float32, 16-bit floats are computed in float32. Errors are at most 4 ulps in
float32 and float64 where the result is a normal number, unless a function says otherwise.
"""

from __future__ import annotations

from math import pi, sqrt

from graphdl.graph.nodes import Tensor
from graphdl.ops import elementwise as raw
from graphdl.ops.arguments import Operand, as_floating, number_like
from graphdl.ops.functions.derivative import with_slopes
from graphdl.ops.functions.series import chebyshev, on_range
from graphdl.ops.functions.special_tables import ERFC, ERFINV_FAR, ERFINV_NEAR, ERFINV_TAIL
from graphdl.typesystem.dtype import as_dtype

_UNDERFLOW = {32: 11.0, 64: 28.0}
"""Where erfc is 0, by bits."""

_LARGE = {32: 2.0**126, 64: 2.0**1022}
"""Twice this is finite."""

_HEAD = {32: 0xFFFFF000, 64: 0xFFFFFFFFF8000000}
"""The upper half of a number's bits: its square is exact."""


# erfc ---------------------------------------------------------------------------------------------


def erfc(x: Operand) -> Tensor:
    """1 - erf(x), small far to the right. Shepherd and Laframboise (1981).

    >>> gd.erfc([0.0, 1.0]).eval().round(5)
    array([1.    , 0.1573], dtype=float32)
    """
    return with_slopes([as_floating(x, "erfc")], _erfc, _erfc_slope)


def _erfc(x: Tensor) -> Tensor:
    size = raw.minimum(raw.abs_(x), number_like(_UNDERFLOW[x.dtype.bits], x))
    high, low = _exp_of_square(size, 1.0)
    tail = raw.multiply(raw.multiply(_scaled_tail(size), low), high)
    is_negative = raw.less(x, number_like(0, x))
    far = raw.select(is_negative, raw.subtract(number_like(2, x), tail), tail)
    near = raw.subtract(number_like(1, x), raw.erf(x))
    result: Tensor = raw.select(raw.less(size, number_like(0.5, x)), near, far)
    return result


def _erfc_slope(x: Tensor) -> list[Tensor]:
    density = raw.exp(raw.negative(raw.multiply(x, x)))
    return [raw.multiply(density, number_like(-2 / sqrt(pi), x))]


def _scaled_tail(x: Tensor) -> Tensor:
    """exp(x²) erfc(x) for x >= 0."""
    center = number_like(3.75, x)
    t = raw.divide(raw.subtract(x, center), raw.add(x, center))
    result: Tensor = raw.divide(chebyshev(ERFC, t), raw.add(raw.add(x, x), number_like(1, x)))
    return result


def _exp_of_square(x: Tensor, factor: float) -> tuple[Tensor, Tensor]:
    """exp(-factor x²) as two factors: of the square of x's leading bits, and of the rest."""
    unsigned = as_dtype(f"uint{x.dtype.bits}")
    bits = raw.bitcast(x, dtype=unsigned)
    leading = raw.bitwise_and(bits, number_like(_HEAD[x.dtype.bits], bits))
    head = raw.bitcast(leading, dtype=x.dtype)
    square = raw.multiply(raw.multiply(head, head), number_like(-factor, x))
    rest = raw.multiply(raw.subtract(head, x), raw.add(head, x))
    return raw.exp(square), raw.exp(raw.multiply(rest, number_like(factor, x)))


def erfcx(x: Operand) -> Tensor:
    """exp(x²) erfc(x) without underflow to the right; it overflows far to the left.

    For x < 0 the error is that of exp at x², up to some hundred ulps.

    >>> gd.erfcx([0.0, 100.0]).eval().round(5)
    array([1.     , 0.00564], dtype=float32)
    """
    return with_slopes([as_floating(x, "erfcx")], _erfcx, _erfcx_slope)


def _erfcx(x: Tensor) -> Tensor:
    size = raw.abs_(x)
    tail = _scaled_tail(raw.minimum(size, number_like(_LARGE[x.dtype.bits], x)))
    is_infinite = raw.equal(size, number_like(float("inf"), x))
    tail = raw.select(is_infinite, number_like(0, x), tail)
    power = raw.exp(raw.multiply(x, x))
    left = raw.subtract(raw.add(power, power), tail)
    result: Tensor = raw.select(raw.less(x, number_like(0, x)), left, tail)
    return result


def _erfcx_slope(x: Tensor) -> list[Tensor]:
    scaled = raw.multiply(raw.add(x, x), _erfcx(x))
    return [raw.subtract(scaled, number_like(2 / sqrt(pi), x))]


# erfinv -------------------------------------------------------------------------------------------


def erfinv(x: Operand) -> Tensor:
    """The y with erf(y) = x; infinite at -1 and 1, NaN outside. After Giles (2012).

    >>> gd.erfinv([0.0, 0.5, 1.0]).eval().round(5)
    array([0.     , 0.47694,     inf], dtype=float32)
    """
    return with_slopes([as_floating(x, "erfinv")], _erfinv, _erfinv_slope)


def _erfinv(x: Tensor) -> Tensor:
    one = number_like(1, x)
    rest = raw.multiply(raw.subtract(one, x), raw.add(one, x))
    ratio = _inverse_ratio(raw.negative(raw.log(rest)), has_tail=False)
    infinity = raw.multiply(x, number_like(float("inf"), x))
    is_end = raw.equal(raw.abs_(x), one)
    result: Tensor = raw.select(is_end, infinity, raw.multiply(x, ratio))
    return result


def _inverse_ratio(w: Tensor, has_tail: bool) -> Tensor:
    """erfinv(x) / x, where w = -log(1 - x²); NaN stays."""
    safe: Tensor = raw.maximum(w, number_like(0, w))
    root: Tensor = raw.sqrt(safe)
    near = on_range(ERFINV_NEAR, safe, 0.0, 4.0)
    far = on_range(ERFINV_FAR, root, 2.0, 6.25)
    result: Tensor = raw.select(raw.less(safe, number_like(4, w)), near, far)
    if has_tail:
        is_near = raw.less(root, number_like(6.25, w))
        result = raw.select(is_near, result, on_range(ERFINV_TAIL, root, 6.25, 27.5))
    return result


def _erfinv_slope(x: Tensor) -> list[Tensor]:
    """sqrt(pi) / 2 * exp(y²)."""
    y = _erfinv(x)
    return [raw.multiply(raw.exp(raw.multiply(y, y)), number_like(sqrt(pi) / 2, x))]


# The normal distribution --------------------------------------------------------------------------


def ndtr(x: Operand) -> Tensor:
    """The normal distribution function: the part of a normal distribution that is below x.

    >>> gd.ndtr([0.0, 1.0]).eval().round(4)
    array([0.5   , 0.8413], dtype=float32)
    """
    return with_slopes([as_floating(x, "ndtr")], _ndtr, lambda t: [_density(t)])


def _ndtr(x: Tensor) -> Tensor:
    share = _share_beyond(raw.abs_(x))
    is_left = raw.less(x, number_like(0, x))
    result: Tensor = raw.select(is_left, share, raw.subtract(number_like(1, x), share))
    return result


def _share_beyond(x: Tensor) -> Tensor:
    """The part of a normal distribution above x >= 0."""
    bounded = raw.minimum(x, number_like(1.5 * _UNDERFLOW[x.dtype.bits], x))
    high, low = _exp_of_square(bounded, 0.5)
    tail = raw.multiply(_scaled_tail(_over_root_2(bounded)), number_like(0.5, x))
    result: Tensor = raw.multiply(raw.multiply(tail, low), high)
    return result


def _over_root_2(x: Tensor) -> Tensor:
    result: Tensor = raw.multiply(x, number_like(sqrt(0.5), x))
    return result


def _density(x: Tensor) -> Tensor:
    square = raw.multiply(raw.multiply(x, x), number_like(-0.5, x))
    result: Tensor = raw.multiply(raw.exp(square), number_like(1 / sqrt(2 * pi), x))
    return result


def log_ndtr(x: Operand) -> Tensor:
    """log(ndtr(x)), without underflow.

    >>> gd.log_ndtr([0.0, -100.0]).eval().round(2)
    array([-6.90000e-01, -5.00552e+03], dtype=float32)
    """
    return with_slopes([as_floating(x, "log_ndtr")], _log_ndtr, _log_ndtr_slope)


def _log_ndtr(x: Tensor) -> Tensor:
    """-x²/2 + log(erfcx(-x / sqrt(2)) / 2) to the left, log1p(-ndtr(-x)) to the right."""
    is_left = raw.less(x, number_like(-1, x))
    away = raw.minimum(raw.negative(x), number_like(_LARGE[x.dtype.bits], x))
    away = raw.select(is_left, away, number_like(1, x))
    half_square = raw.multiply(raw.multiply(x, x), number_like(0.5, x))
    logarithm = raw.log(raw.multiply(_scaled_tail(_over_root_2(away)), number_like(0.5, x)))
    above = raw.subtract(number_like(1, x), _ndtr(x))
    above = raw.select(raw.greater(x, number_like(0, x)), _share_beyond(raw.abs_(x)), above)
    right = raw.log1p(raw.negative(above))
    result: Tensor = raw.select(is_left, raw.subtract(logarithm, half_square), right)
    return result


def _log_ndtr_slope(x: Tensor) -> list[Tensor]:
    """The density over ndtr(x); to the left sqrt(2 / pi) / erfcx(-x / sqrt(2))."""
    is_left = raw.less(x, number_like(-1, x))
    away = raw.select(is_left, raw.negative(x), number_like(1, x))
    left = raw.divide(number_like(sqrt(2 / pi), x), _scaled_tail(_over_root_2(away)))
    inside = raw.select(is_left, number_like(0, x), x)
    return [raw.select(is_left, left, raw.divide(_density(inside), _ndtr(inside)))]


def ndtri(p: Operand) -> Tensor:
    """The x with ndtr(x) = p; infinite at 0 and 1, NaN outside.

    >>> gd.ndtri([0.5, 0.975]).eval().round(4)
    array([0.  , 1.96], dtype=float32)
    """
    return with_slopes([as_floating(p, "ndtri")], _ndtri, _ndtri_slope)


def _ndtri(p: Tensor) -> Tensor:
    """sqrt(2) erfinv(2 p - 1), with 1 - (2 p - 1)² = 4 p (1 - p)."""
    one = number_like(1, p)
    rest = raw.multiply(raw.multiply(p, raw.subtract(one, p)), number_like(4, p))
    ratio = _inverse_ratio(raw.negative(raw.log(rest)), has_tail=True)
    x = raw.subtract(raw.add(p, p), one)
    is_end = raw.equal(raw.abs_(x), one)
    is_end = raw.bitwise_and(is_end, raw.equal(rest, number_like(0, p)))
    infinity = raw.multiply(x, number_like(float("inf"), p))
    finite = raw.multiply(raw.multiply(x, ratio), number_like(sqrt(2), p))
    result: Tensor = raw.select(is_end, infinity, finite)
    return result


def _ndtri_slope(p: Tensor) -> list[Tensor]:
    """sqrt(2 pi) exp(x²/2)."""
    x = _ndtri(p)
    half = raw.multiply(raw.multiply(x, x), number_like(0.5, p))
    return [raw.multiply(raw.exp(half), number_like(sqrt(2 * pi), p))]
