"""Variables: their first value, assignment and storage."""

from __future__ import annotations

import numpy as np
import pytest

from graphdl.errors import ArgumentError, DTypeError, ShapeError
from graphdl.ops.functions.creation import placeholder, variable
from graphdl.ops.state import Variable, cast_same_kind
from graphdl.typesystem.dtype import as_dtype


def test_float64_data_becomes_float32_unless_asked() -> None:
    assert variable(np.zeros(3)).dtype == as_dtype("float32")
    assert variable(1.5).dtype == as_dtype("float32")
    assert variable(np.zeros(3), dtype="float64").dtype == as_dtype("float64")
    assert variable(3).dtype == as_dtype("int64")
    assert variable([True]).dtype == as_dtype("bool")


def test_a_variable_copies_its_data() -> None:
    data = np.ones((2, 2), np.float32)
    weight = variable(data, name="weight")
    data[:] = 7
    assert weight.numpy().tolist() == [[1, 1], [1, 1]]
    weight.numpy()[:] = 9
    assert weight.numpy().tolist() == [[1, 1], [1, 1]]
    assert weight.name == "weight"
    assert weight.shape == (2, 2)
    assert weight.trainable
    assert not variable([1]).trainable
    assert not variable([1.0], trainable=False).trainable


def test_assign_casts_same_kind_in_place() -> None:
    weight = variable(np.zeros((2,), np.float32))
    address = weight.storage.array.ctypes.data
    weight.assign(np.array([1.5, 2.5]))
    weight.assign([3, 4])
    assert weight.numpy().tolist() == [3, 4]
    assert weight.storage.array.ctypes.data == address
    assert weight.storage.version == 2


def test_assign_refuses() -> None:
    weight, count = variable(np.zeros((2,), np.float32), name="w"), variable(np.int8(0))
    with pytest.raises(
        ShapeError, match=r'shape \[3\] for a variable .*\n  variable  float32\[2\]  variable "w"'
    ):
        weight.assign(np.zeros(3))
    with pytest.raises(DTypeError, match="assign: float64 data for int8"):
        count.assign(1.5)
    with pytest.raises(DTypeError, match="integers between 300 and 300 for int8"):
        count.assign(300)
    with pytest.raises(DTypeError, match="not numeric"):
        weight.assign(["a", "b"])


def test_a_variable_needs_data() -> None:
    with pytest.raises(ArgumentError, match="the first value must be data"):
        variable(placeholder("x", (2,)))
    with pytest.raises(ArgumentError, match="a list of tensors is not data"):
        variable([placeholder("x", ())])


def test_variables_evaluate_to_their_value() -> None:
    weight = variable([1.0, 2.0])
    doubled = weight * 2
    weight.assign([5, 6])
    assert doubled.eval().tolist() == [10, 12]
    assert isinstance(weight, Variable)


@pytest.mark.parametrize(
    ("given", "wanted", "fits"),
    [("float64", "float32", True), ("float32", "float16", True), ("int64", "int8", True),
     ("int64", "float32", True), ("bool", "int32", True), ("float32", "int32", False),
     ("int32", "bool", False), ("float32", "bool", False)],
)  # fmt: skip
def test_casting_is_same_kind(given: str, wanted: str, fits: bool) -> None:
    array = np.ones((2,), as_dtype(given).numpy)
    if fits:
        assert cast_same_kind(array, as_dtype(wanted), "test").dtype == as_dtype(wanted).numpy
    else:
        with pytest.raises(DTypeError, match=f"test: {given} data for {wanted}"):
            cast_same_kind(array, as_dtype(wanted), "test")
