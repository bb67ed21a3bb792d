"""exp, expm1, logistic and the hyperbolic functions: one argument reduction, x = n ln2 + r.

The rounding to n is the sum with a large number, which leaves n, biased, in the sum's low bits: a
shift makes 2**n of it. ln2 is split in two (Cody and Waite, "Software Manual for the Elementary
Functions", 1980). exp halves n, so that 2**n is applied as two equal factors: results
overflow and become denormal exactly where they should, rounded once.
"""

from __future__ import annotations

from dataclasses import dataclass

from graphdl.kernel.math.emitter import Emitter
from graphdl.kernel.nodes import Value


@dataclass(frozen=True, slots=True)
class _Tables:
    """What depends on the dtype. `wide` serves |r| <= ln2, `narrow` (without its leading x) serves
    |r| <= ln2 / 2; sinh(x) is x + x**3 * sinh(x**2)."""

    ln2_high: float
    ln2_low: float
    lowest: float
    highest: float
    expm1_lowest: float
    tanh_highest: float
    wide: tuple[float, ...]
    narrow: tuple[float, ...]
    sinh: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class _Reduced:
    """The remainder r, and 2**(n + shift)."""

    r: Value
    scale: Value


_LOG2_E = 1.4426950408889634

_SINGLE = _Tables(
    ln2_high=0.6931471824645996,
    ln2_low=-1.904654323148236e-09,
    lowest=-104.0,
    highest=89.0,
    expm1_lowest=-20.0,
    tanh_highest=9.5,
    wide=(
        0.5000003576278687,
        0.1666661649942398,
        0.04166119918227196,
        0.008335967548191547,
        0.0014105448499321938,
        0.00019630062161013484,
    ),
    narrow=(
        0.4999999701976776,
        0.1666654348373413,
        0.04166754335165024,
        0.00836655031889677,
        0.0013860820326954126,
    ),
    sinh=(0.1666671633720398, 0.008330274373292923, 0.00020372829749248922),
)
_DOUBLE = _Tables(
    ln2_high=0.6931471805599453,
    ln2_low=2.3190468138462996e-17,
    lowest=-746.0,
    highest=710.0,
    expm1_lowest=-40.0,
    tanh_highest=20.0,
    wide=(
        0.4999999999999993,
        0.16666666666666938,
        0.041666666666702164,
        0.008333333333269716,
        0.0013888888883566476,
        0.00019841269892925987,
        2.4801590835512363e-05,
        2.755730060162747e-06,
        2.755615678257787e-07,
        2.5055040995289873e-08,
        2.106243399402423e-09,
        1.5935148697489048e-10,
    ),
    narrow=(
        0.5000000000000006,
        0.16666666666666607,
        0.041666666666573635,
        0.00833333333337799,
        0.0013888888932391962,
        0.00019841269744086659,
        2.4801504404963115e-05,
        2.7557385005516713e-06,
        2.762635282220391e-07,
        2.506097242582047e-08,
    ),
    sinh=(
        0.16666666666666669,
        0.008333333333332912,
        0.00019841269841593546,
        2.755731910663244e-06,
        2.5052131034575128e-08,
        1.605665498240666e-10,
        7.776772048116889e-13,
    ),
)


def _tables(e: Emitter) -> _Tables:
    return _SINGLE if e.is_single else _DOUBLE


def _reduce(e: Emitter, x: Value, unit: float, shift: int, short: bool = False) -> _Reduced:
    """x = n * unit * ln2 + r with n an integer; unit a power of two. `short` takes ln2 as one
    number, which is enough where a large n makes the error in r harmless."""
    tables = _tables(e)
    magic = e.format.magic + (e.format.bias + shift)
    total = e.share(e.fma(x, _LOG2_E / unit, magic))
    n = e.share(e.subtract(total, magic))
    r = e.fma(n, -unit * tables.ln2_high, x)
    if not short:
        r = e.fma(n, -unit * tables.ln2_low, r)
    scale = e.from_bits(e.shift_left(e.bits(total), e.format.fraction_bits))
    return _Reduced(e.share(r), e.share(scale))


def emit_exp(e: Emitter, x: Value) -> Value:
    """e**x over the full range."""
    tables = _tables(e)
    x = e.share(e.at_most(x, tables.highest))
    return emit_bounded_exp(e, e.share(e.at_least(x, tables.lowest)))


def emit_bounded_exp(e: Emitter, x: Value) -> Value:
    """e**x for x that the caller keeps between the logarithms of 0 and infinity."""
    reduced = _reduce(e, x, 2.0, 0)
    value = e.polynomial(reduced.r, (1.0, 1.0, *_tables(e).wide))
    return e.multiply(e.multiply(value, reduced.scale), reduced.scale)


def emit_exp_of_sum(e: Emitter, high: Value, low: Value) -> Value:
    """e**(high + low), the low part far smaller."""
    tables = _tables(e)
    high = e.share(e.at_least(e.share(e.at_most(high, tables.highest)), tables.lowest))
    reduced = _reduce(e, high, 2.0, 0)
    r = e.share(e.add(reduced.r, low))
    value = e.polynomial(r, (1.0, 1.0, *tables.wide))
    return e.multiply(e.multiply(value, reduced.scale), reduced.scale)


