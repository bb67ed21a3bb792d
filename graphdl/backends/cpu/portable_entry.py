"""The entry in Python, for interpreters whose array structs do not lie as the native entry assumes.

Same checks, same tables, same results; slower by some ten microseconds a call. It is also what the
tests compare the native entry with.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphdl.backends.cpu.entry import MISMATCH, Axis, Field
from graphdl.backends.cpu.entry_tables import AxisCheck, Descriptor, EntryPlan
from graphdl.program.nodes import Program, Slot
from graphdl.typesystem.expression import evaluate

Array = np.ndarray[Any, Any]

_PREPARE = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)
_RUN = ctypes.CFUNCTYPE(
    ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64
)


class PortableEntry:
    """Calls a compiled program through ctypes, one call at a time."""

    def __init__(self, program: Program, plan: EntryPlan, descriptor: Descriptor) -> None:
        self._program, self._plan, self._descriptor = program, plan, descriptor
        self._prepare = _PREPARE(descriptor[Field.PREPARE])
        self._run = _RUN(descriptor[Field.RUN])
        self._lock = threading.RLock()
        self._arena = np.empty(0, np.uint8)

    def call(self, *arguments: Any) -> Any:
        """Run, or hand the arguments to the fallback."""
        with self._lock:
            outputs = self._attempt(arguments)
        if outputs is None:
            return self._descriptor.callbacks.fallback(*arguments)
        return _structured(outputs)

    def strict(self, *arguments: Any) -> Any:
        """Run, or raise InternalError."""
        with self._lock:
            outputs = self._attempt(arguments)
        if outputs is None:
            return self._descriptor.callbacks.failure(MISMATCH)
        return _structured(outputs)

    def _attempt(self, arguments: Sequence[Any]) -> list[Array] | None:
        """The outputs; None when the arguments do not fit."""
        tables, slots = self._descriptor, self._program.inputs
        if len(arguments) != len(slots) or not all(map(_is_exact, arguments, slots)):
            return None
        if not self._bind(arguments):
            return None
        if self._prepare(tables.sizes.ctypes.data, tables.derived.ctypes.data):
            return None
        if not self._agrees(arguments):
            return None
        return self._execute(arguments)

    def _bind(self, arrays: Sequence[Array]) -> bool:
        """Set the named sizes; False when an axis contradicts them."""
        return all(
            self._fits(size, check)
            for array, checks in zip(arrays, self._plan.inputs, strict=True)
            for size, check in zip(array.shape, checks, strict=True)
        )

    def _fits(self, size: int, check: AxisCheck) -> bool:
        sizes = self._descriptor.sizes
        match check.kind:
            case Axis.LITERAL:
                return size == check.value
            case Axis.EQUAL:
                return bool(size == sizes[check.value])
            case Axis.BIND:
                number, rest = divmod(size - check.offset, check.scale)
                sizes[check.value] = number
                return rest == 0 and number >= 0
        return True

    def _agrees(self, arrays: Sequence[Array]) -> bool:
        """Whether axes that are expressions have the sizes they must have."""
        derived = self._descriptor.derived
        return all(
            size == derived[check.value]
            for array, checks in zip(arrays, self._plan.inputs, strict=True)
            for size, check in zip(array.shape, checks, strict=True)
            if check.kind is Axis.DERIVED
        )

    def _execute(self, arrays: Sequence[Array]) -> list[Array]:
        tables, program = self._descriptor, self._program
        bound = dict(zip(program.sizes, map(int, tables.sizes), strict=False))
        outputs = [
            np.empty([evaluate(size, bound) for size in slot.type.shape], slot.type.dtype.numpy)
            for slot in program.outputs
        ]
        for position, array in enumerate((*arrays, *outputs)):
            tables.pointers[position] = array.ctypes.data
        threads = tables[Field.THREADS]
        needed = int(tables.derived[0] + threads * tables.derived[1]) + 64
        if needed > self._arena.size:
            self._arena = np.empty(needed, np.uint8)
        start = self._arena.ctypes.data + -self._arena.ctypes.data % 64
        code = self._run(tables.pointers.ctypes.data, tables.sizes.ctypes.data, start, threads)
        if code:
            tables.callbacks.failure(code)
        return outputs


def _is_exact(argument: object, slot: Slot) -> bool:
    return (
        type(argument) is np.ndarray
        and argument.dtype == slot.type.dtype.numpy
        and argument.ndim == slot.type.rank
        and argument.flags.c_contiguous
        and argument.flags.aligned
    )


def _structured(outputs: list[Array]) -> Any:
    if not outputs:
        return None
    return outputs[0] if len(outputs) == 1 else tuple(outputs)
