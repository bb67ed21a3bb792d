"""Extents become size symbols, so that code depends on no size.

Why: kernels that differ only in sizes then have equal text and compile once.

    before   read b0: float32[batch, 64]     after   read b0: float32[n0, n1]
             write b1: float32[batch, 64]            write b1: float32[n0, n1]
             parallel i0 in 0:batch                  parallel i0 in 0:n0
                 parallel i1 in 0:64                     parallel i1 in 0:n1
                     b1[i0, i1] = b0[i0, 63-i1]              b1[i0, i1] = b0[i0, n1-i1-1]

Ensures: every axis extent and buffer size other than 1 is a size symbol, the same one for an axis
and the buffer sizes it runs over, and for nothing else. Offsets and limits in indices and masks are
written with those symbols where an axis or a buffer at hand has that size; other numbers, all
factors among them, stay. No size symbol of before is left.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import accumulate, count

from graphdl.kernel.nodes import (
    Axis,
    Buffer,
    IndexValue,
    Kernel,
    Let,
    Load,
    Loop,
    Space,
    Statement,
    Store,
    Sweep,
    Value,
)
from graphdl.kernel.rewriting import Rewriter
from graphdl.kernel.simplify import folded
from graphdl.typesystem.expression import (
    Comparison,
    Monomial,
    Size,
    Symbol,
    add,
    free_symbols,
    from_terms,
    multiply,
    substitute,
    subtract,
    terms_of,
)

Index = tuple[Size, ...]
Place = tuple[str, int]
"""An axis of a buffer, or an axis of the nest: (its symbol's name, AXIS)."""

AXIS = -1
VARIOUS = -1
"""The extent of axes of different extents that share a symbol."""


def abstract_sizes(kernel: Kernel) -> tuple[Kernel, tuple[Size, ...]]:
    """The kernel over fresh size symbols n0, n1, …, and the value of each over the old ones."""
    renamer = _Renamer(_Uses(kernel))
    buffers = tuple(map(renamer.buffer, kernel.buffers))
    body = renamer.body(kernel.body)
    sizes, values = tuple(renamer.found), tuple(renamer.found.values())
    return replace(kernel, sizes=sizes, buffers=buffers, body=body), values


class _Uses(Rewriter):
    """Which axis runs over which sizes, as a forest of places with one root per class."""

    def __init__(self, kernel: Kernel) -> None:
        self.parents: dict[Place, Place] = {}
        self.extents: dict[Place, Size] = {}
        self.bound: set[Symbol] = set()
        self.related: dict[Symbol, dict[Place, None]] = {}
        self.limits: dict[Comparison, tuple[Size, Place]] = {}
        self.ranks: dict[str, int] = {}
        for buffer in kernel.buffers:
            self.buffer(buffer)
        self.body(kernel.body)

    def root(self, place: Place) -> Place:
        """The place that stands for the class of `place`."""
        while (parent := self.parents.get(place, place)) != place:
            place = parent
        return place

    # Accesses

    def load(self, load: Load) -> Value:
        self._access(load.buffer, load.index, load.mask)
        return load

    def store(self, store: Store) -> Iterable[Statement]:
        self._access(store.buffer, store.index, store.mask)
        self.value(store.value)
        return (store,)

    def _access(self, buffer: str, index: Index, mask: tuple[Comparison, ...]) -> None:
        for number, part in enumerate(index):
            if isinstance(part, int):
                continue
            place = (buffer, number)
            if isinstance(part, Symbol):
                self._meet(part, place)
                self._walk(part, place)
                continue
            for symbol in sorted(free_symbols(part) & self.bound, key=str):
                self._meet(symbol, place)
                if part == subtract(self.extents[place] - 1, symbol):
                    self._walk(symbol, place)
            for comparison in mask:
                self._limit(comparison, part, place)

    def _meet(self, symbol: Symbol, place: Place) -> None:
        self.related.setdefault(symbol, {})[place] = None

    def _walk(self, symbol: Symbol, place: Place) -> None:
        """The axis may run over all of the buffer's axis."""
        axis = (symbol.name, AXIS)
        if self.extents.get(axis) == self.extents[place]:
            self.parents[self.root(place)] = self.root(axis)

    def _limit(self, comparison: Comparison, part: Size, place: Place) -> None:
        """Recognise `part < size` in whatever form."""
        if comparison.relation == "<":
            distance = subtract(comparison.right, comparison.left)
            if distance == subtract(self.extents[place], part):
                self.limits[comparison] = (part, place)

    # Bindings

    def buffer(self, buffer: Buffer) -> Buffer:
        for number, size in enumerate(buffer.shape):
            self.extents[buffer.name, number] = size
        return buffer

    def let(self, let: Let) -> Iterable[Statement]:
        self.bound.add(Symbol(let.name))
        return super().let(let)

    def loop(self, loop: Loop) -> Iterable[Statement]:
        self.bound.update(Symbol(carry.name) for carry in loop.carried)
        self._bind(loop.symbol, loop.stop if loop.start == 0 else VARIOUS)
        return super().loop(loop)

    def sweep(self, sweep: Sweep) -> Iterable[Statement]:
        for axis in sweep.axes:
            self._bind(axis.symbol, axis.extent)
        self.bound.update(Symbol(name) for each in sweep.accumulators for name in each.names)
        return super().sweep(sweep)

    def _bind(self, symbol: Symbol, extent: Size) -> None:
        self.bound.add(symbol)
        place = (symbol.name, AXIS)
        if self.extents.setdefault(place, extent) != extent:
            self.extents[place] = VARIOUS
        self._meet(symbol, place)


class _Renamer(Rewriter):
    """Hands out size symbols in order of appearance."""

    def __init__(self, uses: _Uses) -> None:
        self.uses = uses
        self.found: dict[Symbol, Size] = {}
        self.fresh = (Symbol(f"n{k}") for k in count())
        self.known: dict[object, Symbol] = {}
        self.replacements: dict[Symbol, Size] = {}
        self.nearby: dict[frozenset[Symbol], dict[Size, Size]] = {}

    def _new(self, key: object, value: Size) -> Symbol:
        symbol = next(symbol for symbol in self.fresh if symbol not in self.uses.bound)
        self.found[symbol] = value
        self.known[key] = symbol
        if isinstance(value, Symbol):
            self.replacements.setdefault(value, symbol)
        return symbol

    def extent(self, place: Place, value: Size) -> Size:
        """The symbol for an extent at a place, unless it is 1 or varies inside the kernel."""
        if isinstance(value, int):
            if value == 1:
                return value
        elif not self.uses.bound.isdisjoint(free_symbols(value)):
            return self.size(value)
        key = (self.uses.root(place), value)
        return self.known.get(key) or self._new(key, value)

    # Indices

    def size(self, size: Size) -> Size:
        if isinstance(size, int):
            return size
        if isinstance(size, Symbol) and size in self.uses.bound:
            return size
        return self._rewritten(size, free_symbols(size) & self.uses.bound)

    def _rewritten(self, size: Size, axes: frozenset[Symbol]) -> Size:
        """`size` with the part that no axis changes written in the sizes near those axes."""
        moving, fixed = self._parted(size)
        return add(self._named(moving), self._offset(fixed, _direction(moving), axes))

    def _parted(self, size: Size) -> tuple[Size, Size]:
        """The terms that mention what the kernel binds, and the others."""
        terms, constant = terms_of(size)
        moving: dict[Monomial, int] = {}
        fixed: dict[Monomial, int] = {}
        for coefficient, atoms in terms:
            is_fixed = all(self.uses.bound.isdisjoint(free_symbols(atom)) for atom in atoms)
            (fixed if is_fixed else moving)[atoms] = coefficient
        return from_terms(moving, 0), from_terms(fixed, constant)

    def _offset(self, value: Size, direction: int | None, axes: frozenset[Symbol]) -> Size:
        """What an index starts from, when it walks single steps from there."""
        if value in (0, 1, -1) or direction is None or not axes:
            return self._named(value)
        near = self._near(axes)
        if direction <= 0:
            last = near.get(add(value, 1))
            if last is not None:
                return subtract(last, 1)
        if value in near:
            return near[value]
        negative = near.get(multiply(-1, value))
        return self._named(value) if negative is None else multiply(-1, negative)

    def _near(self, axes: frozenset[Symbol]) -> dict[Size, Size]:
        """The sizes near some axes, and the sums of leading ones (concatenation), as symbols."""
        if axes in self.nearby:
            return self.nearby[axes]
        near: dict[Size, Size] = {}
        buffers: dict[Place, None] = {}
        for axis in sorted(axes, key=str):
            for place in self.uses.related.get(axis, ()):
                size = self.uses.extents[place]
                if size != VARIOUS:
                    near.setdefault(size, self.extent(place, size))
                if place[1] != AXIS:
                    buffers[place] = None
        for order in (list(buffers), list(buffers)[::-1]):
            sizes = [self.uses.extents[place] for place in order]
            symbols = map(self.extent, order, sizes)
            for total, name in zip(accumulate(sizes, add), accumulate(symbols, add), strict=True):
                near.setdefault(total, name)
        self.nearby[axes] = near
        return near

    def _named(self, size: Size) -> Size:
        """`size` without old size symbols."""
        for symbol in sorted(free_symbols(size) - self.uses.bound, key=str):
            if symbol not in self.replacements:
                self._new(symbol, symbol)
        return substitute(size, self.replacements)

    def comparison(self, comparison: Comparison) -> Comparison:
        limit = self.uses.limits.get(comparison)
        if limit is not None:
            part, place = limit
            return Comparison(self.size(part), "<", self.extent(place, self.uses.extents[place]))
        (left, least), (right, most) = map(self._parted, (comparison.left, comparison.right))
        axes = (free_symbols(left) | free_symbols(right)) & self.uses.bound
        steps = _direction(left), _direction(right)
        direction = None if None in steps else 1
        return Comparison(
            add(self._named(left), self._offset(least, direction, axes)),
            comparison.relation,
            add(self._named(right), self._offset(most, direction, axes)),
        )

    # Bindings

    def buffer(self, buffer: Buffer) -> Buffer:
        if buffer.space is Space.REGISTER:
            return buffer
        places = ((buffer.name, number) for number in range(len(buffer.shape)))
        return replace(buffer, shape=tuple(map(self.extent, places, buffer.shape)))

    def let(self, let: Let) -> Iterable[Statement]:
        """A Let; numbers in one that is used as an index are limits of that index."""
        self.limited = frozenset((Symbol(let.name),))
        (result,) = super().let(let)
        self.limited = frozenset()
        return (result,)

    limited: frozenset[Symbol] = frozenset()

    def value(self, value: Value) -> Value:
        if not isinstance(value, IndexValue):
            return super().value(value)
        axes = free_symbols(value.index) & self.uses.bound
        index = self._rewritten(value.index, axes or self.limited)
        return folded(IndexValue(index, value.dtype))

    def loop(self, loop: Loop) -> Iterable[Statement]:
        if loop.start != 0:
            return super().loop(loop)
        stop = self.extent((loop.symbol.name, AXIS), loop.stop)
        (new,) = super().loop(replace(loop, stop=0))
        assert isinstance(new, Loop)
        return (replace(new, stop=stop),)

    def sweep(self, sweep: Sweep) -> Iterable[Statement]:
        axes = tuple(
            Axis(axis.symbol, self.extent((axis.symbol.name, AXIS), axis.extent))
            for axis in sweep.axes
        )
        body = self.body(sweep.body)
        return (Sweep(axes, body, tuple(map(self.accumulator, sweep.accumulators))),)


def _direction(moving: Size) -> int | None:
    """1 or -1 for one step along one axis, 0 for standing still, None for anything else."""
    match terms_of(moving):
        case (), 0:
            return 0
        case ((1 | -1 as coefficient, (Symbol(),)),), 0:
            return coefficient
    return None
