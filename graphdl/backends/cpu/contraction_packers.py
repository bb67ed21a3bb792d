"""Packers that all contractions of one dtype share: panels of columns and strips of rows, dense and
in the order in which the product reads them."""

from __future__ import annotations

from graphdl.backends.cpu.target import CpuTarget
from graphdl.kernel.nodes import (
    Access,
    Allocate,
    Buffer,
    If,
    Kernel,
    Load,
    Loop,
    LoopKind,
    Space,
    Statement,
    Store,
)
from graphdl.typesystem.dtype import DType
from graphdl.typesystem.expression import Comparison, Symbol, minimum

Body = tuple[Statement, ...]

_ROWS, _COLUMNS, _DEPTH = Symbol("rows"), Symbol("columns"), Symbol("depth")
_LANE, _STEP, _LEFT = Symbol("lane"), Symbol("step"), Symbol("left")


def panel_columns(dtype: DType, target: CpuTarget) -> int:
    """Columns of one panel."""
    return target.block_vectors * target.lanes(dtype.bits)


def packer_name(dtype: DType, is_transposed: bool) -> str:
    """A packer's symbol."""
    return f"graphdl_pack_{'columns' if is_transposed else 'rows'}_{dtype}"


def strip_packer_name(dtype: DType, is_transposed: bool) -> str:
    """A strip packer's symbol."""
    return f"graphdl_pack_strip_{'rows' if is_transposed else 'columns'}_{dtype}"


def strip_pitch(dtype: DType, target: CpuTarget) -> int:
    """Elements from one step of depth to the next in a packed strip of rows."""
    lanes = square_lanes(dtype, target)
    return (target.block_rows + lanes - 1) // lanes * lanes


def square_lanes(dtype: DType, target: CpuTarget) -> int:
    """Lanes of the squares that are transposed in registers. Wider ones are a little faster, but
    take LLVM three times as long."""
    return min(target.lanes(dtype.bits), 8)


def flat_view(name: str, dtype: DType, access: Access) -> Buffer:
    """A shared function's buffer: flat, of a length that it does not know."""
    return Buffer(name, dtype, (Symbol(f"length_{name}"),), Space.ARGUMENT, access)


def row_packer(dtype: DType, target: CpuTarget) -> Kernel:
    """pack(source, panel, columns, depth, source_row): rows of `columns` contiguous elements to
    consecutive panels of `depth` rows each, zero behind the last column. Whole rows are read at
    once, so that the processor sees streams."""
    lanes, width = target.lanes(dtype.bits), panel_columns(dtype, target)
    source_row, left = Symbol("source_row"), _LEFT

    def copy(is_full: bool) -> Body:
        body: Body = ()
        for start in range(0, width, lanes):
            mask = () if is_full else (Comparison(left + start + _LANE, "<", _COLUMNS),)
            value = Load("source", (_STEP * source_row + left + start + _LANE,), dtype, mask)
            store = Store("panel", (left * _DEPTH + _STEP * width + start + _LANE,), value)
            body += (Loop(_LANE, 0, lanes, 1, LoopKind.VECTOR, (store,)),)
        return body

    choose = If((Comparison(left + width, "<=", _COLUMNS),), copy(True), copy(False))
    panels = Loop(left, 0, _COLUMNS, width, LoopKind.SERIAL, (choose,))
    return _packer(
        dtype, False, source_row, (Loop(_STEP, 0, _DEPTH, 1, LoopKind.SERIAL, (panels,)),)
    )


