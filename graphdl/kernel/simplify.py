"""Simpler indices, without the masks and branches that the loops' bounds decide.

Why: index propagation leaves floor divisions, remainders and masks that hold for every iteration;
each costs work per element and keeps a load from being a vector load.

    before   parallel i0 in 0:n0
                 parallel i1 in 0:n1
                     b1[i0, i1] = masked(b0[((n1*i0+i1)//n1), ((n1*i0+i1)%n1)], i1 < n1+1)
    after            b1[i0, i1] = b0[i0, i1]

Ensures: the same values, bit for bit; indices in the normal form of `typesystem.simplify`; no loop
or sweep axis of extent 1 (a sweep keeps one axis); constants folded and written where they are
used; no Let that nothing uses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np

from graphdl.kernel.evaluator import evaluate
from graphdl.kernel.nodes import (
    Axis,
    Binary,
    Bitcast,
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
    Select,
    Statement,
    Store,
    Sweep,
    Unary,
    Value,
    Variable,
)
from graphdl.kernel.rewriting import Body, Rewriter
from graphdl.typesystem.dtype import bool_, int64
from graphdl.typesystem.expression import (
    Comparison,
    Size,
    Symbol,
    add,
    free_symbols,
    maximum,
    minimum,
    multiply,
    substitute,
    subtract,
)
from graphdl.typesystem.ranges import Range, is_polynomial, prove
from graphdl.typesystem.simplify import simplify


def simplify_kernel(kernel: Kernel, ranges: Mapping[Symbol, Range] | None = None) -> Kernel:
    """The kernel with everything decided that its loops' bounds and `ranges` (of size symbols)
    decide."""
    simplifier = _Simplifier(dict(ranges or {}))
    body = simplifier.body(kernel.body)
    if simplifier.is_shorter or not simplifier.bound <= simplifier.used:
        body = without_unused_lets(body)
    return kernel if body is kernel.body else replace(kernel, body=body)


class _Simplifier(Rewriter):
    """Knows the ranges of the symbols in scope, and the names that stand for known values."""

    def __init__(self, ranges: dict[Symbol, Range]) -> None:
        self.ranges = ranges
        self.indices: dict[Symbol, Size] = {}
        self.constants: dict[str, Value] = {}
        self.bound: set[str] = set()
        self.used: set[str] = set()
        self.is_shorter = False

    def size(self, size: Size) -> Size:
        if isinstance(size, int):
            return size
        if self.indices:
            replaced = substitute(size, self.indices)
            size = size if replaced == size else replaced
        if self.bound:
            self.used.update(symbol.name for symbol in free_symbols(size))
        if isinstance(size, int) or is_polynomial(size):
            return size
        result = simplify(size, self.ranges)
        return size if result == size else result

    # Masks

    def comparisons(self, comparisons: tuple[Comparison, ...]) -> tuple[Comparison, ...]:
        """Those that are not always true; one that never is stands alone."""
        kept: list[Comparison] = []
        for comparison in comparisons:
            new = self.comparison(comparison)
            truth = prove(new, self.ranges)
            if truth is False:
                return (_NEVER,)
            if truth is None and new not in kept:
                kept.append(new)
        return comparisons if tuple(kept) == comparisons else tuple(kept)

    def load(self, load: Load) -> Value:
        new = super().load(load)
        if isinstance(new, Load) and new.mask == (_NEVER,):
            self.is_shorter = True
            return Constant(0, load.dtype)
        return new

    def store(self, store: Store) -> Iterable[Statement]:
        (new,) = super().store(store)
        assert isinstance(new, Store)
        if new.mask == (_NEVER,):
            self.is_shorter = True
            return ()
        return (new,)

    def branch(self, branch: If) -> Iterable[Statement]:
        condition = self.comparisons(branch.condition)
        self.is_shorter |= not condition or condition == (_NEVER,)
        if condition == (_NEVER,):
            return self.body(branch.otherwise)
        if not condition:
            return self.body(branch.body)
        return (If(condition, self.body(branch.body), self.body(branch.otherwise)),)

    # Scopes

    def _bind(self, name: str, value: Value) -> None:
        """From here on `name` is `value`; what it was elsewhere is past."""
        self.constants.pop(name, None)
        self.indices.pop(Symbol(name), None)
        if value.dtype == int64:
            self.ranges[Symbol(name)] = range_of(value)

    def let(self, let: Let) -> Iterable[Statement]:
        value = self.value(let.value)
        self._bind(let.name, value)
        if isinstance(value, Constant) or value.dtype == int64:
            index = as_index(value)
            if index is not None:
                self.indices[Symbol(let.name)] = index = self.size(index)
                value = self.value(IndexValue(index, int64))
            if isinstance(value, Constant | IndexValue):
                self.constants[let.name] = value
                return ()
        self.bound.add(let.name)
        return (let if value is let.value else Let(let.name, value),)

    def variable(self, variable: Variable) -> Value:
        self.used.add(variable.name)
        return self.constants.get(variable.name, variable)

    def loop(self, loop: Loop) -> Iterable[Statement]:
        start, stop = self.size(loop.start), self.size(loop.stop)
        if start == 0 and stop == 1 and not loop.carried:
            self.indices[loop.symbol] = 0
            body = self.body(loop.body)
            del self.indices[loop.symbol]
            return body
        for carry in loop.carried:
            self._bind(carry.name, Variable(carry.name, carry.initial.dtype))
        self.ranges[loop.symbol] = (start, stop - 1)
        result = super().loop(loop)
        del self.ranges[loop.symbol]
        return result

    def sweep(self, sweep: Sweep) -> Iterable[Statement]:
        axes = [Axis(axis.symbol, self.size(axis.extent)) for axis in sweep.axes]
        kept = [axis for axis in axes if axis.extent != 1] or axes[-1:]
        single = [axis.symbol for axis in axes if axis not in kept]
        self.indices.update(dict.fromkeys(single, 0))
        self.ranges.update({axis.symbol: (0, axis.extent - 1) for axis in kept})
        result = super().sweep(replace(sweep, axes=tuple(kept)))
        for symbol in single:
            del self.indices[symbol]
        for axis in kept:
            del self.ranges[axis.symbol]
        for accumulator in sweep.accumulators:
            for name, value in zip(accumulator.names, accumulator.values, strict=True):
                self._bind(name, Variable(name, value.dtype))
        return result

    # Values

    def value(self, value: Value) -> Value:
        new = super().value(value)
        match new:
            case Condition(comparisons) if not comparisons or comparisons == (_NEVER,):
                return Constant(not comparisons, bool_)
            case Select(Constant(choice), on_true, on_false):
                self.is_shorter = True
                return on_true if choice else on_false
            case IndexValue(int(index)) if index not in (0, 1):
                return new  # a size that may yet become a symbol
        return folded(new)


_NEVER = Comparison(1, "<", 0)


def folded(value: Value) -> Value:
    """A Constant where every operand is one, with the numerics of the interpreter."""
    match value:
        case Unary(_, operand) | Cast(operand, _) | Bitcast(operand, _):
            operands: tuple[Value, ...] = (operand,)
        case Binary(_, left, right):
            operands = (left, right)
        case Fma(a, b, c):
            operands = (a, b, c)
        case IndexValue(int(), _):
            operands = ()
        case _:
            return value
    if not all(isinstance(operand, Constant) for operand in operands):
        return value
    with np.errstate(all="ignore"):
        result = evaluate(value, {})
    return Constant(result.reshape(()).item(), value.dtype)


_INDEX_OPS: dict[str, Callable[[Size, Size], Size]] = {
    "add": add,
    "subtract": subtract,
    "multiply": multiply,
    "minimum": minimum,
    "maximum": maximum,
}
_LARGE = 1 << 31  # index arithmetic knows no overflow, int64 values do


def as_index(value: Value) -> Size | None:
    """An int64 value as an index expression, when it is arithmetic on indices."""
    match value:
        case Constant(int(number), dtype) if dtype == int64 and abs(number) < _LARGE:
            return number
        case IndexValue(index, dtype) if dtype == int64:
            return index
        case Binary(op, left, right) if op in _INDEX_OPS and value.dtype == int64:
            left_index = as_index(left)
            right_index = None if left_index is None else as_index(right)
            if left_index is None or right_index is None:
                return None
            is_linear = isinstance(left_index, int) or isinstance(right_index, int)
            if op != "multiply" or is_linear:
                return _INDEX_OPS[op](left_index, right_index)
    return None


def range_of(value: Value) -> Range:
    """The lowest and highest value of an int64 value, where its form shows them."""
    match value:
        case Binary("minimum", inner, limit):
            return range_of(inner)[0], as_index(limit)
        case Binary("maximum", inner, limit):
            return as_index(limit), range_of(inner)[1]
    return None, None


# Unused names -------------------------------------------------------------------------------------


def without_unused_lets(body: Body) -> Body:
    """`body` without the Lets whose names nothing mentions."""
    return _prune(body, _Names())


class _Names(Rewriter):
    """Collects the names that statements and values mention."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def size(self, size: Size) -> Size:
        self.names.update(symbol.name for symbol in free_symbols(size))
        return size

    def variable(self, variable: Variable) -> Value:
        self.names.add(variable.name)
        return variable


def _prune(body: Body, seen: _Names) -> Body:
    kept: list[Statement] = []
    for statement in reversed(body):
        match statement:
            case Let(name) if name not in seen.names:
                continue
            case Loop(carried=carried):
                for carry in carried:
                    seen.value(carry.next)
                statement = replace(statement, body=_prune(statement.body, seen))
                for carry in carried:
                    seen.value(carry.initial)
                seen.sizes((statement.start, statement.stop))
            case Sweep():
                for accumulator in statement.accumulators:
                    seen.values(accumulator.values)
                statement = replace(statement, body=_prune(statement.body, seen))
                seen.sizes(tuple(axis.extent for axis in statement.axes))
            case If():
                branches = (_prune(statement.body, seen), _prune(statement.otherwise, seen))
                statement = If(statement.condition, *branches)
                seen.comparisons(statement.condition)
            case _:
                seen.statement(statement)
        kept.append(statement)
    return tuple(kept[::-1])
