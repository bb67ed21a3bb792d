"""Random well-formed kernels in tiled form, drawn by hypothesis so that failures shrink."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from graphdl.kernel.nodes import (
    Access,
    Accumulator,
    Allocate,
    Axis,
    Binary,
    Bitcast,
    Buffer,
    Carry,
    Cast,
    Condition,
    Constant,
    Fma,
    If,
    IndexValue,
    Kernel,
    Let,
    Load,
    Loop,
    LoopKind,
    Order,
    Select,
    Space,
    Statement,
    Store,
    Sweep,
    Unary,
    Value,
    Variable,
)
from graphdl.typesystem.dtype import DType, bool_, float32, float64, int32, uint32
from graphdl.typesystem.expression import Comparison, Size, Symbol

ROWS, COLUMNS = Symbol("rows"), Symbol("columns")
ROW, COLUMN, STEP = Symbol("i"), Symbol("j"), Symbol("k")
NUMBERS = (0.0, -0.0, 1.0, -1.5, 2.0, float("inf"), float("nan"), 1e-30)
SIMPLE = ("add", "subtract", "multiply", "maximum", "minimum")

_T = TypeVar("_T")
Draw = Callable[[st.SearchStrategy[Any]], Any]


class _Scope:
    """What values may mention: loop symbols with their extents, and names."""

    def __init__(self, draw: Draw, dtype: DType) -> None:
        self.draw, self.dtype = draw, dtype
        self.names: list[Variable] = []
        self.symbols: list[Symbol] = []
        self.count = 0
        self.has_thread = False

    def name(self) -> str:
        """A name that nothing has."""
        self.count += 1
        return f"x{self.count}"

    def pick(self, *options: _T) -> _T:
        """One of them."""
        return cast(_T, self.draw(st.sampled_from(options)))

    # Indices

    def column(self) -> Size:
        """An index below `columns`, plain or disguised."""
        if not {COLUMN, STEP} & set(self.symbols):
            return self.pick(0, COLUMNS - 1)
        j = self.pick(*(symbol for symbol in self.symbols if symbol in (COLUMN, STEP)))
        return self.pick(
            j, j, j, COLUMNS - 1 - j, (j + COLUMNS) % COLUMNS, (COLUMNS * ROW + j) % COLUMNS
        )

    def row(self) -> Size:
        """An index below `rows`."""
        return self.pick(ROW, ROW, ROW, ROWS - 1 - ROW, (ROWS * 3 + ROW) % ROWS, (2 * ROW + 1) // 2)

    def comparison(self) -> Comparison:
        """A condition on indices; sometimes always true, sometimes never."""
        j = self.column()
        return self.pick(
            Comparison(j, "<", COLUMNS - 1),
            Comparison(0, "<=", j),
            Comparison(ROW, "!=", j),
            Comparison(ROW + j, "==", ROWS),
            Comparison(COLUMNS, "<", j),
            Comparison(j * 2, "<", 7),
        )

    # Values

    def leaf(self) -> Value:
        """A load, a name, a constant or an index."""
        row, column = self.row(), self.column()
        options: list[Value] = [
            Load("x", (row, column), self.dtype),
            Load("y", (column,), self.dtype),
            Load("x", (row, column + 1), self.dtype, (Comparison(column + 1, "<", COLUMNS),)),
            Constant(self._number(), self.dtype),
            IndexValue(ROW * 3 + column, self.dtype),
            *self.names,
        ]
        if self.has_thread:
            options.append(Load("kept", (column,), self.dtype))
        return self.pick(*options)

    def _number(self) -> float | int:
        if self.dtype.is_floating:
            return self.pick(*NUMBERS)
        return int(self.draw(st.integers(-9, 9)))

    def value(self, depth: int = 2) -> Value:
        """A tree of the scope's dtype."""
        if depth == 0 or self.draw(st.booleans()):
            return self.leaf()
        kind = self.draw(st.integers(0, 5))
        left, right = self.value(depth - 1), self.value(depth - 1)
        if kind <= 1:
            return Binary(self.pick(*SIMPLE), left, right)
        if kind == 2:
            return Select(self.condition(left, right), left, right)
        if kind == 3:
            return Unary(self.pick("negative", "abs", "sign"), left)
        if kind == 4:
            bits = {float32: uint32, int32: float32}.get(self.dtype, self.dtype)
            return Bitcast(Bitcast(left, bits), self.dtype)
        if self.dtype.is_floating:
            return Fma(left, right, self.value(depth - 1))
        return Cast(Cast(left, float64), self.dtype)

    def condition(self, left: Value, right: Value) -> Value:
        """A bool."""
        if self.draw(st.booleans()):
            return Binary(self.pick("less", "equal", "not_equal"), left, right)
        other = Condition((self.comparison(), self.comparison()))
        return Unary("bitwise_not", other) if self.draw(st.booleans()) else other

    # Statements

    def lets(self) -> list[Statement]:
        """Zero to two Lets."""
        made: list[Statement] = []
        for _ in range(self.draw(st.integers(0, 2))):
            value = self.value()
            name = self.name()
            made.append(Let(name, value))
            self.names.append(Variable(name, value.dtype))
        return made

    def sweep(self) -> Statement:
        """A Sweep over columns that keeps and folds."""
        symbol = self.pick(COLUMN, STEP)
        outer = len(self.names)
        self.symbols.append(symbol)
        body = self.lets()
        if self.has_thread:
            body.append(Store("kept", (symbol,), self.value()))
        folds = [self.accumulator() for _ in range(self.draw(st.integers(1, 2)))]
        self.symbols.remove(symbol)
        del self.names[outer:]
        for fold in folds:
            self.names.append(Variable(fold.names[0], self.dtype))
        return Sweep((Axis(symbol, COLUMNS),), tuple(body), tuple(folds))

    def accumulator(self) -> Accumulator:
        """Any reducer in any order."""
        order = self.pick(Order.ASCENDING, Order.INTERLEAVED)
        if self.dtype.is_floating and self.draw(st.booleans()):
            index = IndexValue(self.symbols[-1], int32)
            names = (self.name(), self.name())
            return Accumulator(names, self.pick("argmax", "argmin"), (self.value(), index), order)
        reducer = self.pick("add", "multiply", "maximum", "minimum")
        return Accumulator((self.name(),), reducer, (self.value(),), order)

    def serial(self) -> list[Statement]:
        """A SERIAL loop over columns that carries one value and writes it at every step."""
        name = self.name()
        carried = Variable(name, self.dtype)
        initial = self.value()
        outer = len(self.names)
        self.symbols.append(STEP)
        self.names.append(carried)
        body = [*self.lets(), Store("z", (ROW, STEP), self.value())]
        carry = Carry(name, initial, self.value())
        self.symbols.remove(STEP)
        del self.names[outer:]
        self.names.append(carried)
        return [Loop(STEP, 0, COLUMNS, 1, LoopKind.SERIAL, tuple(body), (carry,))]

    def parallel(self) -> list[Statement]:
        """A PARALLEL loop over columns that writes, sometimes only under a condition."""
        outer = len(self.names)
        self.symbols.append(COLUMN)
        body = self.lets()
        store = Store("z", (ROW, COLUMN), self.value(), self.pick((), (self.comparison(),)))
        if self.draw(st.booleans()):
            body.append(If((self.comparison(),), (store,), self.pick((), (store,))))
        else:
            body.append(store)
        self.symbols.remove(COLUMN)
        del self.names[outer:]
        return [Loop(COLUMN, 0, COLUMNS, 1, LoopKind.PARALLEL, tuple(body))]


