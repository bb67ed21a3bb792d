"""Adjacent axes that every access walks contiguously become one axis.

Why: one long loop vectorises and splits over threads better than two short ones, and equal nests of
different rank become equal text.

    before   read b0: float32[n0, n1]        after   read b0: float32[n0*n1]
             parallel i0 in 0:n0                     parallel i0 in 0:n0*n1
                 parallel i1 in 0:n1                     b1[i0] = exp(b0[i0])
                     b1[i0, i1] = exp(b0[i0, i1])

Requires: PARALLEL loops from 0 by 1, as in the tiled form. Ensures: the same values and the same order of
every fold: axes of a Sweep merge too, row-major, so its points keep their numbers. Argument
buffers are dense, so their new shapes are views of the same memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from graphdl.kernel.nodes import (
    Accumulator,
    Allocate,
    Axis,
    Buffer,
    Kernel,
    Load,
    Loop,
    LoopKind,
    Statement,
    Store,
    Sweep,
    Value,
)
from graphdl.kernel.rewriting import Rewriter
from graphdl.typesystem.expression import Size, Symbol, free_symbols

Pair = tuple[Symbol, Symbol]
Place = tuple[str, int]


def collapse_axes(kernel: Kernel) -> Kernel:
    """Drop buffer axes of extent 1, then merge until no two adjacent axes can be merged. Returns
    `kernel` itself if there is nothing to do."""
    kernel = _squeeze(kernel)
    while True:
        uses = _Uses(kernel)
        merges = _find_merges(uses)
        if not merges:
            return kernel
        kernel = _apply(kernel, merges, uses.extents)


def _squeeze(kernel: Kernel) -> Kernel:
    ones = {
        (buffer.name, place)
        for buffer in kernel.buffers
        for place, size in enumerate(buffer.shape)
        if size == 1
    }
    if not ones:
        return kernel
    buffers = tuple(
        replace(buffer, shape=tuple(size for size in buffer.shape if size != 1))
        for buffer in kernel.buffers
    )
    return replace(kernel, buffers=buffers, body=_Squeezer(ones).body(kernel.body))


class _Squeezer(Rewriter):
    """Drops the subscripts at some places; they can only be 0."""

    def __init__(self, ones: set[Place]) -> None:
        self.ones = ones

    def _kept(self, buffer: str, index: tuple[Size, ...]) -> tuple[Size, ...]:
        return tuple(
            size for place, size in enumerate(index) if (buffer, place) not in self.ones
        )

    def load(self, load: Load) -> Value:
        return replace(load, index=self._kept(load.buffer, load.index))

    def store(self, store: Store) -> Iterable[Statement]:
        value = self.value(store.value)
        return (replace(store, index=self._kept(store.buffer, store.index), value=value),)


class _Uses(Rewriter):
    """Which pairs of axes are nested directly, and where each pair and each symbol is used."""

    def __init__(self, kernel: Kernel) -> None:
        self.extents: dict[Symbol, Size] = {}
        self.pairs: set[Pair] = set()
        self.broken: set[Symbol] = set()  # used other than as a plain subscript
        self.bindings: list[tuple[Symbol, ...]] = []
        self.shapes: dict[str, tuple[Size, ...]] = {}
        self.accesses: list[tuple[str, tuple[Size, ...]]] = []
        for buffer in kernel.buffers:
            self.shapes[buffer.name] = buffer.shape
        self.body(kernel.body)

    def size(self, size: Size) -> Size:
        self.broken |= free_symbols(size)
        return size

    def load(self, load: Load) -> Value:
        self._access(load.buffer, load.index)
        self.comparisons(load.mask)
        return load

    def store(self, store: Store) -> Iterable[Statement]:
        self._access(store.buffer, store.index)
        self.comparisons(store.mask)
        self.value(store.value)
        return (store,)

    def _access(self, buffer: str, index: tuple[Size, ...]) -> None:
        self.accesses.append((buffer, index))
        for size in index:
            if not isinstance(size, Symbol):
                self.broken |= free_symbols(size)

    def buffer(self, buffer: Buffer) -> Buffer:
        self.shapes[buffer.name] = buffer.shape
        return buffer

    def loop(self, loop: Loop) -> Iterable[Statement]:
        self._bind(loop.symbol, loop.stop)
        self.size(loop.start)
        self.size(loop.stop)
        (*_, inner) = loop.body or (None,)
        is_plain = loop.kind is LoopKind.PARALLEL and loop.start == 0 and loop.step == 1
        if not is_plain:
            self.broken.add(loop.symbol)
        elif len(loop.body) == 1 and isinstance(inner, Loop) and inner.kind is LoopKind.PARALLEL:
            self.pairs.add((loop.symbol, inner.symbol))
        return super().loop(loop)

    def sweep(self, sweep: Sweep) -> Iterable[Statement]:
        symbols = tuple(axis.symbol for axis in sweep.axes)
        for axis in sweep.axes:
            self._bind(axis.symbol, axis.extent)
        self.bindings.append(symbols)
        self.pairs.update(zip(symbols, symbols[1:], strict=False))
        return super().sweep(sweep)

    def _bind(self, symbol: Symbol, extent: Size) -> None:
        if self.extents.setdefault(symbol, extent) != extent:
            self.broken.add(symbol)


def _find_merges(uses: _Uses) -> dict[Symbol, Symbol]:
    """{inner symbol: outer symbol} for merges that can be done at once."""
    good = {
        pair
        for pair in uses.pairs
        if not uses.broken.intersection(pair) and _is_always_together(pair, uses.bindings)
    }
    good = _without_bad(good, uses)
    outers = {outer for outer, _ in good}
    innermost = {(outer, inner) for outer, inner in good if inner not in outers}
    return {inner: outer for outer, inner in _without_bad(innermost, uses)}


def _without_bad(good: set[Pair], uses: _Uses) -> set[Pair]:
    while bad := _bad_pairs(good, uses):
        good = good - bad
    return good


def _is_always_together(pair: Pair, bindings: list[tuple[Symbol, ...]]) -> bool:
    for symbols in bindings:
        places = [symbols.index(symbol) for symbol in pair if symbol in symbols]
        if places and (len(places) == 1 or places[1] != places[0] + 1):
            return False
    return True


def _bad_pairs(good: set[Pair], uses: _Uses) -> set[Pair]:
    """Pairs that some access separates, or whose memory another access needs unmerged."""
    bad: set[Pair] = set()
    merged: dict[Place, set[Pair]] = {}
    for buffer, index in uses.accesses:
        for pair, place in _pairs_in(index, good):
            merged.setdefault((buffer, place), set()).add(pair)
            if uses.shapes[buffer][place + 1] != uses.extents[pair[1]]:
                bad.add(pair)
        bad |= {pair for pair in good if _separates(index, pair)}
    for buffer, index in uses.accesses:
        for place in range(len(index) - 1):
            pairs = merged.get((buffer, place))
            if pairs and (index[place], index[place + 1]) not in good:
                bad |= pairs
    return bad


def _pairs_in(index: tuple[Size, ...], good: set[Pair]) -> Iterator[tuple[Pair, int]]:
    for place in range(len(index) - 1):
        left, right = index[place], index[place + 1]
        if isinstance(left, Symbol) and isinstance(right, Symbol) and (left, right) in good:
            yield (left, right), place


def _separates(index: tuple[Size, ...], pair: Pair) -> bool:
    """Whether the subscript has one of the pair without the other right beside it."""
    outer = [place for place, size in enumerate(index) if size == pair[0]]
    inner = [place - 1 for place, size in enumerate(index) if size == pair[1]]
    return outer != inner


class _Merger(Rewriter):
    """Drops the inner axis of every merge; the outer one runs over both."""

    def __init__(self, merges: dict[Symbol, Symbol], extents: dict[Symbol, Size]) -> None:
        self.merges = merges
        self.inner_of = {outer: inner for inner, outer in merges.items()}
        self.extents = extents
        self.places: set[Place] = set()

    def sizes_at(self, buffer: str, index: tuple[Size, ...]) -> tuple[Size, ...]:
        kept: list[Size] = []
        for place, size in enumerate(index):
            if isinstance(size, Symbol) and size in self.merges:
                self.places.add((buffer, place - 1))
            else:
                kept.append(size)
        return tuple(kept)

    def load(self, load: Load) -> Value:
        return replace(load, index=self.sizes_at(load.buffer, load.index))

    def store(self, store: Store) -> Iterable[Statement]:
        value = self.value(store.value)
        return (replace(store, index=self.sizes_at(store.buffer, store.index), value=value),)

    def _merged(self, symbol: Symbol, extent: Size) -> Size:
        inner = self.inner_of.get(symbol)
        return extent if inner is None else extent * self.extents[inner]

    def loop(self, loop: Loop) -> Iterable[Statement]:
        if loop.symbol in self.merges:
            return self.body(loop.body)
        stop = self._merged(loop.symbol, loop.stop)
        return super().loop(replace(loop, stop=stop))

    def sweep(self, sweep: Sweep) -> Iterable[Statement]:
        axes = tuple(
            Axis(axis.symbol, self._merged(axis.symbol, axis.extent))
            for axis in sweep.axes
            if axis.symbol not in self.merges
        )
        body = self.body(sweep.body)
        accumulators: tuple[Accumulator, ...] = tuple(map(self.accumulator, sweep.accumulators))
        return (Sweep(axes, body, accumulators),)


class _Reshaper(Rewriter):
    """Gives buffers their merged shapes."""

    def __init__(self, places: set[Place]) -> None:
        self.places = places

    def buffer(self, buffer: Buffer) -> Buffer:
        shape = list(buffer.shape)
        for place in range(len(shape) - 2, -1, -1):
            if (buffer.name, place) in self.places:
                shape[place : place + 2] = [shape[place] * shape[place + 1]]
        return buffer if len(shape) == len(buffer.shape) else replace(buffer, shape=tuple(shape))

    def statement(self, statement: Statement) -> Iterable[Statement]:
        match statement:
            case Allocate(buffer):
                return (Allocate(self.buffer(buffer)),)
            case Loop() | Sweep():
                return (replace(statement, body=self.body(statement.body)),)
        return (statement,)


def _apply(kernel: Kernel, merges: dict[Symbol, Symbol], extents: dict[Symbol, Size]) -> Kernel:
    merger = _Merger(merges, extents)
    body = merger.body(kernel.body)
    reshaper = _Reshaper(merger.places)
    buffers = tuple(map(reshaper.buffer, kernel.buffers))
    return replace(kernel, buffers=buffers, body=reshaper.body(body))
