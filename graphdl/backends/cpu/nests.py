"""What recipes ask of a tiled nest and do to its statements: strides, costs, masks, symbols."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from graphdl.kernel.nodes import (
    Accumulator,
    Allocate,
    Binary,
    Bitcast,
    Buffer,
    Carry,
    Cast,
    Condition,
    Fma,
    If,
    IndexValue,
    Kernel,
    Let,
    Load,
    Loop,
    LoopKind,
    Select,
    Space,
    Statement,
    Store,
    Sweep,
    Unary,
    Value,
    Variable,
)
from graphdl.typesystem.dtype import DType
from graphdl.typesystem.expression import (
    Comparison,
    Size,
    Symbol,
    free_symbols,
    product,
    substitute,
)


@dataclass(frozen=True, slots=True)
class Nest:
    """A kernel's outermost perfectly nested PARALLEL loops, and what they contain."""

    kernel: Kernel
    loops: tuple[Loop, ...]
    body: tuple[Statement, ...]

    def buffers(self) -> dict[str, Buffer]:
        """Argument and allocated buffers by name."""
        found = {buffer.name: buffer for buffer in self.kernel.buffers}
        for statement in walk(self.body):
            if isinstance(statement, Allocate):
                found[statement.buffer.name] = statement.buffer
        return found


def peel(kernel: Kernel) -> Nest:
    """Split a kernel into its parallel loops and their body."""
    loops: list[Loop] = []
    body = kernel.body
    while len(body) == 1 and isinstance(body[0], Loop) and body[0].kind is LoopKind.PARALLEL:
        loops.append(body[0])
        body = body[0].body
    return Nest(kernel, tuple(loops), body)


# Walking ------------------------------------------------------------------------------------------


def walk(body: Iterable[Statement]) -> Iterator[Statement]:
    """Every statement, owners before what they contain."""
    for statement in body:
        yield statement
        match statement:
            case Loop() | Sweep():
                yield from walk(statement.body)
            case If():
                yield from walk(statement.body)
                yield from walk(statement.otherwise)


def statement_values(statement: Statement) -> tuple[Value, ...]:
    """The values that a statement computes itself, not those of statements inside it."""
    match statement:
        case Let(_, value) | Store(_, _, value):
            return (value,)
        case Loop():
            return tuple(
                value for carry in statement.carried for value in (carry.initial, carry.next)
            )
        case Sweep():
            return tuple(value for each in statement.accumulators for value in each.values)
    return ()


def operands(value: Value) -> tuple[Value, ...]:
    """The values that a value is computed from."""
    match value:
        case Binary(_, left, right):
            return (left, right)
        case Fma(a, b, c):
            return (a, b, c)
        case Select(condition, on_true, on_false):
            return (condition, on_true, on_false)
        case Unary(_, operand) | Cast(operand, _) | Bitcast(operand, _):
            return (operand,)
    return ()


def walk_value(value: Value) -> Iterator[Value]:
    """The value and everything it is computed from."""
    yield value
    for operand in operands(value):
        yield from walk_value(operand)


def accesses(body: Iterable[Statement]) -> Iterator[Load | Store]:
    """Every load and store."""
    for statement in walk(body):
        if isinstance(statement, Store):
            yield statement
        for value in statement_values(statement):
            yield from (each for each in walk_value(value) if isinstance(each, Load))


