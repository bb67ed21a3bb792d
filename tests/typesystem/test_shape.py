"""Shapes and axes as users write them."""

from __future__ import annotations

import re

import numpy as np
import pytest

from graphdl.errors import ArgumentError, ShapeError
from graphdl.typesystem.expression import Symbol, minimum
from graphdl.typesystem.shape import (
    as_size,
    canonical_axes,
    canonical_axis,
    canonical_permutation,
    parse_shape,
    parse_size,
    shape_symbols,
)

BATCH, N = Symbol("batch"), Symbol("n")


def test_parse_shape() -> None:
    assert parse_shape(("batch", 64, "2*batch+1")) == (BATCH, 64, 2 * BATCH + 1)
    assert parse_shape([np.int64(3), BATCH]) == (3, BATCH)
    assert parse_shape(()) == ()
    assert parse_shape(5) == (5,)
    assert parse_shape("batch") == (BATCH,)
    assert parse_shape(BATCH + 1) == (BATCH + 1,)
    assert all(type(size) is int for size in parse_shape(np.array([2, 3])))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7", 7),
        (" batch ", BATCH),
        ("(batch + 3) // 4 * 4", (BATCH + 3) // 4 * 4),
        ("-n + 2 - -1", 3 - N),
        ("batch % 2", BATCH % 2),
        ("min(batch, n, 3)", minimum(BATCH, N, 3)),
        ("max(1, 2)", 2),
        ("größe", Symbol("größe")),
    ],
)
def test_parse_size(text: str, expected: object) -> None:
    assert parse_size(text) == expected


@pytest.mark.parametrize(
    "text",
    (
        "|2**n|n/2|f(n)|min()|min(n, key=1)|n.x|n[0]|1.5|n if n else 1|True|n < 2|lambda: 1|'n'|n n"
        "|(|(1, 2)|__import__('os')|n := 3|\0"
    ).split("|"),
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ShapeError, match="is not a size"):
        parse_size(text)


def test_zero_divisors_are_refused() -> None:
    for text in ("n // 0", "n % (1 - 1)", "3 % 0"):
        with pytest.raises(ShapeError, match="divides by zero"):
            parse_size(text)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, -1), "size -1 is negative"),
        (("n - n - 2",), "size -2 is negative"),
        ((None, 3), "None is not a size"),
        ((2.0,), "2.0 is not a size"),
        ((True,), "True is not a size"),
        (None, "None is not a shape"),
        (((2, 3), 4), "(2, 3) is not a size"),
    ],
)
def test_bad_shapes(shape: object, message: str) -> None:
    with pytest.raises(ShapeError, match=re.escape(f"placeholder: {message}")):
        parse_shape(shape, op="placeholder")


def test_an_unknown_size_should_be_named() -> None:
    for size in (None, -1):
        with pytest.raises(ShapeError, match='hint: name the size, such as "batch"'):
            as_size(size)


def test_canonical_axis() -> None:
    assert [canonical_axis(axis, 3) for axis in (0, 2, -1, -3, np.int32(1))] == [0, 2, 2, 0, 1]


@pytest.mark.parametrize(
    ("axis", "rank", "message"),
    [
        (3, 3, "sum: axis 3 is out of range for a 3-d tensor"),
        (-4, 3, "sum: axis -4 is out of range for a 3-d tensor"),
        (0, 0, "sum: axis 0 of a 0-d tensor, which has no axes"),
        (1.0, 3, "sum: axis 1.0 is not a whole number"),
        ("0", 3, "sum: axis '0' is not a whole number"),
        (True, 3, "sum: axis True is not a whole number"),
    ],
)
def test_bad_axes(axis: object, rank: int, message: str) -> None:
    with pytest.raises(ArgumentError, match=re.escape(message)):
        canonical_axis(axis, rank, op="sum")


def test_canonical_axes_are_sorted() -> None:
    assert canonical_axes(None, 3) == (0, 1, 2)
    assert canonical_axes((-1, 0), 3) == (0, 2)
    assert canonical_axes([], 3) == ()
    assert canonical_axes(-2, 3) == (1,)
    with pytest.raises(ArgumentError, match="axis 2 is named twice"):
        canonical_axes((2, -1), 3)


def test_canonical_permutation_keeps_the_order() -> None:
    assert canonical_permutation((-1, 0, 1), 3) == (2, 0, 1)
    with pytest.raises(ArgumentError, match="name each axis once"):
        canonical_permutation((0, 1), 3)
    with pytest.raises(ArgumentError, match="named twice"):
        canonical_permutation((0, 0, 1), 3)


def test_shape_symbols_in_order_of_mention() -> None:
    assert shape_symbols((N + BATCH, 3, BATCH)) == (BATCH, N)
    assert shape_symbols((N, BATCH)) == (N, BATCH)
    assert shape_symbols((1, 2)) == ()
