"""What a recipe returns: the functions of one kernel and how many tasks it has."""

from __future__ import annotations

from dataclasses import dataclass

from graphdl.kernel.nodes import Kernel
from graphdl.typesystem.expression import Size, Symbol

THREADS = Symbol("threads")
"""How many threads a call may use. Functions may have it as one more size behind the kernel's own;
it decides how the work is cut, never what comes out."""


@dataclass(frozen=True, slots=True)
class TiledKernel:
    """A kernel ready for code generation.

    `symbol` names the function to launch, `void (ptr buffers, ptr sizes, i64 begin, i64 end, ptr
    workspace)`. `functions` are vector-form kernels, or LLVM text of functions that several kernels
    share. `count`, `cost` and `workspace` are expressions over the kernel's sizes, the first two
    over THREADS as well: the number of tasks, the estimated picoseconds of one task, and the bytes
    of scratch memory of one thread.
    """

    symbol: str
    functions: tuple[Kernel | str, ...]
    count: Size
    cost: Size
    workspace: Size = 0
