"""Derive the coefficients in graphdl/kernel/math: `python tools/fit_polynomials.py [name …]`.

Each problem is a function, an interval, the powers to use, and the weight that makes the error
count in the final result. Lawson's algorithm (Rice, "The Approximation of Functions", volume 2,
chapter 13) in mpmath; coefficients are rounded to the format one at a time, lowest power first, and
the rest is fitted again around each rounded one.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath as mp
import numpy as np

Number = Any  # an mpmath number; mpmath has no types
Function = Callable[[Number], Number]

mp.mp.prec = 300
ROUNDS = 12
SINGLE, DOUBLE = 24, 53
LN2 = 0.6931471805599453


@dataclass(frozen=True)
class Problem:
    """Approximate `function` on [low, high] by a sum of c * x**power for the given powers, plus the
    `fixed` terms, so that weight * error is smallest. `bits` is the precision of coefficients."""

    function: Function
    low: float
    high: float
    powers: range
    weight: Function
    bits: int
    fixed: tuple[tuple[int, float], ...] = ()


def relative(function: Function) -> Function:
    """The weight that makes an error relative to the function."""

    def weight(x: Number) -> Number:
        value = function(x)
        return 1 / value if value else mp.mpf(0)

    return weight


def odd(function: Function, high: float, last: int, bits: int) -> Problem:
    """x + c3 x**3 + … + c x**last, relative to the function."""
    return Problem(
        function, 1e-3, high, range(3, last + 1, 2), relative(function), bits, ((1, 1.0),)
    )


def exponential(high: float, last: int, bits: int) -> Problem:
    """1 + x + c2 x**2 + …."""
    fixed = ((0, 1.0), (1, 1.0))
    return Problem(mp.exp, -high, high, range(2, last + 1), relative(mp.exp), bits, fixed)


def exponential_less_one(high: float, last: int, bits: int) -> Problem:
    """x + c2 x**2 + …."""
    fixed = ((1, 1.0),)
    return Problem(mp.expm1, -high, high, range(2, last + 1), relative(mp.expm1), bits, fixed)


def logarithm(last: int, bits: int) -> Problem:
    """log(1 + x) = x - x**2 / 2 + c3 x**3 + …."""
    fixed, weight = ((1, 1.0), (2, -0.5)), relative(mp.log1p)
    return Problem(mp.log1p, -0.33334, 0.33334, range(3, last + 1), weight, bits, fixed)


def error_function(high: float, last: int, bits: int) -> Problem:
    """-log(erfc(x)) / x - 1, weighted as it moves erf(x)."""

    def growth(x: Number) -> Number:
        return -mp.log(mp.erfc(x)) / x - 1

    def weight(x: Number) -> Number:
        return mp.erfc(x) * x / mp.erf(x)

    return Problem(growth, 5e-4, high, range(last + 1), weight, bits)


def base_two_logarithm(x: Number) -> Number:
    """log2(1 + x)."""
    return mp.log1p(x) / mp.log(2)


def arctangent_tail(z: Number) -> Number:
    """(atanh(s) - s - s**3 / 3) / s**5 with s**2 = z."""
    s = mp.sqrt(z)
    return ((mp.atanh(s) / s - 1) / z - mp.mpf(1) / 3) / z


PROBLEMS: dict[str, Problem] = {
    "exponential.wide single": exponential(0.6935, 7, SINGLE),
    "exponential.wide double": exponential(0.6935, 13, DOUBLE),
    "exponential.narrow single": exponential_less_one(0.3469, 6, SINGLE),
    "exponential.narrow double": exponential_less_one(0.3469, 11, DOUBLE),
    "exponential.sinh single": odd(mp.sinh, 1.0, 7, SINGLE),
    "exponential.sinh double": odd(mp.sinh, 1.0, 15, DOUBLE),
    "logarithm.tail single": logarithm(10, SINGLE),
    "logarithm.tail double": logarithm(21, DOUBLE),
    "error_function.growth single": error_function(3.93, 8, SINGLE),
    "error_function.growth double": error_function(5.93, 24, DOUBLE),
    "trigonometry.sine single": odd(mp.sin, 1.59, 9, SINGLE),
    "trigonometry.sine double": odd(mp.sin, 1.59, 17, DOUBLE),
    "trigonometry.tangent single": odd(mp.tan, 0.787, 13, SINGLE),
    "trigonometry.tangent double": odd(mp.tan, 0.787, 29, DOUBLE),
    "inverse_trigonometry.arctangent single": odd(mp.atan, 1.0, 17, SINGLE),
    "inverse_trigonometry.arctangent double": odd(mp.atan, 1.0, 41, DOUBLE),
    "inverse_trigonometry.arcsine single": odd(mp.asin, 0.5, 11, SINGLE),
    "inverse_trigonometry.arcsine double": odd(mp.asin, 0.5, 25, DOUBLE),
    "power._LOG2": Problem(
        base_two_logarithm, -0.33334, 0.33334, range(1, 14), relative(base_two_logarithm), DOUBLE
    ),
    "power._EXP2": Problem(
        lambda x: mp.mpf(2) ** x, -0.501, 0.501, range(7), lambda x: mp.mpf(2) ** -x, DOUBLE
    ),
    "power._ATANH": Problem(arctangent_tail, 1e-5, 0.0401, range(8), lambda z: z * z, DOUBLE),
}
"""Module and table of each set of coefficients."""


def round_to(value: Number, bits: int) -> Number:
    """`value` with `bits` significant bits."""
    mantissa, exponent = mp.frexp(value)
    return mp.ldexp(mp.nint(mp.ldexp(mantissa, bits)), exponent - bits)


def minimax(problem: Problem, fixed: dict[int, Number], powers: tuple[int, ...]) -> list[Number]:
    """Nearly the best coefficients for `powers`: weighted least squares on Chebyshev points, with
    the weights raised where the error is large."""
    low, high = mp.mpf(problem.low), mp.mpf(problem.high)
    samples = 12 * len(powers) + 20
    angles = [mp.pi * (k + mp.mpf(1) / 2) / samples for k in range(samples)]
    points = [(low + high) / 2 + (high - low) / 2 * mp.cos(angle) for angle in angles]
    scales = [abs(problem.weight(x)) for x in points]
    rows, target = [], []
    for x, scale in zip(points, scales, strict=True):
        rows.append([x**power * scale for power in powers])
        rest = problem.function(x) - sum(c * x**power for power, c in fixed.items())
        target.append(rest * scale)
    emphasis = [mp.mpf(1)] * samples
    best: tuple[Number, list[Number]] = (mp.inf, [])
    for _ in range(ROUNDS):
        solution = _least_squares(rows, target, emphasis)
        errors = [abs(mp.fdot(solution, row) - t) for row, t in zip(rows, target, strict=True)]
        largest = max(errors)
        best = min(best, (largest, solution), key=lambda pair: pair[0])
        raised = [error / largest + mp.mpf("1e-3") for error in errors]
        emphasis = [e * r for e, r in zip(emphasis, raised, strict=True)]
        total = mp.fsum(emphasis)
        emphasis = [e / total for e in emphasis]
    return best[1]


def _least_squares(
    rows: list[list[Number]], target: list[Number], emphasis: list[Number]
) -> list[Number]:
    count = len(rows[0])
    matrix, right = mp.matrix(count, count), mp.matrix(count, 1)
    for row, t, e in zip(rows, target, emphasis, strict=True):
        for i in range(count):
            scaled = row[i] * e
            right[i] += scaled * t
            for j in range(count):
                matrix[i, j] += scaled * row[j]
    return list(mp.lu_solve(matrix, right))


def fit(problem: Problem) -> tuple[dict[int, float], float]:
    """Rounded coefficients by power and the largest weighted error that they leave."""
    fixed = {power: mp.mpf(value) for power, value in problem.fixed}
    powers = tuple(problem.powers)
    while powers:
        coefficients = minimax(problem, fixed, powers)
        fixed[powers[0]] = round_to(coefficients[0], problem.bits)
        powers = powers[1:]
    low, high = mp.mpf(problem.low), mp.mpf(problem.high)
    points = [low + (high - low) * (2 * k + 1) / 2000 for k in range(1000)]
    error = max(
        abs((sum(c * x**p for p, c in fixed.items()) - problem.function(x)) * problem.weight(x))
        for x in points
    )
    return {power: float(value) for power, value in sorted(fixed.items())}, float(error)


def main() -> None:
    """Print the coefficients of the problems whose names contain one of the arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=[""])
    wanted = parser.parse_args().names
    for name, problem in PROBLEMS.items():
        if any(each in name for each in wanted):
            coefficients, error = fit(problem)
            print(f"{name}: largest error {error:.3g}, {error * 2.0**problem.bits:.4f} half ulps")
            kind = np.float32 if problem.bits == SINGLE else np.float64
            for power, value in coefficients.items():
                print(f"    {float(kind(value))!r},  # x**{power}")


if __name__ == "__main__":
    main()
