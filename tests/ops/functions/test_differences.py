"""Differences and integrals against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphdl.autodiff.reverse import grad
from graphdl.errors import ArgumentError, ShapeError
from graphdl.ops.functions import differences as gd
from graphdl.ops.functions.creation import placeholder
from graphdl.ops.functions.reduction import sum as sum_of
from tests.plugins.compare import assert_close
from tests.plugins.evaluate import run, run_both
from tests.plugins.gradients import check_gradient
from tests.plugins.native import assert_native

X = np.random.default_rng(0).normal(size=(5, 4))
PLACES = np.array([0.0, 1.0, 1.5, 3.5, 4.0])


@pytest.mark.parametrize("n", [0, 1, 2, 4, 6])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_differences_are_numpys(n: int, axis: int) -> None:
    found = (run if n > 4 else run_both)(lambda x: gd.diff(x, n=n, axis=axis), X)
    assert_close(found, np.diff(X, n=n, axis=axis))


def test_differences_with_more_elements() -> None:
    found = run_both(lambda x, y: gd.diff(x, axis=0, prepend=1.0, append=y), X, X[:2])
    assert_close(found, np.diff(X, axis=0, prepend=1.0, append=X[:2]))
    flags = X > 0
    np.testing.assert_array_equal(run_both(gd.diff, flags), np.diff(flags))
    assert run_both(gd.diff, np.zeros((0,))).shape == (0,)
    found = run_both(lambda x: gd.ediff1d(x, to_begin=[9.0], to_end=[1.0, 2.0]), X)
    assert_close(found, np.ediff1d(X, to_begin=[9.0], to_end=[1.0, 2.0]))


@pytest.mark.parametrize("edge_order", [1, 2])
@pytest.mark.parametrize("spacing", [(), (0.5,), (0.5, 2.0)], ids=str)
def test_gradients_are_numpys(edge_order: Any, spacing: Any) -> None:
    found = run_both(lambda x: gd.gradient(x, *spacing, edge_order=edge_order), X)
    wanted = np.gradient(X, *spacing, edge_order=edge_order)
    for one, other in zip(found, wanted, strict=True):
        assert_close(one, other, rtol=1e-12)


def test_gradients_at_coordinates_are_numpys() -> None:
    for order in (1, 2):
        found = run_both(lambda x, p, o=order: gd.gradient(x, p, axis=0, edge_order=o), X, PLACES)
        assert_close(found, np.gradient(X, PLACES, axis=0, edge_order=order), rtol=1e-12)
    assert_close(run_both(lambda x: gd.gradient(x), X[0, :2]), np.gradient(X[0, :2]))


@pytest.mark.parametrize("axis", [0, -1])
def test_integrals_are_numpys(axis: int) -> None:
    assert_close(run_both(lambda y: gd.trapezoid(y, dx=0.5, axis=axis), X),
                 np.trapezoid(X, dx=0.5, axis=axis))  # fmt: skip
    row = PLACES[: X.shape[axis]]
    found = run_both(lambda y, x: gd.trapezoid(y, x, axis=axis), X, row)
    assert_close(found, np.trapezoid(X, row, axis=axis))
    full = np.abs(X).cumsum(axis)
    found = run_both(lambda y, x: gd.trapezoid(y, x, axis=axis), X, full)
    assert_close(found, np.trapezoid(X, full, axis=axis))


def test_derivatives_equal_finite_differences() -> None:
    check_gradient(lambda x: gd.diff(x, n=2), X)
    check_gradient(lambda x, p: gd.gradient(x, p, axis=0, edge_order=2), X, PLACES, tolerance=1e-5)
    check_gradient(lambda y, x: gd.trapezoid(y, x, axis=0), X, PLACES)


def test_errors() -> None:
    x = placeholder("x", (2, 3))
    with pytest.raises(ArgumentError, match="diff: n must not be negative"):
        gd.diff(x, n=-1)
    with pytest.raises(ShapeError, match="diff: needs an axis"):
        gd.diff(placeholder("y", ()))
    with pytest.raises(ShapeError, match=r"gradient: axis 0 needs 3 elements, has 2\n  x  "):
        gd.gradient(x, edge_order=2)
    with pytest.raises(ArgumentError, match="gradient: edge_order must be 1 or 2"):
        gd.gradient(x, edge_order=3)
    with pytest.raises(ArgumentError, match="gradient: 3 spacings for 2 axes"):
        gd.gradient(x, 1, 2, 3)
    with pytest.raises(ShapeError, match="coordinates along axis 1 must be 1-d of size 3"):
        gd.gradient(x, placeholder("p", (4,)), axis=1)


def test_compiled_code_is_the_interpreters() -> None:
    def everything(x: Any, p: Any) -> Any:
        slope: Any = gd.gradient(x, p, axis=0)
        results = [gd.diff(x, n=2), slope, gd.trapezoid(x, p, axis=0)]
        return [*results, *(grad(sum_of(result * result), x) for result in results)]

    assert_native(everything, X, PLACES, rtol=1e-12)
