"""Turning, stacking and gridding against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphdl.errors import ArgumentError, ShapeError
from graphdl.ops.functions import arrangement as gd
from graphdl.ops.functions.creation import placeholder
from tests.plugins.evaluate import run_both
from tests.plugins.native import assert_native

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
EMPTY = np.zeros((0, 3), np.float32)
A, B = np.arange(3), np.arange(10, 13)


@pytest.mark.parametrize("k", [-5, -1, 0, 1, 2, 3, 4])
@pytest.mark.parametrize("axes", [(0, 1), (1, 0), (2, 1), (-1, 0)])
def test_quarter_turns_are_numpys(k: int, axes: Any) -> None:
    np.testing.assert_array_equal(run_both(lambda x: gd.rot90(x, k, axes), X), np.rot90(X, k, axes))


@pytest.mark.parametrize("data", [X, EMPTY], ids=["full", "empty"])
def test_flips_are_numpys(data: Any) -> None:
    np.testing.assert_array_equal(run_both(gd.fliplr, data), np.fliplr(data))
    np.testing.assert_array_equal(run_both(gd.flipud, data), np.flipud(data))


@pytest.mark.parametrize("indexing", ["xy", "ij"])
@pytest.mark.parametrize("sizes", [(3,), (3, 2), (3, 2, 4), (1, 0), ()], ids=str)
def test_grids_are_numpys(indexing: Any, sizes: Any) -> None:
    rows = [np.arange(size) for size in sizes]
    wanted = np.meshgrid(*rows, indexing=indexing)
    found = run_both(lambda *xs: gd.meshgrid(*xs, indexing=indexing), *rows)
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", ["atleast_1d", "atleast_2d", "atleast_3d"])
@pytest.mark.parametrize("data", [np.float32(3), A, X[0], X], ids=str)
def test_ranks_are_numpys(name: str, data: Any) -> None:
    np.testing.assert_array_equal(run_both(getattr(gd, name), data), getattr(np, name)(data))


@pytest.mark.parametrize("name", ["hstack", "vstack", "dstack", "column_stack"])
@pytest.mark.parametrize(
    "data", [(A, B), (X[0], X[1]), (X[0], X[1, :, :0])], ids=["1d", "2d", "empty"]
)
def test_stacks_are_numpys(name: str, data: Any) -> None:
    if name in ("vstack", "dstack") and data[1].size == 0:
        data = (X[0], X[0][:0]) if name == "vstack" else (X[:, :, :1], X[:, :, :0])
    found = run_both(lambda *xs: getattr(gd, name)(xs), *data)
    np.testing.assert_array_equal(found, getattr(np, name)(data))


@pytest.mark.parametrize(("axis", "start"), [(2, 0), (0, 3), (1, -1), (-1, 1), (1, 1)])
def test_rolled_axes_are_numpys(axis: int, start: int) -> None:
    wanted = np.rollaxis(X, axis, start)
    np.testing.assert_array_equal(run_both(lambda x: gd.rollaxis(x, axis, start), X), wanted)


def test_errors_name_the_operand() -> None:
    x = placeholder("x", (2, 3))
    with pytest.raises(ShapeError, match=r"fliplr: needs at least 2 axes, got 1\n  x  float32"):
        gd.fliplr(placeholder("x", (2,)))
    with pytest.raises(ArgumentError, match="rot90: axis 2 is out of range"):
        gd.rot90(x, axes=(0, 2))
    with pytest.raises(ArgumentError, match="rot90: axis 1 is named twice"):
        gd.rot90(x, axes=(1, -1))
    with pytest.raises(ArgumentError, match="meshgrid: indexing 'zz'"):
        gd.meshgrid(x, indexing="zz")
    with pytest.raises(ShapeError, match="operand 1 is 2-d"):
        gd.meshgrid(placeholder("y", (2,)), x)
    with pytest.raises(ArgumentError, match="rollaxis: start 4 is out of range"):
        gd.rollaxis(x, 0, 4)


def test_compiled_code_is_the_interpreters() -> None:
    def everything(x: Any) -> Any:
        return [gd.rot90(x), gd.fliplr(x), gd.hstack([x, x + 1]), gd.dstack([x, x * 2]),
                *gd.meshgrid(x[0, 0], x[:, 0, 0])]  # fmt: skip

    assert_native(everything, X, rtol=0, atol=0)
