"""A program's LLVM modules: recipes, generation and the driver.

Loaded by compile.py only when code has to be made or shown; a program in the cache needs none.
"""

from __future__ import annotations

from collections.abc import Mapping

from graphdl.backends.cpu.driver import number_statements, write_driver
from graphdl.backends.cpu.entry_tables import plan_entry
from graphdl.backends.cpu.generate import generate, module_text
from graphdl.backends.cpu.load import assembly
from graphdl.backends.cpu.program_key import canonical
from graphdl.backends.cpu.recipes import tile
from graphdl.backends.cpu.target import CpuTarget
from graphdl.backends.cpu.tiled import TiledKernel
from graphdl.kernel.nodes import Kernel
from graphdl.program.nodes import Launch, Program


def tile_all(program: Program, target: CpuTarget, numerics: str) -> dict[str, TiledKernel]:
    """What the recipes make of each kernel that the program launches."""
    launched = {each.kernel for each in number_statements(program) if isinstance(each, Launch)}
    return {
        name: _tiled(canonical(kernel), target, numerics)
        for name, kernel in program.kernels.items()
        if name in launched
    }


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


def write_modules(
    program: Program, tiled: Mapping[str, TiledKernel], target: CpuTarget, numerics: str
) -> tuple[str, ...]:
    """The LLVM modules: the driver, then every distinct function of the kernels."""
    plan = plan_entry(program)
    driver, _ = write_driver(program, tiled, plan.dimensions)
    functions = (each for kernel in tiled.values() for each in kernel.functions)
    texts = dict.fromkeys(_function_text(each, target, numerics) for each in functions)
    return (driver, *texts)


def write_assembly(modules: tuple[str, ...], target: CpuTarget) -> str:
    """Assembly text of modules, for reading."""
    return "\n".join(assembly(module, target) for module in modules)
