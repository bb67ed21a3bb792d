"""Sums of Chebyshev polynomials and of powers on a range: what special functions are made of."""

from __future__ import annotations

from graphdl.graph.nodes import Tensor
from graphdl.ops import elementwise as raw
from graphdl.ops.arguments import number_like
from graphdl.ops.functions.special_tables import Series


def coefficients(series: Series, x: Tensor) -> tuple[float, ...]:
    """Those of x's precision."""
    return series.double if x.dtype.bits == 64 else series.single


def chebyshev(series: Series, t: Tensor) -> Tensor:
    """The sum at t in [-1, 1] by Clenshaw's recurrence (1955)."""
    terms = coefficients(series, t)
    twice = raw.add(t, t)
    later, last = number_like(0, t), number_like(terms[-1], t)
    for term in reversed(terms[1:-1]):
        step = raw.subtract(raw.multiply(twice, last), later)
        later, last = last, raw.add(step, number_like(term, t))
    step = raw.subtract(raw.multiply(t, last), later)
    result: Tensor = raw.add(step, number_like(terms[0], t))
    return result


def on_range(series: Series, x: Tensor, low: float, high: float) -> Tensor:
    """The sum for x in [low, high], which is brought inside."""
    inside = raw.minimum(raw.maximum(x, number_like(low, x)), number_like(high, x))
    middle, scale = (low + high) / 2, 2 / (high - low)
    offset = raw.subtract(inside, number_like(middle, x))
    return chebyshev(series, raw.multiply(offset, number_like(scale, x)))


def powers_on_range(series: Series, x: Tensor, low: float, high: float) -> Tensor:
    """The sum of powers of x less the middle of [low, high], into which x is brought; Horner."""
    inside = raw.minimum(raw.maximum(x, number_like(low, x)), number_like(high, x))
    offset = raw.subtract(inside, number_like((low + high) / 2, x))
    *terms, last = coefficients(series, x)
    result = number_like(last, x)
    for term in reversed(terms):
        result = raw.add(raw.multiply(result, offset), number_like(term, x))
    return result
