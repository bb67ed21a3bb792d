"""Reshaping, reordering, repeating and joining against NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from graphdl.errors import ArgumentError, DTypeError, ShapeError
from graphdl.graph.nodes import Tensor
from graphdl.ops.functions import movement as gd
from graphdl.ops.functions.creation import placeholder
from graphdl.typesystem.dtype import as_dtype
from graphdl.typesystem.expression import Symbol
from tests.plugins.evaluate import run, run_both

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
BATCH = Symbol("batch")

FIXED: list[tuple[str, Callable[[Any], Any], Callable[[Any], Any]]] = [
    ("reshape", lambda x: gd.reshape(x, (4, -1)), lambda x: x.reshape(4, 6)),
    ("reshape_int", lambda x: gd.reshape(x, -1), lambda x: x.reshape(-1)),
    ("split_n", lambda x: gd.split(x, 2, axis=2), lambda x: np.split(x, 2, 2)),
    ("split_at", lambda x: gd.split(x, [1, 3], axis=2), lambda x: np.split(x, [1, 3], 2)),
    ("unstack", lambda x: gd.unstack(x, axis=1), lambda x: tuple(np.moveaxis(x, 1, 0))),
]
ANY: list[tuple[str, Callable[[Any], Any], Callable[[Any], Any]]] = [
    ("permute", lambda x: gd.permute_dims(x, (2, 0, 1)), lambda x: x.transpose(2, 0, 1)),
    ("permute_back", lambda x: gd.permute_dims(x, (-1, -3, -2)), lambda x: x.transpose(2, 0, 1)),
    ("matrix", gd.matrix_transpose, lambda x: x.transpose(0, 2, 1)),
    ("swapaxes", lambda x: gd.swapaxes(x, 0, -1), lambda x: x.swapaxes(0, -1)),
    ("moveaxis", lambda x: gd.moveaxis(x, 0, -1), lambda x: np.moveaxis(x, 0, -1)),
    (
        "moveaxes",
        lambda x: gd.moveaxis(x, (0, 1), (2, 0)),
        lambda x: np.moveaxis(x, (0, 1), (2, 0)),
    ),
    ("expand", lambda x: gd.expand_dims(x, 1), lambda x: np.expand_dims(x, 1)),
    ("expand_two", lambda x: gd.expand_dims(x, (0, -1)), lambda x: np.expand_dims(x, (0, -1))),
    ("squeeze", lambda x: gd.squeeze(gd.expand_dims(x, (0, 2)), 2), lambda x: x[None]),
    ("squeeze_all", lambda x: gd.squeeze(gd.expand_dims(x, (0, 2))), lambda x: x),
    ("flatten", gd.flatten, lambda x: x.reshape(-1)),
    ("flip", lambda x: gd.flip(x), lambda x: np.flip(x)),
    ("flip_axis", lambda x: gd.flip(x, axis=(0, -1)), lambda x: np.flip(x, (0, 2))),
    ("roll", lambda x: gd.roll(x, 5), lambda x: np.roll(x, 5)),
    ("roll_axis", lambda x: gd.roll(x, -1, axis=2), lambda x: np.roll(x, -1, 2)),
    ("roll_axes", lambda x: gd.roll(x, (1, 2), axis=(0, 1)), lambda x: np.roll(x, (1, 2), (0, 1))),
    ("roll_far", lambda x: gd.roll(x, 17, axis=1), lambda x: np.roll(x, 17, 1)),
    (
        "pad",
        lambda x: gd.pad(x, ((0, 1), (2, 0), (1, 1)), value=7),
        lambda x: np.pad(x, ((0, 1), (2, 0), (1, 1)), constant_values=7),
    ),
    ("pad_one", lambda x: gd.pad(x, 1), lambda x: np.pad(x, 1)),
    ("pad_pair", lambda x: gd.pad(x, (1, 2)), lambda x: np.pad(x, (1, 2))),
    ("concat", lambda x: gd.concat([x, x], axis=1), lambda x: np.concatenate([x, x], 1)),
    ("concat_flat", lambda x: gd.concat([x, x], axis=None), lambda x: np.concatenate([x, x], None)),
    ("concat_one", lambda x: gd.concat([x]), lambda x: x),
    ("stack", lambda x: gd.stack([x, x], axis=-1), lambda x: np.stack([x, x], -1)),
    ("stack_0", lambda x: gd.stack([x, x, x]), lambda x: np.stack([x, x, x])),
    ("repeat", lambda x: gd.repeat(x, 3, axis=1), lambda x: np.repeat(x, 3, 1)),
    ("repeat_flat", lambda x: gd.repeat(x, 2), lambda x: np.repeat(x, 2)),
    ("tile", lambda x: gd.tile(x, (2, 1, 3)), lambda x: np.tile(x, (2, 1, 3))),
    ("tile_more", lambda x: gd.tile(x, (2, 1, 1, 1)), lambda x: np.tile(x, (2, 1, 1, 1))),
    ("tile_one", lambda x: gd.tile(x, 2), lambda x: np.tile(x, 2)),
]


def same(result: Any, wanted: Any) -> None:
    if isinstance(wanted, list | tuple):
        assert len(result) == len(wanted)
        for one, other in zip(result, wanted, strict=True):
            same(one, other)
        return
    np.testing.assert_array_equal(result, wanted)
    assert result.dtype == wanted.dtype


@pytest.mark.parametrize("case", FIXED, ids=lambda case: case[0])
def test_functions_of_known_sizes_are_numpys(case: Any) -> None:
    _, function, oracle = case
    same(run(function, X), oracle(X))


@pytest.mark.parametrize("case", ANY, ids=lambda case: case[0])
def test_functions_are_numpys(case: Any) -> None:
    _, function, oracle = case
    same(run_both(function, X), oracle(X))


def test_a_named_size_splits_where_it_divides() -> None:
    x = placeholder("x", ("batch", 6))
    halves = gd.reshape(x, (-1, 12))
    assert halves.shape == (BATCH * 6 // 12, 12)
    data = np.arange(24.0, dtype=np.float32).reshape(4, 6)
    same(halves.eval({x: data}), data.reshape(2, 12))
    with pytest.raises(ShapeError, match="element counts differ"):
        halves.eval({x: data[:3]})


def test_reshape_to_named_sizes() -> None:
    x = placeholder("x", ("batch", "time", 8))
    assert gd.reshape(x, ("batch*time", 8)).shape == (BATCH * Symbol("time"), 8)
    assert gd.reshape(x, (-1, 8)).shape == (BATCH * Symbol("time"), 8)
    assert gd.reshape(x, (BATCH, -1)).shape == (BATCH, 8 * Symbol("time"))
    assert gd.reshape(x, x.shape) is x


REFUSALS: list[tuple[Callable[[Tensor], Any], type[Exception], str]] = [
    (
        lambda x: gd.reshape(x, (5, -1)),
        ShapeError,
        r"reshape: 24 elements do not divide into \(5, -1\)",
    ),
    (lambda x: gd.reshape(x, (5, 5)), ShapeError, r"reshape \(C1\): 24 elements do not fit"),
    (lambda x: gd.reshape(x, (-1, -1)), ShapeError, "more than one -1"),
    (lambda x: gd.reshape(x, (0, -1)), ShapeError, "could be anything"),
    (lambda x: gd.reshape(x, (2, -3)), ShapeError, "reshape: size -3 is negative"),
    (lambda x: gd.permute_dims(x, (0, 1)), ArgumentError, "permute_dims: 2 axes for a 3-d tensor"),
    (lambda x: gd.permute_dims(x, (0, 1, 1)), ArgumentError, "named twice"),
    (lambda x: gd.matrix_transpose(gd.flatten(x)), ShapeError, "needs a matrix"),
    (lambda x: gd.broadcast_to(x, (2, 3, 5)), ShapeError, r"does not fit \[2, 3, 5\]"),
    (lambda x: gd.squeeze(x, 0), ShapeError, "squeeze: axis 0 has size 2, not 1"),
    (lambda x: gd.expand_dims(x, 5), ArgumentError, "expand_dims: axis 5 is out of range"),
    (
        lambda x: gd.concat([x, gd.reshape(x, (3, 2, 4))]),
        ShapeError,
        "sizes of axis 1 differ between operand 0 and operand 1",
    ),
    (
        lambda x: gd.concat([x, gd.flatten(x)]),
        ShapeError,
        "ranks differ between operand 0 and operand 1",
    ),
    (lambda x: gd.concat(x), ArgumentError, "needs a list of tensors"),
    (lambda x: gd.concat([]), ArgumentError, "needs a list of tensors"),
    (lambda x: gd.concat([x], axis=3), ArgumentError, "concat: axis 3"),
    (lambda x: gd.stack([x, gd.flip(x, axis=0)[1:]]), ShapeError, "stack: sizes of axis 0 differ"),
    (lambda x: gd.split(x, 2, axis=1), ShapeError, "split: axis 1 of size 3 has no 2 equal parts"),
    (lambda x: gd.split(x, 0), ArgumentError, "split: 0 parts"),
    (lambda x: gd.pad(x, ((1, 1), (1, 1))), ArgumentError, "pair of widths for each of 3 axes"),
    (lambda x: gd.pad(x, -1), ShapeError, "pad: size -1 is negative"),
    (lambda x: gd.roll(x, (1, 2), axis=0), ArgumentError, "roll: 2 shifts for 1 axes"),
    (lambda x: gd.roll(x, 1.5), ArgumentError, "not a whole number"),
    (
        lambda x: gd.unstack(placeholder("y", ("n",))),
        ShapeError,
        "unstack: axis 0 has the named size n",
    ),
    (lambda x: gd.transpose_matrix(x), ShapeError, "T: 3 axes could be reordered in many ways"),
]


@pytest.mark.parametrize("number", range(len(REFUSALS)))
def test_refusals_name_the_line(number: int) -> None:
    action, kind, message = REFUSALS[number]
    x = placeholder("x", X.shape)
    with pytest.raises(kind, match=message) as caught:
        action(x)
    assert "at test_movement.py:" in str(caught.value)


def test_joined_dtypes_promote() -> None:
    x, y = placeholder("x", (2,), "int8"), placeholder("y", (3,), "float16")
    assert gd.concat([x, y]).dtype == as_dtype("float16")
    with pytest.raises(DTypeError, match="no common integer dtype"):
        gd.concat([placeholder("a", (1,), "uint64"), x])


def test_broadcast_arrays_agree() -> None:
    parts = run_both(lambda a, b: gd.broadcast_arrays(a, b), np.ones((3, 1)), np.ones((4,)))
    assert [part.shape for part in parts] == [(3, 4), (3, 4)]


def test_nothing_to_do_builds_nothing() -> None:
    x = placeholder("x", (2, 3))
    assert gd.permute_dims(x, (0, 1)) is x
    assert gd.broadcast_to(x, (2, 3)) is x
    assert gd.pad(x, 0) is x
    assert gd.squeeze(x) is x
