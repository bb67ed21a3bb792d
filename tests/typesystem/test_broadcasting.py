"""Broadcasting against NumPy, and the rule for named sizes."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphdl.errors import ShapeError
from graphdl.typesystem import broadcasting
from graphdl.typesystem.broadcasting import (
    broadcast_dimensions,
    broadcast_shapes,
    can_broadcast_to,
)
from graphdl.typesystem.shape import parse_shape
from graphdl.typesystem.tensor_type import Shape

small_shapes = st.lists(st.sampled_from([0, 1, 2, 3]), max_size=3).map(tuple)


@given(st.lists(small_shapes, max_size=4))
def test_ints_broadcast_as_in_numpy(shapes: list[tuple[int, ...]]) -> None:
    try:
        expected = np.broadcast_shapes(*shapes)
    except ValueError:
        with pytest.raises(ShapeError, match="sizes differ"):
            broadcast_shapes(*shapes)
    else:
        assert broadcast_shapes(*shapes) == expected
        assert all(can_broadcast_to(shape, expected) for shape in shapes)


@given(small_shapes, small_shapes)
def test_can_broadcast_to_agrees_with_numpy(shape: Shape, target: Shape) -> None:
    try:
        np.broadcast_to(np.zeros(shape), target)  # type: ignore[arg-type]
    except ValueError:
        assert not can_broadcast_to(shape, target)
    else:
        assert can_broadcast_to(shape, target)


def test_a_named_size_fits_itself_and_one() -> None:
    left, right = parse_shape(("batch", 1, 4)), parse_shape(("2*batch+1", 1))
    assert broadcast_shapes(left, right) == parse_shape(("batch", "2*batch+1", 4))
    assert broadcast_shapes(parse_shape(("batch",)), parse_shape("batch")) == left[:1]


@pytest.mark.parametrize(
    ("left", "right", "message"),
    [
        ((2, 3), (2, 4), "add: sizes differ: lhs axis 1 is 3, rhs axis 1 is 4"),
        (("batch", 3), (3, 3), "add: sizes differ: lhs axis 0 is batch, rhs axis 0 is 3"),
        (("batch",), (2, "n"), "add: sizes differ: lhs axis 0 is batch, rhs axis 1 is n"),
        (("n",), ("n+1",), "add: sizes differ: lhs axis 0 is n, rhs axis 0 is n+1"),
    ],
)
def test_errors_name_operands_axes_and_sizes(left: object, right: object, message: str) -> None:
    with pytest.raises(ShapeError, match=re.escape(message)):
        broadcast_shapes(parse_shape(left), parse_shape(right), op="add")


def test_errors_of_many_operands_carry_their_names_and_details() -> None:
    with pytest.raises(ShapeError) as raised:
        broadcast_shapes(
            (2,), (1,), (3,), op="where", names=("condition", "x", "y"), details=("a line",)
        )
    assert "condition axis 0 is 2, y axis 0 is 3" in str(raised.value)
    assert "\n  a line\n" in str(raised.value)


def test_broadcast_dimensions_are_the_last_axes() -> None:
    assert broadcast_dimensions(2, 4) == (2, 3)
    assert broadcast_dimensions(0, 1) == ()


def test_planted_fault_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Letting the larger size win is caught by the comparison with NumPy."""
    monkeypatch.setattr(
        broadcasting, "_agreed_size", lambda shapes, axis, *_: max(s[axis] for s in shapes)
    )
    with pytest.raises(pytest.fail.Exception):
        test_ints_broadcast_as_in_numpy.hypothesis.inner_test([(2,), (3,)])  # type: ignore[attr-defined]
