"""Lanes over a parallel axis: elementwise kernels, column reductions, scans along another axis.

The axis with the most unit strides becomes VECTOR lanes; the other parallel axes become tasks, and
blocks of the axis itself where there are none, or where each point is long. Main loop without
masks, then a masked tail:

    parallel i0 in 0:n0            parallel t in 0:(n0+1023)//1024
        b1[i0] = abs(b0[i0])           serial j in t*1024:min(n0//32*32, t*1024+1024) step 32
                                           vector v in 0:32
                                               b1[j+v] = abs(b0[j+v])
                                       serial m in max(n0//32*32, t*1024):min(n0, …) step 16
                                           vector v in 0:16
                                               b1[m+v] = abs(b0[m+v]), both only where m+v < n0
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

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
    LANES,
    Allocate,
    If,
    IndexValue,
    Kernel,
    Let,
    Loop,
    LoopKind,
    Statement,
    Store,
    Sweep,
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

ROWS = 16
"""Iterations of a crossing axis that one task runs: float32 elements of a cache line."""

_STORE_WEIGHT = 4


def tile_lanes(nest: Nest, target: CpuTarget) -> TiledKernel | None:
    """Vectorise over the best parallel axis; None when no axis allows it."""
    axis = choose_axis(nest)
    if axis is None:
        return None
    is_flat = not any(isinstance(each, Sweep | Loop) for each in walk(nest.body))
    crossing = _crossing_axis(nest, axis) if is_flat else None
    native = target.lanes(widest_bits(nest))
    wide = native if crossing else max(native, min(LANES, native * unroll_factor(nest, target)))
    tasks = [_blocked(loop, ROWS) if loop is crossing else loop
             for loop in nest.loops if loop is not axis]  # fmt: skip
    size = BLOCK if is_flat else wide
    is_blocked = not tasks or not is_flat
    if is_blocked:
        tasks.append(_blocked(axis, size))
    lanes = _Lanes(axis, Serializer().body(nest.body), native, wide, crossing)
    task, count, lets = make_tasks(tasks)
    inner = lanes.loops(*(_block_range(axis, size) if is_blocked else (0, axis.stop)))
    loop = Loop(task, 0, count, 1, LoopKind.PARALLEL, (*lets, *inner))
    kernel = nest.kernel
    function = Kernel(kernel.name, kernel.sizes, kernel.buffers, (loop,))
    points = minimum(axis.stop, size) if is_blocked else axis.stop
    if crossing is not None:
        points = points * minimum(ROWS, crossing.stop)
    per_point = cost(nest.buffers(), nest.body, axis.symbol)
    return TiledKernel(kernel.name, (function,), count, per_point * points)


def _blocked(loop: Loop, size: int) -> Loop:
    """The loop over blocks of a loop's iterations."""
    return replace(loop, symbol=_block_symbol(loop), stop=(loop.stop + (size - 1)) // size)


def _block_symbol(loop: Loop) -> Symbol:
    return Symbol(f"{loop.symbol.name}_block")


def _block_range(loop: Loop, size: int) -> tuple[Size, Size]:
    """Where a block of the loop starts and stops."""
    start = _block_symbol(loop) * size
    return start, minimum(loop.stop, start + size)


class _Lanes:
    """The loops over one range of the lanes' axis. A crossing axis runs inside, ROWS iterations at
    a time, so that lines of memory fetched for one row are still in cache for the next."""

    def __init__(
        self,
        axis: Loop,
        body: Sequence[Statement],
        native: int,
        wide: int,
        crossing: Loop | None = None,
    ) -> None:
        self.axis, self.body, self.native, self.wide = axis, body, native, wide
        self.crossing = crossing

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
        symbol, body = self.axis.symbol, self.body
        if is_masked:
            body = mask_lanes(body, symbol, Comparison(symbol, "<", self.axis.stop))
        body = replace_symbols(body, {symbol: base + lane})
        inner = Loop(lane, 0, lanes, 1, LoopKind.VECTOR, body)
        if self.crossing is not None:
            first, last = _block_range(self.crossing, ROWS)
            inner = Loop(self.crossing.symbol, first, last, 1, LoopKind.SERIAL, (inner,))
        return Loop(base, start, stop, lanes, LoopKind.SERIAL, (inner,))


def _crossing_axis(nest: Nest, axis: Loop) -> Loop | None:
    """The parallel loop along which an access is contiguous that strides along `axis`: a
    transposition. None when there is none."""
    buffers = nest.buffers()
    for access in accesses(nest.body):
        buffer = buffers[access.buffer]
        if stride(buffer, access.index, axis.symbol) in (0, 1, None):
            continue
        for loop in nest.loops:
            if loop is not axis and stride(buffer, access.index, loop.symbol) == 1:
                return loop
    return None


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
