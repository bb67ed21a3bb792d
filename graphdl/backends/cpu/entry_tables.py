"""The Python side of the entry: plans the checks of a program's inputs and fills a descriptor."""

from __future__ import annotations

import ctypes
import sys
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from graphdl.backends.cpu.driver import Derived
from graphdl.backends.cpu.entry import (
    CONTIGUOUS_ALIGNED,
    DATA,
    DESCRIPTOR,
    DIMENSIONS,
    FLAGS,
    RANK,
    TYPE,
    Axis,
    Field,
)
from graphdl.errors import InternalError
from graphdl.program.nodes import Program, Slot
from graphdl.typesystem.expression import Size, Sum, Symbol

_METH_FASTCALL = 0x80
_NEW_FROM_DESCRIPTOR = 94  # PyArray_NewFromDescr in NumPy's C API table
_ARRAY_TYPE = 2  # PyArray_Type
_SET_HANDLER = 304  # PyDataMem_SetHandler


@dataclass(frozen=True, slots=True)
class AxisCheck:
    """What one axis of one input must be; see `entry.Axis`."""

    kind: Axis
    value: int
    scale: int = 1
    offset: int = 0


@dataclass(frozen=True, slots=True)
class EntryPlan:
    """The checks of all input axes, and the sizes that `prepare` computes for the entry: those of
    input axes that are expressions, then every axis of every output."""

    inputs: tuple[tuple[AxisCheck, ...], ...]
    dimensions: tuple[Size, ...]
    expression_count: int


def plan_entry(program: Program) -> EntryPlan:
    """Decide which input axis binds which named size. Raises InternalError for a size that no axis
    determines."""
    position = {symbol: number for number, symbol in enumerate(program.sizes)}
    axes = [size for slot in program.inputs for size in slot.type.shape]
    plain = {size for size in axes if isinstance(size, Symbol)}
    bound: set[Symbol] = set()
    expressions: list[Size] = []

    def check(size: Size) -> AxisCheck:
        if isinstance(size, int):
            return AxisCheck(Axis.LITERAL, size)
        symbol, scale, offset = _linear(size)
        if symbol is not None and symbol not in bound and (symbol == size or symbol not in plain):
            bound.add(symbol)
            return AxisCheck(Axis.BIND, position[symbol], scale, offset)
        if isinstance(size, Symbol):
            return AxisCheck(Axis.EQUAL, position[size])
        expressions.append(size)
        return AxisCheck(Axis.DERIVED, 2 + len(expressions))

    inputs = tuple(tuple(check(size) for size in slot.type.shape) for slot in program.inputs)
    missing = sorted(set(position) - bound, key=str)
    if missing:
        raise InternalError(f"no input determines the size {missing[0]}")
    outputs = [size for slot in program.outputs for size in slot.type.shape]
    return EntryPlan(inputs, (*expressions, *outputs), len(expressions))


def _linear(size: Size) -> tuple[Symbol | None, int, int]:
    """(symbol, scale, offset) of scale * symbol + offset."""
    match size:
        case Symbol():
            return size, 1, 0
        case Sum(((scale, (Symbol() as symbol,)),), offset) if scale > 0:
            return symbol, scale, offset
    return None, 1, 0


@cache
def reads_array_structs() -> bool:
    """Whether ndarrays lie in memory as the entry assumes; otherwise calls go through ctypes."""
    if sys.implementation.name != "cpython" or not getattr(sys, "_is_gil_enabled", lambda: True)():
        return False
    flat: list[np.ndarray[Any, Any]] = [np.arange(6, dtype=np.int16).reshape(2, 3)]
    samples = [*flat, np.ones((3, 1, 2), np.float64)[::-1], np.zeros((), np.bool_)]
    return ctypes.sizeof(ctypes.c_void_p) == 8 and all(map(_lies_as_assumed, samples))


def _lies_as_assumed(array: np.ndarray[Any, Any]) -> bool:
    def word(offset: int) -> int:
        return ctypes.c_uint64.from_address(id(array) + offset).value

    shape = (ctypes.c_int64 * array.ndim).from_address(word(DIMENSIONS))
    flags = ctypes.c_uint32.from_address(id(array) + FLAGS).value
    is_dense = flags & CONTIGUOUS_ALIGNED == CONTIGUOUS_ALIGNED
    return (
        word(TYPE) == id(np.ndarray)
        and word(DATA) == array.ctypes.data
        and word(RANK) & 0xFFFFFFFF == array.ndim
        and tuple(shape) == array.shape
        and word(DESCRIPTOR) == id(array.dtype)
        and is_dense == array.flags.c_contiguous
    )


@cache
def _array_function(position: int) -> int:
    """An address in NumPy's C API table."""
    get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
    get_pointer.restype = ctypes.c_void_p
    get_pointer.argtypes = (ctypes.py_object, ctypes.c_char_p)
    multiarray = sys.modules.get("numpy._core.multiarray") or sys.modules["numpy.core.multiarray"]
    table = get_pointer(multiarray._ARRAY_API, None)
    return int(ctypes.c_void_p.from_address(table + 8 * position).value or 0)


