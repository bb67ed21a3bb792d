"""A Program as one relocatable object: kernels, driver, thread pool and C interface together."""

from __future__ import annotations

from graphdl.backends.cpu.artifact import ArtifactLayout, write_artifact
from graphdl.backends.cpu.driver import number_statements, write_driver
from graphdl.backends.cpu.generate import generate, module_text
from graphdl.backends.cpu.load import compile_linked
from graphdl.backends.cpu.pool import pool_text
from graphdl.backends.cpu.recipes import tile
from graphdl.backends.cpu.target import CpuTarget
from graphdl.program.nodes import Check, Program


def build_object(
    program: Program, layout: ArtifactLayout, target: CpuTarget, numerics: str
) -> bytes:
    """Object code that exports the functions of `layout.name` and nothing else."""
    tiled = {name: tile(kernel, target, numerics) for name, kernel in program.kernels.items()}
    texts: dict[str, None] = {}
    for kernel in tiled.values():
        for function in kernel.functions:
            texts[function if isinstance(function, str) else generate(function, target)] = None
    driver, _ = write_driver(program, tiled, ())
    modules = [module_text([text], target) for text in texts]
    modules += [driver, pool_text(), write_artifact(layout)]
    return compile_linked(modules, target, prefix=f"{layout.name}_")


def statement_messages(program: Program) -> dict[int, str]:
    """What a failing statement means, by its number."""
    statements = enumerate(number_statements(program), 1)
    return {number: each.message for number, each in statements if isinstance(each, Check)}
