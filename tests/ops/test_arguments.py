"""What becomes of arguments before a node is built."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphdl.errors import ArgumentError, DTypeError
from graphdl.ops import arguments as of
from graphdl.ops.functions.creation import placeholder
from graphdl.typesystem.dtype import bool_, float32, float64, int64
from graphdl.typesystem.expression import Symbol


def test_operand_lines_stand_in_columns() -> None:
    x, y = placeholder("x", ("batch", 784)), placeholder("y", (2,)) + 1
    lines = of.operand_lines(lhs=x, rhs=y, other=3)
    assert lines[0].startswith('lhs  float32[batch, 784]  placeholder "x"  test_arguments.py:')
    assert lines[1].startswith("rhs  float32[2]           add              test_arguments.py:")
    assert len(lines) == 2


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(1, int64), (1.5, float32), (True, bool_), (np.float64(1), float32), (np.zeros(2), float32),
     (np.zeros(2, bool), bool_), ([1, 2], int64), (Symbol("n"), int64)],
)  # fmt: skip
def test_data_takes_its_default_dtype(value: Any, dtype: Any) -> None:
    assert of.constant_tensor(value).dtype == dtype


def test_arrays_are_anything_with_array() -> None:
    class Data:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            return np.ones((2,), np.float32)

    assert of.as_array(Data()).tolist() == [1, 1]
    with pytest.raises(DTypeError, match="not numeric data"):
        of.as_array(object())
    with pytest.raises(DTypeError, match="not numeric data"):
        of.as_array(np.zeros(2, [("a", "f4")]))
    with pytest.raises(ArgumentError, match="a list of tensors is not data"):
        of.as_array([[placeholder("x", ())]])


def test_nothing_is_converted_twice() -> None:
    x = placeholder("x", (2, 3))
    assert of.cast(x, float32) is x
    assert of.broadcast(x, (2, 3)) is x
    assert of.as_tensor(x) is x


def test_float64_stays_beside_float64() -> None:
    x = placeholder("x", (2,), "float64")
    _, other = of.promote_operands("add", x, np.array([1 / 3, 2 / 3]))
    assert other.dtype == float64
    assert other.eval()[0] == 1 / 3
