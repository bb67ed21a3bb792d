"""How many machine operations values stand for, roughly: one per arithmetic node."""

from __future__ import annotations

from collections.abc import Iterable

from graphdl.kernel.nodes import Binary, Bitcast, Cast, Fma, Select, Unary, Value


def count_operations(values: Iterable[Value]) -> int:
    """The number of Unary, Binary, Fma, Select and Cast nodes; a Bitcast, a name and a load are
    free. A Select around its own comparison is a minimum or maximum and counts once."""
    return sum(map(_count, values))


def _count(value: Value) -> int:
    match value:
        case Select(Binary("less", left, right), on_true, on_false) if {left, right} == {
            on_true,
            on_false,
        }:
            return 1 + _count(left) + _count(right)
        case Unary(_, operand) | Cast(operand, _):
            return 1 + _count(operand)
        case Bitcast(operand, _):
            return _count(operand)
        case Binary(_, left, right):
            return 1 + _count(left) + _count(right)
        case Fma(a, b, c) | Select(a, b, c):
            return 1 + _count(a) + _count(b) + _count(c)
    return 0
