"""One rounding, against exact fractions."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from graphdl.typesystem.arithmetic import fma
from graphdl.typesystem.fused_multiply_add import fused_multiply_add


def exact(a: Any, b: Any, c: Any, dtype: Any) -> Any:
    """The nearest number of the dtype to a*b+c, from the two neighbours of a float64 guess."""
    value = Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c))
    guess = dtype(float(value))
    around = [np.nextafter(guess, dtype(-np.inf)), guess, np.nextafter(guess, dtype(np.inf))]
    distances = [abs(Fraction(float(x)) - value) for x in around]
    best = min(distances)
    ties = [x for x, distance in zip(around, distances, strict=True) if distance == best]
    even = [x for x in ties if x.view(f"u{x.itemsize}") % 2 == 0]
    return (even or ties)[0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["plain", "cancelling", "small", "far"])
def test_products_and_sums_round_once(dtype: Any, kind: str) -> None:
    generator = np.random.default_rng(3)
    a, b, c = (generator.normal(size=300).astype(dtype) for _ in range(3))
    if kind == "cancelling":
        c = (-(a * b)).astype(dtype)
    if kind == "small":
        tiny = np.finfo(dtype).tiny
        a, c = (a * dtype(tiny) * 2**20).astype(dtype), (c * dtype(tiny)).astype(dtype)
    if kind == "far":
        c = (c * dtype(2) ** 40).astype(dtype)
    result = fused_multiply_add(a, b, c)
    wanted = [exact(x, y, z, dtype) for x, y, z in zip(a, b, c, strict=True)]
    np.testing.assert_array_equal(result, np.array(wanted, dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_special_values(dtype: Any) -> None:
    inf, nan = np.inf, np.nan
    big = np.finfo(dtype).max
    a = np.array([inf, inf, 0, nan, big, -big, 1, 2, -0.0], dtype)
    b = np.array([1, 0, inf, 1, 2, 2, 1, big, 1], dtype)
    c = np.array([1, 1, 1, 1, 1, 1, inf, -big, 0], dtype)
    with np.errstate(all="ignore"):
        result = fused_multiply_add(a, b, c)
    np.testing.assert_array_equal(
        result, np.array([inf, nan, nan, nan, inf, -inf, inf, big, 0], dtype)
    )


def test_two_roundings_are_caught() -> None:
    """Multiply then add differs from one rounding on some of these."""
    generator = np.random.default_rng(0)
    a, b, c = (generator.normal(size=500).astype(np.float32) for _ in range(3))
    assert (a * b + c != fma(a, b, c)).any()


def test_16_bit_floats_fuse_in_float32() -> None:
    generator = np.random.default_rng(0)
    a, b, c = (generator.normal(size=100).astype(np.float16) for _ in range(3))
    wide = fused_multiply_add(a.astype(np.float32), b.astype(np.float32), c.astype(np.float32))
    np.testing.assert_array_equal(fma(a, b, c), wide.astype(np.float16))
