"""Inputs, literals and patterns against NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from graphdl.errors import ArgumentError, DTypeError, ShapeError
from graphdl.ops.functions import creation as gd
from graphdl.typesystem.dtype import as_dtype
from graphdl.typesystem.expression import Symbol
from tests.plugins.compare import assert_close, assert_same_numbers
from tests.plugins.evaluate import run_both

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)

PATTERNS: list[tuple[Callable[[], Any], Any]] = [
    (lambda: gd.zeros((2, 3)), np.zeros((2, 3), np.float32)),
    (lambda: gd.zeros(3, "int8"), np.zeros(3, np.int8)),
    (lambda: gd.ones((), dtype="bool"), np.ones((), bool)),
    (lambda: gd.full((2, 2), 7), np.full((2, 2), 7)),
    (lambda: gd.full((2,), 1.5), np.full((2,), 1.5, np.float32)),
    (lambda: gd.full((2,), True), np.full((2,), True)),
    (lambda: gd.full((2,), 1, dtype="float16"), np.ones((2,), np.float16)),
    (lambda: gd.arange(5), np.arange(5)),
    (lambda: gd.arange(2, 9, 3), np.arange(2, 9, 3)),
    (lambda: gd.arange(9, 2, -2), np.arange(9, 2, -2)),
    (lambda: gd.arange(0.0, 1.0, 0.25), np.arange(0, 1, 0.25, np.float32)),
    (lambda: gd.arange(3, dtype="float32"), np.arange(3, dtype=np.float32)),
    (lambda: gd.arange(5, 2), np.arange(5, 2)),
    (lambda: gd.linspace(0, 1, 5), np.linspace(0, 1, 5, dtype=np.float32)),
    (lambda: gd.linspace(0, 1, 4, endpoint=False), np.linspace(0, 1, 4, False).astype(np.float32)),
    (lambda: gd.eye(3), np.eye(3, dtype=np.float32)),
    (lambda: gd.eye(2, 4, k=1), np.eye(2, 4, 1, np.float32)),
    (lambda: gd.eye(3, k=-1, dtype="int32"), np.eye(3, k=-1, dtype=np.int32)),
    (lambda: gd.tri(3), np.tri(3, dtype=np.float32)),
    (lambda: gd.tri(3, 5, k=1, dtype="bool"), np.tri(3, 5, 1, bool)),
    (lambda: gd.constant([1, 2]), np.array([1, 2])),
    (lambda: gd.constant(1.5), np.float32(1.5)),
    (lambda: gd.constant(1.5, "float64"), np.float64(1.5)),
]


@pytest.mark.parametrize("number", range(len(PATTERNS)))
def test_patterns_are_numpys(number: int) -> None:
    build, wanted = PATTERNS[number]
    assert_same_numbers(build().eval(), np.asarray(wanted))


@pytest.mark.parametrize("k", [0, 1, -2])
def test_triangles_are_numpys(k: int) -> None:
    assert_same_numbers(run_both(lambda x: gd.tril(x, k=k), X), np.tril(X, k))
    assert_same_numbers(run_both(lambda x: gd.triu(x, k=k), X), np.triu(X, k))


def test_like_functions_follow_named_sizes() -> None:
    assert_close(run_both(gd.zeros_like, X), np.zeros_like(X))
    assert_close(run_both(lambda x: gd.ones_like(x, "int8"), X), np.ones_like(X, np.int8))
    assert_close(run_both(lambda x: gd.full_like(x, 3), X), np.full_like(X, 3))
    named = run_both(lambda x: gd.arange(x.shape[2]) + gd.eye(x.shape[2]), X)
    assert_close(named, np.arange(4) + np.eye(4))


def test_placeholders_name_sizes() -> None:
    x = gd.placeholder("x", ("batch", 64, "2*batch+1"), dtype="int8")
    batch = Symbol("batch")
    assert x.shape == (batch, 64, batch * 2 + 1)
    assert x.dtype == as_dtype("int8")
    assert repr(x).startswith("x: int8[batch, 64, 2*batch+1] = placeholder(")


def test_placeholders_have_defaults() -> None:
    rate = gd.placeholder("rate", default=0.5)
    assert (rate * 2).eval() == 1
    assert (rate * 2).eval({rate: 2}) == 4
    with pytest.raises(ArgumentError, match=r'default of "x" has shape \[2\], not \[3\]'):
        gd.placeholder("x", (3,), default=[1, 2])
    with pytest.raises(DTypeError, match="placeholder: float64 data for int32"):
        gd.placeholder("n", dtype="int32", default=0.5)


@pytest.mark.parametrize(
    ("action", "kind", "message"),
    [
        (lambda: gd.placeholder(3), ArgumentError, "the name must be a text, got 3"),
        (lambda: gd.placeholder("x", (2, None)), ShapeError, "None is not a size"),
        (lambda: gd.placeholder("x", (2.5,)), ShapeError, "2.5 is not a size"),
        (lambda: gd.placeholder("x", (-1,)), ShapeError, "size -1 is negative"),
        (lambda: gd.placeholder("x", (2,), "complex64"), DTypeError, "unknown dtype 'complex64'"),
        (lambda: gd.constant("text"), DTypeError, "not numeric data"),
        (lambda: gd.constant([[1], [2, 3]]), ArgumentError, "not an array"),
        (lambda: gd.constant(300, "int8"), ArgumentError, "300 does not fit int8"),
        (lambda: gd.constant(gd.zeros(2)), ArgumentError, "must be data, not a tensor"),
        (lambda: gd.constant(1j), DTypeError, "complex"),
        (lambda: gd.arange(0, 5, 0), ArgumentError, "the step is 0"),
        (lambda: gd.arange("a"), ArgumentError, "not a number or a size"),
        (lambda: gd.arange(0, Symbol("n"), 2), ArgumentError, "the step 1"),
        (lambda: gd.full((2,), [1, 2]), ArgumentError, "the value must be 0-d"),
        (lambda: gd.tril(gd.zeros(3)), ArgumentError, "tril: needs a matrix"),
    ],
)  # fmt: skip
def test_refusals(action: Callable[[], Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        action()


def test_constants_keep_their_value() -> None:
    data = np.ones(2, np.float32)
    tensor = gd.constant(data)
    data[:] = 5
    assert tensor.eval().tolist() == [1, 1]


def test_is_training_is_fixed_inside() -> None:
    with gd.fix_training(True):
        assert gd.is_training().eval()
    assert not gd.is_training().eval()
