"""Sweeps whose points are visited one after the other: the lanes run over something else.

A column reduction sums down the leading axes; its lanes are neighbouring columns, each with one
partial in ascending order. Before, after:

    parallel i0 in 0:n1                      vector v0 in 0:16
        sweep i1 in n0                           serial i1 in 0:n0 carrying s0 = 0
            fold s0 = add(b0[i1, i0])                next s0 = s0 + b0[i1, j + v0]
        b1[i0] = s0                              b1[j + v0] = s0
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from graphdl.kernel.folding import reducer_identity
from graphdl.kernel.nodes import (
    LANES,
    Accumulator,
    Allocate,
    Axis,
    Binary,
    Buffer,
    Carry,
    Constant,
    If,
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
    Value,
    Variable,
)
from graphdl.typesystem.dtype import DType
from graphdl.typesystem.expression import Size, Symbol

PAIRS = ("argmax", "argmin")


class Serializer:
    """Turns sweeps into SERIAL loops that carry their accumulators, and PARALLEL loops inside a
    body into SERIAL ones."""

    def __init__(self, prefix: str = "c") -> None:
        self._numbers = itertools.count()
        self._prefix = prefix

    def fresh(self) -> str:
        """A new name."""
        return f"{self._prefix}{next(self._numbers)}_"

    def body(self, body: Iterable[Statement]) -> tuple[Statement, ...]:
        """Statements without sweeps."""
        return tuple(made for each in body for made in self.statement(each))

    def statement(self, statement: Statement) -> tuple[Statement, ...]:
        """What replaces one statement."""
        match statement:
            case Sweep():
                return self.sweep(statement)
            case Loop(symbol, start, stop, step, _, body, carried):
                inner = self.body(body)
                return (Loop(symbol, start, stop, step, LoopKind.SERIAL, inner, carried),)
            case If(condition, body, otherwise):
                return (If(condition, self.body(body), self.body(otherwise)),)
        return (statement,)

    def sweep(self, sweep: Sweep) -> tuple[Statement, ...]:
        """A sweep as loops: carried accumulators, or LANES partials in memory where the order says
        so."""
        interleaved = tuple(each for each in sweep.accumulators if needs_partials(each))
        if interleaved:
            return self._sweep_partials(sweep, interleaved)
        return self._carrying(sweep, sweep.axes)

    def _carrying(self, sweep: Sweep, axes: tuple[Axis, ...]) -> tuple[Statement, ...]:
        """Nested loops; each inner loop starts from what the outer one carries."""
        names = [name for each in sweep.accumulators for name in each.names]
        types = [value.dtype for each in sweep.accumulators for value in each.values]
        levels = [names, *([self.fresh() for _ in names] for _ in axes[1:])]
        lets, nexts = self._nexts(_renamed(sweep.accumulators, levels[-1]))
        body = (*self.body(sweep.body), *lets)
        for depth in reversed(range(len(axes))):
            initial = self._initials(sweep) if depth == 0 else _variables(levels[depth - 1], types)
            carried = tuple(map(Carry, levels[depth], initial, nexts))
            axis = axes[depth]
            loop = Loop(axis.symbol, 0, axis.extent, 1, LoopKind.SERIAL, tuple(body), carried)
            body, nexts = (loop,), list(_variables(levels[depth], types))
        return tuple(body)

    def _initials(self, sweep: Sweep) -> list[Value]:
        initials: list[Value] = []
        for each in sweep.accumulators:
            dtype = each.values[0].dtype
            initials.append(identity(each.reducer, dtype))
            if each.reducer in PAIRS:
                index = each.values[1].dtype
                initials.append(Constant(int(np.iinfo(index.numpy).max), index))
        return initials

    def _nexts(self, accumulators: Iterable[Accumulator]) -> tuple[tuple[Let, ...], list[Value]]:
        lets: list[Let] = []
        nexts: list[Value] = []
        for each in accumulators:
            if each.reducer not in PAIRS:
                current = Variable(each.names[0], each.values[0].dtype)
                nexts.append(Binary(each.reducer, current, each.values[0]))
                continue
            made, pair = self.choose_better(each)
            lets += made
            nexts += pair
        return tuple(lets), nexts

    def choose_better(self, accumulator: Accumulator) -> tuple[list[Let], list[Value]]:
        """The better of the accumulator's names and its values: the first NaN, else the extreme,
        and the smaller index among equals."""
        value_name, index_name = accumulator.names
        left = Variable(value_name, accumulator.values[0].dtype)
        left_index = Variable(index_name, accumulator.values[1].dtype)
        names = [self.fresh() for _ in range(3)]
        right = Variable(names[0], left.dtype)
        right_index = Variable(names[1], left_index.dtype)
        lets = [Let(names[0], accumulator.values[0]), Let(names[1], accumulator.values[1])]
        relation = "greater" if accumulator.reducer == "argmax" else "less"
        wins: Value = Binary(relation, right, left)
        tie: Value = Binary("equal", left, right)
        if left.dtype.is_floating:
            left_nan, right_nan = Binary("not_equal", left, left), Binary("not_equal", right, right)
            either = Binary("bitwise_or", wins, right_nan)
            wins = Binary("bitwise_and", either, Binary("equal", left, left))
            tie = Binary("bitwise_or", tie, Binary("bitwise_and", left_nan, right_nan))
        smaller = Binary("less", right_index, left_index)
        better = Binary("bitwise_or", wins, Binary("bitwise_and", tie, smaller))
        lets.append(Let(names[2], better))
        choice = Variable(names[2], better.dtype)
        return lets, [Select(choice, right, left), Select(choice, right_index, left_index)]

    def _sweep_partials(
        self, sweep: Sweep, interleaved: tuple[Accumulator, ...]
    ) -> tuple[Statement, ...]:
        """The general INTERLEAVED order, one point at a time: partial p mod LANES in memory."""
        buffers = {each: self._partials(each.values[0].dtype) for each in interleaved}
        point = point_number(sweep.axes)
        inner: list[Statement] = list(sweep.body)
        before: list[Statement] = []
        after: list[Statement] = []
        for each, buffer in buffers.items():
            start = self.fresh()
            fill = Store(buffer.name, (Symbol(start),), identity(each.reducer, buffer.dtype))
            before += [Allocate(buffer), _loop(start, LANES, (fill,))]
            inner.append(_join(each.reducer, buffer, point % LANES, point % LANES, each.values[0]))
            after += self._halve(each, buffer)
        rest = tuple(each for each in sweep.accumulators if each not in buffers)
        loops = self._carrying(Sweep(sweep.axes, tuple(inner), rest), sweep.axes)
        return (*before, *loops, *after)

    def _partials(self, dtype: DType) -> Buffer:
        return Buffer(f"{self.fresh()}partials", dtype, (LANES,), Space.THREAD)

    def _halve(self, accumulator: Accumulator, buffer: Buffer) -> list[Statement]:
        made: list[Statement] = []
        width = LANES // 2
        while width:
            name = self.fresh()
            other = Load(buffer.name, (Symbol(name) + width,), buffer.dtype)
            join = _join(accumulator.reducer, buffer, Symbol(name), Symbol(name), other)
            made.append(_loop(name, width, (join,)))
            width //= 2
        made.append(Let(accumulator.names[0], Load(buffer.name, (0,), buffer.dtype)))
        return made


def needs_partials(accumulator: Accumulator) -> bool:
    """Whether the accumulator's order is INTERLEAVED and can be told from ASCENDING."""
    return accumulator.order is Order.INTERLEAVED and accumulator.reducer not in PAIRS


def identity(reducer: str, dtype: DType) -> Constant:
    """What the partials of a reducer start from."""
    return Constant(reducer_identity(reducer, dtype), dtype)


def point_number(axes: tuple[Axis, ...]) -> Size:
    """The row-major number of a sweep's point."""
    number: Size = 0
    for axis in axes:
        number = number * axis.extent + axis.symbol
    return number


def _renamed(accumulators: Iterable[Accumulator], names: Iterable[str]) -> list[Accumulator]:
    remaining = iter(names)
    return [
        replace(each, names=tuple(itertools.islice(remaining, len(each.names))))
        for each in accumulators
    ]


def _loop(name: str, stop: Size, body: tuple[Statement, ...]) -> Loop:
    return Loop(Symbol(name), 0, stop, 1, LoopKind.SERIAL, body)


def _join(reducer: str, buffer: Buffer, target: Size, source: Size, value: Value) -> Store:
    current = Load(buffer.name, (source,), buffer.dtype)
    return Store(buffer.name, (target,), Binary(reducer, current, value))


def _variables(names: Iterable[str], types: Iterable[DType]) -> list[Value]:
    return [Variable(name, dtype) for name, dtype in zip(names, types, strict=True)]
