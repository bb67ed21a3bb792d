"""log |gamma| and its derivatives, and functions made of them: elementwise.

Integers count as float32, 16-bit floats are computed in float32. Errors are at most 4 ulps in
float32 and float64 for positive arguments, unless a function says otherwise; for negative ones,
where the reflection formula subtracts, 4 ulps of the larger term.
"""

from __future__ import annotations

from math import factorial, log, pi

from graphdl.errors import ArgumentError
from graphdl.graph.nodes import Tensor
from graphdl.ops import elementwise as raw
from graphdl.ops.arguments import Operand, as_floating, floating_operands, number_like
from graphdl.ops.functions import special_tables as tables
from graphdl.ops.functions.derivative import in_wide, with_slopes
from graphdl.ops.functions.indexing import whole_number
from graphdl.ops.functions.scaling import cosine_of_turns, sine_of_turns
from graphdl.ops.functions.series import powers_on_range

_FAR = 8.0
"""From here on the asymptotic series."""


# lgamma -------------------------------------------------------------------------------------------


def lgamma(x: Operand) -> Tensor:
    """log |gamma(x)|; infinite at 0, -1, -2, …. Stirling's series from 8 on, as in Lanczos (1964).

    >>> gd.lgamma([0.5, 1.0, 10.0]).eval().round(4)
    array([ 0.5724,  0.    , 12.8018], dtype=float32)
    """
    return with_slopes([as_floating(x, "lgamma")], _lgamma, lambda t: [digamma(t)])


def _lgamma(x: Tensor) -> Tensor:
    """log(pi / |x sin(pi x)|) - lgamma(-x) for x < 0."""
    size = raw.abs_(x)
    positive = _positive_lgamma(size)
    is_negative = raw.less(x, number_like(0, x))
    safe = raw.select(is_negative, size, number_like(0.5, x))
    product = raw.multiply(raw.abs_(sine_of_turns(safe)), safe)
    reflected = raw.subtract(number_like(log(pi), x), raw.log(product))
    result = raw.select(is_negative, raw.subtract(reflected, positive), positive)
    is_infinite = raw.equal(size, number_like(float("inf"), x))
    chosen: Tensor = raw.select(is_infinite, size, result)
    return chosen


def _positive_lgamma(x: Tensor) -> Tensor:
    is_far = raw.greater_equal(x, number_like(_FAR, x))
    result: Tensor = raw.select(is_far, _stirling(x), _lgamma_below_8(x))
    return result


def _stirling(x: Tensor) -> Tensor:
    """(x - 1/2) (log(x) - 1) + (log(2 pi) - 1) / 2 + a series in 1 / x²."""
    large = raw.maximum(x, number_like(_FAR, x))
    inverse = raw.divide(number_like(1, x), large)
    rest = powers_on_range(tables.STIRLING, raw.multiply(inverse, inverse), 0.0, 1 / 64)
    tail = raw.add(raw.multiply(rest, inverse), number_like((log(2 * pi) - 1) / 2, x))
    front = raw.subtract(raw.log(large), number_like(1, x))
    main = raw.multiply(raw.subtract(large, number_like(0.5, x)), front)
    result: Tensor = raw.add(main, tail)
    return result


def _lgamma_below_8(x: Tensor) -> Tensor:
    """Brought to [0.5, 2.5] with gamma(x + 1) = x gamma(x)."""
    half = number_like(0.5, x)
    is_small = raw.less(x, half)
    near, product = raw.select(is_small, raw.add(x, number_like(1, x)), x), number_like(1, x)
    for step in range(1, 7):
        applies = raw.greater_equal(x, number_like(step + 1.5, x))
        shifted = raw.subtract(x, number_like(step, x))
        product = raw.select(applies, raw.multiply(product, shifted), product)
        near = raw.select(applies, shifted, near)
    value = _lgamma_near(near)
    divisor = raw.select(is_small, x, product)
    logarithm = raw.log(raw.maximum(divisor, number_like(0, x)))
    signed = raw.select(is_small, raw.negative(logarithm), logarithm)
    result: Tensor = raw.add(value, signed)
    return result


def _lgamma_near(x: Tensor) -> Tensor:
    """On [0.5, 2.5], with its zeros at 1 and 2 as factors."""
    is_low = raw.less(x, number_like(1.5, x))
    at_1 = raw.multiply(
        raw.subtract(x, number_like(1, x)), powers_on_range(tables.LGAMMA_AT_1, x, 0.5, 1.5)
    )
    at_2 = raw.multiply(
        raw.subtract(x, number_like(2, x)), powers_on_range(tables.LGAMMA_AT_2, x, 1.5, 2.5)
    )
    result: Tensor = raw.select(is_low, at_1, at_2)
    return result


