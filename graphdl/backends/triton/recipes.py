"""How a tiled kernel maps onto Triton programs: one closed choice per kernel.

LANES     a block of PARALLEL points per program; sweeps and serial loops run inside each lane
ROW       one point of the PARALLEL loops per program; a block of the TILE axis at a time
CONTRACTION  a BLOCK_M × BLOCK_N tile per program, accumulated with tl.dot
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from graphdl.backends.triton.scalars import children
from graphdl.kernel.nodes import (
    Accumulator,
    Allocate,
    Binary,
    Buffer,
    If,
    IndexValue,
    Kernel,
    Let,
    Load,
    Loop,
    LoopKind,
    Order,
    Statement,
    Sweep,
    Value,
    Variable,
)
from graphdl.typesystem.expression import Size, Symbol, free_symbols


class Recipe(Enum):
    """The three shapes of generated Triton code."""

    LANES = "lanes"
    ROW = "row"
    CONTRACTION = "contraction"


@dataclass(frozen=True, slots=True)
class Nest:
    """A kernel seen as its PARALLEL loops, outermost first, and what they enclose."""

    symbols: tuple[Symbol, ...]
    extents: tuple[Size, ...]
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Contraction:
    """A contraction nest: which axes index which operand, and what follows the sum."""

    batch: tuple[int, ...]
    row: int
    column: int
    sweep: Sweep
    accumulator: Accumulator
    lhs: Value
    rhs: Value
    before: tuple[Statement, ...]
    epilogue: tuple[Statement, ...]


def nest_of(body: tuple[Statement, ...]) -> Nest:
    """Peel the perfectly nested PARALLEL loops off one statement."""
    symbols: list[Symbol] = []
    extents: list[Size] = []
    while len(body) == 1 and isinstance(body[0], Loop) and body[0].kind is LoopKind.PARALLEL:
        symbols.append(body[0].symbol)
        extents.append(body[0].stop)
        body = body[0].body
    return Nest(tuple(symbols), tuple(extents), body)


def choose_recipe(kernel: Kernel, nest: Nest) -> Recipe:
    """The recipe for one nest of a kernel."""
    if match_contraction(nest) is not None:
        return Recipe.CONTRACTION
    if any(is_row_sweep(statement) for statement in nest.body):
        return Recipe.ROW
    return Recipe.LANES


def is_row_sweep(statement: Statement) -> bool:
    """Whether a statement folds in INTERLEAVED order, that is along contiguous memory."""
    return isinstance(statement, Sweep) and any(
        accumulator.order is Order.INTERLEAVED for accumulator in statement.accumulators
    )


def match_contraction(nest: Nest) -> Contraction | None:
    """The contraction that a nest is, if it multiplies two operands over one float axis."""
    sweeps = [index for index, s in enumerate(nest.body) if isinstance(s, Sweep)]
    if len(sweeps) != 1 or len(nest.symbols) < 2:
        return None
    sweep = nest.body[sweeps[0]]
    assert isinstance(sweep, Sweep)
    if len(sweep.accumulators) != 1 or len(sweep.axes) != 1:
        return None
    if any(not isinstance(statement, Let) for statement in sweep.body):
        return None
    accumulator = sweep.accumulators[0]
    product = accumulator.values[0]
    if accumulator.reducer != "add" or not isinstance(product, Binary):
        return None
    if product.op != "multiply" or not product.dtype.is_floating:
        return None
    return _split_axes(nest, sweeps[0], sweep, accumulator, product)


def _split_axes(
    nest: Nest, position: int, sweep: Sweep, accumulator: Accumulator, product: Binary
) -> Contraction | None:
    lets = {
        statement.name: statement.value for statement in sweep.body if isinstance(statement, Let)
    }
    left = symbols_of(product.left, lets)
    right = symbols_of(product.right, lets)
    rows = [i for i, symbol in enumerate(nest.symbols) if symbol in left - right]
    columns = [i for i, symbol in enumerate(nest.symbols) if symbol in right - left]
    if not rows or not columns:
        return None
    lhs, rhs = product.left, product.right
    if rows[-1] > columns[-1]:
        rows, columns, lhs, rhs = columns, rows, rhs, lhs
    batch = tuple(i for i in range(len(nest.symbols)) if i not in (rows[-1], columns[-1]))
    before, epilogue = nest.body[:position], nest.body[position + 1 :]
    return Contraction(batch, rows[-1], columns[-1], sweep, accumulator, lhs, rhs, before, epilogue)


def symbols_of(value: Value, lets: dict[str, Value]) -> frozenset[Symbol]:
    """The loop symbols a value depends on, through Lets."""
    found: frozenset[Symbol] = frozenset()
    match value:
        case Variable(name, _) if name in lets:
            return symbols_of(lets[name], lets)
        case Load(_, index, _, mask):
            sizes = [*index, *(c.left for c in mask), *(c.right for c in mask)]
            found = frozenset().union(*map(free_symbols, sizes)) if sizes else frozenset()
            for symbol in tuple(found):
                if symbol.name in lets:
                    found |= symbols_of(lets[symbol.name], lets)
        case IndexValue(index, _):
            found = free_symbols(index)
    for child in children(value):
        found |= symbols_of(child, lets)
    return found


def names_of(value: Value, lets: dict[str, Value]) -> frozenset[str]:
    """The Let names that a value uses, directly or through other Lets."""
    found: set[str] = set()
    pending = [value]
    while pending:
        current = pending.pop()
        names = {symbol.name for symbol in symbols_of(current, {})} & set(lets)
        if isinstance(current, Variable) and current.name in lets:
            names.add(current.name)
        pending.extend(children(current))
        pending.extend(lets[name] for name in names - found)
        found |= names
    return frozenset(found)


def thread_buffers(body: tuple[Statement, ...]) -> Iterator[Buffer]:
    """The THREAD buffers that a nest allocates, in order."""
    for statement in body:
        if isinstance(statement, Allocate):
            yield statement.buffer
        elif isinstance(statement, Loop | Sweep | If):
            yield from thread_buffers(statement.body)
        if isinstance(statement, If):
            yield from thread_buffers(statement.otherwise)
