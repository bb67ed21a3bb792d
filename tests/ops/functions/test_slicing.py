"""`x[key]` against NumPy, with fixed and with named sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphdl.errors import ArgumentError, DTypeError, ShapeError, UserError
from graphdl.ops.functions.creation import constant, placeholder
from tests.plugins.evaluate import run, run_both

X = np.arange(120, dtype=np.float32).reshape(4, 5, 6)
_ = slice(None)

BOTH: list[Any] = [
    0, -1, (1, 2), (1, -2, 3), ..., (..., 1), (1, ...), (_, 1), (_, _, -1), None, (None, 1, None),
    (..., None), slice(1, None), slice(None, -1), slice(1, 3), (slice(1, 4), slice(2, 5)),
    slice(None, None, 2), slice(None, None, 3), slice(None, None, -1), slice(None, None, -2),
    (_, slice(3, 1, -1)), (_, _, slice(4, 0, -2)), (_, slice(-2, None)), (_, slice(None, -3, -1)),
    (0, None, slice(1, 3), ...), (slice(1, 1),),
    (slice(None), None, -1, ..., slice(None, None, -1)),
]  # fmt: skip
FIXED: list[Any] = [
    slice(1, 99),
    slice(-99, 2),
    slice(3, 1),
    slice(99, None),
    slice(99, 0, -1),
    slice(0, 3, -1),
]


@pytest.mark.parametrize("key", BOTH, ids=str)
def test_basic_indexing_is_numpys(key: Any) -> None:
    np.testing.assert_array_equal(run_both(lambda x: x[key], X), X[key])


@pytest.mark.parametrize("key", FIXED, ids=str)
def test_bounds_of_known_sizes_are_cut_off(key: Any) -> None:
    np.testing.assert_array_equal(run(lambda x: x[key], X), X[key])


ROWS = np.array([[0, 3], [2, -1]])
COLUMNS = np.array([1, -2])
ADVANCED: list[tuple[Any, ...]] = [
    ("i",), ("i", _), (_, "i"), (_, _, "i"), (..., "j"), ("i", "j"), (_, "i", "j"), ("j", _, "i"),
    (0, "j"), (0, _, "j"), (_, 1, "j"), ("i", None), (None, "j"), (slice(1, 3), "j"),
    ("i", slice(1, 3), "j"), ("i", "j", "j"), (slice(None, None, -1), _, "j"),
]  # fmt: skip


@pytest.mark.parametrize("key", ADVANCED, ids=str)
@pytest.mark.parametrize("dtype", ["int64", "int32", "int8"])
def test_integer_tensors_index_as_in_numpy(key: Any, dtype: str) -> None:
    def filled(i: Any, j: Any) -> Any:
        return tuple(i if part == "i" else j if part == "j" else part for part in key)

    i, j = ROWS.astype(dtype), COLUMNS.astype(dtype)
    result = run_both(lambda x, a, b: x[filled(a, b)], X, i, j)
    np.testing.assert_array_equal(result, X[filled(i, j)])
    np.testing.assert_array_equal(run(lambda x: x[filled(i, j)], X), X[filled(i, j)])


def test_lists_and_0d_tensors_index() -> None:
    np.testing.assert_array_equal(run(lambda x: x[[0, 2]], X), X[[0, 2]])
    np.testing.assert_array_equal(run(lambda x: x[:, [1, -1]], X), X[:, [1, -1]])
    np.testing.assert_array_equal(run(lambda x, i: x[i], X, np.int64(2)), X[2])
    np.testing.assert_array_equal(run(lambda x: x[[]], X), X[[]])
    assert placeholder("x", (4, 3))[np.int64(1)].shape == (3,)


def test_computed_indices_outside_are_clamped() -> None:
    def far(x: Any, i: Any) -> Any:
        return x[i * 100, i]

    result = run(far, X, np.array([0, 1]))
    np.testing.assert_array_equal(result, X[[0, 3], [0, 1]])


def test_sizes_stand_in_bounds() -> None:
    x = placeholder("x", ("batch", 3))
    half = x[: x.shape[0] // 2]
    data = np.arange(15.0).reshape(5, 3).astype(np.float32)
    np.testing.assert_array_equal(half.eval({x: data}), data[:2])
    last = x[x.shape[0] - 1]
    np.testing.assert_array_equal(last.eval({x: data}), data[-1])


def test_named_bounds_are_checked_at_the_call() -> None:
    x = placeholder("x", ("batch", 3))
    first = x[:4]
    assert first.shape == (4, 3)
    with pytest.raises(ShapeError, match="slice: 0:4 is outside axis 0 of size batch"):
        first.eval({x: np.ones((3, 3))})


@pytest.mark.parametrize(
    ("key", "kind", "message"),
    [
        (4, ArgumentError, "index 4 is outside axis 0 of size 4"),
        ((0, 0, -7), ArgumentError, "index -7 is outside axis 2 of size 6"),
        ((0, 0, 0, 0), ShapeError, "4 indices for a 3-d tensor"),
        ((..., ...), ArgumentError, r"more than one \.\.\."),
        (slice(None, None, 0), ArgumentError, "a slice step is 0"),
        (1.5, ArgumentError, "index 1.5 is not a whole number"),
        ("a", ArgumentError, "index 'a' is not a whole number"),
        (slice("a"), ArgumentError, "slice bound 'a' is not a whole number"),
        (np.array([True, False, True, True]), ArgumentError, "a bool index"),
        (True, ArgumentError, "a bool index"),
        ([0, 4], ArgumentError, "index 4 is outside an axis of size 4"),
        ([0.5], DTypeError, "indices must be integers"),
    ],
    ids=str,
)
def test_refusals(key: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        placeholder("x", X.shape)[key]


def test_tensor_refusals() -> None:
    x, y = placeholder("x", X.shape), placeholder("y", (3,))
    with pytest.raises(DTypeError, match="indices must be integers, got float32"):
        x[y]
    with pytest.raises(ArgumentError, match=r"a bool index .*\n.*\n.*\n  hint: keep the shape"):
        x[x > 0]
    with pytest.raises(ShapeError, match="getitem: sizes differ"):
        x[constant([0, 1]), constant([0, 1, 2])]
    with pytest.raises(UserError, match="a tensor cannot be changed"):
        x[0] = 1
