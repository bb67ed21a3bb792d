"""Convolution, polynomials and interpolation in one dimension against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphdl.autodiff.reverse import grad
from graphdl.errors import ArgumentError, ShapeError
from graphdl.ops.functions import correlation as gd
from graphdl.ops.functions.creation import placeholder
from graphdl.ops.functions.reduction import sum as sum_of
from tests.plugins.compare import assert_close
from tests.plugins.evaluate import run, run_both
from tests.plugins.gradients import check_gradient
from tests.plugins.native import assert_native

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=9)
PLACES = np.array([-1.0, 0.0, 0.5, 2.0, 2.0, 3.0])
VALUES = RANDOM.normal(size=6)


@pytest.mark.parametrize("name", ["convolve", "correlate"])
@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("sizes", [(9, 3), (9, 4), (3, 9), (4, 9), (5, 5), (9, 1)], ids=str)
def test_sliding_products_are_numpys(name: str, mode: Any, sizes: tuple[int, int]) -> None:
    x, kernel = RANDOM.normal(size=sizes[0]), RANDOM.normal(size=sizes[1])
    found = run(lambda a, b: getattr(gd, name)(a, b, mode), x, kernel)
    assert_close(found, getattr(np, name)(x, kernel, mode), rtol=1e-12)


def test_signals_of_named_size() -> None:
    kernel = np.array([1.0, 2.0, -1.0])
    found = run(lambda x: gd.convolve(x, kernel, "same"), X, named=True)
    assert_close(found, np.convolve(X, kernel, "same"))
    x = placeholder("x", ("n",))
    with pytest.raises(ShapeError, match="convolve: the kernel has the named size n"):
        gd.convolve(x, x)
    with pytest.raises(ArgumentError, match='mode \'half\' is not "full", "same" or "valid"'):
        gd.convolve(x, [1.0], "half")
    with pytest.raises(ShapeError, match="convolve: the kernel is empty"):
        gd.convolve(x, np.zeros((0,)))
    with pytest.raises(ShapeError, match="correlate: needs 1-d, got 2-d"):
        gd.correlate(placeholder("y", (2, 2)), [1.0])


def test_polynomials_are_numpys() -> None:
    assert_close(run(gd.polyval, VALUES, X), np.polyval(VALUES, X), rtol=1e-12)
    whole = run(gd.polyval, np.array([2, 0, 1]), np.array([[1, 3]]))
    assert whole.tolist() == [[3, 19]]
    assert run(gd.polyval, np.zeros((0,)), X).tolist() == [0] * 9


def test_interpolation_is_numpys() -> None:
    x = np.array([[-2.0, -1.0, -0.5, 0.0, 0.25], [0.5, 1.9, 2.0, 3.0, 4.0]])
    assert_close(run_both(gd.interp, x, PLACES, VALUES), np.interp(x, PLACES, VALUES))
    found = run_both(lambda a, p, v: gd.interp(a, p, v, left=-5.0, right=7.0), x, PLACES, VALUES)
    assert_close(found, np.interp(x, PLACES, VALUES, left=-5, right=7))
    single = run_both(gd.interp, x, np.array([1.0]), np.array([4.0]))
    assert_close(single, np.full(x.shape, 4.0))
    with pytest.raises(ShapeError, match="interp: places and values must be 1-d of one size"):
        gd.interp(placeholder("x", (3,)), [0.0, 1.0], [1.0])


def test_derivatives_equal_finite_differences() -> None:
    kernel = RANDOM.normal(size=3)
    for mode in ("full", "same", "valid"):
        check_gradient(lambda x, k, m=mode: gd.convolve(x, k, m), X, kernel)
        check_gradient(lambda x, k, m=mode: gd.correlate(x, k, m), X, kernel)
    check_gradient(gd.polyval, VALUES, X / 3)
    inside = np.array([-0.7, 0.3, 1.1, 2.6])
    check_gradient(lambda x, v: gd.interp(x, PLACES, v), inside, VALUES)


def test_compiled_code_is_the_interpreters() -> None:
    kernel = RANDOM.normal(size=3)

    def everything(x: Any, places: Any, values: Any) -> Any:
        slid = gd.convolve(x, kernel)
        between = gd.interp(x, places, values)
        slopes = [grad(sum_of(each * each), x) for each in (slid, between)]
        return [slid, gd.correlate(x, kernel, "same"), between, *slopes]

    assert_native(everything, X, PLACES, VALUES, rtol=1e-11)
