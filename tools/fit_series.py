"""Derive graphdl/ops/functions/special_tables.py: `python tools/fit_series.py > that file`.

Each problem is a function on an interval, mapped to t in [-1, 1]; its Chebyshev coefficients
(Clenshaw and Curtis, "A method for numerical integration on an automatic computer", 1960) are
computed with mpmath from values at Chebyshev points, and cut off where the rest is too small.
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath as mp
import numpy as np

Number = Any  # an mpmath number; mpmath has no types
Function = Callable[[Number], Number]

POINTS = 80
BITS = {"single": 26, "double": 56}


@dataclass(frozen=True)
class Problem:
    """`function` of t in [-1, 1], relative to whose smallest value the error counts."""

    name: str
    text: str
    function: Function
    half_width: float = 0.0
    """Not 0: write powers of x less the middle of its interval instead, whose half this is."""


def mapped(function: Function, low: float, high: float) -> Function:
    """`function` of x in [low, high] as one of t in [-1, 1]."""
    middle, half = (mp.mpf(low) + mp.mpf(high)) / 2, (mp.mpf(high) - mp.mpf(low)) / 2
    return lambda t: function(middle + half * t)


def coefficients(function: Function) -> list[Number]:
    """Chebyshev coefficients from values at the Chebyshev points; the first one halved."""
    angles = [mp.pi * (k + mp.mpf(1) / 2) / POINTS for k in range(POINTS)]
    values = [function(mp.cos(angle)) for angle in angles]
    found = [
        2 * mp.fsum(v * mp.cos(n * a) for v, a in zip(values, angles, strict=True)) / POINTS
        for n in range(POINTS)
    ]
    found[0] /= 2
    return found


def cut_off(terms: list[Number], least: Number, bits: int) -> list[Number]:
    """Without the last terms that together stay below least * 2**-bits."""
    limit, rest, count = least * mp.mpf(2) ** -bits, mp.mpf(0), len(terms)
    while count > 1 and rest + abs(terms[count - 1]) < limit:
        count -= 1
        rest += abs(terms[count])
    return terms[:count]


def as_powers(terms: list[Number], half_width: float) -> list[Number]:
    """The coefficients of powers of half_width * t from those of Chebyshev polynomials of t."""
    total = [mp.mpf(0)] * len(terms)
    before, now = [mp.mpf(1)], [mp.mpf(0), mp.mpf(1)]
    for term in terms:
        for power, factor in enumerate(before):
            total[power] += term * factor
        doubled = [mp.mpf(0), *(2 * factor for factor in now)]
        padded = [*before, *[mp.mpf(0)] * (len(doubled) - len(before))]
        before, now = now, [a - b for a, b in zip(doubled, padded, strict=True)]
    return [term / mp.mpf(half_width) ** power for power, term in enumerate(total)]


def scaled_erfc(t: Number) -> Number:
    """(1 + 2 x) exp(x²) erfc(x) with t = (x - 3.75) / (x + 3.75)."""
    if t == 1:
        return 2 / mp.sqrt(mp.pi)
    x = mp.mpf("3.75") * (1 + t) / (1 - t)
    if x > 200:  # the asymptotic series
        terms = [mp.fac2(2 * k - 1) * (-1) ** k / (2 * x * x) ** k for k in range(20)]
        return (1 + 2 * x) / (x * mp.sqrt(mp.pi)) * mp.fsum(terms)
    return (1 + 2 * x) * mp.exp(x * x) * mp.erfc(x)


def erfinv_ratio(w: Number) -> Number:
    """erfinv(x) / x with w = -log(1 - x²)."""
    if w < mp.mpf(10) ** -30:
        return mp.sqrt(mp.pi) / 2
    with mp.extradps(int(w / 2.3) + 20):
        x = mp.sqrt(-mp.expm1(-w))
        tail = mp.exp(-w) / (1 + x)  # 1 - x
        y = mp.sqrt(w) if w > 2 else x
        y = mp.findroot(lambda v: mp.log(mp.erfc(v)) - mp.log(tail), y)
        return +(y / x)


def over(function: Function, root: Number) -> Function:
    """function(x) / (x - root), where function vanishes."""

    def quotient(x: Number) -> Number:
        if abs(x - root) < mp.mpf(10) ** -25:
            return mp.diff(function, root)
        return function(x) / (x - root)

    return quotient


def stirling_rest(y: Number) -> Number:
    """x (lgamma(x) - (x - 1/2) log(x) + x - log(2 pi) / 2) with y = 1 / x²."""
    if y == 0:
        return mp.mpf(1) / 12
    x = 1 / mp.sqrt(y)
    whole = (x - mp.mpf(1) / 2) * mp.log(x) - x + mp.log(2 * mp.pi) / 2
    return x * (mp.loggamma(x) - whole)


def digamma_rest(y: Number) -> Number:
    """x² (log(x) - 1 / (2 x) - digamma(x)) with y = 1 / x²."""
    if y == 0:
        return mp.mpf(1) / 12
    x = 1 / mp.sqrt(y)
    return x * x * (mp.log(x) - 1 / (2 * x) - mp.digamma(x))


def bessel_far(order: int) -> Function:
    """sqrt(x) exp(-x) I(x) with t = 16 / x - 1, x >= 8."""

    def value(t: Number) -> Number:
        if t <= -1 + mp.mpf(10) ** -20:
            return 1 / mp.sqrt(2 * mp.pi)
        x = 16 / (t + 1)
        return mp.sqrt(x) * mp.exp(-x) * mp.besseli(order, x)

    return value


def bessel_near(order: int) -> Function:
    """exp(-x) I0(x), and exp(-x) I1(x) (x + 2)² / x, which is almost flat."""

    def value(x: Number) -> Number:
        if order == 0:
            return mp.exp(-x) * mp.besseli(0, x)
        ratio = mp.mpf(1) / 2 if x == 0 else mp.exp(-x) * mp.besseli(1, x) / x
        return ratio * (x + 2) ** 2

    return value


def roots() -> Number:
    """Where digamma is 0."""
    return mp.findroot(mp.digamma, mp.mpf("1.4616321449683623"))


def problems() -> list[Problem]:
    """Every series of the special functions."""
    ratio, root = erfinv_ratio, roots()
    return [
        Problem("ERFC", "(1 + 2 x) exp(x²) erfc(x), t = (x - 3.75) / (x + 3.75)", scaled_erfc),
        Problem("ERFINV_NEAR", "erfinv(x) / x, w = -log(1 - x²) in [0, 4]", mapped(ratio, 0, 4)),
        Problem(
            "ERFINV_FAR", "the same, sqrt(w) in [2, 6.25]", mapped(lambda s: ratio(s * s), 2, 6.25)
        ),
        Problem(
            "ERFINV_TAIL", "the same, sqrt(w) in [6.25, 27.5]",
            mapped(lambda s: ratio(s * s), 6.25, 27.5),
        ),
        Problem(
            "LGAMMA_AT_1", "lgamma(x) / (x - 1) for x in [0.5, 1.5]",
            mapped(over(mp.loggamma, mp.mpf(1)), 0.5, 1.5), 0.5,
        ),
        Problem(
            "LGAMMA_AT_2", "lgamma(x) / (x - 2) for x in [1.5, 2.5]",
            mapped(over(mp.loggamma, mp.mpf(2)), 1.5, 2.5), 0.5,
        ),
        Problem(
            "STIRLING", "x times the rest of Stirling's formula, 1 / x² in [0, 1/64]",
            mapped(stirling_rest, 0, 1 / 64), 1 / 128,
        ),
        Problem(
            "DIGAMMA", "digamma(x) / (x - root) for x in [1, 2]",
            mapped(over(mp.digamma, root), 1, 2), 0.5,
        ),
        Problem(
            "DIGAMMA_FAR", "x² (log(x) - 1 / (2 x) - digamma(x)), 1 / x² in [0, 1/64]",
            mapped(digamma_rest, 0, 1 / 64), 1 / 128,
        ),
        Problem("I0E_NEAR", "exp(-x) I0(x) for x in [0, 8]", mapped(bessel_near(0), 0, 8)),
        Problem("I0E_FAR", "sqrt(x) exp(-x) I0(x), t = 16 / x - 1", bessel_far(0)),
        Problem(
            "I1E_NEAR", "exp(-x) I1(x) (x + 2)² / x for x in [0, 8]", mapped(bessel_near(1), 0, 8)
        ),
        Problem("I1E_FAR", "sqrt(x) exp(-x) I1(x), t = 16 / x - 1", bessel_far(1)),
    ]  # fmt: skip


def written(name: str, text: str, parts: dict[str, tuple[float, ...]]) -> str:
    """One series as Python text."""
    lines = [f"{name} = Series("]
    for kind, terms in parts.items():
        body = textwrap.wrap(", ".join(map(repr, terms)) + ",", 88)
        lines += [f"    {kind}=(", *(f"        {line}" for line in body), "    ),"]
    return "\n".join([*lines, ")", f'"""{text}."""', ""])


HEADER = '''"""Chebyshev coefficients of the special functions, from `tools/fit_series.py`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Series:
    """Coefficients for float32 and for float64: of T0, T1, … in t, or of powers of x - middle."""

    single: tuple[float, ...]
    double: tuple[float, ...]

'''


def main(arguments: list[str] | None = None) -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args(arguments)
    mp.mp.dps = 50
    root = roots()
    high = float(root)
    print(HEADER)
    print(f"DIGAMMA_ROOT = ({high!r}, {float(root - mp.mpf(high))!r})")
    single = float(np.float32(high))
    print(f"DIGAMMA_ROOT_SINGLE = ({single!r}, {float(root - mp.mpf(single))!r})")
    print('"""Where digamma is 0, as a sum of two numbers."""\n')
    for problem in problems():
        terms = coefficients(problem.function)
        least = min(abs(problem.function(mp.mpf(t))) for t in np.linspace(-1, 1, 21).tolist())
        parts = {}
        for kind, bits in BITS.items():
            kept = cut_off(terms, least, bits)
            if problem.half_width:
                kept = as_powers(kept, problem.half_width)
            parts[kind] = tuple(float(term) for term in kept)
        print(written(problem.name, problem.text, parts))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
