"""sin, cos and tan: x = n pi + r (n pi / 2 for tan), with pi as a sum of three numbers.

The first fused multiply-add of the reduction is exact, the second rounds once, the third matters
only where r is tiny; tan keeps what rounding r loses. One odd polynomial serves sin and cos on
|r| <= pi / 2; the parity of n is the sign. Within the stated ulps up to |x| = 1e5, and some way
beyond; above 1e7 in float32 (1e15 in float64), where neighbouring floats lie further apart than a
period, sin and cos stay within their bounds but mean nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from graphdl.kernel.math.emitter import Emitter
from graphdl.kernel.nodes import Value


@dataclass(frozen=True, slots=True)
class _Tables:
    """`pi` in three parts. sin(r) is r + r**3 * sine(r**2) up to pi / 2; tan(r) likewise up to
    pi / 4. The last bits of the float32 sine were searched for small errors near pi / 2."""

    pi: tuple[float, float, float]
    sine: tuple[float, ...]
    tangent: tuple[float, ...]


_SINGLE = _Tables(
    pi=(3.1415927410125732, -8.742277657347586e-08, -3.4302490200117637e-15),
    sine=(
        -0.16666656732559204,
        0.008333023637533188,
        -0.00019807003263849765,
        2.6001278001785977e-06,
    ),
    tangent=(
        0.33333152532577515,
        0.1333891898393631,
        0.0534009151160717,
        0.02446843311190605,
        0.0030567150097340345,
        0.009423751384019852,
    ),
)
_DOUBLE = _Tables(
    pi=(3.141592653589793, 1.2246467991473532e-16, -2.9947698097183397e-33),
    sine=(
        -0.16666666666666666,
        0.0083333333333332,
        -0.00019841269841208475,
        2.7557319210710083e-06,
        -2.5052106814113345e-08,
        1.6058936012812175e-10,
        -7.642880188627724e-13,
        2.719873666902838e-15,
    ),
    tangent=(
        0.33333333333332743,
        0.13333333333419375,
        0.05396825392439987,
        0.021869489663354436,
        0.008863218398379112,
        0.003592295992020566,
        0.0014547159379466135,
        0.000595241759905691,
        0.00022185714200894112,
        0.00013760406414273414,
        -2.7909327609078646e-05,
        9.085503040241383e-05,
        -4.56353331785735e-05,
        2.104611122750543e-05,
    ),
)
_PI = 3.141592653589793


@dataclass(frozen=True, slots=True)
class _Turns:
    """n (a float) turns, and the same number in the low bits of an integer."""

    n: Value
    bits: Value


def _tables(e: Emitter) -> _Tables:
    return _SINGLE if e.is_single else _DOUBLE


def _round(e: Emitter, scaled: Value) -> _Turns:
    """Nearest whole number; `scaled` already has the magic number added."""
    total = e.share(scaled)
    return _Turns(e.share(e.subtract(total, e.format.magic)), e.bits(total))


def _sine_of_turns(e: Emitter, x: Value, n: Value, bits: Value) -> Value:
    """sin(x - n pi), negated where `bits` is odd."""
    pi = _tables(e).pi
    r = e.fma(n, -pi[1], e.fma(n, -pi[0], x))
    r = e.share(e.fma(n, -pi[2], r))
    square = e.share(e.multiply(r, r))
    cube = e.multiply(square, r)
    result = e.share(e.fma(cube, e.polynomial(square, _tables(e).sine), r))
    result = e.share(e.at_least(e.share(e.at_most(result, 1.0)), -1.0))
    return e.flip_sign(result, e.shift_left(bits, e.format.dtype.bits - 1))


def emit_sin(e: Emitter, x: Value) -> Value:
    """The sine."""
    turns = _round(e, e.fma(x, 1.0 / _PI, e.format.magic))
    return e.select(e.equal(x, 0.0), x, _sine_of_turns(e, x, turns.n, turns.bits))


def emit_cos(e: Emitter, x: Value) -> Value:
    """The cosine, as a sine a quarter turn on."""
    turns = _round(e, e.add(e.fma(x, 1.0 / _PI, 0.5), e.format.magic))
    n = e.share(e.subtract(turns.n, 0.5))
    return _sine_of_turns(e, x, n, turns.bits)


def emit_tan(e: Emitter, x: Value) -> Value:
    """The tangent: tan(r + rest) with x = n pi / 2 + r + rest, or -1 / tan(r + rest) for odd n."""
    high, middle, low = (part / 2 for part in _tables(e).pi)
    turns = _round(e, e.fma(x, 2.0 / _PI, e.format.magic))
    n = turns.n
    first = e.share(e.fma(n, -high, x))
    second = e.share(e.multiply(n, middle))
    r = e.share(e.subtract(first, second))
    rest = e.subtract(e.subtract(first, r), second)
    rest = e.add(rest, e.fma(n, -middle, second))
    rest = e.share(e.fma(n, -low, rest))
    square = e.share(e.multiply(r, r))
    factor = e.multiply(square, e.polynomial(square, _tables(e).tangent))
    tail = e.fma(factor, r, e.fma(rest, square, rest))
    tangent = e.share(e.add(r, tail))
    is_odd = e.equal(e.bitwise_and(turns.bits, 1), 1)
    result = e.select(is_odd, e.divide(-1.0, tangent), tangent)
    return e.select(e.equal(x, 0.0), x, result)