@st.composite
def kernels(draw: Draw) -> Kernel:
    """A PARALLEL loop over rows around lets, sweeps, one loop over columns, and a store."""
    dtype = draw(st.sampled_from((float32, float64, int32)))
    scope = _Scope(draw, dtype)
    body = scope.lets()
    if draw(st.booleans()):
        body.append(Allocate(Buffer("kept", dtype, (COLUMNS,), Space.THREAD)))
        scope.symbols.append(STEP)
        kept = Store("kept", (STEP,), scope.value())
        scope.symbols.remove(STEP)
        body.append(Sweep((Axis(STEP, COLUMNS),), (kept,)))
        scope.has_thread = True
    for _ in range(draw(st.integers(0, 2))):
        body.append(scope.sweep())
    body += draw(st.sampled_from((scope.serial, scope.parallel)))()
    body.append(Store("s", (ROW,), scope.value()))
    if draw(st.booleans()):
        body.append(Store("flag", (ROW,), scope.condition(scope.value(), scope.value())))
    buffers = (
        Buffer("x", dtype, (ROWS, COLUMNS)),
        Buffer("y", dtype, (COLUMNS,)),
        Buffer("z", dtype, (ROWS, COLUMNS), access=Access.UPDATE),
        Buffer("s", dtype, (ROWS,), access=Access.WRITE),
        Buffer("flag", bool_, (ROWS,), access=Access.WRITE),
    )
    loop = Loop(ROW, 0, ROWS, 1, LoopKind.PARALLEL, tuple(body))
    return Kernel("drawn", (ROWS, COLUMNS), buffers, (loop,))


def arrays_for(kernel: Kernel, rows: int, columns: int, seed: int = 0) -> list[NDArray[Any]]:
    """Small numbers with a NaN, an infinity and both zeros among them."""
    random = np.random.default_rng(seed)
    sizes = {"rows": rows, "columns": columns}
    arrays = []
    for buffer in kernel.buffers:
        shape = tuple(sizes[str(size)] for size in buffer.shape)
        array = random.integers(-3, 4, shape).astype(np.float64)
        if buffer.dtype.is_floating:
            array += random.standard_normal(shape) * 1e-3
            special = random.choice([np.nan, np.inf, -0.0, 0.0, -np.inf], shape)
            array = np.where(random.random(shape) < 0.1, special, array)
        arrays.append(array.astype(buffer.dtype.numpy))
    return arrays


def same_bits(left: NDArray[Any], right: NDArray[Any]) -> bool:
    """Whether all elements have the same bits, or are both NaN."""
    if left.dtype.kind != "f":
        return bool(np.array_equal(left, right))
    is_same = (left == right) & (np.signbit(left) == np.signbit(right))
    return bool(np.all(is_same | (np.isnan(left) & np.isnan(right))))
