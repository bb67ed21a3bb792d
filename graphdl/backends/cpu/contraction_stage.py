"""The parts of a contraction that are its own: expressions computed into dense chunks before the
shared product, and the epilogue behind it."""

from __future__ import annotations

from collections.abc import Mapping

from graphdl.backends.cpu.contraction_form import Contraction, NameReplacer
from graphdl.backends.cpu.contraction_tasks import (
    COLUMN,
    COLUMNS,
    LANE,
    LEFT,
    ROW,
    ROWS,
    STAGED_ROWS,
    STRIP,
    Body,
    depth_count,
    linear_index,
)
from graphdl.backends.cpu.nests import mask_lanes, replace_symbols
from graphdl.kernel.nodes import Axis, Buffer, If, Load, Loop, LoopKind, Space, Store
from graphdl.typesystem.expression import Comparison, Size, Symbol, minimum, multiply


def in_lanes(body: Body, symbol: Symbol, start: Size, stop: Size | None, lanes: int) -> Body:
    """One vector of iterations of `symbol` from `start`, masked below `stop`."""
    moved = replace_symbols(body, {symbol: start + LANE})
    if stop is not None:
        moved = mask_lanes(moved, LANE, Comparison(start + LANE, "<", stop))
    return (Loop(LANE, 0, lanes, 1, LoopKind.VECTOR, moved),)


def _nest(loops: tuple[Axis, ...], store: Store, known: Mapping[Symbol, Size], lanes: int) -> Body:
    """SERIAL loops around a statement, the innermost one in masked vectors."""
    last = loops[-1]
    start = Symbol(f"{last.symbol.name}_start")
    body = in_lanes(replace_symbols((store,), known), last.symbol, start, last.extent, lanes)
    body = (Loop(start, 0, last.extent, lanes, LoopKind.SERIAL, body),)
    for axis in reversed(loops[:-1]):
        body = (Loop(axis.symbol, 0, axis.extent, 1, LoopKind.SERIAL, body),)
    return body


# The left operand ---------------------------------------------------------------------------------


def left_block(form: Contraction, lanes: int) -> Buffer:
    """Room for the computed rows of one task."""
    size = multiply(depth_count(form), STAGED_ROWS) + lanes
    return Buffer("left_block", form.dtype, (size,), Space.THREAD)


def left_strides(form: Contraction) -> tuple[Size, Size]:
    """Elements from row to row and from step to step of the computed rows."""
    return (1, STAGED_ROWS) if _runs_along_rows(form) else (depth_count(form), 1)


def _runs_along_rows(form: Contraction) -> bool:
    """Whether the left operand's loads are contiguous along the rows, not along the depth."""
    if form.row is None:
        return False
    rows, steps = (
        sum(step == 1 for step in form.strides(form.lhs.value, symbol))
        for symbol in (form.row.symbol, form.depth[-1].symbol)
    )
    return rows > steps


def compute_left(form: Contraction, lanes: int) -> Body:
    """Evaluate a task's rows of the left operand."""
    row = Axis(Symbol("staged_row"), ROWS)
    row_stride, step_stride = left_strides(form)
    index = row.symbol * row_stride + linear_index(form.depth) * step_stride
    store = Store("left_block", (index,), form.lhs.value)
    loops = (*form.depth, row) if row_stride == 1 else (row, *form.depth)
    known = {form.row.symbol: ROW + row.symbol} if form.row is not None else {}
    return _nest(loops, store, known, lanes)


# The right operand --------------------------------------------------------------------------------


def compute_panels(
    form: Contraction, panels: str, width: int, pitch: Size, block: tuple[Size, Size], lanes: int
) -> Body:
    """Evaluate panels of the right operand, `width` columns each and `pitch` rows apart. `block` is
    the first step of depth and the number of steps, where there is one contracted axis."""
    axes = form.depth
    column = Axis(Symbol("staged_column"), minimum(width, COLUMNS - LEFT))
    known: dict[Symbol, Size] = {form.column.symbol: COLUMN + LEFT + column.symbol}
    if len(axes) == 1:
        first, count = block
        step = Symbol("staged_step")
        known[axes[0].symbol] = first + step
        axes = (Axis(step, count),)
    index = LEFT * pitch + linear_index(axes) * width + column.symbol
    fill = _nest((*axes, column), Store(panels, (index,), form.rhs.value), known, lanes)
    return (Loop(LEFT, 0, COLUMNS, width, LoopKind.SERIAL, fill),)


# The epilogue -------------------------------------------------------------------------------------


def epilogue(form: Contraction, tile: Buffer, first: Size, rows: Size, lanes: int) -> Body:
    """Run the statements behind the sum over a strip of `rows` rows of the tile, which starts in
    its row `first`: row by row, in vectors of columns."""
    row, start = Symbol("tile_row"), Symbol("tile_column")
    column = form.column.symbol
    total = Load(tile.name, (first + row, column - COLUMN), form.dtype)
    body = NameReplacer({form.sum_name: total}).body(form.epilogue)
    if form.row is not None:
        body = replace_symbols(body, {form.row.symbol: ROW + STRIP + row})
    whole = COLUMNS // lanes * lanes
    full = in_lanes(body, column, COLUMN + start, None, lanes)
    part = in_lanes(body, column, COLUMN + whole, form.column.extent, lanes)
    loops: Body = (
        Loop(start, 0, whole, lanes, LoopKind.SERIAL, full),
        If((Comparison(whole, "<", COLUMNS),), part),
    )
    return (Loop(row, 0, rows, 1, LoopKind.SERIAL, loops),)
