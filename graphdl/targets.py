"""What a program can be compiled for. LLVM and Triton are heavy, so a backend is loaded by name
when it is first needed; this is the only place that does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from graphdl.config import settings
from graphdl.errors import ArgumentError, TargetError
from graphdl.program.nodes import Program

TARGETS = ("cpu", "cuda", "reference")
"""Native code for this processor, Triton kernels, and the NumPy interpreter."""

CAPABILITY = 80
"""The compute capability whose PTX the "ptx" stage shows."""


class Stages(Mapping[str, str]):
    """The text of each stage by name, made when it is read."""

    def __init__(self, texts: Mapping[str, Callable[[], str]]) -> None:
        self._texts = dict(texts)

    def __getitem__(self, name: str) -> str:
        if name not in self._texts:
            raise ArgumentError(
                f"no stage is called {name!r}", hint=f"use {', '.join(self._texts)}"
            )
        return self._texts[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

    def __repr__(self) -> str:
        return f"Stages({', '.join(self._texts)})"


def generate_code(program: Program, target: str, numerics: str) -> Any:
    """The NativeProgram of a program; None for the interpreter.

    Raises TargetError for an unknown target, and for "cuda" where Triton or a GPU is missing.
    """
    match target:
        case "reference":
            return None
        case "cpu":
            backend = import_module("graphdl.backends.cpu.compile")
            processor = import_module("graphdl.backends.cpu.target")
            chosen = processor.parse_target(settings().cpu_target)
            return backend.compile_program(program, chosen, numerics)
        case "cuda":
            return _require_gpu()
    raise TargetError(f"there is no target {target!r}", hint=f"use {', '.join(TARGETS)}")


def _require_gpu() -> None:
    hint = 'use target="cpu"; its stages["triton"] and stages["ptx"] show the GPU code'
    if find_spec("triton") is None:
        raise TargetError('target "cuda" needs triton, which is not installed', hint=hint)
    raise TargetError('target "cuda" cannot launch kernels yet', hint=hint)


def code_texts(program: Program, native: Any) -> dict[str, Callable[[], str]]:
    """The stages below the program: what the processor runs, and what a GPU would."""
    texts: dict[str, Callable[[], str]] = {}
    if native is not None:
        texts["llvm"] = lambda: str(native.llvm)
        texts["assembly"] = lambda: str(native.assembly())
    texts["triton"] = lambda: "\n".join(each.source for each in _triton_functions(program))
    texts["ptx"] = lambda: "\n".join(_ptx(each) for each in _triton_functions(program))
    return texts


def _triton_functions(program: Program) -> list[Any]:
    generator = import_module("graphdl.backends.triton.generate")
    found = [generator.generate(kernel) for kernel in program.kernels.values()]
    return [function for functions in found for function in functions]


def _ptx(function: Any) -> str:
    if find_spec("triton") is None:
        raise TargetError("the ptx stage needs triton, which is not installed")
    adapter = import_module("graphdl.backends.triton.adapter")
    compiled = adapter.compile_function(
        function.name,
        function.source,
        function.signature,
        function.constants,
        capability=CAPABILITY,
        warps=function.warps,
        stages=function.stages,
    )
    return str(compiled.ptx)
