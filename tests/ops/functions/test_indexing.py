"""take, take_along_axis, scatter_add, one_hot against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphdl.errors import ArgumentError, DTypeError, ShapeError
from graphdl.ops.functions import indexing as gd
from graphdl.ops.functions.creation import placeholder
from tests.plugins.evaluate import run, run_both

X = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
PLACES = np.array([[0, 2], [-1, 1]])


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_take_is_numpys(axis: int) -> None:
    result = run_both(lambda x, i: gd.take(x, i, axis=axis), X, PLACES)
    np.testing.assert_array_equal(result, np.take(X, PLACES, axis))
    constant = run(lambda x: gd.take(x, PLACES, axis=axis), X)
    np.testing.assert_array_equal(constant, np.take(X, PLACES, axis))
    vector = run(lambda x: gd.take(x, [1, 0]), X[0, 0])
    np.testing.assert_array_equal(vector, X[0, 0, [1, 0]])


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_take_along_axis_is_numpys(axis: int) -> None:
    order = np.argsort(-X, axis)
    result = run_both(lambda x, i: gd.take_along_axis(x, i, axis=axis), X, order)
    np.testing.assert_array_equal(result, np.take_along_axis(X, order, axis))


def test_take_along_axis_broadcasts() -> None:
    places = np.array([[[1], [0], [2], [-1]]])
    result = run_both(lambda x, i: gd.take_along_axis(x, i), X, places)
    np.testing.assert_array_equal(result, np.take_along_axis(X, places, -1))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_scatter_add_is_numpys(axis: int) -> None:
    places = np.array([0, 2, 0])
    updates = np.take(X, places, axis) + 1
    wanted = np.moveaxis(X.copy(), axis, 0)
    np.add.at(wanted, places, np.moveaxis(updates, axis, 0))
    result = run_both(lambda x, i, u: gd.scatter_add(x, i, u, axis=axis), X, places, updates)
    np.testing.assert_array_equal(result, np.moveaxis(wanted, 0, axis))
    one = run(lambda x, i: gd.scatter_add(x, i, 1), X, places)
    assert one.sum() == X.sum() + 3 * 20


@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_one_hot(axis: int) -> None:
    places = np.array([[0, 2], [3, -1]], np.int32)
    wanted = (np.arange(3) == places[..., None]).astype(np.float32)
    result = run_both(lambda i: gd.one_hot(i, 3, axis=axis), places)
    np.testing.assert_array_equal(result, np.moveaxis(wanted, -1, axis))
    assert gd.one_hot(placeholder("i", (2,), "uint8"), "classes", dtype="bool").shape[1] is not None


def test_refusals() -> None:
    x, i = placeholder("x", X.shape), placeholder("i", (2,), "int64")
    cases: list[tuple[Any, type[Exception], str]] = [
        (lambda: gd.take(x, i), ArgumentError, "take: an axis is needed for a 3-d tensor"),
        (lambda: gd.take(x, i, axis=3), ArgumentError, "take: axis 3 is out of range"),
        (lambda: gd.take(x, x, axis=0), DTypeError, "take: indices must be integers, got float32"),
        (lambda: gd.take(x, [3], axis=0), ArgumentError, "index 3 is outside an axis of size 3"),
        (lambda: gd.take_along_axis(x, i), ShapeError, "x is 3-d and indices are 1-d"),
        (lambda: gd.one_hot(x, 3), DTypeError, "one_hot: indices must be integers"),
        (lambda: gd.scatter_add(x, i, x), ShapeError, "scatter_add: sizes differ"),
    ]
    for action, kind, message in cases:
        with pytest.raises(kind, match=message):
            action()


def test_an_empty_axis_has_nothing_to_take() -> None:
    with pytest.raises(ShapeError, match="axis 0 has no elements"):
        gd.take(placeholder("x", (0, 3)), placeholder("i", (2,), "int64"), axis=0)
    named = placeholder("y", ("n", 3))
    taken = gd.take(named, np.array([0]), axis=0)
    with pytest.raises(ShapeError, match="axis 0 of size n is empty"):
        taken.eval({named: np.ones((0, 3))})
