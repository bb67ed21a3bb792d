"""What lowering gives: a kernel, and which tensors and sizes of the graph it works on."""

from __future__ import annotations

from dataclasses import dataclass

from graphdl.graph.nodes import Tensor
from graphdl.kernel.nodes import Kernel
from graphdl.typesystem.expression import Size


@dataclass(frozen=True, slots=True, eq=False)
class LoweredKernel:
    """`tensors[i]` is the stored tensor or leaf behind buffer i, `sizes[i]` the value of size i.

    `elsewhere`: outputs that must not be written in place, because the kernel reads the variable at
    other places than it writes.
    """

    kernel: Kernel
    tensors: tuple[Tensor, ...]
    sizes: tuple[Size, ...]
    elsewhere: frozenset[tuple[int, int]] = frozenset()
