"""log and log1p: x = 2**k (1 + f) with |f| <= 1/3, then one polynomial, no division.

Splitting at 2/3 and 4/3 keeps f exact and k = 0 around 1, where the logarithm is small.
"""

from __future__ import annotations

from dataclasses import dataclass

from graphdl.kernel.math.emitter import Emitter
from graphdl.kernel.nodes import Value


@dataclass(frozen=True, slots=True)
class _Tables:
    """`two_thirds`: the bits of the float at which the mantissa splits. `tail`: log(1 + f) is
    f - f**2 / 2 + f**3 * tail(f)."""

    two_thirds: int
    one: int
    ln2: float
    smallest_normal: float
    tail: tuple[float, ...]


_SINGLE = _Tables(
    two_thirds=0x3F2AAAAB,
    one=0x3F800000,
    ln2=0.6931471824645996,
    smallest_normal=2.0**-126,
    tail=(
        0.3333321213722229,
        -0.24999824166297913,
        0.20010578632354736,
        -0.16679348051548004,
        0.14003494381904602,
        -0.12199407815933228,
        0.13994605839252472,
        -0.1282818466424942,
    ),
)
_DOUBLE = _Tables(
    two_thirds=0x3FE5555555555555,
    one=0x3FF0000000000000,
    ln2=0.6931471805599453,
    smallest_normal=2.0**-1022,
    tail=(
        0.3333333333333323,
        -0.25000000000013345,
        0.20000000000054816,
        -0.16666666662929513,
        0.1428571427653785,
        -0.12500000389052052,
        0.11111111839442418,
        -0.09999979294791388,
        0.090908766488157,
        -0.08333972119304263,
        0.07693187338086874,
        -0.07130793866760124,
        0.06651626929378794,
        -0.06390877291235103,
        0.06044519314921906,
        -0.04573668357366325,
        0.04205472435418174,
        -0.08624514670460598,
        0.08446529599539646,
    ),
)


def _tables(e: Emitter) -> _Tables:
    return _SINGLE if e.is_single else _DOUBLE


def _split(e: Emitter, x: Value) -> tuple[Value, Value]:
    """(m, moved) with positive normal x = m * 2**k, m in [2/3, 4/3), and the bits of x moved so
    that their exponent field holds k + bias."""
    tables, layout = _tables(e), e.format
    moved = e.share(e.add(e.bits(x), tables.one - tables.two_thirds))
    fraction = e.bitwise_and(moved, (1 << layout.fraction_bits) - 1)
    return e.from_bits(e.add(fraction, tables.two_thirds)), moved


def _exponent(e: Emitter, moved: Value, offset: Value) -> Value:
    """k as a float; `offset` is the magic number plus what to take from the exponent field."""
    layout = e.format
    field = e.shift_right(moved, layout.fraction_bits)
    magic_bits = (layout.bias + layout.fraction_bits) << layout.fraction_bits
    magic_bits |= 1 << (layout.fraction_bits - 1)
    return e.subtract(e.from_bits(e.bitwise_or(field, magic_bits)), offset)


def split_exponent(e: Emitter, x: Value) -> tuple[Value, Value]:
    """(m, k) with positive normal x = m * 2**k and m in [2/3, 4/3), both floats."""
    m, moved = _split(e, x)
    return m, _exponent(e, moved, e.constant(e.format.magic + e.format.bias))


def _log_of(e: Emitter, f: Value, exponent: Value) -> Value:
    """log((1 + f) * 2**exponent) for |f| <= 1/3."""
    square = e.multiply(f, f)
    tail = e.fma(e.polynomial(f, _tables(e).tail), f, -0.5)
    return e.fma(exponent, _tables(e).ln2, e.fma(square, tail, f))


def emit_log(e: Emitter, x: Value) -> Value:
    """The natural logarithm: -inf at 0, NaN below, denormals exact."""
    layout = e.format
    is_tiny = e.share(e.less(x, _tables(e).smallest_normal))
    lift = layout.fraction_bits
    normal = e.share(e.select(is_tiny, e.multiply(x, 2.0**lift), x))
    m, moved = _split(e, normal)
    magic = layout.magic + layout.bias
    exponent = _exponent(e, moved, e.select(is_tiny, magic + lift, e.constant(magic)))
    result = _log_of(e, e.share(e.subtract(m, 1.0)), exponent)
    return _with_limits(e, x, 0.0, result)


def _with_limits(e: Emitter, x: Value, zero_at: float, result: Value) -> Value:
    """`result`, but +inf and NaN of x as they are, -inf at `zero_at` and NaN below it."""
    infinity = float("inf")
    result = e.select(e.less(x, infinity), result, x)
    below = e.select(e.equal(x, zero_at), -infinity, e.constant(float("nan")))
    return e.select(e.less(zero_at, x), result, below)


def emit_log1p(e: Emitter, x: Value) -> Value:
    """log(1 + x), accurate near 0: the rounding error of 1 + x, scaled like the mantissa, is added
    to f."""
    layout = e.format
    total = e.share(e.add(x, 1.0))
    lost = e.subtract(x, e.subtract(total, 1.0))
    m, moved = _split(e, total)
    exponent_bits = e.bitwise_and(moved, layout.sign_bit - (1 << layout.fraction_bits))
    twice_inverse = (2 * layout.bias + 1) << layout.fraction_bits
    scale = e.from_bits(e.subtract(e.unsigned(twice_inverse), exponent_bits))
    f = e.fma(e.multiply(lost, 0.5), scale, e.subtract(m, 1.0))
    exponent = _exponent(e, moved, e.constant(layout.magic + layout.bias))
    result = _log_of(e, e.share(f), exponent)
    result = _with_limits(e, x, -1.0, result)
    return e.unless_tiny(x, result)
