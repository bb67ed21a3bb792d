"""power: e**(y log|x|) with more bits than the result has, and the limits of IEEE 754 pow.

The error of y log|x| is multiplied by its size. float32 therefore goes through float64, and float64
carries the logarithm as a sum of two numbers (Dekker, "A floating-point technique for extending
the available precision", 1971): log m = 2 atanh(s) with s = (m - 1) / (m + 1). Also rsqrt.
"""

from __future__ import annotations

from dataclasses import dataclass

from graphdl.kernel.math.emitter import Emitter
from graphdl.kernel.math.exponential import emit_exp_of_sum
from graphdl.kernel.math.logarithm import split_exponent
from graphdl.kernel.nodes import Cast, Unary, Value
from graphdl.typesystem.dtype import float64

_INFINITY = float("inf")
_NAN = float("nan")

# log2(1 + f) = f * _LOG2(f) for |f| <= 1/3, within 2**-35.
_LOG2 = (
    1.4426950408922834,
    -0.721347519569121,
    0.4808983439922822,
    -0.3606739786561134,
    0.28853943851709984,
    -0.24043365810574144,
    0.2060760967801916,
    -0.18080611623374493,
    0.16088906582914625,
    -0.13746058326064087,
    0.12358047891288579,
    -0.1661071715817008,
    0.15748727766827592,
)
# 2**r for |r| <= 1/2, within 2**-29.
_EXP2 = (
    1.0000000005635505,
    0.6931472060343636,
    0.2402264681904993,
    0.05550328127537846,
    0.009618495133824971,
    0.0013400193322747483,
    0.00015344744096375783,
)
# atanh(s) = s + s**3 / 3 + s**5 * _ATANH(s**2) for |s| <= 1/5.
_ATANH = (
    0.1999999999999986,
    0.1428571428578996,
    0.11111111095392769,
    0.09090910783803575,
    0.076922022821143,
    0.06670601800127436,
    0.05795736493133173,
    0.062884376093109,
)
_THIRD = (0.3333333333333333, 1.850371707708594e-17)
_LN2 = (0.6931471805598903, 5.497923018708371e-14)  # the first with 11 zero bits at its end


@dataclass(frozen=True, slots=True)
class _Sum:
    """high + low, the low part far smaller."""

    high: Value
    low: Value


def emit_rsqrt(e: Emitter, x: Value) -> Value:
    """1 / sqrt(x)."""
    return e.divide(1.0, e.square_root(x))


def emit_power(e: Emitter, x: Value, y: Value) -> Value:
    """x**y. x**0 and 1**y are 1 whatever the other is; NaN for x < 0 unless y is a whole number."""
    magnitude = e.share(e.magnitude(x))
    emit = _power_in_double if e.is_single else _power_in_two
    result = emit(e, magnitude, y)
    is_whole = e.share(e.equal(Unary("trunc", y), y))
    half = e.share(e.multiply(y, 0.5))
    is_even = e.equal(Unary("trunc", half), half)
    odd_sign = e.select(is_even, e.unsigned(0), e.sign_of(x))
    signed = e.flip_sign(result, e.select(is_whole, odd_sign, e.unsigned(0)))
    is_inside = e.bitwise_and(e.less(x, 0.0), e.less(-_INFINITY, x))
    is_undefined = e.bitwise_and(is_inside, Unary("bitwise_not", is_whole))
    defined = e.select(is_undefined, _NAN, signed)
    is_one = e.bitwise_or(e.equal(y, 0.0), e.equal(x, 1.0))
    return e.select(is_one, 1.0, defined)


def _limits(e: Emitter, magnitude: Value, logarithm: Value) -> Value:
    """-inf at 0, and +inf and NaN as they are."""
    logarithm = e.select(e.less(magnitude, _INFINITY), logarithm, magnitude)
    return e.select(e.equal(magnitude, 0.0), -_INFINITY, logarithm)


