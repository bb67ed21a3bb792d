"""Run generated Triton functions in Triton's interpreter: a process of its own.

The interpreter must be chosen before triton is first imported. Reads a pickle of
(functions, buffers, sizes) from the path given, runs the functions in place, checks the canaries
around every buffer, and writes the buffers back.
"""

from __future__ import annotations

import os

os.environ["TRITON_INTERPRET"] = "1"

import ctypes
import pickle
import sys
from typing import Any

import numpy as np

from graphdl.backends.triton.adapter import load_function

CANARY = 64


class Storage:
    """The storage object that the interpreter asks a tensor for."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def data_ptr(self) -> int:
        return int(self.array.ctypes.data)

    def cpu(self) -> Storage:
        return self

    def size(self) -> int:
        return int(self.array.nbytes)

    def copy_(self, other: Storage) -> None:
        if other.array is not self.array:
            np.copyto(self.array, other.array)


class Shim:
    """A NumPy array that looks enough like a tensor for Triton's interpreter."""

    def __init__(self, array: Any, dtype: str) -> None:
        self.array = array
        self.dtype = dtype

    def data_ptr(self) -> int:
        return int(self.array.ctypes.data)

    def untyped_storage(self) -> Storage:
        return Storage(self.array)

    def storage_offset(self) -> int:
        return 0

    def size(self) -> tuple[int, ...]:
        return tuple(self.array.shape)

    def stride(self) -> tuple[int, ...]:
        return tuple(s // self.array.itemsize for s in self.array.strides)

    def new_empty(self, *_: Any, **__: Any) -> Shim:
        return Shim(self.array, self.dtype)

    def set_(self, *_: Any, **__: Any) -> None:
        return

    def cpu(self) -> Shim:
        return self

    def copy_(self, other: Shim) -> Shim:
        return self


def guarded(array: Any) -> tuple[Any, Any]:
    """A copy of `array` between two canaries; returns (whole bytes, the inner view)."""
    raw = np.full(array.nbytes + 2 * CANARY + 16, 0xA5, np.uint8)
    shift = (-raw.ctypes.data - CANARY) % 16 + CANARY
    inner = raw[shift : shift + array.nbytes].view(array.dtype).reshape(array.shape)
    inner[...] = array
    return raw, inner


def main(path: str) -> None:
    with open(path, "rb") as file:
        functions, buffers, sizes = pickle.load(file)
    held = [guarded(array) for array in buffers]
    for name, source, grid, arguments, constants, scratch_bytes in functions:
        scratch = guarded(np.zeros(max(scratch_bytes, 8) // 8, np.int64))
        values: list[Any] = []
        for argument, kind in arguments.items():
            if argument == "scratch":
                values.append(Shim(scratch[1], "int64"))
            elif kind.startswith("*"):
                array = held[len([v for v in values if isinstance(v, Shim)])][1]
                values.append(Shim(array, "int8" if array.dtype == np.bool_ else array.dtype.name))
            elif kind == "constexpr":
                values.append(constants[argument])
            else:
                values.append(sizes[argument])
        if grid:
            load_function(name, source)[(grid,)](*values)
        held.append(scratch)
    for raw, inner in held:
        start = inner.ctypes.data - raw.ctypes.data if inner.nbytes else CANARY
        outside = np.concatenate([raw[:start], raw[start + inner.nbytes :]])
        if not (outside == 0xA5).all():
            raise SystemExit("a kernel wrote outside its buffer")
    with open(path, "wb") as file:
        pickle.dump([inner.copy() for _, inner in held[: len(buffers)]], file)


if __name__ == "__main__":
    assert ctypes.sizeof(ctypes.c_void_p) == 8
    main(sys.argv[1])
