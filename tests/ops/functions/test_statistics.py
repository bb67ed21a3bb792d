"""Statistics against NumPy: without NaN, weighted, of pairs of variables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphdl.autodiff.reverse import grad
from graphdl.errors import ArgumentError, ShapeError
from graphdl.ops.functions import statistics as gd
from graphdl.ops.functions.creation import placeholder
from graphdl.ops.functions.reduction import sum as sum_of
from tests.plugins.compare import assert_close
from tests.plugins.evaluate import run, run_both
from tests.plugins.gradients import check_gradient
from tests.plugins.native import assert_native

X = np.random.default_rng(0).normal(size=(3, 4, 5))
HOLES = np.where(X > 1, np.nan, X)
AXES = [None, 0, -1, (0, 2), (1,)]
NAMES = ["nansum", "nanprod", "nanmax", "nanmin", "nanmean", "nanvar", "nanstd"]


@pytest.mark.parametrize("axis", AXES, ids=str)
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_statistics_without_nan_are_numpys(name: str, axis: Any, keepdims: bool) -> None:
    function = getattr(gd, name)
    found = run_both(lambda x: function(x, axis=axis, keepdims=keepdims), HOLES)
    assert_close(found, getattr(np, name)(HOLES, axis=axis, keepdims=keepdims), rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_rows_of_nan_alone(name: str) -> None:
    rows = np.array([[np.nan, np.nan], [np.nan, 3.0]])
    found = run(lambda x: getattr(gd, name)(x, axis=1), rows)
    first = {"nansum": 0, "nanprod": 1}.get(name, np.nan)
    second = {"nanvar": 0, "nanstd": 0}.get(name, 3)
    assert_close(found, [first, second])


def test_integers_and_corrections() -> None:
    whole = np.arange(6).reshape(2, 3)
    for name in NAMES:
        found = run_both(lambda x, n=name: getattr(gd, n)(x, axis=1), whole)
        assert_close(found, getattr(np, name)(whole, axis=1))
    found = run(lambda x: gd.nanvar(x, axis=1, correction=1.5), HOLES)
    count = np.isfinite(HOLES).sum(1)
    with np.errstate(all="ignore"):
        wanted = np.nanvar(HOLES, axis=1) * count / (count - 1.5)
    assert_close(found, np.where(count > 1.5, wanted, np.nan))


@pytest.mark.parametrize("axis", AXES, ids=str)
def test_ranges_are_numpys(axis: Any) -> None:
    assert_close(run_both(lambda x: gd.ptp(x, axis=axis), X), np.ptp(X, axis=axis))


def test_averages_are_numpys() -> None:
    weights = np.abs(X) + 0.1
    row = weights[0, :, 0].copy()
    assert_close(run_both(gd.average, X), np.average(X))
    for axis in (None, 0, -1):
        found = run_both(lambda x, w, a=axis: gd.average(x, axis=a, weights=w), X, weights)
        assert_close(found, np.average(X, axis=axis, weights=weights))
    wanted = np.average(X, axis=1, weights=row, returned=True, keepdims=True)
    found = run_both(
        lambda x, w: gd.average(x, axis=1, weights=w, returned=True, keepdims=True), X, row
    )
    for one, other in zip(found, wanted, strict=True):
        assert_close(one, other)
    mean, count = run_both(lambda x: gd.average(x, axis=1, returned=True), X)
    assert_close(mean, X.mean(1))
    assert (count == 4).all()


@pytest.mark.parametrize("rowvar", [True, False])
@pytest.mark.parametrize("correction", [0, 1])
def test_covariances_are_numpys(rowvar: bool, correction: int) -> None:
    found = run_both(lambda x: gd.cov(x, rowvar=rowvar, correction=correction), X[0])
    assert_close(found, np.cov(X[0], rowvar=rowvar, ddof=correction), rtol=1e-12)
    assert_close(
        run_both(lambda x: gd.corrcoef(x, rowvar=rowvar), X[0]), np.corrcoef(X[0], rowvar=rowvar)
    )


def test_covariances_of_two_and_of_one() -> None:
    a, b = X[0, 0], X[0, 1]
    assert_close(run_both(gd.cov, a, b), np.cov(a, b))
    assert_close(run_both(gd.corrcoef, a, b), np.corrcoef(a, b))
    assert_close(run_both(gd.cov, a), np.cov(a))
    assert run_both(gd.corrcoef, a) == 1


@pytest.mark.parametrize("name", ["nansum", "nanprod", "nanmax", "nanmean", "nanstd", "ptp", "cov"])
def test_derivatives_equal_finite_differences(name: str) -> None:
    function = getattr(gd, name)
    given = X[0] if name == "cov" else X
    check_gradient(function if name == "cov" else lambda x: function(x, axis=1), given)


def test_derivatives_beside_nan_are_finite() -> None:
    for name in NAMES:
        slope = run(lambda x, n=name: grad(sum_of(getattr(gd, n)(x, axis=0)), x), HOLES)
        assert np.isfinite(slope).all(), name
        assert (slope[np.isnan(HOLES)] == 0).all(), name


def test_errors() -> None:
    x = placeholder("x", (2, 3))
    with pytest.raises(ShapeError, match=r"average: weights need x's shape.*\n  x  .*\n  weights"):
        gd.average(x, weights=placeholder("w", (2,)))
    with pytest.raises(ShapeError, match="cov: at most 2 axes, got 3"):
        gd.cov(placeholder("y", (1, 2, 3)))
    with pytest.raises(ArgumentError, match="max: axis 2"):
        gd.nanmax(x, axis=2)


def test_compiled_code_is_the_interpreters() -> None:
    def everything(x: Any) -> Any:
        results = [getattr(gd, name)(x, axis=-1) for name in NAMES]
        slopes = [grad(sum_of(result), x) for result in results]
        return [*results, *slopes, gd.ptp(x, axis=1), gd.average(x, axis=0)]

    assert_native(everything, HOLES, rtol=1e-11)
    assert_native(lambda x: [gd.cov(x), gd.corrcoef(x)], X[0], rtol=1e-11)
