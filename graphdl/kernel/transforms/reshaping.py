"""The indices of a kernel while its axes and buffers change shape.

Transforms that merge or split axes change many indices in small steps. They work on tables here,
one entry for each different index, and the kernel is rebuilt once at the end.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from graphdl.kernel.nodes import (
    Axis,
    Buffer,
    Kernel,
    Load,
    Loop,
    Statement,
    Store,
    Sweep,
)
from graphdl.kernel.rewriting import Rewriter
from graphdl.typesystem.expression import Size, Symbol

Index = tuple[Size, ...]
Access = tuple[str, Index]
"""A buffer and a subscript of it."""


class Reshaping(Rewriter):
    """Every index in a kernel, as it was and as it is now. Changing the tables changes the kernel.

    axes    each loop symbol to the axes that stand in its place, outermost first
    plain   each index or size outside of subscripts to what it is now
    places  each subscript to what it is now
    shapes  each buffer to its shape now

    Sweeps that follow one another may share a symbol and are treated as one axis; `rigid` holds the
    symbols of loops that must stay as they are.
    """

    def __init__(self, kernel: Kernel) -> None:
        self.axes: dict[Symbol, tuple[Axis, ...]] = {}
        self.rigid: set[Symbol] = set()
        self.plain: dict[Size, Size] = {}
        self.places: dict[Access, Index] = {}
        self.shapes: dict[str, Index] = {}
        self.is_changed = False
        for buffer in kernel.buffers:
            self.buffer(buffer)
        self.body(kernel.body)

    def size(self, size: Size) -> Size:
        """An index outside of subscripts."""
        if not isinstance(size, int):
            self.plain[size] = size
        return size

    def load(self, load: Load) -> Load:
        """A subscript and the mask around it."""
        self.places[load.buffer, load.index] = load.index
        self.comparisons(load.mask)
        return load

    def store(self, store: Store) -> Iterable[Statement]:
        """The same for a store."""
        self.places[store.buffer, store.index] = store.index
        self.comparisons(store.mask)
        self.value(store.value)
        return (store,)

    def buffer(self, buffer: Buffer) -> Buffer:
        """A buffer's shape."""
        self.shapes[buffer.name] = buffer.shape
        return buffer

    def loop(self, loop: Loop) -> Iterable[Statement]:
        """A loop's axis and bounds."""
        self._bind(loop.symbol, loop.stop)
        if loop.start != 0 or loop.step != 1 or loop.carried:
            self.rigid.add(loop.symbol)
        return super().loop(loop)

    def sweep(self, sweep: Sweep) -> Iterable[Statement]:
        """A sweep's axes."""
        for axis in sweep.axes:
            self._bind(axis.symbol, axis.extent)
        return super().sweep(sweep)

    def _bind(self, symbol: Symbol, extent: Size) -> None:
        (known,) = self.axes.setdefault(symbol, (Axis(symbol, extent),))
        if known.extent != extent:
            self.rigid.add(symbol)

    def rebuild(self, kernel: Kernel) -> Kernel:
        """The kernel as the tables say; itself when nothing changed."""
        if not self.is_changed:
            return kernel
        rebuilder = _Rebuilder(self)
        buffers = tuple(map(rebuilder.buffer, kernel.buffers))
        return replace(kernel, buffers=buffers, body=rebuilder.body(kernel.body))


class _Rebuilder(Rewriter):
    """Writes down what became of a kernel."""

    def __init__(self, tables: Reshaping) -> None:
        self.tables = tables

    def size(self, size: Size) -> Size:
        return size if isinstance(size, int) else self.tables.plain[size]

    def load(self, load: Load) -> Load:
        index = self.tables.places[load.buffer, load.index]
        return Load(load.buffer, index, load.dtype, self.comparisons(load.mask))

    def store(self, store: Store) -> Iterable[Statement]:
        index = self.tables.places[store.buffer, store.index]
        value = self.value(store.value)
        return (Store(store.buffer, index, value, self.comparisons(store.mask)),)

    def buffer(self, buffer: Buffer) -> Buffer:
        return replace(buffer, shape=self.tables.shapes[buffer.name])

    def loop(self, loop: Loop) -> Iterable[Statement]:
        if loop.symbol in self.tables.rigid:
            return super().loop(loop)
        body = self.body(loop.body)
        for axis in reversed(self.tables.axes[loop.symbol]):
            body = (replace(loop, symbol=axis.symbol, stop=axis.extent, body=body),)
        return body

    def sweep(self, sweep: Sweep) -> Iterable[Statement]:
        axes = tuple(new for old in sweep.axes for new in self._axes(old))
        accumulators = tuple(map(self.accumulator, sweep.accumulators))
        return (Sweep(axes, self.body(sweep.body), accumulators),)

    def _axes(self, axis: Axis) -> tuple[Axis, ...]:
        return (axis,) if axis.symbol in self.tables.rigid else self.tables.axes[axis.symbol]
