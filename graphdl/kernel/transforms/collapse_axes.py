"""Adjacent axes that every access walks contiguously become one axis.

Why: one long loop vectorises and splits over threads better than two short ones, and equal nests of
different rank become equal text.

    before   read b0: float32[n0, n1]        after   read b0: float32[n0*n1]
             parallel i0 in 0:n0                     parallel i0 in 0:n0*n1
                 parallel i1 in 0:n1                     b1[i0] = exp(b0[i0])
                     b1[i0, i1] = exp(b0[i0, i1])

Two axes i and j, j inside i and of extent n, become one when all that the kernel reads, writes and
computes from them depends on n*i + j alone. Axes of buffers merge where that needs it, and those of
size 1 go away.

Ensures: the same values and the same order of every fold: the axes of a Sweep merge row-major, so
its points keep their numbers. Buffers are dense, so their new shapes are views of the same memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeVar

from graphdl.kernel.nodes import Axis, Buffer, Kernel, Load, Loop, LoopKind, Statement, Store, Sweep
from graphdl.kernel.rewriting import Rewriter
from graphdl.typesystem.expression import (
    Size,
    Symbol,
    add,
    free_symbols,
    monomial,
    multiply,
    product,
    terms_of,
)

Index = tuple[Size, ...]
Access = tuple[str, Index]
Pair = tuple[Symbol, Symbol]
Span = tuple[int, int]
"""The first and the last of neighbouring axes of a buffer."""

_Key = TypeVar("_Key")
_Item = TypeVar("_Item")


def collapse_axes(kernel: Kernel) -> Kernel:
    """Merge until no two adjacent axes can be merged. Returns `kernel` itself when none can."""
    nest = _Nest(kernel)
    nest.squeeze()
    for pair in nest.pairs():
        nest.merge(*pair)
    if not nest.is_changed:
        return kernel
    rebuilder = _Rebuilder(nest)
    buffers = tuple(map(rebuilder.buffer, kernel.buffers))
    return replace(kernel, buffers=buffers, body=rebuilder.body(kernel.body))


class _Nest(Rewriter):
    """The axes of a kernel, and every index in it: as it was, and as it is after the merges.

    Sweeps that follow one another may share a symbol; they are treated as one axis.
    """

    def __init__(self, kernel: Kernel) -> None:
        self.extents: dict[Symbol, Size] = {}
        self.following: dict[Symbol, set[Symbol | None]] = {}  # what is directly inside
        self.leading: dict[Symbol, set[Symbol | None]] = {}  # what is directly around
        self.plain: dict[Size, Size] = {}
        self.places: dict[Access, Index] = {}
        self.shapes: dict[str, Index] = {}
        self.dropped: set[Symbol] = set()
        self.is_changed = False
        for buffer in kernel.buffers:
            self.buffer(buffer)
        self.body(kernel.body)

    # What there is

    def size(self, size: Size) -> Size:
        if not isinstance(size, int):
            self.plain[size] = size
        return size

    def load(self, load: Load) -> Load:
        self.places[load.buffer, load.index] = load.index
        self.comparisons(load.mask)
        return load

    def store(self, store: Store) -> Iterable[Statement]:
        self.places[store.buffer, store.index] = store.index
        self.comparisons(store.mask)
        self.value(store.value)
        return (store,)

    def buffer(self, buffer: Buffer) -> Buffer:
        self.shapes[buffer.name] = buffer.shape
        self.sizes(buffer.shape)
        return buffer

    def loop(self, loop: Loop) -> Iterable[Statement]:
        self._bind(loop.symbol, loop.stop)
        inner = loop.body[0] if len(loop.body) == 1 else None
        is_pair = isinstance(inner, Loop) and _is_alike(loop, inner)
        self._follow(loop.symbol, inner.symbol if is_pair and isinstance(inner, Loop) else None)
        if isinstance(inner, Loop) and not is_pair:
            self._follow(None, inner.symbol)
        return super().loop(loop)

    def sweep(self, sweep: Sweep) -> Iterable[Statement]:
        for axis in sweep.axes:
            self._bind(axis.symbol, axis.extent)
        symbols = [None, *(axis.symbol for axis in sweep.axes), None]
        for outer, inner in pairwise(symbols):
            self._follow(outer, inner)
        return super().sweep(sweep)

    def _bind(self, symbol: Symbol, extent: Size) -> None:
        if self.extents.setdefault(symbol, extent) != extent:
            self._follow(symbol, None)
            self._follow(None, symbol)

    def _follow(self, outer: Symbol | None, inner: Symbol | None) -> None:
        if outer is not None:
            self.following.setdefault(outer, set()).add(inner)
        if inner is not None:
            self.leading.setdefault(inner, set()).add(outer)

    def pairs(self) -> list[Pair]:
        """Directly nested axes wherever either occurs, the innermost first."""
        found = []
        for inner, outers in self.leading.items():
            (outer, *others) = outers
            if outer is not None and not others and self.following[outer] == {inner}:
                found.append((outer, inner))
        return found[::-1]

    # Merging

    def squeeze(self) -> None:
        """Drop the axes of size 1 from buffers."""
        for (name, old), index in self.places.items():
            shape = self.shapes[name]
            if 1 in shape:
                self.places[name, old] = _without_ones(index, shape)
                self.is_changed = True
        for name, shape in self.shapes.items():
            self.shapes[name] = _without_ones(shape, shape)

    def merge(self, outer: Symbol, inner: Symbol) -> None:
        """Let `outer` run over both axes, if everything allows it."""
        merger = _Merger(outer, inner, self.extents[inner])
        joined: dict[Size, Size | None] = {k: merger.join(size) for k, size in self.plain.items()}
        plain = _complete(joined)
        if plain is None:
            return
        spans: dict[str, Span] = {}
        for (name, _), index in self.places.items():
            merger.widen(spans, name, index)
        places = _complete(
            {
                access: merger.join_index(index, self.shapes[access[0]], spans.get(access[0]))
                for access, index in self.places.items()
            }
        )
        if places is None:
            return
        for name, (first, last) in spans.items():
            shape = self.shapes[name]
            size = product(shape[first : last + 1])
            self.shapes[name] = (*shape[:first], size, *shape[last + 1 :])
        self.plain, self.places = plain, places
        self.extents[outer] = multiply(self.extents[outer], self.extents[inner])
        self.dropped.add(inner)
        self.is_changed = True


def _is_alike(outer: Loop, inner: Loop) -> bool:
    """Whether two nested loops could be one."""
    is_from_zero = outer.start == inner.start == 0 and outer.step == inner.step == 1
    is_free = not outer.carried and not inner.carried
    is_ordered = outer.kind in (LoopKind.PARALLEL, LoopKind.SERIAL)
    return is_from_zero and is_free and is_ordered and outer.kind is inner.kind


def _without_ones(index: Index, shape: Index) -> Index:
    return tuple(part for part, size in zip(index, shape, strict=True) if size != 1)


def _complete(found: dict[_Key, _Item | None]) -> dict[_Key, _Item] | None:
    """`found`, or None when an item is missing."""
    result = {key: item for key, item in found.items() if item is not None}
    return result if len(result) == len(found) else None


@dataclass(frozen=True, slots=True)
class _Merger:
    """Writes indices over one axis instead of two: size*outer + inner becomes outer."""

    outer: Symbol
    inner: Symbol
    size: Size

    def _concerns(self, index: Size) -> bool:
        if isinstance(index, int):
            return False
        symbols = (index,) if isinstance(index, Symbol) else free_symbols(index)
        return self.outer in symbols or self.inner in symbols

    def join(self, index: Size) -> Size | None:
        """`index` over the merged axis; None when it depends on either axis alone."""
        if not self._concerns(index):
            return index
        terms, rest = terms_of(index)
        parts: list[Size] = [0, 0, rest]
        for coefficient, atoms in terms:
            kind = 0 if self.outer in atoms else 1 if self.inner in atoms else 2
            left = list(atoms)
            if kind < 2:
                left.remove((self.outer, self.inner)[kind])
            parts[kind] = add(parts[kind], monomial(coefficient, tuple(left)))
        slow, fast, other = parts
        if any(map(self._concerns, parts)) or slow != multiply(self.size, fast):
            return None
        return add(multiply(fast, self.outer), other)

    def widen(self, spans: dict[str, Span], name: str, index: Index) -> None:
        """Note which axes of a buffer must be one for its index to be joined."""
        alone = [place for place, part in enumerate(index) if self.join(part) is None]
        if alone:
            first, last = spans.get(name, (alone[0], alone[-1]))
            spans[name] = min(first, alone[0]), max(last, alone[-1])

    def join_index(self, index: Index, shape: Index, span: Span | None) -> Index | None:
        """A subscript after the axes in `span` became one."""
        if span is not None:
            first, last = span
            whole: Size = 0
            for part, size in zip(index[first : last + 1], shape[first : last + 1], strict=True):
                whole = add(multiply(whole, size), part)
            if not self._concerns(whole) and not isinstance(whole, int):
                return None
            index = (*index[:first], whole, *index[last + 1 :])
        joined = tuple(part for part in map(self.join, index) if part is not None)
        return joined if len(joined) == len(index) else None


class _Rebuilder(Rewriter):
    """Writes down what the merges made of a kernel."""

    def __init__(self, nest: _Nest) -> None:
        self.nest = nest

    def size(self, size: Size) -> Size:
        return size if isinstance(size, int) else self.nest.plain[size]

    def load(self, load: Load) -> Load:
        index = self.nest.places[load.buffer, load.index]
        return Load(load.buffer, index, load.dtype, self.comparisons(load.mask))

    def store(self, store: Store) -> Iterable[Statement]:
        index = self.nest.places[store.buffer, store.index]
        value = self.value(store.value)
        return (Store(store.buffer, index, value, self.comparisons(store.mask)),)

    def buffer(self, buffer: Buffer) -> Buffer:
        return replace(buffer, shape=self.nest.shapes[buffer.name])

    def loop(self, loop: Loop) -> Iterable[Statement]:
        if loop.symbol in self.nest.dropped:
            return self.body(loop.body)
        (new,) = super().loop(loop)
        assert isinstance(new, Loop)
        return (replace(new, stop=self.nest.extents[loop.symbol]),)

    def sweep(self, sweep: Sweep) -> Iterable[Statement]:
        axes = tuple(
            Axis(axis.symbol, self.nest.extents[axis.symbol])
            for axis in sweep.axes
            if axis.symbol not in self.nest.dropped
        )
        accumulators = tuple(map(self.accumulator, sweep.accumulators))
        return (Sweep(axes, self.body(sweep.body), accumulators),)
