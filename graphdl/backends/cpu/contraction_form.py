"""What a tiled kernel must look like to be a contraction, and which axis plays which part.

parallel batch, i, j in …                 outer axes: in both operands, or left over
    [lets]                                row axis: in the left operand only
    sweep k in 0:K                        column axis: in the right operand only, contiguous in
        [lets]                            the first output
        sum = ascending add lhs * rhs
    epilogue: lets and stores             (the operands change places where that is better)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from graphdl.backends.cpu.nests import Nest, Rewriter, accesses, stride, value_varies, walk_value
from graphdl.kernel.nodes import (
    Axis,
    Binary,
    Buffer,
    Condition,
    IndexValue,
    Let,
    Load,
    Loop,
    Order,
    Statement,
    Store,
    Sweep,
    Value,
    Variable,
)
from graphdl.typesystem.dtype import DType
from graphdl.typesystem.expression import (
    Size,
    Symbol,
    add,
    free_symbols,
    multiply,
    product,
    substitute,
)


@dataclass(frozen=True, slots=True)
class Operand:
    """A factor of the product. A plain one is an element of a buffer: `base` is its place where all
    symbols in `strides` are 0. `buffer` is empty for one that must be computed first."""

    value: Value
    buffer: str = ""
    base: Size = 0
    strides: Mapping[Symbol, Size] | None = None

    @property
    def is_plain(self) -> bool:
        """Whether the factor can be read from its buffer as it is."""
        return self.strides is not None

    def stride(self, symbol: Symbol | None) -> Size:
        """Elements between neighbours along an axis."""
        assert self.strides is not None
        return self.strides.get(symbol, 0) if symbol is not None else 0


@dataclass(frozen=True, slots=True)
class Contraction:
    """A kernel taken apart. `lhs` varies along `row`, `rhs` along `column`."""

    nest: Nest
    dtype: DType
    lhs: Operand
    rhs: Operand
    outer: tuple[Axis, ...]
    row: Axis | None
    column: Axis
    depth: tuple[Axis, ...]
    sum_name: str
    epilogue: tuple[Statement, ...]

    def strides(self, value: Value, symbol: Symbol) -> list[Size | None]:
        """The stride of each load in a value."""
        buffers = self.nest.buffers()
        loads = [each for each in walk_value(value) if isinstance(each, Load)]
        return [stride(buffers[each.buffer], each.index, symbol) for each in loads]

    def plain_output(self) -> Operand | None:
        """Where the sums belong when the epilogue only stores them, column by column."""
        bound = {each.name: each.value for each in self.epilogue if isinstance(each, Let)}
        stores = [each for each in self.epilogue if isinstance(each, Store)]
        if len(stores) != 1 or stores[0].mask:
            return None
        store = stores[0]
        value = _inline(store.value, bound)
        buffers = self.nest.buffers()
        if (
            value != Variable(self.sum_name, self.dtype)
            or buffers[store.buffer].dtype != self.dtype
        ):
            return None
        symbols = [axis.symbol for axis in (*self.outer, self.column)]
        if self.row is not None:
            symbols.append(self.row.symbol)
        place = _operand(Load(store.buffer, store.index, self.dtype), symbols, buffers)
        return place if place.is_plain and place.stride(self.column.symbol) == 1 else None


def recognize_contraction(nest: Nest) -> Contraction | None:
    """The kernel as a contraction, or None: then another recipe takes it."""
    position = next((at for at, each in enumerate(nest.body) if isinstance(each, Sweep)), None)
    if position is None:
        return None
    sweep = nest.body[position]
    assert isinstance(sweep, Sweep)
    before, epilogue = nest.body[:position], nest.body[position + 1 :]
    factors = _factors(sweep)
    if factors is None or not _is_simple([*before, *sweep.body, *epilogue]):
        return None
    bound = {each.name: each.value for each in (*before, *sweep.body) if isinstance(each, Let)}
    left, right = (_inline(value, bound) for value in factors)
    roles = _assign_axes(nest, left, right, epilogue)
    if roles is None:
        return None
    is_swapped, row, column, outer = roles
    if is_swapped:
        left, right = right, left
    symbols = [axis.symbol for axis in (*outer, column, *sweep.axes)]
    if row is not None:
        symbols.append(row.symbol)
    buffers = nest.buffers()
    known = {*nest.kernel.sizes, *symbols}
    if any(not _index_symbols(value) <= known for value in (left, right)):
        return None
    lhs, rhs = (_operand(value, symbols, buffers) for value in (left, right))
    depth = _merge_depth(sweep.axes, lhs, rhs)
    (name,) = sweep.accumulators[0].names
    kept = tuple(each for each in before if isinstance(each, Let))
    return Contraction(
        nest, left.dtype, lhs, rhs, outer, row, column, depth, name, (*kept, *epilogue)
    )


def _index_symbols(value: Value) -> set[Symbol]:
    found: set[Symbol] = set()
    for each in walk_value(value):
        match each:
            case Load(_, index, _, mask):
                sizes = [*index, *(side for c in mask for side in (c.left, c.right))]
            case IndexValue(index):
                sizes = [index]
            case Condition(comparisons):
                sizes = [side for c in comparisons for side in (c.left, c.right)]
            case _:
                continue
        found.update(*map(free_symbols, sizes))
    return found


def _factors(sweep: Sweep) -> tuple[Value, Value] | None:
    """The two factors of a sweep that is one ascending sum of products."""
    if len(sweep.accumulators) != 1:
        return None
    accumulator = sweep.accumulators[0]
    value = accumulator.values[0]
    if accumulator.reducer != "add" or accumulator.order is not Order.ASCENDING:
        return None
    if not isinstance(value, Binary) or value.op != "multiply" or value.dtype.bits < 32:
        return None
    return value.left, value.right


def _is_simple(statements: Sequence[Statement]) -> bool:
    return all(isinstance(each, Let | Store) for each in statements)


class NameReplacer(Rewriter):
    """Rebuilds statements with bound names replaced by values."""

    __slots__ = ("names",)
    names: Mapping[str, Value]

    def __init__(self, names: Mapping[str, Value]) -> None:
        Rewriter.__init__(self)
        object.__setattr__(self, "names", names)

    def value(self, value: Value) -> Value:
        """One rebuilt value."""
        if isinstance(value, Variable) and value.name in self.names:
            return self.value(self.names[value.name])
        return Rewriter.value(self, value)


def _inline(value: Value, bound: Mapping[str, Value]) -> Value:
    """The value with the names of `bound` written out."""
    return NameReplacer(bound).value(value)


# Axes ---------------------------------------------------------------------------------------------


def _assign_axes(
    nest: Nest, left: Value, right: Value, epilogue: Sequence[Statement]
) -> tuple[bool, Axis | None, Axis, tuple[Axis, ...]] | None:
    """(operands change places, row axis, column axis, outer axes)."""
    in_left = [loop for loop in nest.loops if value_varies(left, {loop.symbol})]
    in_right = [loop for loop in nest.loops if value_varies(right, {loop.symbol})]
    only_left = [loop for loop in in_left if loop not in in_right]
    only_right = [loop for loop in in_right if loop not in in_left]
    column = _contiguous_axis(nest, epilogue, [*only_right, *only_left])
    if column is None:
        return None
    is_swapped = column in only_left
    rows = only_right if is_swapped else only_left
    row = rows[-1] if rows else None
    outer = tuple(_axis(loop) for loop in nest.loops if loop is not column and loop is not row)
    return is_swapped, _axis(row) if row else None, _axis(column), outer


def _axis(loop: Loop) -> Axis:
    return Axis(loop.symbol, loop.stop)


def _contiguous_axis(
    nest: Nest, epilogue: Sequence[Statement], candidates: Sequence[Loop]
) -> Loop | None:
    """The axis that the most accesses of the epilogue run along, in favour of the right operand.

    None where they all run along an axis of both operands: lanes belong there (depthwise sums).
    """
    buffers = nest.buffers()

    def score(loop: Loop) -> int:
        strides = [
            stride(buffers[each.buffer], each.index, loop.symbol) for each in accesses(epilogue)
        ]
        return sum(step == 1 for step in strides)

    best = max(candidates, key=score, default=None)
    if best is None or score(best) or not any(map(score, nest.loops)):
        return best
    return None


# Operands -----------------------------------------------------------------------------------------


def _operand(value: Value, symbols: Sequence[Symbol], buffers: Mapping[str, Buffer]) -> Operand:
    if not isinstance(value, Load) or value.mask:
        return Operand(value)
    buffer = buffers[value.buffer]
    linear: Size = 0
    for axis, index in enumerate(value.index):
        linear = add(linear, multiply(index, product(buffer.shape[axis + 1 :])))
    strides: dict[Symbol, Size] = {}
    for symbol in symbols:
        strides[symbol] = substitute(linear, {symbol: symbol + 1}) - linear
    base = substitute(linear, dict.fromkeys(symbols, 0))
    if any(not free_symbols(step).isdisjoint(symbols) for step in strides.values()):
        return Operand(value)
    return Operand(value, value.buffer, base, strides)


def _merge_depth(axes: tuple[Axis, ...], lhs: Operand, rhs: Operand) -> tuple[Axis, ...]:
    """Contracted axes, joined where both operands step through them as through one."""
    merged = list(axes)
    if not (lhs.is_plain and rhs.is_plain):
        return axes
    position = len(merged) - 1
    while position > 0:
        slow, fast = merged[position - 1], merged[position]
        if all(
            operand.stride(slow.symbol) == multiply(operand.stride(fast.symbol), fast.extent)
            for operand in (lhs, rhs)
        ):
            merged[position - 1 : position + 1] = [
                Axis(fast.symbol, multiply(slow.extent, fast.extent))
            ]
        position -= 1
    return tuple(merged)
