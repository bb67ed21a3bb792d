"""Inverse hyperbolic functions and their relatives: ulps against mpmath, derivatives, corners."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

from graphdl.autodiff.reverse import grad
from graphdl.errors import DTypeError
from graphdl.ops.functions import hyperbolic as gd
from graphdl.ops.functions.creation import placeholder
from graphdl.ops.functions.reduction import sum as sum_of
from tests.plugins.compare import assert_close
from tests.plugins.evaluate import run, run_both
from tests.plugins.gradients import check_gradient
from tests.plugins.native import assert_native
from tests.plugins.ulps import most_ulps

RANDOM = np.random.default_rng(0)
WIDE = 10.0 ** RANDOM.uniform(-9, 30, 400)
SAMPLES: dict[str, tuple[Any, Callable[..., Any]]] = {
    "acosh": (1 + 10.0 ** RANDOM.uniform(-6, 30, 400), mpmath.acosh),
    "asinh": (np.concatenate([WIDE, -WIDE]), mpmath.asinh),
    "atanh": (np.concatenate([RANDOM.uniform(-0.99999, 0.99999, 400), 1 / WIDE[WIDE > 1.1]]),
              mpmath.atanh),
}  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", SAMPLES)
def test_errors_stay_below_three_ulps(name: str, dtype: Any) -> None:
    samples, exact = SAMPLES[name]
    x = samples.astype(dtype)
    assert most_ulps(run(getattr(gd, name), x), exact, x) <= 3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_hypot_neither_overflows_nor_loses_digits(dtype: Any) -> None:
    x = 10.0 ** RANDOM.uniform(-37, 37, 400)
    y = (x * 10.0 ** RANDOM.uniform(-5, 0, 400)).astype(dtype)
    assert most_ulps(run(gd.hypot, x.astype(dtype), y), mpmath.hypot, x.astype(dtype), y) <= 3


CORNERS = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 2.0, -2.0])


@pytest.mark.parametrize("name", ["acosh", "asinh", "atanh"])
def test_corners_are_numpys(name: str) -> None:
    with np.errstate(all="ignore"):
        wanted = getattr(np, f"arc{name[1:]}")(CORNERS)
    found = run_both(getattr(gd, name), CORNERS)
    assert_close(found, wanted)
    np.testing.assert_array_equal(np.signbit(found[:2]), np.signbit(wanted[:2]))


@pytest.mark.parametrize("name", ["hypot", "logaddexp", "logaddexp2"])
def test_pairs_of_corners_are_numpys(name: str) -> None:
    x, y = (each.ravel() for each in np.meshgrid(CORNERS, CORNERS))
    with np.errstate(all="ignore"):
        wanted = getattr(np, name)(x, y)
    assert_close(run_both(getattr(gd, name), x, y), wanted)
    big = np.array([1e4, -1e4, 3.0])
    assert_close(run(getattr(gd, name), big, big[::-1].copy()), getattr(np, name)(big, big[::-1]))


@pytest.mark.parametrize("name", ["asinh", "atanh", "hypot", "logaddexp", "logaddexp2", "acosh"])
def test_derivatives_equal_finite_differences(name: str) -> None:
    x, y = RANDOM.uniform(-0.9, 0.9, (2, 3, 4))
    function = getattr(gd, name)
    if name in ("asinh", "atanh"):
        check_gradient(function, x)
    elif name == "acosh":
        check_gradient(function, x + 2.5)
    else:
        check_gradient(function, x, y + 3)


def test_derivatives_at_corners_are_finite() -> None:
    zero = np.zeros((2,))
    assert run(lambda x: grad(sum_of(gd.asinh(x)), x), zero).tolist() == [1, 1]
    slopes = run(lambda x, y: grad(sum_of(gd.hypot(x, y)), [x, y]), zero, zero)
    assert [slope.tolist() for slope in slopes] == [[0, 0], [0, 0]]
    infinite = np.array([-np.inf, 1e300])
    slopes = run(lambda x, y: grad(sum_of(gd.logaddexp(x, y)), [x, y]), infinite, infinite)
    assert [slope.tolist() for slope in slopes] == [[0.5, 0.5], [0.5, 0.5]]


def test_dtypes_and_shapes() -> None:
    assert gd.asinh(placeholder("x", (2,), "int8")).dtype.name == "float32"
    half = np.array([0.3, 2.0], np.float16)
    assert_close(run(gd.asinh, half), np.arcsinh(half), rtol=1e-3)
    assert run(gd.hypot, np.zeros((0, 3)), np.ones((1, 3))).shape == (0, 3)
    with pytest.raises(DTypeError, match="asinh: 'a' of dtype"):
        gd.asinh("a")


def test_compiled_code_is_the_interpreters() -> None:
    def everything(x: Any, y: Any) -> Any:
        results = [gd.asinh(x), gd.atanh(x), gd.acosh(y), gd.hypot(x, y), gd.logaddexp(x, y)]
        return [*results, gd.logaddexp2(x, y), *grad(sum_of(sum(results)), [x, y])]

    x, y = RANDOM.uniform(-0.9, 0.9, (2, 5, 7))
    assert_native(everything, x, y + 2, rtol=1e-12)
    assert_native(everything, x.astype(np.float32), (y + 2).astype(np.float32), rtol=2e-6)
