"""A walk over a kernel that rebuilds what changes and keeps the rest as it is.

A transform subclasses Rewriter and overrides the hooks for what it changes: `size`, `load`,
`store`, `let`, …. Every method returns its argument itself when nothing changed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

from graphdl.kernel.nodes import (
    Accumulator,
    Allocate,
    Axis,
    Binary,
    Bitcast,
    Buffer,
    CallFunction,
    Carry,
    Cast,
    Condition,
    Constant,
    Fma,
    Fold,
    If,
    IndexValue,
    Let,
    Load,
    Loop,
    Select,
    Statement,
    Store,
    Sweep,
    Unary,
    Value,
    Variable,
)
from graphdl.typesystem.expression import Comparison, Size

_T = TypeVar("_T")
Body = tuple[Statement, ...]


def _same(new: tuple[_T, ...], old: tuple[_T, ...]) -> bool:
    """Whether each part is the very same object (or an equal int)."""
    if len(new) != len(old):
        return False
    for a, b in zip(new, old, strict=True):
        if a is not b and (type(a) is not int or a != b):
            return False
    return True


class Rewriter:
    """The identity; subclasses override hooks."""

    # Indices

    def size(self, size: Size) -> Size:
        """A size or index."""
        return size

    def sizes(self, sizes: tuple[Size, ...]) -> tuple[Size, ...]:
        """Several, as in a subscript or a shape."""
        new = tuple(map(self.size, sizes))
        return sizes if _same(new, sizes) else new

    def comparison(self, comparison: Comparison) -> Comparison:
        """One term of a mask or condition."""
        left, right = self.size(comparison.left), self.size(comparison.right)
        if left is comparison.left and right is comparison.right:
            return comparison
        return Comparison(left, comparison.relation, right)

    def comparisons(self, comparisons: tuple[Comparison, ...]) -> tuple[Comparison, ...]:
        """A conjunction."""
        if not comparisons:
            return comparisons
        new = tuple(map(self.comparison, comparisons))
        return comparisons if _same(new, comparisons) else new

    # Values

    def value(self, value: Value) -> Value:
        """Any value."""
        match value:
            case Variable():
                return self.variable(value)
            case Load():
                return self.load(value)
            case Constant():
                return value
            case Binary(op, left, right):
                new_left, new_right = self.value(left), self.value(right)
                if new_left is left and new_right is right:
                    return value
                return Binary(op, new_left, new_right)
            case Unary(op, operand):
                new = self.value(operand)
                return value if new is operand else Unary(op, new)
        return self._rare_value(value)

    def _rare_value(self, value: Value) -> Value:
        match value:
            case Fma(a, b, c):
                parts = (self.value(a), self.value(b), self.value(c))
                return value if _same(parts, (a, b, c)) else Fma(*parts)
            case Select(condition, on_true, on_false):
                parts = (self.value(condition), self.value(on_true), self.value(on_false))
                is_same = _same(parts, (condition, on_true, on_false))
                return value if is_same else Select(*parts)
            case Cast(operand, dtype):
                new = self.value(operand)
                return value if new is operand else Cast(new, dtype)
            case Bitcast(operand, dtype):
                new = self.value(operand)
                return value if new is operand else Bitcast(new, dtype)
            case IndexValue(index, dtype):
                size = self.size(index)
                return value if size is index else IndexValue(size, dtype)
            case Condition(comparisons):
                terms = self.comparisons(comparisons)
                return value if terms is comparisons else Condition(terms)
        return value

    def values(self, values: tuple[Value, ...]) -> tuple[Value, ...]:
        """Several values."""
        new = tuple(map(self.value, values))
        return values if _same(new, values) else new

    def variable(self, variable: Variable) -> Value:
        """A name used."""
        return variable

    def load(self, load: Load) -> Value:
        """A load."""
        index, mask = self.sizes(load.index), self.comparisons(load.mask)
        if index is load.index and mask is load.mask:
            return load
        return Load(load.buffer, index, load.dtype, mask)

    # Statements

    def body(self, body: Body) -> Body:
        """Statements in turn; a hook may give none or several for one."""
        new: list[Statement] = []
        for statement in body:
            new.extend(self.statement(statement))
        result = tuple(new)
        return body if _same(result, body) else result

    def statement(self, statement: Statement) -> Iterable[Statement]:
        """Any statement."""
        match statement:
            case Let():
                return self.let(statement)
            case Store():
                return self.store(statement)
            case Loop():
                return self.loop(statement)
            case Sweep():
                return self.sweep(statement)
            case If():
                return self.branch(statement)
            case Allocate(buffer):
                new = self.buffer(buffer)
                return (statement if new is buffer else Allocate(new),)
            case Fold():
                return (self.fold(statement),)
            case CallFunction(name, arguments, views):
                moved = tuple((view, self.size(offset)) for view, offset in views)
                return (CallFunction(name, self.sizes(arguments), moved),)

    def let(self, let: Let) -> Iterable[Statement]:
        """A Let."""
        value = self.value(let.value)
        return (let if value is let.value else Let(let.name, value),)

    def store(self, store: Store) -> Iterable[Statement]:
        """A Store."""
        index, mask = self.sizes(store.index), self.comparisons(store.mask)
        value = self.value(store.value)
        if index is store.index and mask is store.mask and value is store.value:
            return (store,)
        return (Store(store.buffer, index, value, mask),)

    def loop(self, loop: Loop) -> Iterable[Statement]:
        """A Loop: its bounds, initial values, body and next values."""
        start, stop = self.size(loop.start), self.size(loop.stop)
        initial = [self.value(carry.initial) for carry in loop.carried]
        body = self.body(loop.body)
        carried = tuple(
            Carry(carry.name, first, self.value(carry.next))
            for carry, first in zip(loop.carried, initial, strict=True)
        )
        if start is loop.start and stop is loop.stop and body is loop.body and not carried:
            return (loop,)
        return (Loop(loop.symbol, start, stop, loop.step, loop.kind, body, carried),)

    def sweep(self, sweep: Sweep) -> Iterable[Statement]:
        """A Sweep: its axes, body and accumulators."""
        axes = tuple(Axis(axis.symbol, self.size(axis.extent)) for axis in sweep.axes)
        body = self.body(sweep.body)
        return (Sweep(axes, body, tuple(map(self.accumulator, sweep.accumulators))),)

    def accumulator(self, accumulator: Accumulator) -> Accumulator:
        """What a Sweep folds; its values see the body's names."""
        values = self.values(accumulator.values)
        return accumulator if values is accumulator.values else replace(accumulator, values=values)

    def branch(self, branch: If) -> Iterable[Statement]:
        """An If."""
        condition = self.comparisons(branch.condition)
        return (If(condition, self.body(branch.body), self.body(branch.otherwise)),)

    def buffer(self, buffer: Buffer) -> Buffer:
        """A buffer's declaration."""
        shape = self.sizes(buffer.shape)
        return buffer if shape is buffer.shape else replace(buffer, shape=shape)

    def fold(self, fold: Fold) -> Fold:
        """A Fold."""
        return fold
