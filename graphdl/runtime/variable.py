"""Where a variable's array lives: one aligned block of memory whose address never changes."""

from __future__ import annotations

from threading import RLock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdl.runtime.buffer import StateWord

ALIGNMENT = 64
"""Bytes: a cache line, and the widest vector register."""


def aligned_copy(array: NDArray[Any]) -> NDArray[Any]:
    """A C-contiguous copy whose first element lies on an ALIGNMENT boundary."""
    block = np.empty(array.nbytes + ALIGNMENT, np.uint8)
    start = -block.ctypes.data % ALIGNMENT
    result = block[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    result[...] = array
    return result


class VariableStorage:
    """The memory of one variable.

    `array` is 64-byte aligned and C-contiguous and stays at one address; compiled functions write
    it in place. Hold `lock` while using it directly; `word` is the same lock for compiled code that
    runs without the GIL. `version` counts the writes.
    """

    __slots__ = ("__weakref__", "array", "lock", "name", "version", "word")
    array: NDArray[Any]

    def __init__(self, name: str, array: NDArray[Any]) -> None:
        self.name = name
        self.array = aligned_copy(np.asarray(array))
        self.lock = RLock()
        self.word = StateWord()
        self.version = 0

    def read(self) -> NDArray[Any]:
        """A copy of the present value."""
        with self.lock, self.word.reading():
            return self.array.copy()

    def write(self, array: NDArray[Any]) -> None:
        """Replace the value. Raises ValueError for another shape, TypeError for another dtype."""
        if array.shape != self.array.shape:
            raise ValueError(f"shape {array.shape} does not fit {self.array.shape}")
        if array.dtype != self.array.dtype:
            raise TypeError(f"dtype {array.dtype} does not fit {self.array.dtype}")
        with self.lock, self.word.writing():
            self.array[...] = array
            self.version += 1

    def __repr__(self) -> str:
        return f"VariableStorage({self.name!r}, {self.array.dtype}{list(self.array.shape)})"
