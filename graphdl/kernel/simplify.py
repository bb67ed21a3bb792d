"""Simpler indices, without the masks and branches that the loops' bounds decide.

Why: index propagation leaves floor divisions, remainders and masks that hold for every iteration;
each costs work per element and keeps a load from being a vector load.

    before   parallel i0 in 0:n0
                 parallel i1 in 0:n1
                     b1[i0, i1] = masked(b0[((n1*i0+i1)//n1), ((n1*i0+i1)%n1)], i1 < n1+1)
    after            b1[i0, i1] = b0[i0, i1]

Ensures: the same values; indices in the normal form of `typesystem.simplify`; no loop or sweep axis
of extent 1; constants folded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
)
from graphdl.kernel.rewriting import Rewriter
from graphdl.typesystem.dtype import bool_, int64
from graphdl.typesystem.expression import Comparison, Size, Symbol, substitute
from graphdl.typesystem.ranges import Range, is_polynomial, prove
from graphdl.typesystem.simplify import simplify


def simplify_kernel(kernel: Kernel, ranges: Mapping[Symbol, Range] | None = None) -> Kernel:
    """The kernel with everything decided that its loops' bounds and `ranges` (of size symbols)
    decide."""
    return replace(kernel, body=_Simplifier(dict(ranges or {})).body(kernel.body))


class _Simplifier(Rewriter):
    """Knows the ranges of the symbols in scope, and which symbols stand for 0."""

    def __init__(self, ranges: dict[Symbol, Range]) -> None:
        self.ranges = ranges
        self.zeros: dict[Symbol, Size] = {}

    def size(self, size: Size) -> Size:
        if isinstance(size, int):
            return size
        if self.zeros:
            replaced = substitute(size, self.zeros)
            size = size if replaced == size else replaced
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
            return Constant(0, load.dtype)
        return new

    def store(self, store: Store) -> Iterable[Statement]:
        (new,) = super().store(store)
        assert isinstance(new, Store)
        return () if new.mask == (_NEVER,) else (new,)

    def branch(self, branch: If) -> Iterable[Statement]:
        condition = self.comparisons(branch.condition)
        if condition == (_NEVER,):
            return self.body(branch.otherwise)
        if not condition:
            return self.body(branch.body)
        return (If(condition, self.body(branch.body), self.body(branch.otherwise)),)

    # Scopes

    def let(self, let: Let) -> Iterable[Statement]:
        if let.value.dtype == int64:
            self.ranges[Symbol(let.name)] = (None, None)
        return super().let(let)

    def loop(self, loop: Loop) -> Iterable[Statement]:
        start, stop = self.size(loop.start), self.size(loop.stop)
        if start == 0 and stop == 1 and not loop.carried:
            self.zeros[loop.symbol] = 0
            body = self.body(loop.body)
            del self.zeros[loop.symbol]
            return body
        for carry in loop.carried:
            if carry.initial.dtype == int64:
                self.ranges[Symbol(carry.name)] = (None, None)
        self.ranges[loop.symbol] = (start, stop - 1)
        result = super().loop(loop)
        del self.ranges[loop.symbol]
        return result

    def sweep(self, sweep: Sweep) -> Iterable[Statement]:
        axes = [Axis(axis.symbol, self.size(axis.extent)) for axis in sweep.axes]
        kept = [axis for axis in axes if axis.extent != 1] or axes[-1:]
        single = [axis.symbol for axis in axes if axis not in kept]
        self.zeros.update(dict.fromkeys(single, 0))
        self.ranges.update({axis.symbol: (0, axis.extent - 1) for axis in kept})
        result = super().sweep(replace(sweep, axes=tuple(kept)))
        for symbol in single:
            del self.zeros[symbol]
        for axis in kept:
            del self.ranges[axis.symbol]
        for accumulator in sweep.accumulators:
            for name in accumulator.names:
                self.ranges[Symbol(name)] = (None, None)
        return result

    # Values

    def value(self, value: Value) -> Value:
        new = super().value(value)
        match new:
            case Condition(comparisons) if not comparisons or comparisons == (_NEVER,):
                return Constant(not comparisons, bool_)
            case IndexValue(int(index), dtype):
                return folded(IndexValue(index, dtype))
            case Select(Constant(choice), on_true, on_false):
                return on_true if choice else on_false
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
