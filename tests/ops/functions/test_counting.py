"""Bins and histograms against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphdl.errors import ArgumentError, DTypeError, ShapeError
from graphdl.ops.functions import counting as gd
from graphdl.ops.functions.creation import placeholder
from tests.plugins.compare import assert_close
from tests.plugins.evaluate import run, run_both
from tests.plugins.gradients import check_gradient
from tests.plugins.native import assert_native

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(4, 25))
EDGES = np.array([-2.0, -0.5, 0.0, 0.1, 1.5])
PLACES = RANDOM.integers(0, 5, 40)


@pytest.mark.parametrize("right", [False, True])
def test_places_are_numpys(right: bool) -> None:
    x = np.concatenate([X.ravel(), EDGES, [np.inf, -np.inf]]).reshape(1, -1)
    found = run_both(lambda a, b: gd.digitize(a, b, right=right), x, EDGES)
    np.testing.assert_array_equal(found, np.digitize(x, EDGES, right=right))
    assert found.dtype == np.int64


def test_counts_are_numpys() -> None:
    found = run_both(lambda x: gd.bincount(x, length=7), PLACES)
    np.testing.assert_array_equal(found, np.bincount(PLACES, minlength=7))
    weights = RANDOM.normal(size=40)
    found = run_both(lambda x, w: gd.bincount(x, w, length=5), PLACES, weights)
    assert_close(found, np.bincount(PLACES, weights, minlength=5))
    odd = np.array([-3, 0, 1, 9, 1])
    assert run_both(lambda x: gd.bincount(x, length=3), odd).tolist() == [1, 2, 0]
    assert run(lambda x: gd.bincount(x, length=0), odd).tolist() == []
    assert run(lambda x: gd.bincount(x, length=2), odd[:0]).tolist() == [0, 0]


@pytest.mark.parametrize("bins", [1, 10, EDGES], ids=str)
@pytest.mark.parametrize("density", [False, True])
def test_histograms_are_numpys(bins: Any, density: bool) -> None:
    weights = np.abs(X)
    for given in (None, weights):
        found = run_both(
            lambda x, w, g=given: gd.histogram(
                x, bins, weights=None if g is None else w, density=density
            ),
            X, weights,
        )  # fmt: skip
        wanted = np.histogram(X, bins, weights=given, density=density)
        for one, other in zip(found, wanted, strict=True):
            assert_close(one, other, rtol=1e-6)


def test_histograms_over_a_range() -> None:
    found = run_both(lambda x: gd.histogram(x, 4, range=(-1, 1)), X)
    wanted = np.histogram(X, 4, range=(-1, 1))
    np.testing.assert_array_equal(found[0], wanted[0])
    assert_close(found[1], wanted[1])
    same = run(lambda x: gd.histogram_bin_edges(x, 2), np.full((3,), 4.0))
    assert_close(same, np.histogram_bin_edges(np.full((3,), 4.0), 2))


def test_weights_have_derivatives() -> None:
    check_gradient(lambda w: gd.bincount(PLACES, w, length=5), RANDOM.normal(size=40))


def test_errors() -> None:
    with pytest.raises(DTypeError, match="bincount: needs integers, got float32"):
        gd.bincount(placeholder("x", (3,)), length=2)
    with pytest.raises(ShapeError, match="bincount: x and weights must have one shape"):
        gd.bincount(PLACES, placeholder("w", (3,)), length=2)
    with pytest.raises(ShapeError, match="bincount: needs 1-d, got 2-d"):
        gd.bincount(placeholder("x", (2, 2), "int32"), length=2)
    with pytest.raises(ArgumentError, match="histogram: the number of bins must be positive"):
        gd.histogram(X, 0)
    with pytest.raises(ArgumentError, match=r"histogram: the range .* does not ascend"):
        gd.histogram(X, 3, range=(1, 0))


def test_compiled_code_is_the_interpreters() -> None:
    def everything(x: Any, places: Any) -> Any:
        return [gd.digitize(x, EDGES), gd.bincount(places, length=6), *gd.histogram(x, 5),
                *gd.histogram(x, EDGES, density=True)]  # fmt: skip

    assert_native(everything, X, PLACES, rtol=1e-12)
