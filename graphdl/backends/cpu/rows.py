"""Lanes along a row: several sweeps over the same axis of each task's row.

The points of a sweep become chunks of LANES, cut into vectors; each partial of an INTERLEAVED
accumulator is one lane of a register, so that the order is the same at every vector width:

    sweep i1 in n1                         allocate p: float32[64] in registers, all 0
        fold s0 = add(b0[i0, i1])          serial k in 0:n1//64
                                               unroll u in 0:4, vector v in 0:16
                                                   p[16*u+v] = p[16*u+v] + b0[i0, 64*k+16*u+v]
                                           the same once more, masked, for the last n1 % 64 points
                                           s0 = halving tree of p
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from graphdl.backends.cpu.columns import (
    PAIRS,
    Serializer,
    identity,
    needs_partials,
    point_number,
)
from graphdl.backends.cpu.elementwise import make_tasks, unroll_factor
from graphdl.backends.cpu.nests import (
    Nest,
    comparisons_vary,
    cost,
    index_varies,
    is_heavy,
    mask_lanes,
    mask_loads,
    replace_symbols,
    varying_symbols,
    walk,
    widest_bits,
)
from graphdl.backends.cpu.target import CpuTarget
from graphdl.backends.cpu.tiled import TiledKernel
from graphdl.kernel.nodes import (
    LANES,
    Accumulator,
    Allocate,
    Axis,
    Binary,
    Buffer,
    Condition,
    Fold,
    If,
    Kernel,
    Load,
    Loop,
    LoopKind,
    Order,
    Select,
    Space,
    Statement,
    Store,
    Sweep,
    Value,
    Variable,
)
from graphdl.typesystem.expression import Comparison, Size, Symbol

Masks = tuple[Comparison, ...]


def tile_rows(nest: Nest, target: CpuTarget) -> TiledKernel:
    """Parallel axes as tasks; each sweep in lanes along its last axis."""
    native = target.lanes(widest_bits(nest))
    lanes = min(LANES, native * unroll_factor(nest, target))
    body = _Rows(min(native, LANES), lanes).body(nest.body)
    size: Size = 1
    task = Symbol("task")
    if nest.loops:
        task, size, lets = make_tasks(nest.loops)
        body = (*lets, *body)
    kernel = nest.kernel
    loop = Loop(task, 0, size, 1, LoopKind.PARALLEL, body)
    function = Kernel(kernel.name, kernel.sizes, kernel.buffers, (loop,))
    return TiledKernel(kernel.name, (function,), size, cost(nest.buffers(), nest.body, None))


@dataclass(frozen=True, slots=True)
class _Partials:
    """An accumulator and the register buffer of its partials."""

    accumulator: Accumulator
    buffer: Buffer

    def start(self, index: Size) -> Store:
        """Set one partial to the identity."""
        start = identity(self.accumulator.reducer, self.buffer.dtype)
        return Store(self.buffer.name, (index,), start)

    def join(self, index: Size, mask: Masks = ()) -> Store:
        """Fold the point's value into its partial; where the mask fails, the identity instead,
        which changes no partial: a sum that starts from +0 is never -0."""
        current = Load(self.buffer.name, (index,), self.buffer.dtype)
        value = self.accumulator.values[0]
        if mask:
            neutral = identity(self.accumulator.reducer, self.buffer.dtype)
            value = Select(Condition(mask), value, neutral)
        return Store(self.buffer.name, (index,), Binary(self.accumulator.reducer, current, value))


class _Rows:
    """Rewrites the statements of one row."""

    def __init__(self, native: int, lanes: int) -> None:
        self.native, self.lanes = native, lanes
        self._serializer = Serializer("r")
        self._numbers = itertools.count()

    def _fresh(self, stem: str) -> str:
        return f"{stem}{next(self._numbers)}_"

    def body(self, body: Iterable[Statement]) -> tuple[Statement, ...]:
        """Statements of the vector form."""
        return tuple(made for each in body for made in self._statement(each))

    def _statement(self, statement: Statement) -> tuple[Statement, ...]:
        match statement:
            case Sweep():
                return self._sweep(statement)
            case Loop():
                inner = self.body(statement.body)
                return (replace(statement, kind=LoopKind.SERIAL, body=inner),)
            case If(condition, body, otherwise):
                return (If(condition, self.body(body), self.body(otherwise)),)
        return (statement,)

    def _sweep(self, sweep: Sweep) -> tuple[Statement, ...]:
        if not _is_vectorizable(sweep):
            return self._serializer.sweep(sweep)
        if any(each.reducer in PAIRS for each in sweep.accumulators):
            return self._search(sweep)
        if not sweep.accumulators:
            return self._stores(sweep)
        return self._reduce(sweep)

    # Stores ---------------------------------------------------------------------------------------

    def _stores(self, sweep: Sweep) -> tuple[Statement, ...]:
        """A sweep that folds nothing: lanes along the last axis, loops over the others."""
        axis = sweep.axes[-1]
        whole = axis.extent // self.lanes * self.lanes
        made: tuple[Statement, ...] = ()
        if whole != 0:
            made += (self._store_loop(sweep.body, axis, 0, whole, self.lanes),)
        if whole != axis.extent:
            mask = Comparison(axis.symbol, "<", axis.extent)
            masked = mask_lanes(sweep.body, axis.symbol, mask)
            made += (self._store_loop(masked, axis, whole, axis.extent, self.native),)
        for outer in reversed(sweep.axes[:-1]):
            made = (Loop(outer.symbol, 0, outer.extent, 1, LoopKind.SERIAL, made),)
        return made

    def _store_loop(
        self, body: Sequence[Statement], axis: Axis, start: Size, stop: Size, lanes: int
    ) -> Loop:
        base, lane = Symbol(self._fresh("j")), Symbol(self._fresh("v"))
        placed = replace_symbols(body, {axis.symbol: base + lane})
        vector = Loop(lane, 0, lanes, 1, LoopKind.VECTOR, placed)
        return Loop(base, start, stop, lanes, LoopKind.SERIAL, (vector,))

    # Folds ----------------------------------------------------------------------------------------

    def _reduce(self, sweep: Sweep) -> tuple[Statement, ...]:
        """A sweep that folds into partials."""
        partials = [
            _Partials(each, self._buffer(each, Space.REGISTER)) for each in sweep.accumulators
        ]
        body = (*sweep.body, *(each.join(0) for each in partials))
        if len(sweep.axes) > 1:
            loops = self._straddled(sweep, partials)
        elif is_heavy(body):
            loops = self._rolled(sweep, partials)
        else:
            loops = self._unrolled(sweep, partials)
        folds = (
            Fold(each.accumulator.names[0], each.accumulator.reducer, each.buffer.name)
            for each in partials
        )
        return (*(Allocate(each.buffer) for each in partials), *loops, *folds)

    def _buffer(self, accumulator: Accumulator, space: Space) -> Buffer:
        return Buffer(self._fresh("p"), accumulator.values[0].dtype, (LANES,), space)

    def _unrolled(self, sweep: Sweep, partials: Sequence[_Partials]) -> list[Statement]:
        """LANES points per iteration, partials in registers; then the last points, masked."""
        extent = sweep.axes[0].extent
        axis = sweep.axes[0]
        made: list[Statement] = [self._start(partials)]
        chunk, whole = Symbol(self._fresh("k")), extent // LANES
        if whole != 0:
            points = self._points(sweep, partials, chunk * LANES)
            made.append(Loop(chunk, 0, whole, 1, LoopKind.SERIAL, (points,)))
        if whole * LANES != extent:
            mask = Comparison(axis.symbol, "<", extent)
            tail = self._points(sweep, partials, whole * LANES, mask)
            made.append(If((Comparison(whole * LANES, "<", extent),), (tail,)))
        return made

    def _straddled(self, sweep: Sweep, partials: Sequence[_Partials]) -> list[Statement]:
        """Several axes: chunks of LANES points are aligned with the partials, so the last axis
        begins and ends within a chunk, and each chunk is masked at both ends."""
        *outer, axis = sweep.axes
        first = point_number(tuple(outer)) * axis.extent
        chunk = Symbol(self._fresh("k"))
        masks = (Comparison(0, "<=", axis.symbol), Comparison(axis.symbol, "<", axis.extent))
        points = self._points(sweep, partials, chunk * LANES - first, *masks)
        stop = (first + axis.extent + (LANES - 1)) // LANES
        loop = Loop(chunk, first // LANES, stop, 1, LoopKind.SERIAL, (points,))
        for each in reversed(outer):
            loop = Loop(each.symbol, 0, each.extent, 1, LoopKind.SERIAL, (loop,))
        return [self._start(partials), loop]

    def _start(self, partials: Sequence[_Partials]) -> Loop:
        return self._chunk(lambda index: tuple(each.start(index) for each in partials))

    def _rolled(self, sweep: Sweep, partials: Sequence[_Partials]) -> list[Statement]:
        """One vector per iteration, partials in memory: a long body is compiled twice only."""
        extent = sweep.axes[0].extent
        kept = [
            replace(each, buffer=self._buffer(each.accumulator, Space.THREAD)) for each in partials
        ]
        whole = extent // self.native * self.native
        loops = []
        if whole != 0:
            loops.append(self._vectors(sweep, kept, 0, whole, is_masked=False))
        if whole != extent:
            loops.append(self._vectors(sweep, kept, whole, extent, is_masked=True))
        return [
            *(Allocate(each.buffer) for each in kept),
            self._start(kept),
            *loops,
            self._chunk(lambda index: _copies(kept, partials, index)),
        ]

    def _vectors(
        self, sweep: Sweep, partials: Sequence[_Partials], start: Size, stop: Size, is_masked: bool
    ) -> Loop:
        axis = sweep.axes[0]
        base, lane = Symbol(self._fresh("j")), Symbol(self._fresh("v"))
        mask = (Comparison(axis.symbol, "<", axis.extent),) if is_masked else ()
        body = self._masked_body(sweep, partials, base % LANES + lane, mask)
        placed = replace_symbols(body, {axis.symbol: base + lane})
        vector = Loop(lane, 0, self.native, 1, LoopKind.VECTOR, placed)
        return Loop(base, start, stop, self.native, LoopKind.SERIAL, (vector,))

    def _masked_body(
        self, sweep: Sweep, partials: Sequence[_Partials], place: Size, mask: Masks
    ) -> tuple[Statement, ...]:
        """The sweep's body and the joins; masked, the joins select and the rest is masked."""
        joins = tuple(each.join(place, mask) for each in partials)
        if not mask:
            return (*sweep.body, *joins)
        lane = sweep.axes[-1].symbol
        varying = varying_symbols(sweep.body, {lane})
        values = tuple(mask_loads(join, varying, {join.buffer}, *mask) for join in joins)
        return (*mask_lanes(sweep.body, lane, *mask), *values)

    def _chunk(self, make: Callable[[Size], tuple[Statement, ...]]) -> Loop:
        """LANES partials: vectors of lanes, unrolled."""
        part, lane = Symbol(self._fresh("u")), Symbol(self._fresh("v"))
        body = make(part * self.lanes + lane)
        vector = Loop(lane, 0, self.lanes, 1, LoopKind.VECTOR, body)
        return Loop(part, 0, LANES // self.lanes, 1, LoopKind.UNROLL, (vector,))

    def _points(
        self, sweep: Sweep, partials: Sequence[_Partials], base: Size, *mask: Comparison
    ) -> Loop:
        """Fold LANES points of the last axis from `base` into the partials."""
        axis = sweep.axes[-1]
        part, lane = Symbol(self._fresh("u")), Symbol(self._fresh("v"))
        index = part * self.lanes + lane
        body = self._masked_body(sweep, partials, index, mask)
        placed = replace_symbols(body, {axis.symbol: base + index})
        vector: Statement = Loop(lane, 0, self.lanes, 1, LoopKind.VECTOR, placed)
        if mask:
            is_before = Comparison(base + part * self.lanes, "<", axis.extent)
            vector = If((is_before,), (vector,))
        return Loop(part, 0, LANES // self.lanes, 1, LoopKind.UNROLL, (vector,))

    # argmax ---------------------------------------------------------------------------------------

    def _search(self, sweep: Sweep) -> tuple[Statement, ...]:
        """argmax as two sweeps: the maximum, then the smallest index where it is."""
        firsts: list[Accumulator] = []
        seconds: list[Accumulator] = []
        for each in sweep.accumulators:
            if each.reducer not in PAIRS:
                firsts.append(each)
                continue
            extreme = "maximum" if each.reducer == "argmax" else "minimum"
            value, index = each.values
            first = Accumulator(each.names[:1], extreme, (value,), Order.INTERLEAVED)
            best = Variable(each.names[0], value.dtype)
            found: Value = Binary("equal", value, best)
            if value.dtype.is_floating:
                both_nan = Binary(
                    "bitwise_and",
                    Binary("not_equal", value, value),
                    Binary("not_equal", best, best),
                )
                found = Binary("bitwise_or", found, both_nan)
            none = identity("minimum", index.dtype)
            firsts.append(first)
            place = Select(found, index, none)
            seconds.append(Accumulator(each.names[1:], "minimum", (place,), Order.INTERLEAVED))
        quiet = tuple(each for each in sweep.body if not isinstance(each, Store))
        return (
            *self._reduce(replace(sweep, accumulators=tuple(firsts))),
            *self._reduce(Sweep(sweep.axes, quiet, tuple(seconds))),
        )


def _copies(
    sources: Sequence[_Partials], targets: Sequence[_Partials], index: Size
) -> tuple[Statement, ...]:
    return tuple(
        Store(target.buffer.name, (index,), Load(source.buffer.name, (index,), source.buffer.dtype))
        for source, target in zip(sources, targets, strict=True)
    )


def _is_vectorizable(sweep: Sweep) -> bool:
    """Whether lanes may run along the sweep: nothing in it branches by point or sweeps again, and
    every sum is INTERLEAVED."""
    symbols = {axis.symbol for axis in sweep.axes}
    varying = varying_symbols(sweep.body, symbols)
    for statement in walk(sweep.body):
        match statement:
            case Sweep():
                return False
            case If(condition) if comparisons_vary(condition, varying):
                return False
            case Loop(_, start, stop) if index_varies((start, stop), varying):
                return False
    return all(needs_partials(each) or each.reducer in PAIRS for each in sweep.accumulators)
