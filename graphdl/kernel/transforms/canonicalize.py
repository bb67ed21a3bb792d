"""Names in order of appearance, so that equal nests have equal text.

    before   parallel row in 0:n3           after   parallel i0 in 0:n0
                 let x = b7[row]                        let v0 = b0[i0]
                 b2[row] = exp(x)                       b1[i0] = exp(v0)

Buffers become b0, b1, … in the order in which the body first touches them, THREAD and REGISTER
buffers t0, …, loop symbols i0, …, sizes n0, …, and values v0, …. Unused buffers and sizes go away.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from graphdl.kernel.nodes import (
    Accumulator,
    Axis,
    Buffer,
    Carry,
    Fold,
    Kernel,
    Let,
    Load,
    Loop,
    Statement,
    Store,
    Sweep,
    Value,
    Variable,
)
from graphdl.kernel.rewriting import Rewriter
from graphdl.typesystem.expression import Size, Symbol, free_symbols, substitute


def canonicalize(kernel: Kernel) -> tuple[Kernel, tuple[str, ...], tuple[Symbol, ...]]:
    """(the canonical kernel, the old name of each of its buffers, the old symbol of each size)."""
    touched = _Touched()
    touched.body(kernel.body)
    order = [buffer for name in touched.names for buffer in kernel.buffers if buffer.name == name]
    renamer = _Renamer({buffer.name: f"b{k}" for k, buffer in enumerate(order)})
    buffers = tuple(map(renamer.buffer, order))
    body = renamer.body(kernel.body)
    sizes = tuple(renamer.sizes_seen)
    new = replace(kernel, sizes=tuple(map(renamer.symbol, sizes)), buffers=buffers, body=body)
    return new, tuple(buffer.name for buffer in order), sizes


class _Touched(Rewriter):
    """Buffers in the order in which they are touched."""

    def __init__(self) -> None:
        self.names: dict[str, None] = {}

    def load(self, load: Load) -> Value:
        self.names[load.buffer] = None
        return load

    def store(self, store: Store) -> Iterable[Statement]:
        self.value(store.value)
        self.names[store.buffer] = None
        return (store,)


class _Renamer(Rewriter):
    """Renames everything, handing out names where they are bound."""

    def __init__(self, buffers: dict[str, str]) -> None:
        self.buffers = buffers
        self.variables: dict[str, str] = {}
        self.symbols: dict[Symbol, Size] = {}
        self.sizes_seen: list[Symbol] = []
        self.loops = 0
        self.values_bound = 0
        self.locals = 0

    # Names

    def symbol(self, symbol: Symbol) -> Symbol:
        """The new name of a symbol; one that nothing has bound is a size."""
        found = self.symbols.get(symbol)
        if found is None:
            found = Symbol(f"n{len(self.sizes_seen)}")
            self.sizes_seen.append(symbol)
            self.symbols[symbol] = found
        assert isinstance(found, Symbol)
        return found

    def _bind_loop(self, symbol: Symbol) -> Symbol:
        new = Symbol(f"i{self.loops}")
        self.loops += 1
        self.symbols[symbol] = new
        return new

    def _bind(self, name: str) -> str:
        new = f"v{self.values_bound}"
        self.values_bound += 1
        self.variables[name] = new
        self.symbols[Symbol(name)] = Symbol(new)
        return new

    # Uses

    def size(self, size: Size) -> Size:
        if isinstance(size, int):
            return size
        if isinstance(size, Symbol):
            return self.symbol(size)
        for symbol in sorted(free_symbols(size), key=str):
            self.symbol(symbol)
        return substitute(size, self.symbols)

    def variable(self, variable: Variable) -> Value:
        return Variable(self.variables[variable.name], variable.dtype)

    def load(self, load: Load) -> Value:
        index, mask = self.sizes(load.index), self.comparisons(load.mask)
        return Load(self.buffers[load.buffer], index, load.dtype, mask)

    def store(self, store: Store) -> Iterable[Statement]:
        index, mask = self.sizes(store.index), self.comparisons(store.mask)
        return (Store(self.buffers[store.buffer], index, self.value(store.value), mask),)

    # Bindings

    def let(self, let: Let) -> Iterable[Statement]:
        value = self.value(let.value)
        return (Let(self._bind(let.name), value),)

    def buffer(self, buffer: Buffer) -> Buffer:
        shape = self.sizes(buffer.shape)
        if buffer.name not in self.buffers:
            self.buffers[buffer.name] = f"t{self.locals}"
            self.locals += 1
        return replace(buffer, name=self.buffers[buffer.name], shape=shape)

    def loop(self, loop: Loop) -> Iterable[Statement]:
        start, stop = self.size(loop.start), self.size(loop.stop)
        initial = [self.value(carry.initial) for carry in loop.carried]
        names = [self._bind(carry.name) for carry in loop.carried]
        symbol = self._bind_loop(loop.symbol)
        body = self.body(loop.body)
        nexts = [self.value(carry.next) for carry in loop.carried]
        carried = tuple(map(Carry, names, initial, nexts))
        return (Loop(symbol, start, stop, loop.step, loop.kind, body, carried),)

    def sweep(self, sweep: Sweep) -> Iterable[Statement]:
        extents = [self.size(axis.extent) for axis in sweep.axes]
        symbols = [self._bind_loop(axis.symbol) for axis in sweep.axes]
        body = self.body(sweep.body)
        folded = [self.values(accumulator.values) for accumulator in sweep.accumulators]
        accumulators = tuple(
            Accumulator(
                tuple(map(self._bind, accumulator.names)),
                accumulator.reducer,
                values,
                accumulator.order,
            )
            for accumulator, values in zip(sweep.accumulators, folded, strict=True)
        )
        return (Sweep(tuple(map(Axis, symbols, extents)), body, accumulators),)

    def fold(self, fold: Fold) -> Fold:
        return Fold(self._bind(fold.name), fold.reducer, self.buffers[fold.buffer])
