"""asin, acos, atan and atan2: an odd polynomial, after folding the argument into its interval."""

from __future__ import annotations

from dataclasses import dataclass

from graphdl.kernel.math.emitter import Emitter
from graphdl.kernel.math.exponential import with_sign
from graphdl.kernel.nodes import Value


@dataclass(frozen=True, slots=True)
class _Tables:
    """atan(t) is t + t**3 * arctangent(t**2) up to 1; asin(t) likewise up to 1/2. `half_pi` is the
    rounded number and what it lacks."""

    half_pi: tuple[float, float]
    arctangent: tuple[float, ...]
    arcsine: tuple[float, ...]


_SINGLE = _Tables(
    half_pi=(1.5707963705062866, -4.371138828673793e-08),
    arctangent=(
        -0.33333152532577515,
        0.19993767142295837,
        -0.1421099752187729,
        0.10665734112262726,
        -0.07551559805870056,
        0.04320337250828743,
        -0.01636231690645218,
        0.0029192068614065647,
    ),
    arcsine=(
        0.16666752099990845,
        0.0749531239271164,
        0.04546862468123436,
        0.024187806993722916,
        0.04215265065431595,
    ),
)
_DOUBLE = _Tables(
    half_pi=(1.5707963267948966, 6.123233995736766e-17),
    arctangent=(
        -0.3333333333333307,
        0.1999999999995177,
        -0.14285714282589554,
        0.11111111007384954,
        -0.09090907008507895,
        0.0769227989644554,
        -0.06666404478715432,
        0.058805301034864824,
        -0.052535279606602814,
        0.047223519604220346,
        -0.04219252072191952,
        0.03664331608966202,
        -0.02990597070790107,
        0.02198732458752538,
        -0.013902785070009634,
        0.007198013974588473,
        -0.0028856663372432085,
        0.0008315764325133819,
        -0.0001522141243200611,
        1.3230235707064103e-05,
    ),
    arcsine=(
        0.16666666666665414,
        0.07500000000335959,
        0.04464285682912104,
        0.030381959106490906,
        0.022371758743960073,
        0.017359694716881487,
        0.01388533155607741,
        0.012168597461365498,
        0.006530570389860563,
        0.019521309112741997,
        -0.016213540384871796,
        0.03190505143710405,
    ),
)


def _tables(e: Emitter) -> _Tables:
    return _SINGLE if e.is_single else _DOUBLE


def _odd_tail(e: Emitter, t: Value, square: Value, tail: tuple[float, ...]) -> Value:
    """t**3 * tail(t**2)."""
    return e.multiply(e.multiply(square, t), e.polynomial(square, tail))


def emit_atan(e: Emitter, x: Value) -> Value:
    """atan(|x|), beyond 1 as pi / 2 - atan(1 / |x|); then the sign of x."""
    magnitude = e.share(e.magnitude(x))
    is_large = e.share(e.less(1.0, magnitude))
    high, low = _tables(e).half_pi
    t = e.share(e.select(is_large, e.divide(-1.0, magnitude), magnitude))
    square = e.share(e.multiply(t, t))
    tail = e.add(
        _odd_tail(e, t, square, _tables(e).arctangent), e.select(is_large, low, e.constant(0.0))
    )
    result = e.add(e.select(is_large, high, e.constant(0.0)), e.add(t, tail))
    return with_sign(e, result, e.sign_of(x))


def emit_atan2(e: Emitter, y: Value, x: Value) -> Value:
    """The angle of (x, y): atan of the smaller magnitude over the larger, unfolded."""
    high, low = _tables(e).half_pi
    across, up = e.share(e.magnitude(x)), e.share(e.magnitude(y))
    is_steep = e.share(e.less(across, up))
    larger = e.share(e.select(is_steep, up, across))
    smaller = e.share(e.select(is_steep, across, up))
    quotient = e.divide(smaller, larger)
    is_even = e.equal(smaller, larger)  # 0 / 0 and infinity / infinity among them
    zero_or_one = e.select(e.equal(larger, 0.0), 0.0, e.constant(1.0))
    t = e.share(e.select(is_even, zero_or_one, quotient))
    square = e.share(e.multiply(t, t))
    tail = e.share(_odd_tail(e, t, square, _tables(e).arctangent))
    # The angle is quarter * pi / 2 + t + tail, with t and tail negative for odd unfolding.
    is_left = e.share(e.less(e.signed_bits(x), 0))
    straight = e.select(is_left, 2.0, e.constant(0.0))
    quarters = e.share(e.select(is_steep, 1.0, straight))
    flip = e.bitwise_xor(_mask(e, is_steep), e.bitwise_and(e.bits(x), e.format.sign_bit))
    flip = e.share(flip)
    small = e.add(e.flip_sign(t, flip), e.fma(quarters, low, e.flip_sign(tail, flip)))
    return with_sign(e, e.fma(quarters, high, small), e.sign_of(y))


def _mask(e: Emitter, condition: Value) -> Value:
    sign = e.format.sign_bit
    return e.select(condition, e.unsigned(sign), e.unsigned(0))


def _arcsine(e: Emitter, magnitude: Value, is_large: Value) -> tuple[Value, Value]:
    """(s, tail) with asin(s) = s + tail; s is |x| up to 1/2 and sqrt((1 - |x|) / 2) beyond."""
    folded = e.fma(magnitude, -0.5, 0.5)
    square = e.share(e.select(is_large, folded, e.multiply(magnitude, magnitude)))
    s = e.share(e.select(is_large, e.square_root(square), magnitude))
    return s, _odd_tail(e, s, square, _tables(e).arcsine)


def emit_asin(e: Emitter, x: Value) -> Value:
    """asin(|x|), beyond 1/2 as pi / 2 - 2 asin(sqrt((1 - |x|) / 2)); then the sign of x."""
    high, low = _tables(e).half_pi
    magnitude = e.share(e.magnitude(x))
    is_large = e.share(e.less(0.5, magnitude))
    s, tail = _arcsine(e, magnitude, is_large)
    tail = e.share(tail)
    large = e.fma(e.add(s, e.subtract(tail, 0.5 * low)), -2.0, high)
    return with_sign(e, e.select(is_large, large, e.add(s, tail)), e.sign_of(x))


def emit_acos(e: Emitter, x: Value) -> Value:
    """pi / 2 - asin(x) up to 1/2; 2 asin(sqrt((1 - x) / 2)) beyond, unfolded for negative x."""
    high, low = _tables(e).half_pi
    magnitude = e.share(e.magnitude(x))
    is_large = e.share(e.less(0.5, magnitude))
    s, tail = _arcsine(e, magnitude, is_large)
    s, tail = e.share(s), e.share(tail)
    is_negative = e.share(e.less(x, 0.0))
    sign = e.share(e.sign_of(x))
    # quarters * pi / 2 - factor * asin(s), where asin(s) has the sign of x up to 1/2.
    folded = e.select(is_negative, 2.0, e.constant(0.0))
    quarters = e.share(e.select(is_large, folded, 1.0))
    factor = e.share(e.select(is_large, 2.0, e.constant(1.0)))
    opposite = e.bitwise_xor(sign, e.select(is_large, e.unsigned(0), e.unsigned(e.format.sign_bit)))
    opposite = e.share(opposite)
    small = e.fma(factor, e.flip_sign(tail, opposite), e.multiply(quarters, low))
    near = e.fma(factor, e.flip_sign(s, opposite), small)
    return e.fma(quarters, high, near)
