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
from dataclasses import dataclass
from itertools import pairwise

from graphdl.kernel.nodes import Axis, Kernel, Loop, LoopKind, Statement, Sweep
from graphdl.kernel.transforms.reshaping import Access, Index, Reshaping
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

Pair = tuple[Symbol, Symbol]
Span = tuple[int, int]
"""The first and the last of neighbouring axes of a buffer."""


def collapse_axes(kernel: Kernel) -> Kernel:
    """Merge until no two adjacent axes can be merged. Returns `kernel` itself when none can."""
    nest = _Nest(kernel)
    nest.squeeze()
    for pair in nest.pairs():
        nest.merge(*pair)
    return nest.rebuild(kernel)


class _Nest(Reshaping):
    """Knows which axes are directly inside which."""

    def __init__(self, kernel: Kernel) -> None:
        self.inside: dict[Symbol, set[Symbol | None]] = {}
        self.around: dict[Symbol, set[Symbol | None]] = {}
        super().__init__(kernel)

    def loop(self, loop: Loop) -> Iterable[Statement]:
        inner = loop.body[0] if len(loop.body) == 1 else None
        if not isinstance(inner, Loop):
            self._follow(loop.symbol, None)
        elif _is_alike(loop, inner):
            self._follow(loop.symbol, inner.symbol)
        else:
            self._follow(loop.symbol, None)
            self._follow(None, inner.symbol)
        return super().loop(loop)

    def sweep(self, sweep: Sweep) -> Iterable[Statement]:
        symbols = [None, *(axis.symbol for axis in sweep.axes), None]
        for outer, inner in pairwise(symbols):
            self._follow(outer, inner)
        return super().sweep(sweep)

    def _follow(self, outer: Symbol | None, inner: Symbol | None) -> None:
        if outer is not None:
            self.inside.setdefault(outer, set()).add(inner)
        if inner is not None:
            self.around.setdefault(inner, set()).add(outer)

    def pairs(self) -> list[Pair]:
        """Axes that are nested directly wherever either occurs, the innermost first."""
        found = []
        for inner, outers in self.around.items():
            outer = next(iter(outers))
            if outer is None or outers != {outer} or self.inside[outer] != {inner}:
                continue
            if outer not in self.rigid and inner not in self.rigid:
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
        (slow,), (fast,) = self.axes[outer], self.axes[inner]
        merger = _Merger(outer, inner, fast.extent)
        plain = self._join_plain(merger)
        spans = self._find_spans(merger)
        places = None if plain is None else self._join_places(merger, spans)
        if plain is None or places is None:
            return
        for name, (first, last) in spans.items():
            shape = self.shapes[name]
            size = product(shape[first : last + 1])
            self.shapes[name] = (*shape[:first], size, *shape[last + 1 :])
        self.plain, self.places = plain, places
        self.axes[outer] = (Axis(outer, multiply(slow.extent, fast.extent)),)
        self.axes[inner] = ()
        self.is_changed = True

    def _join_plain(self, merger: _Merger) -> dict[Size, Size] | None:
        plain: dict[Size, Size] = {}
        for old, new in self.plain.items():
            joined = merger.join(new)
            if joined is None:
                return None
            plain[old] = joined
        return plain

    def _find_spans(self, merger: _Merger) -> dict[str, Span]:
        """The axes of each buffer that must be one for its indices to be joined."""
        spans: dict[str, Span] = {}
        for (name, _), index in self.places.items():
            alone = [place for place, part in enumerate(index) if merger.join(part) is None]
            if alone:
                first, last = spans.get(name, (alone[0], alone[-1]))
                spans[name] = min(first, alone[0]), max(last, alone[-1])
        return spans

    def _join_places(self, merger: _Merger, spans: dict[str, Span]) -> dict[Access, Index] | None:
        places: dict[Access, Index] = {}
        for access, index in self.places.items():
            name = access[0]
            joined = merger.join_index(index, self.shapes[name], spans.get(name))
            if joined is None:
                return None
            places[access] = joined
        return places


def _is_alike(outer: Loop, inner: Loop) -> bool:
    """Whether two nested loops could be one."""
    return outer.kind is inner.kind and outer.kind in (LoopKind.PARALLEL, LoopKind.SERIAL)


def _without_ones(index: Index, shape: Index) -> Index:
    return tuple(part for part, size in zip(index, shape, strict=True) if size != 1)


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
