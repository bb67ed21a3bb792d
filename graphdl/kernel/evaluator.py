"""Values and indices of the loop IR on NumPy arrays, many points at once.

The interpreter evaluates all iterations of its parallel loops together; the accuracy tables
evaluate expanded functions over millions of numbers. A value is an array with one element per
point, or a 0-d array where all points agree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdl.errors import InternalError
from graphdl.kernel.nodes import (
    Binary,
    Bitcast,
    Cast,
    Condition,
    Constant,
    Fma,
    IndexValue,
    Let,
    Load,
    Select,
    Unary,
    Value,
    Variable,
)
from graphdl.typesystem.arithmetic import BINARY, UNARY, bitcast, convert, fma
from graphdl.typesystem.expression import (
    Comparison,
    FloorDivide,
    Maximum,
    Minimum,
    Modulo,
    Size,
    Sum,
    Symbol,
)

Array = NDArray[Any]
Index = int | Array
Loader = Callable[[Load], Array]


def evaluate_index(index: Size, symbols: Mapping[Symbol, Index]) -> Index:
    """An index expression where symbols stand for ints or int64 arrays. Raises InternalError for
    an unbound symbol."""
    match index:
        case int():
            return index
        case Symbol(name):
            if index not in symbols:
                raise InternalError(f"the symbol {name} is not bound here")
            return symbols[index]
        case FloorDivide(left, right):
            return evaluate_index(left, symbols) // evaluate_index(right, symbols)
        case Modulo(left, right):
            return evaluate_index(left, symbols) % evaluate_index(right, symbols)
        case Minimum(terms):
            return _extreme(np.minimum, terms, symbols)
        case Maximum(terms):
            return _extreme(np.maximum, terms, symbols)
        case Sum():
            return _evaluate_sum(index, symbols)
    raise InternalError(f"{index!r} is not an index")


def _evaluate_sum(index: Sum, symbols: Mapping[Symbol, Index]) -> Index:
    total: Index = index.constant
    for coefficient, atoms in index.terms:
        product: Index = coefficient
        for atom in atoms:
            product = product * evaluate_index(atom, symbols)
        total = total + product
    return total


def _extreme(pick: Any, terms: tuple[Size, ...], symbols: Mapping[Symbol, Index]) -> Index:
    result, *others = (evaluate_index(term, symbols) for term in terms)
    for other in others:
        result = pick(result, other)
    return int(result) if np.ndim(result) == 0 else result


def evaluate_comparisons(
    comparisons: tuple[Comparison, ...], symbols: Mapping[Symbol, Index]
) -> bool | Array:
    """Whether all comparisons hold, per point."""
    result: bool | Array = True
    for comparison in comparisons:
        left = evaluate_index(comparison.left, symbols)
        right = evaluate_index(comparison.right, symbols)
        result = result & np.asarray(_RELATIONS[comparison.relation](left, right))
    return result


_RELATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    "==": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
}


def evaluate(
    value: Value,
    names: Mapping[str, Array],
    symbols: Mapping[Symbol, Index] | None = None,
    load: Loader | None = None,
) -> Array:
    """`value` where names and symbols stand for arrays that broadcast, as an array of its dtype.

    `load` reads buffers; without it a Load is an InternalError, as is an unbound name.
    """
    return _Evaluator(names, symbols or {}, load)(value)


def evaluate_with_lets(lets: tuple[Let, ...], value: Value, names: Mapping[str, Array]) -> Array:
    """`value` after `lets`, as `expand_math` returns them."""
    bound = dict(names)
    for let in lets:
        bound[let.name] = evaluate(let.value, bound)
    return evaluate(value, bound)


class _Evaluator:
    """One pass over a value."""

    __slots__ = ("load", "names", "symbols")

    def __init__(
        self, names: Mapping[str, Array], symbols: Mapping[Symbol, Index], load: Loader | None
    ) -> None:
        self.names, self.symbols, self.load = names, symbols, load

    def __call__(self, value: Value) -> Array:
        match value:
            case Binary(op, left, right):
                return BINARY[op](self(left), self(right))
            case Fma(a, b, c):
                return fma(self(a), self(b), self(c))
            case Unary(op, operand):
                return UNARY[op](self(operand))
            case Constant(number, dtype):
                with np.errstate(over="ignore"):
                    return np.asarray(number).astype(dtype.numpy)
            case Select(condition, on_true, on_false):
                return np.asarray(np.where(self(condition), self(on_true), self(on_false)))
            case Cast(operand, dtype):
                return np.asarray(convert(self(operand), dtype))
            case Bitcast(operand, dtype):
                return bitcast(self(operand), dtype)
        return self.leaf(value)

    def leaf(self, value: Value) -> Array:
        match value:
            case Variable(name, _):
                if name not in self.names:
                    raise InternalError(f"the name {name} is not bound here")
                return self.names[name]
            case IndexValue(index, dtype):
                number = np.asarray(evaluate_index(index, self.symbols), dtype=np.int64)
                return np.asarray(convert(number, dtype))
            case Condition(comparisons):
                return np.asarray(evaluate_comparisons(comparisons, self.symbols))
            case Load() if self.load is not None:
                return self.load(value)
        raise InternalError(f"cannot evaluate {value!r}")
