"""Angles, steps, remainders and NaN-ignoring choices against NumPy."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

from graphdl.autodiff.reverse import grad
from graphdl.ops.functions import scaling as gd
from graphdl.ops.functions.reduction import sum as sum_of
from tests.plugins.compare import assert_close, assert_same_numbers
from tests.plugins.evaluate import run, run_both
from tests.plugins.gradients import check_gradient
from tests.plugins.native import assert_native
from tests.plugins.ulps import most_ulps

RANDOM = np.random.default_rng(0)
X = RANDOM.uniform(-4, 4, (3, 5))
CORNERS = np.array([0.0, -0.0, 1.0, -2.5, np.inf, -np.inf, np.nan])
PAIR = tuple(each.ravel() for each in np.meshgrid(CORNERS, CORNERS))


@pytest.mark.parametrize("name", ["deg2rad", "rad2deg", "sinc", "cbrt", "isposinf", "isneginf"])
def test_functions_of_one_are_numpys(name: str) -> None:
    assert_close(run_both(getattr(gd, name), X), getattr(np, name)(X), rtol=1e-14, atol=1e-15)
    corners = CORNERS[np.isfinite(CORNERS)] if name == "sinc" else CORNERS
    assert_close(run(getattr(gd, name), corners), getattr(np, name)(corners))
    whole = np.arange(-3, 4, dtype=np.int32)
    assert_close(run(getattr(gd, name), whole), getattr(np, name)(whole.astype(np.float32)))


@pytest.mark.parametrize("name", ["fmax", "fmin", "heaviside"])
def test_functions_of_two_are_numpys(name: str) -> None:
    assert_same_numbers(run_both(getattr(gd, name), *PAIR), getattr(np, name)(*PAIR))


@pytest.mark.parametrize("name", ["fmod", "divmod"])
@pytest.mark.parametrize("dtype", [np.int32, np.float64])
def test_remainders_are_numpys(name: str, dtype: Any) -> None:
    x, y = np.meshgrid(np.arange(-7, 8), [-3, -1, 2, 5])
    wanted = getattr(np, name)(x.astype(dtype), y.astype(dtype))
    found = run_both(getattr(gd, name), x.astype(dtype), y.astype(dtype))
    np.testing.assert_array_equal(found, wanted)


def test_parts_of_numbers_are_numpys() -> None:
    for found, wanted in zip(run_both(gd.modf, CORNERS), np.modf(CORNERS), strict=True):
        assert_same_numbers(found, wanted)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cube_roots_and_sines_of_turns_keep_their_digits(dtype: Any) -> None:
    x = (RANDOM.choice([-1, 1], 300) * 10.0 ** RANDOM.uniform(-30, 30, 300)).astype(dtype)
    exact = lambda v: mpmath.sign(v) * mpmath.cbrt(abs(v))  # noqa: E731
    assert most_ulps(run(gd.cbrt, x), exact, x) <= 2
    far = (RANDOM.integers(-999, 999, 300) + 0.3).astype(dtype)
    assert most_ulps(run(gd.sinc, far), mpmath.sincpi, far) <= 4


def test_derivatives_equal_finite_differences() -> None:
    check_gradient(gd.sinc, X)
    check_gradient(gd.sinc, X / 100)
    check_gradient(gd.cbrt, np.abs(X) + 0.5)
    check_gradient(lambda x: gd.fmod(x, 1.7), X)
    check_gradient(gd.rad2deg, X / 50)


def test_derivatives_at_corners() -> None:
    zero = np.array([0.0, -0.0])
    assert run(lambda x: grad(sum_of(gd.sinc(x)), x), zero).tolist() == [0, 0]
    second = run(lambda x: grad(sum_of(grad(sum_of(gd.sinc(x)), x)), x), zero)
    assert_close(second, [-(np.pi**2) / 3] * 2)
    slope = run(lambda x: grad(sum_of(gd.fmax(x, 1.0)), x), np.array([np.nan, 2.0, 0.0]))
    assert slope.tolist() == [0, 1, 0]


def test_compiled_code_is_the_interpreters() -> None:
    def everything(x: Any) -> Any:
        results = [gd.deg2rad(x), gd.sinc(x), gd.cbrt(x), gd.fmod(x, 1.5), gd.heaviside(x, 0.5)]
        slopes = [grad(sum_of(result), x) for result in results[:-1]]
        return [*results, *slopes, *gd.modf(x), *gd.divmod(x, 0.7), gd.fmax(x, 1.0), gd.fmin(x, 1)]

    assert_native(everything, X, rtol=1e-12)
    assert_native(everything, X.astype(np.float32), rtol=1e-5)
