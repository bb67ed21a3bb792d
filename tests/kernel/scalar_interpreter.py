"""The loop IR once more, one point at a time: an oracle that shares nothing with the interpreter
but the meaning of single operations."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdl.kernel.nodes import (
    Accumulator,
    Allocate,
    Binary,
    Bitcast,
    Cast,
    Condition,
    Constant,
    Fma,
    Fold,
    If,
    IndexValue,
    Kernel,
    Let,
    Load,
    Loop,
    Order,
    Select,
    Statement,
    Store,
    Sweep,
    Unary,
    Value,
    Variable,
)
from graphdl.typesystem.arithmetic import BINARY, UNARY, bitcast, convert, fma
from graphdl.typesystem.expression import Comparison, Size, Symbol, evaluate

Array = NDArray[Any]


class ScalarInterpreter:
    """Runs a kernel in the most literal way."""

    def __init__(self, kernel: Kernel, arrays: Sequence[Array], sizes: Sequence[int]) -> None:
        self.symbols: dict[Symbol, int] = dict(zip(kernel.sizes, sizes, strict=True))
        self.buffers = {b.name: a for b, a in zip(kernel.buffers, arrays, strict=True)}
        self.names: dict[str, Array] = {}
        self.kernel = kernel

    def run(self) -> None:
        """The whole kernel."""
        with np.errstate(all="ignore"):
            self.body(self.kernel.body)

    def bind(self, name: str, value: Array) -> None:
        """A name; an int64 one is a symbol too."""
        self.names[name] = value
        if value.dtype == np.int64:
            self.symbols[Symbol(name)] = int(value)

    def index(self, index: Sequence[Size]) -> tuple[int, ...]:
        return tuple(evaluate(size, self.symbols) for size in index)

    def holds(self, comparisons: Sequence[Comparison]) -> bool:
        return all(comparison.holds(self.symbols) for comparison in comparisons)

    def body(self, body: Sequence[Statement]) -> None:
        for statement in body:
            self.statement(statement)

    def statement(self, statement: Statement) -> None:
        match statement:
            case Let(name, value):
                self.bind(name, self.value(value))
            case Store(buffer, index, value, mask):
                if self.holds(mask):
                    self.buffers[buffer][self.index(index)] = self.value(value)
            case Loop():
                self.loop(statement)
            case Sweep():
                self.sweep(statement)
            case If(condition, body, otherwise):
                self.body(body if self.holds(condition) else otherwise)
            case Allocate(buffer):
                self.buffers[buffer.name] = np.zeros(self.index(buffer.shape), buffer.dtype.numpy)
            case Fold(name, reducer, buffer):
                self.bind(name, _tree(reducer, list(self.buffers[buffer])))
            case _:
                raise AssertionError(statement)

    def loop(self, loop: Loop) -> None:
        start, stop = self.index((loop.start, loop.stop))
        for carry in loop.carried:
            self.bind(carry.name, self.value(carry.initial))
        for now in range(start, stop, loop.step):
            self.symbols[loop.symbol] = now
            self.body(loop.body)
            following = [self.value(carry.next) for carry in loop.carried]
            for carry, value in zip(loop.carried, following, strict=True):
                self.bind(carry.name, value)

    def sweep(self, sweep: Sweep) -> None:
        extents = self.index([axis.extent for axis in sweep.axes])
        seen: list[list[tuple[Array, ...]]] = [[] for _ in sweep.accumulators]
        for point in itertools.product(*map(range, extents)):
            self.symbols.update(zip((axis.symbol for axis in sweep.axes), point, strict=True))
            self.body(sweep.body)
            for values, accumulator in zip(seen, sweep.accumulators, strict=True):
                values.append(tuple(map(self.value, accumulator.values)))
        for values, accumulator in zip(seen, sweep.accumulators, strict=True):
            for name, value in zip(accumulator.names, _fold(accumulator, values), strict=True):
                self.bind(name, value)

    def value(self, value: Value) -> Array:
        match value:
            case Constant(number, dtype):
                return np.asarray(number).astype(dtype.numpy)
            case IndexValue(index, dtype):
                return convert(np.asarray(self.index((index,))[0], np.int64), dtype)
            case Variable(name, _):
                return self.names[name]
            case Load(buffer, index, dtype, mask):
                if not self.holds(mask):
                    return np.zeros((), dtype.numpy)
                return np.asarray(self.buffers[buffer][self.index(index)])
            case Condition(comparisons):
                return np.asarray(self.holds(comparisons))
        return self.operation(value)

    def operation(self, value: Value) -> Array:
        match value:
            case Unary(op, operand):
                return UNARY[op](self.value(operand))
            case Binary(op, left, right):
                return BINARY[op](self.value(left), self.value(right))
            case Fma(a, b, c):
                return fma(self.value(a), self.value(b), self.value(c))
            case Select(condition, on_true, on_false):
                return self.value(on_true) if self.value(condition) else self.value(on_false)
            case Cast(operand, dtype):
                return convert(self.value(operand), dtype)
            case Bitcast(operand, dtype):
                return bitcast(self.value(operand), dtype)
        raise AssertionError(value)


def _tree(reducer: str, partials: list[Array]) -> Array:
    while len(partials) > 1:
        half = len(partials) // 2
        pairs = zip(partials[:half], partials[half:], strict=True)
        partials = [BINARY[reducer](left, right) for left, right in pairs]
    return partials[0]


def _fold(accumulator: Accumulator, values: list[tuple[Array, ...]]) -> tuple[Array, ...]:
    if accumulator.reducer in ("argmax", "argmin"):
        return _best(accumulator.reducer, values)
    dtype = accumulator.values[0].dtype.numpy
    count = 64 if accumulator.order is Order.INTERLEAVED else 1
    start = {"add": 0, "multiply": 1}.get(accumulator.reducer)
    if start is None:
        is_max = accumulator.reducer == "maximum"
        limits = (-np.inf, np.inf) if dtype.kind == "f" else tuple(_limits(dtype))
        start = limits[0] if is_max else limits[1]  # type: ignore[assignment]
    partials = [np.asarray(start).astype(dtype) for _ in range(count)]
    for number, (value,) in enumerate(values):
        partials[number % count] = BINARY[accumulator.reducer](partials[number % count], value)
    return (_tree(accumulator.reducer, partials),)


def _limits(dtype: np.dtype[Any]) -> tuple[int, int]:
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def _best(reducer: str, values: list[tuple[Array, ...]]) -> tuple[Array, ...]:
    best = values[0]
    for pair in values[1:]:
        better = pair[0] > best[0] if reducer == "argmax" else pair[0] < best[0]
        if not np.isnan(best[0]) and (better or np.isnan(pair[0])):
            best = pair
    return best