# Rewriting ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rewriter:
    """Rebuilds statements with `index` applied to every integer expression, then `load` to every
    Load and `store` to every Store."""

    index: Callable[[Size], Size] = lambda size: size
    load: Callable[[Load], Load] = lambda load: load
    store: Callable[[Store], Store] = lambda store: store

    def body(self, body: Iterable[Statement]) -> tuple[Statement, ...]:
        """Rebuilt statements."""
        return tuple(self.statement(statement) for statement in body)

    def statement(self, statement: Statement) -> Statement:
        """One rebuilt statement."""
        match statement:
            case Let(name, value):
                return Let(name, self.value(value))
            case Store(buffer, index, value, mask):
                made = Store(buffer, self.indices(index), self.value(value), self.comparisons(mask))
                return self.store(made)
            case Loop():
                return replace(
                    statement,
                    start=self.index(statement.start),
                    stop=self.index(statement.stop),
                    body=self.body(statement.body),
                    carried=tuple(
                        Carry(each.name, self.value(each.initial), self.value(each.next))
                        for each in statement.carried
                    ),
                )
            case Sweep(axes, body, accumulators):
                axes = tuple(replace(axis, extent=self.index(axis.extent)) for axis in axes)
                return Sweep(axes, self.body(body), tuple(map(self.accumulator, accumulators)))
            case If(condition, body, otherwise):
                return If(self.comparisons(condition), self.body(body), self.body(otherwise))
        return statement

    def accumulator(self, accumulator: Accumulator) -> Accumulator:
        """One rebuilt accumulator."""
        return replace(accumulator, values=tuple(map(self.value, accumulator.values)))

    def value(self, value: Value) -> Value:
        """One rebuilt value."""
        match value:
            case Load(buffer, index, dtype, mask):
                return self.load(Load(buffer, self.indices(index), dtype, self.comparisons(mask)))
            case IndexValue(index, dtype):
                return IndexValue(self.index(index), dtype)
            case Condition(comparisons):
                return Condition(self.comparisons(comparisons))
            case Binary(op, left, right):
                return Binary(op, self.value(left), self.value(right))
            case Fma(a, b, c):
                return Fma(self.value(a), self.value(b), self.value(c))
            case Select(condition, on_true, on_false):
                return Select(self.value(condition), self.value(on_true), self.value(on_false))
            case Unary(op, operand):
                return Unary(op, self.value(operand))
            case Cast(operand, dtype):
                return Cast(self.value(operand), dtype)
            case Bitcast(operand, dtype):
                return Bitcast(self.value(operand), dtype)
        return value

    def indices(self, sizes: Iterable[Size]) -> tuple[Size, ...]:
        """Rebuilt integer expressions."""
        return tuple(map(self.index, sizes))

    def comparisons(self, comparisons: Iterable[Comparison]) -> tuple[Comparison, ...]:
        """Rebuilt comparisons."""
        return tuple(
            Comparison(self.index(each.left), each.relation, self.index(each.right))
            for each in comparisons
        )


def replace_symbols(
    body: Iterable[Statement], replacements: Mapping[Symbol, Size]
) -> tuple[Statement, ...]:
    """Statements with symbols replaced by expressions in every index, size and condition."""
    return Rewriter(lambda size: substitute(size, replacements)).body(body)


def varying_symbols(body: Iterable[Statement], symbols: Iterable[Symbol]) -> frozenset[Symbol]:
    """`symbols` and the names that depend on them, as symbols."""
    found = set(symbols)
    for statement in walk(body):
        match statement:
            case Let(name, value) if value_varies(value, found):
                found.add(Symbol(name))
            case Loop(carried=carried):
                for carry in carried:
                    if value_varies(carry.initial, found) or value_varies(carry.next, found):
                        found.add(Symbol(carry.name))
            case Sweep(accumulators=accumulators):
                for each in accumulators:
                    if any(value_varies(value, found) for value in each.values):
                        found.update(map(Symbol, each.names))
    return frozenset(found)


def value_varies(value: Value, symbols: set[Symbol] | frozenset[Symbol]) -> bool:
    """Whether a value depends on one of the symbols."""
    for each in walk_value(value):
        match each:
            case Variable(name):
                if Symbol(name) in symbols:
                    return True
            case Load(_, index, _, mask):
                if index_varies(index, symbols) or comparisons_vary(mask, symbols):
                    return True
            case IndexValue(index):
                if index_varies((index,), symbols):
                    return True
            case Condition(comparisons):
                if comparisons_vary(comparisons, symbols):
                    return True
    return False


def index_varies(index: Iterable[Size], symbols: set[Symbol] | frozenset[Symbol]) -> bool:
    """Whether one of the expressions mentions one of the symbols."""
    return any(not symbols.isdisjoint(free_symbols(size)) for size in index)


def comparisons_vary(
    comparisons: Iterable[Comparison], symbols: set[Symbol] | frozenset[Symbol]
) -> bool:
    """Whether one of the comparisons mentions one of the symbols."""
    return any(index_varies((each.left, each.right), symbols) for each in comparisons)


def mask_lanes(body: Sequence[Statement], lane: Symbol, *mask: Comparison) -> tuple[Statement, ...]:
    """Statements whose stores, and loads that differ by lane, happen only where `mask` holds."""
    varying = varying_symbols(body, {lane})
    masked = Rewriter(
        load=lambda each: _mask_load(each, varying, mask),
        store=lambda each: replace(each, mask=(*each.mask, *mask)),
    )
    return masked.body(body)


def mask_loads(
    statement: Statement, varying: frozenset[Symbol], kept: Container[str], *mask: Comparison
) -> Statement:
    """A statement whose loads that vary happen only where `mask` holds, but for the buffers
    `kept`."""

    def load(each: Load) -> Load:
        return each if each.buffer in kept else _mask_load(each, varying, mask)

    return Rewriter(load=load).statement(statement)


