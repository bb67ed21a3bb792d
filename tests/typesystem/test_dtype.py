"""The closed set of element types."""

from __future__ import annotations

import copy
import pickle

import ml_dtypes
import numpy as np
import pytest

from graphdl.errors import DTypeError
from graphdl.typesystem.dtype import ALL, DType, as_dtype, bfloat16, bool_, float32, int64


@pytest.mark.parametrize("dtype", ALL)
def test_layout_is_numpys(dtype: DType) -> None:
    assert dtype.itemsize == dtype.numpy.itemsize
    assert as_dtype(dtype.name) is dtype
    assert as_dtype(dtype.numpy) is dtype
    assert as_dtype(dtype.numpy.type) is dtype
    assert as_dtype(dtype) is dtype
    assert str(dtype) == repr(dtype) == dtype.name


@pytest.mark.parametrize("dtype", ALL)
def test_each_dtype_belongs_to_one_family(dtype: DType) -> None:
    assert dtype.is_bool + dtype.is_integer + dtype.is_floating == 1
    assert dtype.is_floating == (dtype.numpy.kind == "f" or dtype is bfloat16)


@pytest.mark.parametrize("dtype", ALL)
def test_copies_are_the_same_object(dtype: DType) -> None:
    assert pickle.loads(pickle.dumps(dtype)) is dtype
    assert copy.deepcopy(dtype) is dtype


def test_python_types() -> None:
    assert as_dtype(float) is float32
    assert as_dtype(int) is int64
    assert as_dtype(bool) is bool_
    assert as_dtype(ml_dtypes.bfloat16) is bfloat16


@pytest.mark.parametrize(
    "value", ["float33", "complex64", np.complex128, "U5", object, 3, "f", None]
)
def test_others_are_refused(value: object) -> None:
    with pytest.raises(DTypeError, match="unknown dtype"):
        as_dtype(value)


def test_big_endian_arrays_are_refused() -> None:
    with pytest.raises(DTypeError, match="unknown dtype"):
        as_dtype(np.dtype(">f4"))
