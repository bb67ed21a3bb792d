"""Derive the polynomial coefficients of graphdl/kernel/math: `python tools/fit_polynomials.py [name]`.

Each line is a minimax problem: a function, an interval, the powers to use, and the weight that makes
the error count in ulps of the final result. Lawson's algorithm (Rice, "The Approximation of
Functions", volume 2, chapter 13) in mpmath; coefficients are rounded to the format one at a time,
lowest power first, and the rest is fitted again around each rounded one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import mpmath as mp
import numpy as np

Function = Callable[[mp.mpf], mp.mpf]

mp.mp.prec = 260
ROUNDS = 12


@dataclass(frozen=True)
class Problem:
    """Approximate `function` on [low, high] by a sum of c * x**power for the given powers, plus the
    `fixed` terms, so that weight * error is smallest."""

    function: Function
    low: float
    high: float
    powers: tuple[int, ...]
    weight: Function
    bits: int
    fixed: tuple[tuple[int, float], ...] = ()


def round_to(value: mp.mpf, bits: int) -> mp.mpf:
    """`value` with `bits` significant bits."""
    mantissa, exponent = mp.frexp(value)
    return mp.ldexp(mp.nint(mp.ldexp(mantissa, bits)), exponent - bits)


def minimax(problem: Problem, fixed: dict[int, mp.mpf], powers: tuple[int, ...]) -> list[mp.mpf]:
    """Nearly the best coefficients for `powers`: weighted least squares on Chebyshev points, with
    the weights raised where the error is large."""
    low, high = mp.mpf(problem.low), mp.mpf(problem.high)
    samples = 12 * len(powers) + 20
    angles = [mp.pi * (k + mp.mpf(1) / 2) / samples for k in range(samples)]
    points = [(low + high) / 2 + (high - low) / 2 * mp.cos(angle) for angle in angles]
    scale = [abs(problem.weight(x)) for x in points]
    target = [
        (problem.function(x) - sum(c * x**p for p, c in fixed.items())) * w
        for x, w in zip(points, scale)
    ]
    rows = [[x**p * w for p in powers] for x, w in zip(points, scale)]
    emphasis = [mp.mpf(1)] * samples
    best: tuple[mp.mpf, list[mp.mpf]] = (mp.inf, [])
    for _ in range(ROUNDS):
        solution = _least_squares(rows, target, emphasis)
        errors = [
            abs(sum(c * term for c, term in zip(solution, row)) - t) for row, t in zip(rows, target)
        ]
        largest = max(errors)
        best = min(best, (largest, solution), key=lambda pair: pair[0])
        emphasis = [e * (error / largest + mp.mpf("1e-3")) for e, error in zip(emphasis, errors)]
        total = sum(emphasis)
        emphasis = [e / total for e in emphasis]
    return best[1]


def _least_squares(
    rows: list[list[mp.mpf]], target: list[mp.mpf], emphasis: list[mp.mpf]
) -> list[mp.mpf]:
    count = len(rows[0])
    matrix, right = mp.matrix(count, count), mp.matrix(count, 1)
    for row, t, e in zip(rows, target, emphasis):
        for i in range(count):
            scaled = row[i] * e
            right[i] += scaled * t
            for j in range(i, count):
                matrix[i, j] += scaled * row[j]
    for i in range(count):
        for j in range(i):
            matrix[i, j] = matrix[j, i]
    return list(mp.lu_solve(matrix, right))


def fit(problem: Problem) -> tuple[dict[int, float], float]:
    """Rounded coefficients by power and the largest weighted error that they leave."""
    fixed = {power: mp.mpf(value) for power, value in problem.fixed}
    powers = problem.powers
    while powers:
        coefficients = minimax(problem, fixed, powers)
        fixed[powers[0]] = round_to(coefficients[0], problem.bits)
        powers = powers[1:]
    low, high = mp.mpf(problem.low), mp.mpf(problem.high)
    points = [low + (high - low) * k / 1000 for k in range(1001)]
    error = max(
        abs((sum(c * x**p for p, c in fixed.items()) - problem.function(x)) * problem.weight(x))
        for x in points
    )
    return {power: float(value) for power, value in sorted(fixed.items())}, float(error)


def report(name: str, problem: Problem) -> None:
    """Print one problem's coefficients and its error in ulps of the format."""
    coefficients, error = fit(problem)
    print(f"{name}: error {error * 2.0 ** problem.bits:.4f} half-ulp at worst")
    dtype = np.float32 if problem.bits == 24 else np.float64
    for power, value in coefficients.items():
        print(f"    {float(dtype(value))!r},  # x**{power}")
