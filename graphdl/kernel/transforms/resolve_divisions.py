"""Floor divisions and remainders in subscripts go: buffers and axes get the shapes that fit.

Why: a division costs tens of cycles for each element and hides that neighbours are neighbours in
memory. They come from reshapes inside a group.

    before   read b0: float32[n0, 28, 28]          after   read b0: float32[n0, 28, 28]
             write b1: float32[n0, 784]                    write b1: float32[n0, 28, 28]
             parallel i0 in 0:n0                           parallel i0 in 0:n0
                 parallel i1 in 0:784                          parallel i1 in 0:28
                                                                   parallel i2 in 0:28
                     b1[i0, i1] = b0[i0, i1%28, i1//28]                b1[i0, i1, i2] = b0[i0, i2, i1]

Three moves, each made only where it leaves fewer divisions (the last: none): axes of a buffer become
one; one axis of the nest becomes two; an axis of a buffer that is walked as c*i + j becomes two.

Ensures: the same values in the same order of every fold. Buffers are dense, so their new shapes are
views of the same memory. Divisions that no move removes stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from graphdl.kernel.nodes import Axis, Buffer, Kernel, Load, Loop, Statement, Store, Sweep
from graphdl.kernel.rewriting import Rewriter
from graphdl.typesystem.expression import (
    FloorDivide,
    Maximum,
    Minimum,
    Modulo,
    Size,
    Symbol,
    add,
    floor_divide,
    free_symbols,
    modulo,
    multiply,
    substitute,
    terms_of,
)
from graphdl.typesystem.ranges import Range
from graphdl.typesystem.simplify import simplify

Index = tuple[Size, ...]
Access = tuple[str, Index]


def resolve_divisions(kernel: Kernel) -> Kernel:
    """`kernel` with as few divisions in its subscripts as reshaping can reach; the kernel itself
    when it has none or none can go."""
    nest = _Nest(kernel)
    if nest.divisions():
        nest.merge_buffer_axes()
        nest.split_axes()
    nest.split_buffer_axes()
    if not nest.is_changed:
        return kernel
    rebuilder = _Rebuilder(nest)
    buffers = tuple(map(rebuilder.buffer, kernel.buffers))
    return replace(kernel, buffers=buffers, body=rebuilder.body(kernel.body))