# digamma ------------------------------------------------------------------------------------------


def digamma(x: Operand) -> Tensor:
    """The derivative of lgamma; NaN at -1, -2, …, -inf at 0.

    >>> gd.digamma([1.0, 10.0]).eval().round(4)
    array([-0.5772,  2.2518], dtype=float32)
    """
    return with_slopes([as_floating(x, "digamma")], _digamma, lambda t: [_trigamma(t)])


def _digamma(x: Tensor) -> Tensor:
    """digamma(1 - x) - pi / tan(pi x) for x < 0."""
    is_negative = raw.less(x, number_like(0, x))
    mirrored = raw.select(is_negative, raw.subtract(number_like(1, x), x), x)
    is_far = raw.greater_equal(mirrored, number_like(_FAR, x))
    positive = raw.select(is_far, _far_digamma(mirrored), _digamma_below_8(mirrored))
    safe = raw.select(is_negative, x, number_like(0.25, x))
    sine = sine_of_turns(safe)
    is_pole = raw.bitwise_and(is_negative, raw.equal(sine, number_like(0, x)))
    cotangent = raw.divide(raw.multiply(cosine_of_turns(safe), number_like(pi, x)), sine)
    result = raw.select(is_negative, raw.subtract(positive, cotangent), positive)
    chosen: Tensor = raw.select(is_pole, number_like(float("nan"), x), result)
    return chosen


def _far_digamma(x: Tensor) -> Tensor:
    large = raw.maximum(x, number_like(_FAR, x))
    inverse = raw.divide(number_like(1, x), large)
    square = raw.multiply(inverse, inverse)
    rest = raw.multiply(square, powers_on_range(tables.DIGAMMA_FAR, square, 0.0, 1 / 64))
    half = raw.multiply(inverse, number_like(0.5, x))
    result: Tensor = raw.subtract(raw.log(large), raw.add(half, rest))
    return result


def _digamma_below_8(x: Tensor) -> Tensor:
    """Brought to [1, 2) with digamma(x + 1) = digamma(x) + 1 / x; its root is a factor there."""
    one, zero = number_like(1, x), number_like(0, x)
    is_small = raw.less(x, one)
    near = raw.select(is_small, raw.add(x, one), x)
    total = zero
    for step in range(1, 7):
        applies = raw.greater_equal(x, number_like(step + 1, x))
        shifted = raw.subtract(x, number_like(step, x))
        part = raw.divide(one, raw.select(applies, shifted, one))
        total = raw.add(total, raw.select(applies, part, zero))
        near = raw.select(applies, shifted, near)
    high, low = tables.DIGAMMA_ROOT if x.dtype.bits == 64 else tables.DIGAMMA_ROOT_SINGLE
    offset = raw.subtract(raw.subtract(near, number_like(high, x)), number_like(low, x))
    value = raw.multiply(offset, powers_on_range(tables.DIGAMMA, near, 1.0, 2.0))
    below = raw.divide(one, raw.select(is_small, x, one))
    result: Tensor = raw.subtract(raw.add(value, total), raw.select(is_small, below, zero))
    return result


def polygamma(n: int, x: Operand) -> Tensor:
    """The n-th derivative of digamma, for x > 0 (for n = 0 and 1 everywhere; NaN elsewhere).

    n! zeta(n + 1, x) with its sign; errors as in `zeta`. Raises ArgumentError for a negative n.

    >>> gd.polygamma(1, [1.0, 2.0]).eval().round(5)
    array([1.64493, 0.64493], dtype=float32)
    """
    order = whole_number(n, "polygamma", "order")
    if order < 0:
        raise ArgumentError(f"polygamma: the order must not be negative, got {order}")
    tensor = as_floating(x, "polygamma")
    if order == 0:
        return digamma(tensor)
    if order == 1:
        return in_wide(_trigamma, [tensor])
    return in_wide(lambda t: _positive_polygamma(order, t), [tensor])


def _positive_polygamma(order: int, x: Tensor) -> Tensor:
    factor = (-1) ** (order + 1) * float(factorial(order))
    value = _zeta(number_like(order + 1, x), x)
    result: Tensor = raw.multiply(value, number_like(factor, x))
    return result