def _mask_load(load: Load, varying: frozenset[Symbol], mask: tuple[Comparison, ...]) -> Load:
    is_varying = index_varies(load.index, varying)
    return replace(load, mask=(*load.mask, *mask)) if is_varying else load


# Facts --------------------------------------------------------------------------------------------


def stride(buffer: Buffer, index: Sequence[Size], symbol: Symbol) -> Size | None:
    """How far apart in the buffer's elements neighbouring values of `symbol` are; None when that
    differs from place to place."""
    strides = [product(buffer.shape[axis + 1 :]) for axis in range(len(index))]
    total: Size = 0
    for size, step in zip(index, strides, strict=True):
        if symbol not in free_symbols(size):
            continue
        difference = substitute(size, {symbol: symbol + 1}) - size
        if not isinstance(difference, int) and symbol in free_symbols(difference):
            return None
        total = total + difference * step
    return total


STREAM_COST = 10
"""Picoseconds per byte of a load or store next to the one before."""
OPERATION_COST = 10
"""Picoseconds per lane of an arithmetic instruction."""
_COSTS = {"divide": 100, "sqrt": 100, "floor_divide": 800, "remainder": 800}
_SPREAD = 8  # how much dearer an access without a stride of 0 or 1 is


def cost(
    nest_buffers: Mapping[str, Buffer], body: Iterable[Statement], lane: Symbol | None
) -> Size:
    """Estimated picoseconds of running `body` once, per point of its surrounding loops."""
    total: Size = 0
    for statement in body:
        for value in statement_values(statement):
            inside = sum(_value_cost(nest_buffers, each, lane) for each in walk_value(value))
            total = total + (inside if not isinstance(statement, Sweep | Loop) else 0)
            if isinstance(statement, Sweep):
                extents = product(axis.extent for axis in statement.axes)
                total = total + inside * extents
        match statement:
            case Store(buffer, index):
                total = total + _access_cost(nest_buffers, buffer, index, lane)
            case Sweep(axes, inner):
                innermost = axes[-1].symbol if lane is None else lane
                extents = product(axis.extent for axis in axes)
                total = total + cost(nest_buffers, inner, innermost) * extents
            case Loop(_, start, stop, _, _, inner):
                total = total + cost(nest_buffers, inner, lane) * (stop - start)
            case If(_, inner, otherwise):
                total = total + cost(nest_buffers, inner, lane)
                total = total + cost(nest_buffers, otherwise, lane)
    return total


def _value_cost(buffers: Mapping[str, Buffer], value: Value, lane: Symbol | None) -> int:
    match value:
        case Load(buffer, index):
            return _access_cost(buffers, buffer, index, lane)
        case Binary(op) | Unary(op):
            return _COSTS.get(op, OPERATION_COST)
        case Fma() | Select() | Cast():
            return OPERATION_COST
    return 0


def _access_cost(
    buffers: Mapping[str, Buffer], name: str, index: Sequence[Size], lane: Symbol | None
) -> int:
    buffer = buffers[name]
    bytes_cost = STREAM_COST * buffer.dtype.itemsize
    if lane is None or buffer.space is Space.REGISTER:
        return bytes_cost
    step = stride(buffer, index, lane)
    if step == 0:
        return bytes_cost // 8
    return bytes_cost if step == 1 else bytes_cost * _SPREAD


def widest_bits(nest: Nest) -> int:
    """Bits of the elements that lanes are counted in: the widest floating type that is loaded,
    stored or computed; without one, the widest stored type."""
    types = _types(nest.body)
    floating = [max(dtype.bits, 32) for dtype in types if dtype.is_floating]
    if floating:
        return max(floating)
    buffers = nest.buffers()
    stored = [buffers[each.buffer].dtype for each in accesses(nest.body) if isinstance(each, Store)]
    return max((dtype.bits for dtype in stored), default=64)


def _types(body: Iterable[Statement]) -> set[DType]:
    found: set[DType] = set()
    for statement in walk(body):
        for value in statement_values(statement):
            found.update(each.dtype for each in walk_value(value))
    return found


def operation_count(body: Iterable[Statement]) -> int:
    """How many arithmetic nodes the statements have."""
    kinds = (Binary, Unary, Fma, Select, Cast)
    return sum(
        isinstance(each, kinds)
        for statement in walk(body)
        for value in statement_values(statement)
        for each in walk_value(value)
    )


HEAVY = 12
"""Arithmetic nodes from which a body keeps the processor busy without being unrolled."""


def is_heavy(body: Iterable[Statement]) -> bool:
    """Whether a body is long enough to run one vector at a time."""
    return operation_count(body) > HEAVY
