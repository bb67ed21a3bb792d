"""llvmlite: LLVM text to object code, object code to addresses. The only module that imports it."""

from __future__ import annotations

import ctypes
import itertools
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import llvmlite.binding as llvm

from graphdl.errors import InternalError

if TYPE_CHECKING:
    from graphdl.backends.cpu.target import CpuTarget

llvm.initialize_native_target()
llvm.initialize_native_asmprinter()
llvm.initialize_native_asmparser()  # for the inline assembly of exported code

KERNEL_LEVEL = 1
DRIVER_LEVEL = 0
"""Code generation levels: straight-line code around kernels compiles five times faster at 0."""
_numbers = itertools.count()


def host_cpu() -> tuple[str, tuple[str, ...]]:
    """LLVM's name of this processor and the features it has."""
    features = llvm.get_host_cpu_features()
    return llvm.get_host_cpu_name(), tuple(name for name, present in features.items() if present)


def host_triple() -> str:
    """LLVM's name of this machine, for example x86_64-unknown-linux-gnu."""
    return str(llvm.get_process_triple())


def version() -> str:
    """The version of LLVM, part of every cache key."""
    return ".".join(map(str, llvm.llvm_version_info))


def _machine(target: CpuTarget, level: int = KERNEL_LEVEL) -> Any:
    return llvm.Target.from_triple(host_triple()).create_target_machine(
        cpu=target.name,
        features=target.feature_text,
        opt=level,
        reloc="pic",
        codemodel="small",
    )


def _optimized_module(text: str, machine: Any, verify: bool) -> Any:
    try:
        module = llvm.parse_assembly(text)
        if verify:
            module.verify()
    except RuntimeError as error:
        raise InternalError(f"LLVM refuses the generated code: {error}") from error
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options())
    passes = llvm.create_new_function_pass_manager()
    passes.add_sroa_pass()
    for function in module.functions:
        if not function.is_declaration:
            passes.run(function, builder)
    return module


@contextmanager
def _plain_loops() -> Iterator[None]:
    """Without loop strength reduction: the text has its addresses in order already, and the pass is
    a third of the compile time. The switch is global in LLVM, so it is set back."""
    llvm.set_option("graphdl", "--disable-lsr")
    try:
        yield
    finally:
        llvm.set_option("graphdl", "--disable-lsr=false")


def compile_object(
    text: str, target: CpuTarget, *, verify: bool = False, level: int = KERNEL_LEVEL
) -> bytes:
    """Position-independent object code of a module's text."""
    machine = _machine(target, level)
    with _plain_loops():
        return bytes(machine.emit_object(_optimized_module(text, machine, verify)))


def assembly(text: str, target: CpuTarget) -> str:
    """Assembly text of a module's text."""
    machine = _machine(target)
    with _plain_loops():
        return str(machine.emit_assembly(_optimized_module(text, machine, True)))


@dataclass(frozen=True, slots=True)
class Library:
    """Object code in memory: addresses by name, valid as long as this lives."""

    addresses: Mapping[str, int]
    tracker: Any


_lock = threading.Lock()
_jit: Any = None


def _linker() -> Any:
    """The process's only linker, never freed: at exit, arrays may still call what it holds."""
    global _jit
    with _lock:
        if _jit is None:
            _jit = llvm.create_lljit_compiler()
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(_jit))
    return _jit


def link(
    objects: Iterable[bytes], names: Iterable[str], symbols: Mapping[str, int] | None = None
) -> Library:
    """Load object code into this process. `names` are the functions wanted; `symbols` gives the
    addresses of functions outside libc that the objects call."""
    builder = llvm.JITLibraryBuilder()
    for data in objects:
        builder.add_object_img(data)
    wanted = tuple(names)
    for name in wanted:
        builder.export_symbol(name)
    for name, address in (symbols or {}).items():
        builder.import_symbol(name, address)
    tracker = builder.add_current_process().link(_linker(), f"graphdl{next(_numbers)}")
    return Library({name: tracker[name] for name in wanted}, tracker)


def compile_linked(texts: Iterable[str], target: CpuTarget, *, prefix: str) -> bytes:
    """One object from several modules that call one another; only functions whose names start with
    `prefix` stay visible outside."""
    machine = _machine(target)
    parts = [_optimized_module(text, machine, True) for text in texts]
    whole = parts[0]
    for part in parts[1:]:
        whole.link_in(part)
    for value in (*whole.functions, *whole.global_variables):
        if not value.is_declaration and not value.name.startswith(prefix):
            value.linkage = "internal"
    whole.verify()
    return bytes(machine.emit_object(whole))
