"""Choosing among tensors and functions, and numbered places, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphdl.autodiff.reverse import grad
from graphdl.errors import ArgumentError, DTypeError, ShapeError
from graphdl.ops.functions import choices as gd
from graphdl.ops.functions import closeness
from graphdl.ops.functions.creation import placeholder
from graphdl.ops.functions.reduction import sum as sum_of
from tests.plugins.compare import assert_close
from tests.plugins.evaluate import run, run_both
from tests.plugins.native import assert_native

X = np.random.default_rng(0).normal(size=(3, 5))


def chosen(x: Any) -> Any:
    return gd.select([x < -1, x < 0, x < 1], [x * 10, 3.0, x + 100], -7.0)


def pieces(x: Any) -> Any:
    return gd.piecewise(x, [x < -1, x < 0], [lambda t: t * t, 4, lambda t: -t])


def test_choices_are_numpys() -> None:
    wanted = np.select([X < -1, X < 0, X < 1], [X * 10, np.full_like(X, 3), X + 100], -7)
    assert_close(run_both(chosen, X), wanted)
    wanted = np.piecewise(X, [X < -1, X < 0], [lambda t: t * t, 4, lambda t: -t])
    later = np.where(X < 0, 4, np.where(X < -1, X * X, -X))
    assert_close(run_both(pieces, X), later)
    assert_close(wanted, later)


def test_choices_have_derivatives() -> None:
    slope = run(lambda x: grad(sum_of(chosen(x)), x), X)
    assert_close(slope, np.select([X < -1, X < 0, X < 1], [10, 0, 1], 0))
    slope = run(lambda x: grad(sum_of(pieces(x)), x), X)
    assert_close(slope, np.where(X < 0, 0, -1))


@pytest.mark.parametrize("shape", [(7,), (3, 4), (2, 3, 4)], ids=str)
def test_numbered_places_are_numpys(shape: Any) -> None:
    numbers = np.arange(np.prod(shape))[::-1].reshape(-1, 1).copy()
    places = np.unravel_index(numbers, shape)
    for one, other in zip(
        run_both(lambda x: gd.unravel_index(x, shape), numbers), places, strict=True
    ):
        np.testing.assert_array_equal(one, other)
    found = run_both(lambda *p: gd.ravel_multi_index(p, shape), *map(np.ascontiguousarray, places))
    np.testing.assert_array_equal(found, numbers)


@pytest.mark.parametrize("mode", ["clip", "wrap"])
def test_places_outside_are_numpys(mode: Any) -> None:
    rows, columns = np.array([-1, 0, 5]), np.array([7, -2, 1])
    found = run_both(lambda a, b: gd.ravel_multi_index([a, b], (2, 3), mode=mode), rows, columns)
    np.testing.assert_array_equal(found, np.ravel_multi_index((rows, columns), (2, 3), mode=mode))


def test_closeness_is_numpys() -> None:
    x = np.array([1.0, 2.0, np.nan, np.inf, -np.inf, np.inf, 0.0])
    y = np.array([1.00001, 2.1, np.nan, np.inf, np.inf, 1.0, 1e-9])
    for equal_nan in (False, True):
        found = run_both(lambda a, b, e=equal_nan: closeness.isclose(a, b, equal_nan=e), x, y)
        np.testing.assert_array_equal(found, np.isclose(x, y, equal_nan=equal_nan))
    assert run(lambda a: closeness.allclose(a, a, equal_nan=True), x)
    assert not run(closeness.allclose, x, x)
    assert run(closeness.array_equal, y[:2], y[:2])
    assert not run(closeness.array_equal, y[:2], y[:1])
    assert not run(closeness.array_equal, x, x)


def test_errors() -> None:
    x = placeholder("x", (2,))
    with pytest.raises(ArgumentError, match="select: needs one choice for each condition, got 1"):
        gd.select([x < 0, x < 1], [x])
    with pytest.raises(DTypeError, match="where: the condition must be bool"):
        gd.select([x], [x])
    with pytest.raises(ArgumentError, match="piecewise: 3 functions for 1 conditions"):
        gd.piecewise(x, [x < 0], [1, 2, 3])
    with pytest.raises(DTypeError, match="unravel_index: indices must be integers, got float32"):
        gd.unravel_index(x, (2, 3))
    with pytest.raises(ShapeError, match="ravel_multi_index: 1 indices for 2 axes"):
        gd.ravel_multi_index([placeholder("i", (2,), "int32")], (2, 3))
    with pytest.raises(ArgumentError, match="mode 'raise' is not"):
        gd.ravel_multi_index([placeholder("i", (2,), "int32")], (2,), mode="raise")


def test_compiled_code_is_the_interpreters() -> None:
    def everything(x: Any) -> Any:
        return [chosen(x), pieces(x), grad(sum_of(chosen(x) * pieces(x)), x)]

    assert_native(everything, X, rtol=1e-12)
