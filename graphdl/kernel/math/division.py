"""floor_divide and remainder of floats: rounded quotients with their exact remainders.

The remainder of a correctly rounded quotient is a floating number that one fused multiply-add finds
(Markstein, "Computation of elementary functions on the IBM RISC System/6000", 1990). Two such steps
are exact while |x/y| is below 2**46 (float32) or 2**104 (float64). The steps are those of
typesystem/arithmetic.py, bit for bit.
"""

from __future__ import annotations

from math import inf

from graphdl.kernel.math.emitter import Emitter
from graphdl.kernel.nodes import Unary, Value


def emit_floor_divide(e: Emitter, x: Value, y: Value) -> Value:
    """floor(x / y), also where x / y rounds up to an integer; x / 0 is x / 0."""
    rest = _truncated_remainder(e, x, y)
    quotient = e.share(e.divide(x, y))
    exact = e.share(e.divide(e.subtract(x, rest), y))
    exact = e.share(e.select(_is_other_side(e, rest, y), e.subtract(exact, 1.0), exact))
    down = e.share(Unary("floor", exact))
    is_next = e.less(0.5, e.subtract(exact, down))
    down = e.select(is_next, e.add(down, 1.0), down)
    zero = e.from_bits(e.sign_of(quotient))
    down = e.select(e.equal(exact, 0.0), zero, down)
    return e.select(e.equal(y, 0.0), quotient, down)


def emit_remainder(e: Emitter, x: Value, y: Value) -> Value:
    """x - y*floor(x/y), with the sign of y."""
    rest = _truncated_remainder(e, x, y)
    rest = e.share(e.select(_is_other_side(e, rest, y), e.add(rest, y), rest))
    return e.select(e.equal(rest, 0.0), e.from_bits(e.sign_of(y)), rest)


def _truncated_remainder(e: Emitter, x: Value, y: Value) -> Value:
    """x - y*trunc(x/y), with the sign of x."""
    rest = _step(e, _step(e, x, y), y)
    toward = e.from_bits(e.bitwise_or(e.bits(e.magnitude(y)), e.sign_of(x)))
    rest = e.share(e.select(_is_other_side(e, rest, x), e.add(rest, toward), rest))
    is_far = e.bitwise_and(e.equal(e.magnitude(y), inf), e.less(e.magnitude(x), inf))
    return e.share(e.select(is_far, x, rest))


def _step(e: Emitter, x: Value, y: Value) -> Value:
    """x less the truncated rounded quotient times y."""
    quotient = Unary("trunc", e.divide(x, y))
    return e.share(e.fma(e.negative(quotient), y, x))


def _is_other_side(e: Emitter, rest: Value, like: Value) -> Value:
    """Whether `rest` is not zero and its sign is not that of `like`."""
    is_zero = e.equal(rest, 0.0)
    is_same = e.equal(e.less(rest, 0.0), e.less(like, 0.0))
    return Unary("bitwise_not", e.bitwise_or(is_zero, is_same))