def _power_in_double(single: Emitter, magnitude: Value, y: Value) -> Value:
    """The float32 power of a magnitude, by way of float64."""
    e = single.of(float64)
    wide, exponent = e.share(Cast(magnitude, float64)), e.share(Cast(y, float64))
    m, k = split_exponent(e, wide)
    f = e.share(e.subtract(m, 1.0))
    logarithm = _limits(e, wide, e.fma(e.polynomial(f, _LOG2), f, k))
    # 1 to any power, an infinite one too, is 1.
    product = e.select(e.equal(wide, 1.0), 0.0, e.multiply(exponent, logarithm))
    product = e.share(e.at_most(e.share(product), 200.0))
    product = e.share(e.at_least(product, -200.0))
    magic = e.format.magic + e.format.bias
    total = e.share(e.add(product, magic))
    r = e.share(e.subtract(product, e.subtract(total, magic)))
    scale = e.from_bits(e.shift_left(e.bits(total), e.format.fraction_bits))
    return Cast(e.multiply(e.polynomial(r, _EXP2), scale), single.dtype)


def _power_in_two(e: Emitter, magnitude: Value, y: Value) -> Value:
    """The float64 power of a magnitude."""
    lift = 2.0**e.format.fraction_bits
    is_tiny = e.share(e.less(magnitude, 2.0**-1022))
    normal = e.share(e.select(is_tiny, e.multiply(magnitude, lift), magnitude))
    m, k = split_exponent(e, normal)
    k = e.share(e.subtract(k, e.select(is_tiny, float(e.format.fraction_bits), e.constant(0.0))))
    logarithm = _logarithm(e, m, k)
    high = e.share(_limits(e, magnitude, logarithm.high))
    product = e.share(e.select(e.equal(magnitude, 1.0), 0.0, e.multiply(y, high)))
    low = e.fma(y, logarithm.low, e.fma(y, high, e.negative(product)))
    is_small = e.less(e.magnitude(product), 800.0)
    is_small = e.bitwise_and(is_small, e.less(e.magnitude(y), _INFINITY))
    return emit_exp_of_sum(e, product, e.share(e.select(is_small, low, 0.0)))


def _logarithm(e: Emitter, m: Value, k: Value) -> _Sum:
    """log(m * 2**k) for m in [2/3, 4/3)."""
    half = _half_logarithm(e, m)
    exponent = e.share(e.multiply(k, _LN2[0]))  # exact
    doubled = e.share(e.add(half.high, half.high))
    high = e.share(e.add(exponent, doubled))
    lost = e.add(e.subtract(exponent, high), doubled)
    low = e.add(lost, e.fma(k, _LN2[1], e.multiply(half.low, 2.0)))
    return _Sum(high, e.share(low))


def _half_logarithm(e: Emitter, m: Value) -> _Sum:
    """log(m) / 2 = atanh(s), s = (m - 1) / (m + 1)."""
    s = _quotient(e, m)
    square = e.share(e.multiply(s.high, s.high))
    square_low = e.fma(s.high, s.high, e.negative(square))
    square_low = e.share(e.fma(e.multiply(s.high, 2.0), s.low, square_low))
    tail = e.share(e.multiply(square, e.polynomial(square, _ATANH)))
    factor = e.share(e.add(tail, _THIRD[0]))
    factor_low = e.add(e.add(e.subtract(_THIRD[0], factor), tail), _THIRD[1])
    growth = e.share(e.multiply(square, factor))
    growth_low = e.fma(square, factor, e.negative(growth))
    growth_low = e.fma(square, factor_low, growth_low)
    growth_low = e.share(e.fma(square_low, factor, growth_low))
    rest = e.share(e.multiply(s.high, growth))
    rest_low = e.fma(s.high, growth, e.negative(rest))
    rest_low = e.fma(s.high, growth_low, rest_low)
    rest_low = e.fma(s.low, growth, rest_low)
    high = e.share(e.add(s.high, rest))
    low = e.add(e.add(e.subtract(s.high, high), rest), e.add(rest_low, s.low))
    return _Sum(high, e.share(low))


def _quotient(e: Emitter, m: Value) -> _Sum:
    """(m - 1) / (m + 1)."""
    top = e.share(e.subtract(m, 1.0))
    bottom = e.share(e.add(m, 1.0))
    bottom_low = e.subtract(m, e.subtract(bottom, 1.0))
    inverse = e.share(e.divide(1.0, bottom))
    high = e.share(e.multiply(top, inverse))
    minus = e.share(e.negative(high))
    rest = e.fma(minus, bottom_low, e.fma(minus, bottom, top))
    return _Sum(high, e.share(e.multiply(rest, inverse)))
