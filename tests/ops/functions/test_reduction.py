"""Public reductions against NumPy and SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.special

from graphdl.errors import ArgumentError, ShapeError
from graphdl.ops.functions import reduction as gd
from graphdl.ops.functions.creation import placeholder
from graphdl.typesystem.dtype import as_dtype
from tests.plugins.cases import numbers
from tests.plugins.compare import assert_close
from tests.plugins.evaluate import run, run_both

X = numbers(as_dtype("float32"), (3, 4, 5), low=-2, high=2)
AXES = [None, 0, -1, (0, 2), (1,), ()]


@pytest.mark.parametrize("axis", AXES, ids=str)
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize(
    "name", ["sum", "prod", "max", "min", "mean", "var", "std", "count_nonzero"]
)
def test_reductions_are_numpys(name: str, axis: Any, keepdims: bool) -> None:
    function = getattr(gd, name)
    result = run_both(lambda x: function(x, axis=axis, keepdims=keepdims), X)
    assert_close(result, getattr(np, name)(X, axis=axis, keepdims=keepdims), atol=1e-5)


@pytest.mark.parametrize("axis", AXES, ids=str)
@pytest.mark.parametrize("name", ["any", "all"])
def test_tests_of_elements_are_numpys(name: str, axis: Any) -> None:
    flags = X > 1.5 if name == "any" else X > -1.5
    result = run_both(lambda x: getattr(gd, name)(x, axis=axis), flags)
    np.testing.assert_array_equal(result, getattr(np, name)(flags, axis=axis))
    assert run(lambda x: getattr(gd, name)(x), np.zeros((0,), bool)) == (name == "all")


@pytest.mark.parametrize("name", ["argmax", "argmin"])
@pytest.mark.parametrize("axis", [None, 0, -1])
@pytest.mark.parametrize("keepdims", [False, True])
def test_arguments_are_numpys(name: str, axis: Any, keepdims: bool) -> None:
    result = run_both(lambda x: getattr(gd, name)(x, axis=axis, keepdims=keepdims), X)
    np.testing.assert_array_equal(result, getattr(np, name)(X, axis=axis, keepdims=keepdims))
    assert result.dtype == np.int64


@pytest.mark.parametrize("correction", [0, 1, 2.5])
def test_variances_take_a_correction(correction: float) -> None:
    wanted = ((X - X.mean(axis=1, keepdims=True)) ** 2).sum(axis=1) / (4 - correction)
    result = run_both(lambda x: gd.var(x, axis=1, correction=correction), X)
    assert_close(result, wanted)


@pytest.mark.parametrize(
    ("dtype", "summed", "averaged"),
    [("bool", "int64", "float32"), ("int8", "int64", "float32"), ("uint8", "uint64", "float32"),
     ("float16", "float16", "float16"), ("float64", "float64", "float64")],
)  # fmt: skip
def test_result_dtypes(dtype: str, summed: str, averaged: str) -> None:
    x = placeholder("x", (3,), dtype)
    assert gd.sum(x).dtype == as_dtype(summed)
    assert gd.mean(x).dtype == as_dtype(averaged)
    assert gd.sum(x, dtype="float32").dtype == as_dtype("float32")
    assert gd.max(x).dtype == as_dtype(dtype)


def test_the_mean_of_nothing_is_nan() -> None:
    assert np.isnan(run(gd.mean, np.zeros((0,), np.float32)))


def test_means_in_float16_count_beyond_its_range() -> None:
    ones = np.ones((100_000,), np.float16)
    assert np.isinf(run(gd.sum, ones))
    named = run(lambda x: gd.mean(x[:65000]), ones[:65000], named=False)
    assert named == 1


@pytest.mark.parametrize("axis", [None, 1, (0, 2)], ids=str)
def test_logsumexp_is_scipys(axis: Any) -> None:
    wild = X * 100
    wild[0, 0, 0] = -np.inf
    result = run_both(lambda x: gd.logsumexp(x, axis=axis), wild)
    assert_close(result, scipy.special.logsumexp(wild.astype(np.float64), axis=axis))


def test_logsumexp_of_infinities() -> None:
    rows = np.array([[-np.inf, -np.inf], [np.inf, 1], [-np.inf, 2]], np.float32)
    assert run(lambda x: gd.logsumexp(x, axis=1), rows).tolist() == [-np.inf, np.inf, 2]


def test_bad_axes_name_the_operand() -> None:
    x = placeholder("x", (2, 3))
    for axis in (2, -3, (0, 5), 1.5, "0", (0, 0)):
        with pytest.raises(ArgumentError, match=r"sum: axis .*\n  x  float32\[2, 3\]  placeholder"):
            gd.sum(x, axis=axis)  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="nothing to choose from"):
        gd.max(placeholder("y", (2, 0)), axis=1)


def test_a_named_empty_axis_is_an_error_at_the_call() -> None:
    x = placeholder("x", ("batch",))
    with pytest.raises(ShapeError, match="reduce_max: nothing to choose from when batch is 0"):
        gd.max(x).eval({x: np.zeros((0,))})