def column_packer(dtype: DType, target: CpuTarget) -> Kernel:
    """pack(source, panel, columns, depth, source_column): columns of `depth` contiguous elements to
    the rows of one panel, in squares that are transposed in registers. Panel rows up to the next
    whole square are written; columns behind the last one hold copies of it."""
    lanes, width = square_lanes(dtype, target), panel_columns(dtype, target)
    source_column = Symbol("source_column")
    square = Buffer("square", dtype, (lanes, lanes), Space.REGISTER)
    left, column = _LEFT, Symbol("column")
    source = minimum(left + column, _COLUMNS - 1) * source_column + _STEP + _LANE
    value = Load("source", (source,), dtype, (Comparison(_STEP + _LANE, "<", _DEPTH),))
    target_place = ((_STEP + column) * width + left + _LANE,)
    copies = (
        Store("square", (column, _LANE), value),
        Store("panel", target_place, Load("square", (_LANE, column), dtype)),
    )
    body = (Allocate(square), *(_each_column(column, lanes, copy) for copy in copies))
    squares = Loop(_STEP, 0, _DEPTH, lanes, LoopKind.SERIAL, body)
    blocks = Loop(left, 0, width, lanes, LoopKind.SERIAL, (squares,))
    return _packer(dtype, True, source_column, (blocks,))


def strip_transposer(dtype: DType, target: CpuTarget) -> Kernel:
    """pack(source, strip, rows, depth, source_row): up to one register tile of rows, each of
    `depth` contiguous elements, so that the elements of one step stand together. Rows behind the
    last one hold copies of it; steps up to the next whole square are written."""
    lanes, pitch = square_lanes(dtype, target), strip_pitch(dtype, target)
    square = Buffer("square", dtype, (lanes, lanes), Space.REGISTER)
    top, row, source_row = Symbol("top"), Symbol("row"), Symbol("source_row")
    source = minimum(top + row, _ROWS - 1) * source_row + _STEP + _LANE
    value = Load("source", (source,), dtype, (Comparison(_STEP + _LANE, "<", _DEPTH),))
    place = ((_STEP + row) * pitch + top + _LANE,)
    copies = (
        Store("square", (row, _LANE), value),
        Store("strip", place, Load("square", (_LANE, row), dtype)),
    )
    body = (Allocate(square), *(_each_column(row, lanes, copy) for copy in copies))
    blocks = Loop(top, 0, pitch, lanes, LoopKind.SERIAL, body)
    squares = Loop(_STEP, 0, _DEPTH, lanes, LoopKind.SERIAL, (blocks,))
    return _strip_packer(dtype, True, source_row, (squares,))


def strip_copier(dtype: DType, target: CpuTarget) -> Kernel:
    """pack(source, strip, rows, depth, source_step): the same for rows that are contiguous at every
    step of depth."""
    lanes, pitch = square_lanes(dtype, target), strip_pitch(dtype, target)
    source_step = Symbol("source_step")
    body: Body = ()
    for top in range(0, pitch, lanes):
        mask = (Comparison(top + _LANE, "<", _ROWS),)
        value = Load("source", (_STEP * source_step + top + _LANE,), dtype, mask)
        store = Store("strip", (_STEP * pitch + top + _LANE,), value)
        body += (Loop(_LANE, 0, lanes, 1, LoopKind.VECTOR, (store,)),)
    loop = Loop(_STEP, 0, _DEPTH, 1, LoopKind.SERIAL, body)
    return _strip_packer(dtype, False, source_step, (loop,))


def _strip_packer(dtype: DType, is_transposed: bool, stride: Symbol, body: Body) -> Kernel:
    buffers = (flat_view("source", dtype, Access.READ), flat_view("strip", dtype, Access.WRITE))
    return Kernel(strip_packer_name(dtype, is_transposed), (_ROWS, _DEPTH, stride), buffers, body)


def _each_column(column: Symbol, lanes: int, statement: Statement) -> Statement:
    vector = Loop(_LANE, 0, lanes, 1, LoopKind.VECTOR, (statement,))
    return Loop(column, 0, lanes, 1, LoopKind.UNROLL, (vector,))


def _packer(dtype: DType, is_transposed: bool, stride: Symbol, body: Body) -> Kernel:
    buffers = (flat_view("source", dtype, Access.READ), flat_view("panel", dtype, Access.WRITE))
    sizes = (_COLUMNS, _DEPTH, stride)
    return Kernel(packer_name(dtype, is_transposed), sizes, buffers, body)
