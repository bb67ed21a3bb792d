"""One point at a time: what no other recipe can vectorise, such as scatters into one place."""

from __future__ import annotations

from graphdl.backends.cpu.columns import Serializer
from graphdl.backends.cpu.elementwise import make_tasks
from graphdl.backends.cpu.nests import Nest, cost
from graphdl.backends.cpu.tiled import TiledKernel
from graphdl.kernel.nodes import Kernel, Loop, LoopKind
from graphdl.typesystem.expression import Size, Symbol

_SCALAR = 8
"""How many lanes' worth of time a scalar instruction takes."""


def tile_scalars(nest: Nest) -> TiledKernel:
    """Parallel axes as tasks, everything else as plain loops. Takes every tiled kernel."""
    body = Serializer().body(nest.body)
    task, count = Symbol("task"), 1
    size: Size = count
    if nest.loops:
        task, size, lets = make_tasks(nest.loops)
        body = (*lets, *body)
    kernel = nest.kernel
    loop = Loop(task, 0, size, 1, LoopKind.PARALLEL, body)
    function = Kernel(kernel.name, kernel.sizes, kernel.buffers, (loop,))
    per_task = cost(nest.buffers(), nest.body, None) * _SCALAR
    return TiledKernel(kernel.name, (function,), size, per_task)
