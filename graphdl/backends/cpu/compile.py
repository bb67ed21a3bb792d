"""A Program to native code: recipes, LLVM text, object code (cached), one library, one entry."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache, cached_property
from typing import Any

import numpy as np

from graphdl.backends.cpu.driver import PREPARE, RUN, Derived, number_statements, write_driver
from graphdl.backends.cpu.entry import CALL, CALL_STRICT, Field
from graphdl.backends.cpu.entry_tables import (
    Callbacks,
    Descriptor,
    make_builtin,
    plan_entry,
    reads_array_structs,
)
from graphdl.backends.cpu.generate import generate, module_text
from graphdl.backends.cpu.host_calls import HostCalls, HostFunction, print_value
from graphdl.backends.cpu.load import DRIVER_LEVEL, Library, assembly, link, version
from graphdl.backends.cpu.pool import PARALLEL_FOR
from graphdl.backends.cpu.portable_entry import PortableEntry
from graphdl.backends.cpu.recipes import tile
from graphdl.backends.cpu.shared_code import (
    object_cache,
    object_code,
    output_handler,
    shared_addresses,
)
from graphdl.backends.cpu.target import CpuTarget
from graphdl.backends.cpu.tiled import TiledKernel
from graphdl.config import settings
from graphdl.kernel.nodes import Access, Kernel
from graphdl.kernel.printer import text as kernel_text
from graphdl.program.nodes import (
    Branch,
    Check,
    Copy,
    HostCall,
    Launch,
    Loop,
    Print,
    Program,
    Statement,
    Storage,
    Swap,
    View,
)
from graphdl.runtime.cache import hash_key

RELEASE_COST = 20_000_000
"""Estimated picoseconds from which a call runs without the GIL."""

_FORMAT = "graphdl-bundle-1"


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
        return _tile_all(self.program, self.target, self.numerics)

    @cached_property
    def modules(self) -> tuple[str, ...]:
        """The LLVM modules, in the order of `objects`: the driver, then the kernels."""
        return _modules(self.program, self.tiled, self.target, self.numerics)

    @property
    def llvm(self) -> str:
        """All LLVM text, for reading."""
        return "\n".join(self.modules)

    def assembly(self) -> str:
        """All assembly text, for reading."""
        return "\n".join(assembly(module, self.target) for module in self.modules)

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
    key = hash_key(_program_parts(program, target, numerics))
    stored = store.get(key)
    objects = _unpack(stored) if stored is not None else None
    if objects is None:
        tiled = _tile_all(program, target, numerics)
        driver, *kernels = _modules(program, tiled, target, numerics)
        code = [object_code(driver, target, DRIVER_LEVEL)]
        objects = (*code, *(object_code(module, target) for module in kernels))
        store.put(key, _pack(objects))
    return NativeProgram(program, target, numerics, objects)


# Kernels ------------------------------------------------------------------------------------------


def _tile_all(program: Program, target: CpuTarget, numerics: str) -> dict[str, TiledKernel]:
    launched = {each.kernel for each in number_statements(program) if isinstance(each, Launch)}
    return {
        name: _tiled(_canonical(kernel), target, numerics)
        for name, kernel in program.kernels.items()
        if name in launched
    }


def _canonical(kernel: Kernel) -> Kernel:
    """The kernel under a name made from its text, so that equal kernels are one."""
    plain = replace(kernel, name="kernel", lines=(), notes=())
    return replace(plain, name=f"k{hash_key((kernel_text(plain),))[:20]}")


_KEPT_KERNELS = 2048
_tiled_kernels: dict[tuple[str, CpuTarget, str], TiledKernel] = {}
_texts: dict[tuple[str, CpuTarget, str], str] = {}


def _tiled(kernel: Kernel, target: CpuTarget, numerics: str) -> TiledKernel:
    """What the recipes make of a canonical kernel, whose name stands for its text."""
    key = (kernel.name, target, numerics)
    if key not in _tiled_kernels:
        if len(_tiled_kernels) >= _KEPT_KERNELS:
            _tiled_kernels.clear()
        _tiled_kernels[key] = tile(kernel, target, numerics)
    return _tiled_kernels[key]


def _function_text(function: Kernel | str, target: CpuTarget, numerics: str) -> str:
    """The LLVM module of one function."""
    if isinstance(function, str):
        return module_text([function], target)
    key = (function.name, target, numerics)
    if key not in _texts:
        if len(_texts) >= _KEPT_KERNELS:
            _texts.clear()
        _texts[key] = module_text([generate(function, target)], target)
    return _texts[key]


def _modules(
    program: Program, tiled: Mapping[str, TiledKernel], target: CpuTarget, numerics: str
) -> tuple[str, ...]:
    plan = plan_entry(program)
    driver, _ = write_driver(program, tiled, plan.dimensions)
    functions = (each for kernel in tiled.values() for each in kernel.functions)
    texts = dict.fromkeys(_function_text(each, target, numerics) for each in functions)
    return (driver, *texts)


# Keys ---------------------------------------------------------------------------------------------


@cache
def _fingerprint() -> str:
    """What of graphdl itself decides the code: sizes and times of the sources of the backend."""
    here = os.path.dirname(os.path.abspath(__file__))
    kernel = os.path.join(os.path.dirname(os.path.dirname(here)), "kernel")
    parts = []
    for root in (here, kernel):
        for folder, _, names in sorted(os.walk(root)):
            for name in sorted(names):
                if name.endswith(".py"):
                    status = os.stat(os.path.join(folder, name))
                    parts.append(f"{name}:{status.st_size}:{status.st_mtime_ns}")
    return hash_key(parts)


def _program_parts(program: Program, target: CpuTarget, numerics: str) -> Iterator[str]:
    """Everything that the native code depends on."""
    yield from (_fingerprint(), version(), str(target), target.feature_text, numerics)
    yield from map(str, program.sizes)
    for slots in (program.inputs, program.outputs, program.variables, program.constants):
        yield "slots"
        yield from (str(slot.type) for slot in slots)
    yield from (str(guard.condition) for guard in program.guards)
    yield f"arena {program.arena_bytes}"
    for name, kernel in program.kernels.items():
        yield name
        yield _canonical(kernel).name
    yield from _statement_parts(program.statements)


def _statement_parts(statements: tuple[Statement, ...]) -> Iterator[str]:
    for statement in statements:
        yield type(statement).__name__
        match statement:
            case Launch(kernel, views, sizes):
                yield kernel
                yield from map(_view_text, views)
                yield from map(str, sizes)
            case Loop(symbol, count, body):
                yield f"{symbol} {count}"
                yield from _statement_parts(body)
                yield "end"
            case Branch(condition, bodies):
                yield _view_text(condition)
                for body in bodies:
                    yield from _statement_parts(body)
                    yield "end"
            case _:
                yield from map(_view_text, _plain_views(statement))


def _plain_views(statement: Statement) -> tuple[View, ...]:
    match statement:
        case Copy(first, second) | Swap(first, second):
            return (first, second)
        case Check(condition):
            return (condition,)
        case Print(value):
            return (value,)
        case HostCall(_, views, outputs):
            return (*views, *outputs)
    return ()


def _view_text(view: View) -> str:
    return f"{view.storage.value} {view.position} {view.offset} {view.type}"


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


# Bundles ------------------------------------------------------------------------------------------


def _pack(objects: tuple[bytes, ...]) -> bytes:
    header = json.dumps({"format": _FORMAT, "sizes": [len(each) for each in objects]}).encode()
    return len(header).to_bytes(8, "little") + header + b"".join(objects)


def _unpack(data: bytes) -> tuple[bytes, ...] | None:
    """The objects of a bundle; None for another format."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    if header.get("format") != _FORMAT:
        return None
    objects = []
    for size in header["sizes"]:
        objects.append(data[end : end + size])
        end += size
    return tuple(objects)
