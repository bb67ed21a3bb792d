"""A Program to native code: recipes, LLVM text, object code (cached), one library, one entry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from importlib import import_module
from typing import Any

import numpy as np

from graphdl.backends.cpu.driver import PREPARE, RUN, Derived, number_statements
from graphdl.backends.cpu.entry import CALL, CALL_STRICT, Field
from graphdl.backends.cpu.entry_tables import (
    Callbacks,
    Descriptor,
    make_builtin,
    plan_entry,
    reads_array_structs,
)
from graphdl.backends.cpu.host_calls import HostCalls, HostFunction, print_value
from graphdl.backends.cpu.load import DRIVER_LEVEL, Library, link
from graphdl.backends.cpu.pool import PARALLEL_FOR
from graphdl.backends.cpu.portable_entry import PortableEntry
from graphdl.backends.cpu.program_key import pack, program_key, unpack
from graphdl.backends.cpu.shared_code import (
    object_cache,
    object_code,
    output_handler,
    shared_addresses,
)
from graphdl.backends.cpu.target import CpuTarget
from graphdl.backends.cpu.tiled import TiledKernel
from graphdl.config import settings
from graphdl.kernel.nodes import Access
from graphdl.program.nodes import (
    Copy,
    HostCall,
    Launch,
    Print,
    Program,
    Statement,
    Storage,
    Swap,
    View,
)

RELEASE_COST = 20_000_000
"""Estimated picoseconds from which a call runs without the GIL."""


def _writer() -> Any:
    """The module that makes LLVM text, loaded when code is not in the cache."""
    return import_module("graphdl.backends.cpu.write_modules")


class NativeProgram:
    """The native code of one program and where it came from.

    `objects` is position-independent object code of all kernels and of the driver's `run` and
    `prepare`; it needs `graphdl_parallel_for` (pool.py) and libc.
    """

    def __init__(
        self, program: Program, target: CpuTarget, numerics: str, objects: tuple[bytes, ...]
    ) -> None:
        self.program, self.target, self.numerics = program, target, numerics
        self.objects = objects
        self.statements = number_statements(program)
        self.plan = plan_entry(program)
        self.derived = Derived(self.plan.dimensions)
        imported = {PARALLEL_FOR: shared_addresses()[PARALLEL_FOR]}
        self.library: Library = link(objects, (RUN, PREPARE), imported)

    @cached_property
    def tiled(self) -> Mapping[str, TiledKernel]:
        """What the recipes made of each kernel."""
        tiled: Mapping[str, TiledKernel] = _writer().tile_all(
            self.program, self.target, self.numerics
        )
        return tiled

    @cached_property
    def modules(self) -> tuple[str, ...]:
        """The LLVM modules, in the order of `objects`: the driver, then the kernels."""
        modules: tuple[str, ...] = _writer().write_modules(
            self.program, self.tiled, self.target, self.numerics
        )
        return modules

    @property
    def llvm(self) -> str:
        """All LLVM text, for reading."""
        return "\n".join(self.modules)

    def assembly(self) -> str:
        """All assembly text, for reading."""
        return str(_writer().write_assembly(self.modules, self.target))

    def connect(
        self,
        fallback: Callable[..., Any],
        *,
        functions: Mapping[str, HostFunction] | None = None,
        show: Callable[[Print, np.ndarray[Any, Any]], None] = print_value,
        threads: int | None = None,
    ) -> Connected:
        """Make callables of the program.

        `fallback(*arguments)` is called with arguments that are not exactly the arrays that the
        program wants; it converts them and calls `strict`, or raises. Variables and constants are
        the arrays of the program's slots.
        """
        return Connected(self, fallback, HostCalls(self.program, self.statements, functions, show),
                         threads or settings().num_threads)  # fmt: skip


class Connected:
    """Python callables of a native program: `call` takes the exact arrays or goes to the fallback,
    `strict` raises InternalError instead. Both take one argument per input and return an array, a
    tuple of arrays, or None."""

    def __init__(
        self,
        native: NativeProgram,
        fallback: Callable[..., Any],
        host_calls: HostCalls,
        threads: int,
    ) -> None:
        program = native.program
        callbacks = Callbacks(fallback, host_calls.fail, host_calls.address)
        arrays = [slot.value.array for slot in program.variables]
        arrays += [np.require(slot.value, requirements=("C", "A")) for slot in program.constants]
        words = _state_words(program, native.statements)
        descriptor = Descriptor(program, native.plan, native.derived, callbacks, arrays, words)
        descriptor[Field.RUN] = native.library.addresses[RUN]
        descriptor[Field.PREPARE] = native.library.addresses[PREPARE]
        descriptor[Field.HANDLER] = id(output_handler())
        descriptor[Field.RELEASE] = 0 if host_calls.address else RELEASE_COST
        self.descriptor = descriptor
        self.native = native  # its code must outlive the callables
        self.set_threads(threads)
        self.call: Callable[..., Any]
        self.strict: Callable[..., Any]
        if reads_array_structs():
            state = (descriptor.table.ctypes.data, descriptor, native, host_calls)
            addresses = shared_addresses()
            self.call = make_builtin(addresses[CALL], state)
            self.strict = make_builtin(addresses[CALL_STRICT], state)
        else:
            portable = PortableEntry(program, native.plan, descriptor)
            self.call, self.strict = portable.call, portable.strict

    def set_threads(self, count: int) -> None:
        """Run with at most `count` threads from the next call on; results do not change."""
        self.descriptor[Field.THREADS] = count

    @property
    def arena_bytes(self) -> int:
        """Memory that calls have needed so far for intermediate values and workspaces."""
        return self.descriptor[Field.CAPACITY]


def compile_program(program: Program, target: CpuTarget, numerics: str = "fast") -> NativeProgram:
    """Native code of a program, from the disk cache where it has been compiled before."""
    store = object_cache()
    key = program_key(program, target, numerics)
    stored = store.get(key)
    objects = unpack(stored) if stored is not None else None
    if objects is None:
        tiled = _writer().tile_all(program, target, numerics)
        driver, *kernels = _writer().write_modules(program, tiled, target, numerics)
        code = [object_code(driver, target, DRIVER_LEVEL)]
        objects = (*code, *(object_code(module, target) for module in kernels))
        store.put(key, pack(objects))
    return NativeProgram(program, target, numerics, objects)


def _state_words(program: Program, statements: tuple[Statement, ...]) -> list[tuple[int, bool]]:
    """The lock words of the program's variables, and which of them it writes."""
    written = {
        view.position
        for statement in statements
        for view in _written_views(program, statement)
        if view.storage is Storage.VARIABLE
    }
    return [
        (slot.value.word.address, position in written)
        for position, slot in enumerate(program.variables)
        if hasattr(slot.value, "word")
    ]


def _written_views(program: Program, statement: Statement) -> tuple[View, ...]:
    match statement:
        case Launch(kernel, views):
            buffers = program.kernels[kernel].buffers
            return tuple(
                view
                for view, buffer in zip(views, buffers, strict=True)
                if buffer.access is not Access.READ
            )
        case Copy(_, target):
            return (target,)
        case Swap(first, second):
            return (first, second)
        case HostCall(_, _, outputs):
            return outputs
    return ()
