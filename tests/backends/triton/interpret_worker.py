"""Run generated Triton functions in Triton's interpreter: a process of its own.

The interpreter must be chosen before triton is first imported. Reads a pickle of jobs, each
(functions, buffers, sizes), from the path given, runs them, checks the canaries around every
buffer, and writes the buffers back.
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


def run_job(functions: list[Any], buffers: list[Any], sizes: dict[str, int]) -> list[Any]:
    """Run one kernel's functions; returns its buffers afterwards."""
    held = [guarded(array) for array in buffers]
    scratches = []
    for name, source, grid, signature, constants, scratch_bytes in functions:
        scratch = guarded(np.zeros(max(scratch_bytes, 8) // 8, np.int64))
        scratches.append(scratch)
        arrays = iter(inner for _, inner in held)
        values: list[Any] = []
        for argument, kind in signature.items():
            if argument == "scratch":
                values.append(Shim(scratch[1], "int64"))
            elif kind.startswith("*"):
                array = next(arrays)
                values.append(Shim(array, "int8" if array.dtype == np.bool_ else array.dtype.name))
            elif kind == "constexpr":
                values.append(constants[argument])
            else:
                values.append(sizes[argument])
        if grid:
            load_function(name, source)[(grid,)](*values)
    for raw, inner in (*held, *scratches):
        start = inner.ctypes.data - raw.ctypes.data if inner.nbytes else CANARY
        outside = np.concatenate([raw[:start], raw[start + inner.nbytes :]])
        if not (outside == 0xA5).all():
            raise SystemExit(f"{functions[0][0]} wrote outside its buffer")
    return [inner.copy() for _, inner in held]


def main(path: str) -> None:
    """Run every job of the request, in place."""
    with open(path, "rb") as file:
        jobs = pickle.load(file)
    results = [run_job(*job) for job in jobs]
    with open(path, "wb") as file:
        pickle.dump(results, file)


if __name__ == "__main__":
    assert ctypes.sizeof(ctypes.c_void_p) == 8
    main(sys.argv[1])
