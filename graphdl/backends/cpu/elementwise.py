"""Lanes over a parallel axis: elementwise kernels, column reductions, scans along another axis.

The axis with the most unit strides becomes VECTOR lanes; the other parallel axes become tasks, or,
where there are none, blocks of the axis itself. Main loop without masks, then a masked tail:

    parallel i0 in 0:n0                parallel t in 0:(n0+1023)//1024
        b1[i0] = exp(b0[i0])               serial j in t*1024:min(n0//32*32, t*1024+1024) step 32
                                               vector v in 0:32
                                                   b1[j+v] = exp(b0[j+v])
                                           serial j in max(n0//32*32, t*1024):min(n0, …) step 16
                                               vector v in 0:16
                                                   b1[j+v] = exp(b0[j+v] if j+v < n0) if j+v < n0
"""

from __future__ import annotations

from collections.abc import Sequence

from graphdl.backends.cpu.columns import Serializer
from graphdl.backends.cpu.nests import (
    Nest,
    accesses,
    comparisons_vary,
    cost,
    index_varies,
    is_heavy,
    mask_lanes,
    replace_symbols,
    stride,
    varying_symbols,
    walk,
    widest_bits,
)
from graphdl.backends.cpu.target import CpuTarget
from graphdl.backends.cpu.tiled import TiledKernel
from graphdl.kernel.nodes import (
    Allocate,
    If,
    IndexValue,
    Kernel,
    Let,
    Loop,
    LoopKind,
    Statement,
    Store,
)
from graphdl.typesystem.dtype import int64
from graphdl.typesystem.expression import (
    Comparison,
    Size,
    Symbol,
    maximum,
    minimum,
    product,
)

BLOCK = 1024
"""Elements of one task where the lanes' axis is the only one."""

_STORE_WEIGHT = 4


def tile_lanes(nest: Nest, target: CpuTarget) -> TiledKernel | None:
    """Vectorise over the best parallel axis; None when no axis allows it."""
    axis = choose_axis(nest)
    if axis is None:
        return None
    body = Serializer().body(nest.body)
    lane = axis.symbol
    native = target.lanes(widest_bits(nest))
    wide = native * unroll_factor(nest, target)
    others = tuple(loop for loop in nest.loops if loop is not axis)
    lanes = _Lanes(axis, body, native, wide)
    if others:
        task, count, lets = make_tasks(others)
        inner: tuple[Statement, ...] = (*lets, *lanes.loops(0, axis.stop))
        points = axis.stop
    else:
        task, count = Symbol("task"), (axis.stop + (BLOCK - 1)) // BLOCK
        inner = lanes.loops(task * BLOCK, minimum(axis.stop, task * BLOCK + BLOCK))
        points = minimum(axis.stop, BLOCK)
    kernel = nest.kernel
    loop = Loop(task, 0, count, 1, LoopKind.PARALLEL, inner)
    function = Kernel(kernel.name, kernel.sizes, kernel.buffers, (loop,))
    per_point = cost(nest.buffers(), nest.body, lane)
    return TiledKernel(kernel.name, (function,), count, per_point * points)


class _Lanes:
    """The loops over one range of the lanes' axis."""

    def __init__(self, axis: Loop, body: Sequence[Statement], native: int, wide: int) -> None:
        self.axis, self.body, self.native, self.wide = axis, body, native, wide

    def loops(self, start: Size, stop: Size) -> tuple[Statement, ...]:
        """Full vectors of `wide` lanes, then masked vectors of `native` lanes."""
        extent = self.axis.stop
        whole = extent // self.wide * self.wide
        made = []
        if whole != 0:
            main = self._loop("j", start, minimum(whole, stop), self.wide, False)
            made.append(main)
        if whole != extent:
            made.append(self._loop("m", maximum(whole, start), stop, self.native, True))
        return tuple(made)

    def _loop(self, name: str, start: Size, stop: Size, lanes: int, is_masked: bool) -> Loop:
        base, lane = Symbol(name), Symbol(f"{name}v")
        body = self.body
        if is_masked:
            body = mask_lanes(
                body, self.axis.symbol, Comparison(self.axis.symbol, "<", self.axis.stop)
            )
        body = replace_symbols(body, {self.axis.symbol: base + lane})
        vector = Loop(lane, 0, lanes, 1, LoopKind.VECTOR, body)
        return Loop(base, start, stop, lanes, LoopKind.SERIAL, (vector,))


def choose_axis(nest: Nest) -> Loop | None:
    """The parallel loop whose neighbouring iterations touch neighbouring elements most; None when
    there is none, or when its lanes would take different branches."""
    best: tuple[int, Loop] | None = None
    for loop in reversed(nest.loops):
        score = _score(nest, loop.symbol)
        if score is not None and (best is None or score > best[0]):
            best = (score, loop)
    return best[1] if best else None


def _score(nest: Nest, symbol: Symbol) -> int | None:
    varying = varying_symbols(nest.body, {symbol})
    for statement in walk(nest.body):
        match statement:
            case Allocate():
                return None
            case If(condition) if comparisons_vary(condition, varying):
                return None
            case Loop(_, start, stop) if index_varies((start, stop), varying):
                return None
    buffers = nest.buffers()
    score = 0
    for access in accesses(nest.body):
        step = stride(buffers[access.buffer], access.index, symbol)
        weight = _STORE_WEIGHT if isinstance(access, Store) else 1
        if step == 1:
            score += 2 * weight
        elif step != 0:
            score -= weight
    return score


def unroll_factor(nest: Nest, target: CpuTarget) -> int:
    """Vectors per iteration: several while the body is light and registers last."""
    if is_heavy(nest.body):
        return 1
    return 4 if target.vector_bits == 512 else 2


def make_tasks(loops: Sequence[Loop]) -> tuple[Symbol, Size, tuple[Let, ...]]:
    """Number the iterations of several loops: (task symbol, count, the loops' symbols from it)."""
    if len(loops) == 1:
        return loops[0].symbol, loops[0].stop, ()
    task = Symbol("task")
    lets: list[Let] = []
    rest: Symbol = task
    for position, loop in reversed(list(enumerate(loops))):
        index = rest if position == 0 else rest % loop.stop
        lets.append(Let(loop.symbol.name, IndexValue(index, int64)))
        if position:
            following = Symbol(f"rest{position}")
            lets.append(Let(following.name, IndexValue(rest // loop.stop, int64)))
            rest = following
    return task, product(loop.stop for loop in loops), tuple(lets)
