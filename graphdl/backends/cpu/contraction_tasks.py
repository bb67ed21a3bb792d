"""How a contraction is cut into tasks: the sizes that decide it, and the words for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from graphdl.backends.cpu.contraction_form import Contraction
from graphdl.backends.cpu.tiled import THREADS
from graphdl.kernel.nodes import Axis, IndexValue, Let, Statement
from graphdl.typesystem.dtype import int64
from graphdl.typesystem.expression import (
    Size,
    Symbol,
    add,
    floor_divide,
    maximum,
    minimum,
    modulo,
    multiply,
    product,
)

Body = tuple[Statement, ...]

DEPTH_BLOCK = 256
"""Most steps of depth between two visits of the output."""
GROUP_BYTES = 4096
"""Most bytes of columns of one task: with DEPTH_BLOCK rows they fill half of a large L2 cache."""
CHUNK_ROWS = 512
"""Rows of one task where panels are packed, so that packing is paid back."""
SMALL_CHUNK_ROWS = 32
"""Rows of one task where nothing is packed."""
STAGED_ROWS = 64
"""Rows of a left operand that must be computed first."""
DIRECT_ELEMENTS = 128 * 1024
"""A right operand of at most this many elements is read in place,"""
TALL_ROWS = 160
TALL_WEIGHT = 6
"""or of this many times fewer, where it meets TALL_ROWS rows."""

TASK = Symbol("task")
ROW, COLUMN = Symbol("row_first"), Symbol("column_first")
ROWS, COLUMNS = Symbol("row_count"), Symbol("column_count")
STRIP, LEFT, LANE = Symbol("strip"), Symbol("left"), Symbol("lane")
_COLUMNS_EACH = Symbol("columns_each")

Bind = Callable[[str, Size], Size]


@dataclass(frozen=True, slots=True)
class TaskShape:
    """Rows and columns of one task, and how many tasks that makes down and across."""

    rows: Size
    columns: Size
    down: Size
    across: Size


def row_count(form: Contraction) -> Size:
    """Rows of the whole contraction."""
    return form.row.extent if form.row is not None else 1


def depth_count(form: Contraction) -> Size:
    """Steps of depth of the whole contraction."""
    return product(axis.extent for axis in form.depth)


def is_large(form: Contraction) -> Size:
    """1 when packing the right operand pays: it does not stay in cache, or many rows read it."""
    elements = multiply(form.column.extent, depth_count(form))
    is_tall = minimum(1, floor_divide(row_count(form), TALL_ROWS))
    weighted = multiply(elements, 1 + is_tall * (TALL_WEIGHT - 1))
    return minimum(1, floor_divide(weighted, DIRECT_ELEMENTS + 1))


def most_columns(form: Contraction) -> int:
    """Most columns of one task."""
    return GROUP_BYTES // form.dtype.itemsize


def task_shape(form: Contraction, lanes: int, bind: Bind) -> TaskShape:
    """Where the right operand is packed, tasks are long, because each packs its own panels, and
    every thread finds columns of its own. Elsewhere they are wide, because each strip of rows is
    packed once per task. `bind` names what is used again."""
    large = bind("is_large", is_large(form))
    unit = bind("unit", multiply(maximum(1, THREADS), lanes))
    padded = bind("padded", form.column.extent + (unit - 1))
    most = most_columns(form)
    share = maximum(4 * lanes, multiply(floor_divide(padded, unit), lanes))
    columns = choose(large, minimum(most, share), most)
    columns = bind(_COLUMNS_EACH.name, maximum(lanes, columns))
    rows = bind("rows_each", choose(large, CHUNK_ROWS, SMALL_CHUNK_ROWS))
    padded_columns = bind("padded_columns", form.column.extent + (columns - 1))
    padded_rows = bind("padded_rows", row_count(form) + (rows - 1))
    across = bind("parts_across", floor_divide(padded_columns, columns))
    return TaskShape(rows, columns, floor_divide(padded_rows, rows), across)


def staged_shape(form: Contraction, bind: Bind) -> TaskShape:
    """A left operand that must be computed is computed once per task, over all columns."""
    columns = bind(_COLUMNS_EACH.name, most_columns(form))
    rows = add(row_count(form), STAGED_ROWS - 1)
    return TaskShape(STAGED_ROWS, columns, floor_divide(rows, STAGED_ROWS), 1)


def task_lets(form: Contraction, lanes: int, is_staged: bool) -> Body:
    """Which rows and columns a task has: columns change fastest, then rows, then outer axes."""
    lets: list[Statement] = []

    def bind(name: str, value: Size) -> Size:
        lets.append(let(Symbol(name), value))
        return Symbol(name)

    shape = staged_shape(form, bind) if is_staged else task_shape(form, lanes, bind)
    down = bind("parts_down", shape.down) if form.outer else shape.down
    outer = tuple(axis.extent for axis in form.outer)
    *places, row, column = _indices(TASK, (*outer, down, shape.across))
    for axis, place in zip(form.outer, places, strict=True):
        bind(axis.symbol.name, place)
    bind(ROW.name, row * shape.rows)
    bind(ROWS.name, minimum(shape.rows, row_count(form) - ROW))
    if not is_staged:
        bind(COLUMN.name, column * shape.columns)
    return tuple(lets)


def column_let(form: Contraction) -> Let:
    """How many columns the group from COLUMN has."""
    return let(COLUMNS, minimum(_COLUMNS_EACH, form.column.extent - COLUMN))


# Words for sizes ----------------------------------------------------------------------------------


def let(symbol: Symbol, value: Size) -> Let:
    """Name an index."""
    return Let(symbol.name, IndexValue(value, int64))


def choose(condition: Size, one: Size, zero: Size) -> Size:
    """`one` where the condition is 1, `zero` where it is 0."""
    return zero + multiply(condition, one - zero)


def rounded_up(number: Size, unit: int) -> Size:
    """The multiple of a unit that is not less than a number."""
    return multiply(floor_divide(add(number, unit - 1), unit), unit)


def linear_index(axes: tuple[Axis, ...]) -> Size:
    """The row-major number of a point."""
    total: Size = 0
    for axis in axes:
        total = add(multiply(total, axis.extent), axis.symbol)
    return total


def _indices(number: Size, extents: tuple[Size, ...]) -> tuple[Size, ...]:
    """The row-major indices of a point number."""
    indices: list[Size] = []
    for extent in reversed(extents[1:]):
        indices.append(modulo(number, extent))
        number = floor_divide(number, extent)
    return (number, *reversed(indices))
