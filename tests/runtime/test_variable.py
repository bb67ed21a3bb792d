"""The memory of a variable."""

from __future__ import annotations

import numpy as np
import pytest

from graphdl.runtime.variable import ALIGNMENT, VariableStorage, aligned_copy


@pytest.mark.parametrize("shape", [(), (1,), (3, 5), (0, 4)])
@pytest.mark.parametrize("dtype", ["float32", "uint8", "bool", "int64"])
def test_copies_are_aligned(shape: tuple[int, ...], dtype: str) -> None:
    array = np.ones(shape, dtype)
    copy = aligned_copy(array)
    assert copy.ctypes.data % ALIGNMENT == 0 or copy.size == 0
    assert copy.flags.c_contiguous
    assert copy.flags.writeable
    np.testing.assert_array_equal(copy, array)


def test_strided_data_becomes_dense() -> None:
    array = np.arange(12.0).reshape(3, 4).T[::2]
    storage = VariableStorage("x", array)
    assert storage.array.flags.c_contiguous
    np.testing.assert_array_equal(storage.read(), array)


def test_writes_keep_the_address_and_count() -> None:
    storage = VariableStorage("x", np.zeros(3))
    address = storage.array.ctypes.data
    storage.write(np.ones(3))
    assert storage.array.ctypes.data == address
    assert storage.version == 1
    assert storage.read().tolist() == [1, 1, 1]


def test_writes_must_fit() -> None:
    storage = VariableStorage("x", np.zeros(3))
    with pytest.raises(ValueError, match="shape"):
        storage.write(np.zeros(4))
    with pytest.raises(TypeError, match="dtype"):
        storage.write(np.zeros(3, np.float32))
