"""The one module that imports triton: source text to PTX and cubin, without a GPU.

Nothing here launches: Triton's own launcher, autotuner and driver are not used. The calling
convention of a compiled function is its runtime arguments in source order (constexprs dropped),
then two u64 scratch addresses, global and profile, that are 0 when their sizes are 0.
"""

from __future__ import annotations

import linecache
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from graphdl.errors import TargetError

ALIGNMENT = 16
"""Bytes that every buffer's address is a multiple of, which makes wide loads possible."""

SHARED_BYTES = {80: 163 * 1024, 90: 227 * 1024}
"""Shared memory that one program may use, by compute capability."""


@dataclass(frozen=True, slots=True)
class CompiledFunction:
    """A cubin with what a launch needs to know."""

    name: str
    capability: int
    ptx: str
    cubin: bytes
    warps: int
    shared_bytes: int
    global_scratch_bytes: int
    profile_scratch_bytes: int
    triton_version: str


def load_function(name: str, source: str) -> Any:
    """The `@triton.jit` function called `name` in a source text."""
    file = f"<graphdl {name} {hash(source):x}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    namespace: dict[str, Any] = {"__name__": "graphdl_triton_source"}
    exec(compile(source, file, "exec"), namespace)
    return namespace[name]


def compile_function(
    name: str,
    source: str,
    signature: dict[str, str],
    constants: dict[str, int],
    *,
    capability: int,
    warps: int,
    stages: int,
) -> CompiledFunction:
    """Compile one function for a compute capability (80 or 90).

    Raises TargetError when Triton rejects it, or when it needs more shared memory than the GPU has.
    """
    function = load_function(name, source)
    order = list(signature)
    attributes = {
        (order.index(argument),): [["tt.divisibility", ALIGNMENT]]
        for argument, kind in signature.items()
        if kind.startswith("*")
    }
    constexprs = {(order.index(argument),): value for argument, value in constants.items()}
    tree = ASTSource(function, signature, constexprs, attributes)
    options = {"num_warps": warps, "num_stages": stages, "enable_fp_fusion": False}
    try:
        compiled = triton.compile(tree, target=GPUTarget("cuda", capability, 32), options=options)
    except Exception as failure:
        reason = str(failure).strip().splitlines()[-1:] or [type(failure).__name__]
        raise TargetError(f"triton cannot compile {name}: {reason[0]}") from failure
    metadata = compiled.metadata
    if metadata.shared > SHARED_BYTES.get(capability, min(SHARED_BYTES.values())):
        raise TargetError(f"{name} needs {metadata.shared} bytes of shared memory")
    return CompiledFunction(
        name=name,
        capability=capability,
        ptx=compiled.asm["ptx"],
        cubin=compiled.asm["cubin"],
        warps=metadata.num_warps,
        shared_bytes=metadata.shared,
        global_scratch_bytes=getattr(metadata, "global_scratch_size", 0) or 0,
        profile_scratch_bytes=getattr(metadata, "profile_scratch_size", 0) or 0,
        triton_version=triton.__version__,
    )


@dataclass(frozen=True, slots=True)
class Resources:
    """What one program of a cubin takes: registers per thread, and stack bytes (spills)."""

    registers: int
    stack_bytes: int


def read_resources(compiled: CompiledFunction) -> Resources:
    """Registers and spills of a cubin, from the disassembler that triton ships."""
    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(compiled.cubin)
        file.flush()
        command = [str(tool), "-res-usage", file.name]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    fields = dict(part.split(":", 1) for part in text.split() if part.count(":") == 1)
    return Resources(int(fields["REG"]), int(fields["STACK"]))