def _narrow_exp(e: Emitter, r: Value) -> Value:
    """e**r for |r| <= ln2 / 2."""
    return e.polynomial(r, (1.0, 1.0, *_tables(e).narrow))


def _narrow_expm1(e: Emitter, r: Value, unit: float = 1.0) -> Value:
    """(e**(r / unit) - 1) * unit for |r / unit| <= ln2 / 2: r + r**2 * q(r)."""
    coefficients = [c / unit ** (k + 1) for k, c in enumerate(_tables(e).narrow)]
    return e.fma(e.multiply(r, r), e.polynomial(r, coefficients), r)


def _scaled_expm1(e: Emitter, x: Value, shift: int) -> Value:
    """(e**x - 1) * 2**shift, accurate near 0; x must keep 2**(n + shift) normal."""
    reduced = _reduce(e, x, 1.0, shift)
    whole = e.subtract(reduced.scale, 2.0**shift)
    return e.fma(reduced.scale, _narrow_expm1(e, reduced.r), whole)


def emit_decay(e: Emitter, y: Value) -> Value:
    """1 - e**-y for y >= 0, at most about 40, accurate near 0."""
    reduced = _reduce(e, y, -1.0, 0, short=True)  # y = r - n ln2, so e**-y = 2**n e**-r
    whole = e.subtract(1.0, reduced.scale)
    return e.fma(reduced.scale, _narrow_expm1(e, reduced.r, -1.0), whole)


def emit_expm1(e: Emitter, x: Value) -> Value:
    """e**x - 1, accurate near 0."""
    tables = _tables(e)
    bounded = e.share(e.at_most(x, tables.highest))
    bounded = e.share(e.at_least(bounded, tables.expm1_lowest))
    result = e.multiply(_scaled_expm1(e, bounded, -1), 2.0)
    return e.unless_tiny(x, result)


def with_sign(e: Emitter, value: Value, sign: Value) -> Value:
    """`value`, which is not negative or already has this sign, with the sign bit set where `sign`
    has it; minus zero comes out right."""
    return e.from_bits(e.bitwise_or(e.bits(value), sign))


def emit_logistic(e: Emitter, x: Value) -> Value:
    """1 / (1 + e**-x) as 2**n / (2**n + e**-r) with x = n ln2 + r; the numerator is lifted to stay
    normal where the result is not."""
    tables, lift = _tables(e), e.format.fraction_bits + 2
    bounded = e.share(e.at_most(x, -tables.expm1_lowest))
    bounded = e.share(e.at_least(bounded, tables.lowest))
    reduced = _reduce(e, bounded, 1.0, lift)
    power = e.negative(_narrow_expm1(e, reduced.r, -1.0))  # e**-r - 1
    total = e.add(e.fma(reduced.scale, 2.0**-lift, power), 1.0)
    return e.multiply(e.divide(reduced.scale, total), 2.0**-lift)


def emit_tanh(e: Emitter, x: Value) -> Value:
    """tanh(|x|) = h / (h + 1) with h = (e**(2|x|) - 1) / 2, then the sign of x.

    Where h is small, h - h (h / (h + 1)) keeps the rounding of h + 1 out of the result.
    """
    bounded = e.share(e.at_most(e.magnitude(x), _tables(e).tanh_highest))
    reduced = _reduce(e, bounded, 0.5, 0, short=True)
    whole = e.fma(reduced.scale, 0.5, -0.5)
    half = e.share(e.fma(reduced.scale, _narrow_expm1(e, reduced.r, 0.5), whole))
    quotient = e.share(e.divide(half, e.add(half, 1.0)))
    small = e.fma(e.negative(half), quotient, half)
    result = e.select(e.less(half, 0.5), small, quotient)
    return with_sign(e, result, e.sign_of(x))


def emit_sinh(e: Emitter, x: Value) -> Value:
    """An odd polynomial up to 1; beyond, with q = e**|x| / 4, 2 q - 1 / (8 q) and the sign of x."""
    magnitude = e.share(e.magnitude(x))
    quarter = _quarter_exp(e, magnitude)
    large = with_sign(e, e.fma(quarter, 2.0, e.divide(-0.125, quarter)), e.sign_of(x))
    square = e.share(e.multiply(x, x))
    small = e.fma(e.multiply(square, x), e.polynomial(square, _tables(e).sinh), x)
    return e.select(e.less(magnitude, 1.0), small, large)


def emit_cosh(e: Emitter, x: Value) -> Value:
    """With q = e**|x| / 4: 2 q + 1 / (8 q)."""
    quarter = _quarter_exp(e, e.magnitude(x))
    return e.fma(quarter, 2.0, e.divide(0.125, quarter))


def _quarter_exp(e: Emitter, magnitude: Value) -> Value:
    """e**x / 4 for x >= 0, finite where sinh and cosh are."""
    bounded = e.share(e.at_most(magnitude, _tables(e).highest + 0.6))
    reduced = _reduce(e, bounded, 1.0, -2)
    return e.share(e.multiply(_narrow_exp(e, reduced.r), reduced.scale))