def _trigamma(x: Tensor) -> Tensor:
    """pi² / sin(pi x)² - trigamma(1 - x) for x <= 0."""
    one = number_like(1, x)
    is_negative = raw.less_equal(x, number_like(0, x))
    positive = _positive_polygamma(1, raw.select(is_negative, raw.subtract(one, x), x))
    safe = raw.select(is_negative, x, number_like(0.5, x))
    ratio = raw.divide(number_like(pi, x), raw.sin(_turns(safe)))
    reflected = raw.subtract(raw.multiply(ratio, ratio), positive)
    result: Tensor = raw.select(is_negative, reflected, positive)
    return result


def _turns(x: Tensor) -> Tensor:
    """pi times x less its nearest integer, which changes no square of the sine."""
    result: Tensor = raw.multiply(raw.subtract(x, raw.round_(x)), number_like(pi, x))
    return result


# zeta and beta ------------------------------------------------------------------------------------

_TERMS = 10
_BERNOULLI = (
    1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000,
    1 / 74724249600, -3617 / 10670622842880000, 43867 / 5109094217170944000,
)  # fmt: skip
"""B(2 j) / (2 j)!."""


def zeta(x: Operand, q: Operand = 1.0) -> Tensor:
    """Hurwitz's zeta function, the sum of (k + q)**-x over k = 0, 1, …, for x > 1 and q > 0.

    Ten terms and Euler and Maclaurin's formula (Johansson, 2015). x = 1 gives infinity, x < 1 and
    q <= 0 NaN. Errors are those of the powers: some ulps times x.

    >>> gd.zeta([2.0, 4.0]).eval().round(4)
    array([1.6449, 1.0823], dtype=float32)
    """
    return in_wide(_zeta, floating_operands("zeta", x, q, names=("x", "q")))


def _zeta(s: Tensor, q: Tensor) -> Tensor:
    one, flipped = number_like(1, q), raw.negative(s)
    total, place = raw.power(q, flipped), q
    for _ in range(_TERMS - 1):
        place = raw.add(place, one)
        total = raw.add(total, raw.power(place, flipped))
    end = raw.add(place, one)
    last = raw.power(end, flipped)
    integral = raw.divide(raw.multiply(end, last), raw.subtract(s, one))
    total = raw.add(total, raw.add(integral, raw.multiply(last, number_like(0.5, q))))
    total = raw.add(total, _corrections(s, end, last))
    is_one, is_valid = raw.equal(s, one), raw.greater(q, number_like(0, q))
    is_valid = raw.bitwise_and(is_valid, raw.greater(s, one))
    result = raw.select(is_valid, total, number_like(float("nan"), q))
    infinity = number_like(float("inf"), q)
    is_infinite = raw.bitwise_or(is_one, raw.equal(q, number_like(0, q)))
    chosen: Tensor = raw.select(is_infinite, infinity, result)
    return chosen


def _corrections(s: Tensor, end: Tensor, last: Tensor) -> Tensor:
    """B(2 j) / (2 j)! s (s + 1) … (s + 2 j - 2) end**(1 - s - 2 j), summed."""
    inverse = raw.divide(number_like(1, s), end)
    factor = raw.multiply(raw.multiply(s, last), inverse)
    total = number_like(0, s)
    for j, bernoulli in enumerate(_BERNOULLI):
        total = raw.add(total, raw.multiply(factor, number_like(bernoulli, s)))
        for offset in (2 * j + 1, 2 * j + 2):
            grown = raw.add(s, number_like(offset, s))
            factor = raw.multiply(raw.multiply(factor, grown), inverse)
    return total


def betaln(a: Operand, b: Operand) -> Tensor:
    """log |beta(a, b)| = lgamma(a) + lgamma(b) - lgamma(a + b), with the error of that difference.

    >>> gd.betaln(2.0, [3.0]).eval().round(4)
    array([-2.4849], dtype=float32)
    """
    left, right = floating_operands("betaln", a, b, names=("a", "b"))
    total = raw.add(lgamma(left), lgamma(right))
    result: Tensor = raw.subtract(total, lgamma(raw.add(left, right)))
    return result


def multigammaln(x: Operand, d: int) -> Tensor:
    """The logarithm of the multivariate gamma function of dimension d.

    Raises ArgumentError for d below 1.

    >>> gd.multigammaln([3.0], 2).eval().round(4)
    array([1.5502], dtype=float32)
    """
    count = whole_number(d, "multigammaln", "dimension")
    if count < 1:
        raise ArgumentError(f"multigammaln: the dimension must be at least 1, got {count}")
    tensor = as_floating(x, "multigammaln")
    total = number_like(count * (count - 1) / 4 * log(pi), tensor)
    for step in range(count):
        total = raw.add(total, lgamma(raw.subtract(tensor, number_like(step / 2, tensor))))
    return total
