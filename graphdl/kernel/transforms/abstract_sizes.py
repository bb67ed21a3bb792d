"""Extents become size symbols, so that code depends on no size.

Why: kernels that differ only in sizes then have equal text and compile once.

    before   read b0: float32[batch, 64]     after   read b0: float32[n0, n1]
             parallel i0 in 0:batch                  parallel i0 in 0:n0
                 sweep i1 in 64                          sweep i1 in n1

Ensures: every axis extent and buffer size other than 1 is a size symbol of its own, except that an
axis shares the symbol of the buffer sizes it runs over; size symbols left in indices and masks
become symbols too. Constants inside indices and masks stay.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from graphdl.kernel.nodes import (
    Axis,
    Buffer,
    Kernel,
    Let,
    Load,
    Loop,
    Statement,
    Store,
    Sweep,
    Value,
)
from graphdl.kernel.rewriting import Rewriter
from graphdl.typesystem.expression import Size, Symbol, free_symbols, substitute

Place = tuple[object, object]
"""("axis", its symbol), or (a buffer's name, the position of one of its sizes)."""


def abstract_sizes(kernel: Kernel) -> tuple[Kernel, tuple[Size, ...]]:
    """The kernel over fresh size symbols n0, n1, …, and the value of each over the old ones."""
    uses = _Uses(kernel)
    renamer = _Renamer(uses)
    buffers = tuple(map(renamer.buffer, kernel.buffers))
    body = renamer.body(kernel.body)
    sizes = tuple(Symbol(f"n{k}") for k in range(len(renamer.extents_found)))
    return replace(kernel, sizes=sizes, buffers=buffers, body=body), tuple(renamer.extents_found)


class _Uses(Rewriter):
    """Which axis runs over which sizes, as a forest of places with one root per class."""

    def __init__(self, kernel: Kernel) -> None:
        self.parents: dict[Place, Place] = {}
        self.extents: dict[Symbol, Size] = {}
        self.bound: set[Symbol] = set()
        self.shapes: dict[str, tuple[Size, ...]] = {}
        for buffer in kernel.buffers:
            self.shapes[buffer.name] = buffer.shape
        self.body(kernel.body)

    def root(self, place: Place) -> Place:
        """The place that stands for the class of `place`."""
        while (parent := self.parents.get(place, place)) != place:
            place = parent
        return place

    def buffer(self, buffer: Buffer) -> Buffer:
        self.shapes[buffer.name] = buffer.shape
        return buffer

    def _access(self, buffer: str, index: tuple[Size, ...]) -> None:
        for place, (size, extent) in enumerate(zip(index, self.shapes[buffer], strict=True)):
            if isinstance(size, Symbol) and self.extents.get(size) == extent:
                left, right = self.root(("axis", size)), self.root((buffer, place))
                self.parents[right] = left

    def load(self, load: Load) -> Value:
        self._access(load.buffer, load.index)
        return load

    def store(self, store: Store) -> Iterable[Statement]:
        self._access(store.buffer, store.index)
        self.value(store.value)
        return (store,)

    def let(self, let: Let) -> Iterable[Statement]:
        self.bound.add(Symbol(let.name))
        return super().let(let)

    def loop(self, loop: Loop) -> Iterable[Statement]:
        self.bound.add(loop.symbol)
        self.bound.update(Symbol(carry.name) for carry in loop.carried)
        if loop.start == 0:
            self._bind(loop.symbol, loop.stop)
        return super().loop(loop)

    def sweep(self, sweep: Sweep) -> Iterable[Statement]:
        for axis in sweep.axes:
            self.bound.add(axis.symbol)
            self._bind(axis.symbol, axis.extent)
        result = super().sweep(sweep)
        self.bound.update(Symbol(name) for a in sweep.accumulators for name in a.names)
        return result

    def _bind(self, symbol: Symbol, extent: Size) -> None:
        if self.extents.setdefault(symbol, extent) != extent:
            self.extents[symbol] = 1  # two extents under one name: belongs to no buffer size


class _Renamer(Rewriter):
    """Hands out size symbols in order of appearance."""

    def __init__(self, uses: _Uses) -> None:
        self.uses = uses
        self.extents_found: list[Size] = []
        self.known: dict[object, Symbol] = {}
        self.replacements: dict[Symbol, Size] = {}

    def _new(self, key: object, value: Size) -> Symbol:
        symbol = Symbol(f"n{len(self.extents_found)}")
        self.extents_found.append(value)
        self.known[key] = symbol
        if isinstance(value, Symbol):
            self.replacements.setdefault(value, symbol)
        return symbol

    def extent(self, place: Place, value: Size) -> Size:
        """The symbol for an extent at a place, unless it is 1 or varies inside the kernel."""
        if value == 1:
            return value
        if not isinstance(value, int) and free_symbols(value) & self.uses.bound:
            return self.size(value)
        key = (self.uses.root(place), value)
        return self.known.get(key) or self._new(key, value)

    def size(self, size: Size) -> Size:
        if isinstance(size, int) or (isinstance(size, Symbol) and size in self.uses.bound):
            return size
        for symbol in sorted(free_symbols(size), key=str):
            if symbol not in self.uses.bound and symbol not in self.replacements:
                self._new(symbol, symbol)
        return substitute(size, self.replacements)

    def buffer(self, buffer: Buffer) -> Buffer:
        shape = tuple(
            self.extent((buffer.name, place), size) for place, size in enumerate(buffer.shape)
        )
        return replace(buffer, shape=shape)

    def loop(self, loop: Loop) -> Iterable[Statement]:
        if loop.start != 0:
            return super().loop(loop)
        stop = self.extent(("axis", loop.symbol), loop.stop)
        (new,) = super().loop(replace(loop, stop=0))
        assert isinstance(new, Loop)
        return (replace(new, stop=stop),)

    def sweep(self, sweep: Sweep) -> Iterable[Statement]:
        axes = tuple(
            Axis(axis.symbol, self.extent(("axis", axis.symbol), axis.extent))
            for axis in sweep.axes
        )
        body = self.body(sweep.body)
        return (Sweep(axes, body, tuple(map(self.accumulator, sweep.accumulators))),)