class _MethodDef(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


@cache
def _method(address: int) -> _MethodDef:
    return _MethodDef(b"call", address, _METH_FASTCALL, b"Run a compiled graphdl function.")


def make_builtin(address: int, state: tuple[Any, ...]) -> Callable[..., Any]:
    """A Python callable for the entry at `address`; `state` begins with the descriptor's address
    and lives as long as the callable."""
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype = ctypes.py_object
    make.argtypes = (ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
    return make(ctypes.addressof(_method(address)), state, None)  # type: ignore[no-any-return]


def _addresses(values: Iterable[int]) -> np.ndarray[Any, Any]:
    return np.array([*values, 0], np.int64)


@dataclass(frozen=True, slots=True)
class Callbacks:
    """Python callables of a descriptor: `fallback(*args)` for unusual arguments, `failure(number)`
    which raises, and the address of the C function for Print and HostCall (0 for none)."""

    fallback: Callable[..., Any]
    failure: Callable[[int], Any]
    host: int = 0


class Descriptor:
    """The memory of one compiled function's descriptor and of everything that it points to."""

    def __init__(
        self,
        program: Program,
        plan: EntryPlan,
        derived: Derived,
        callbacks: Callbacks,
        arrays: Sequence[np.ndarray[Any, Any]],
        words: Sequence[tuple[int, bool]],
    ) -> None:
        inputs, outputs = len(program.inputs), len(program.outputs)
        self.callbacks = callbacks
        self.arrays = tuple(arrays)
        addresses = [array.ctypes.data for array in self.arrays]
        self.pointers = _addresses([0] * (inputs + outputs) + addresses + [callbacks.host])
        self.sizes = _addresses([0] * len(program.sizes))
        self.derived = _addresses([0] * derived.count)
        self.objects = _addresses([0] * outputs)
        self.input_specs = _addresses(_input_specs(program, plan))
        self.output_specs = _addresses(
            word
            for slot in program.outputs
            for word in (_descriptor(slot), slot.type.rank, slot.type.dtype.itemsize)
        )
        self.words = _addresses(word for pair in words for word in pair)
        self.table = np.zeros(Field.LENGTH, np.int64)
        self._fill(plan, inputs, outputs, len(words))
        weakref.finalize(self, _free_arena, self.table)

    def _fill(self, plan: EntryPlan, inputs: int, outputs: int, words: int) -> None:
        first_output = 8 * (3 + plan.expression_count)
        values = {
            Field.INPUT_COUNT: inputs,
            Field.OUTPUT_COUNT: outputs,
            Field.INPUT_SPECS: self.input_specs.ctypes.data,
            Field.OUTPUT_SPECS: self.output_specs.ctypes.data,
            Field.POINTERS: self.pointers.ctypes.data,
            Field.SIZES: self.sizes.ctypes.data,
            Field.DERIVED: self.derived.ctypes.data,
            Field.OUTPUT_DIMENSIONS: self.derived.ctypes.data + first_output,
            Field.OBJECTS: self.objects.ctypes.data,
            Field.FALLBACK: id(self.callbacks.fallback),
            Field.FAILURE: id(self.callbacks.failure),
            Field.WORDS: self.words.ctypes.data,
            Field.WORD_COUNT: words,
            Field.HAS_DERIVED: int(plan.expression_count > 0),
            Field.ARRAY_TYPE: _array_function(_ARRAY_TYPE),
            Field.NEW_ARRAY: _array_function(_NEW_FROM_DESCRIPTOR),
            Field.NONE: id(None),
            Field.SET_HANDLER: _array_function(_SET_HANDLER),
            Field.THREADS: 1,
        }
        for slot, value in values.items():
            self.table[slot] = value

    def __setitem__(self, slot: Field, value: int) -> None:
        self.table[slot] = value

    def __getitem__(self, slot: Field) -> int:
        return int(self.table[slot])


def _input_specs(program: Program, plan: EntryPlan) -> list[int]:
    words: list[int] = []
    for slot, checks in zip(program.inputs, plan.inputs, strict=True):
        words += [_descriptor(slot), slot.type.rank]
        for check in checks:
            words += [check.kind, check.value, check.scale, check.offset]
    return words


def _descriptor(slot: Slot) -> int:
    """The address of NumPy's descriptor object; the dtype table keeps it alive."""
    return id(slot.type.dtype.numpy)


def _free_arena(table: np.ndarray[Any, Any]) -> None:
    free = ctypes.CDLL(None).free
    free.argtypes = (ctypes.c_void_p,)
    free(int(table[Field.ARENA]) or None)
    table[Field.ARENA] = table[Field.CAPACITY] = 0
