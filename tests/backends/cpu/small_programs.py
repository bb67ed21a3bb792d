"""Programs built by hand, for tests of the driver and the entry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphdl.backends.cpu.compile import Connected, compile_program
from graphdl.backends.cpu.target import CpuTarget, host_target
from graphdl.kernel.parser import parse
from graphdl.program.nodes import GuardCheck, Launch, Program, Slot, Statement, Storage, View
from graphdl.typesystem.dtype import DType, float32
from graphdl.typesystem.expression import Size, Symbol
from graphdl.typesystem.tensor_type import TensorType

N = Symbol("n")

INCREMENT = parse("""kernel increment(n0)
    read b0: float32[n0]
    write b1: float32[n0]
    parallel i0 in 0:n0
        b1[i0] = (b0[i0] + float32(1.0))
""")

POSITIVE = parse("""kernel positive(n0)
    read b0: float32[n0]
    write b1: bool[n0]
    parallel i0 in 0:n0
        b1[i0] = (b0[i0] > float32(0.0))
""")

KERNELS = {"increment": INCREMENT, "positive": POSITIVE}


def vector(size: Size = N, dtype: DType = float32) -> TensorType:
    """The type of a vector."""
    return TensorType(dtype, (size,))


def view(storage: Storage, position: int = 0, offset: Size = 0, size: Size = N,
         dtype: DType = float32) -> View:  # fmt: skip
    """A vector in a storage."""
    return View(storage, position, offset, vector(size, dtype))


def increment(source: View, target: View, size: Size = N) -> Launch:
    """target = source + 1."""
    return Launch("increment", (source, target), (size,))


def program(
    statements: tuple[Statement, ...],
    *,
    inputs: tuple[TensorType, ...] = (vector(),),
    outputs: tuple[TensorType, ...] = (vector(),),
    variables: tuple[Slot, ...] = (),
    constants: tuple[Slot, ...] = (),
    sizes: tuple[Symbol, ...] = (N,),
    guards: tuple[GuardCheck, ...] = (),
    arena_bytes: Size = 0,
) -> Program:
    """A program over vectors."""
    return Program(
        "test",
        sizes,
        tuple(Slot(f"x{number}", each) for number, each in enumerate(inputs)),
        tuple(Slot(f"y{number}", each) for number, each in enumerate(outputs)),
        variables,
        constants,
        guards,
        arena_bytes,
        KERNELS,
        statements,
    )


def connect(made: Program, fallback: Callable[..., Any] | None = None, *,
            target: CpuTarget | None = None, **options: Any) -> Connected:  # fmt: skip
    """The program's callables; unusual arguments give ("fallback", number of arguments)."""
    native = compile_program(made, target or host_target())
    return native.connect(fallback or (lambda *given: ("fallback", len(given))), **options)


def numbers(count: int) -> np.ndarray[Any, Any]:
    """0, 1, 2, … as float32."""
    return np.arange(count, dtype=np.float32)
