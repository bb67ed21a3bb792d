"""dtype and shape together."""

from __future__ import annotations

from graphdl.typesystem.dtype import bfloat16, float32
from graphdl.typesystem.shape import parse_shape
from graphdl.typesystem.tensor_type import TensorType


def test_counts_are_expressions_of_the_sizes() -> None:
    matrix = TensorType(float32, parse_shape(("batch", 64)))
    assert str(matrix) == "float32[batch, 64]"
    assert matrix.rank == 2
    assert str(matrix.element_count) == "64*batch"
    assert str(matrix.byte_count) == "256*batch"


def test_scalars() -> None:
    scalar = TensorType(bfloat16, ())
    assert (str(scalar), scalar.element_count, scalar.byte_count) == ("bfloat16[]", 1, 2)


def test_types_are_equal_by_value() -> None:
    first, second = (TensorType(float32, parse_shape(text)) for text in ("n + n", "2*n"))
    assert first == second
    assert hash(first) == hash(second)
    assert first != TensorType(float32, parse_shape("3*n"))
