"""The products that all contractions of one dtype share, of a panel, of a row and of a strip.

    panel(a, b, c, rows, columns, depth, a_row, a_depth, b_row, c_row, accumulate)

adds a[rows, depth] times b[depth, columns] to c[rows, columns] when `accumulate` is not 0, and
replaces c otherwise. `columns` is at most one panel; less than one runs vector by vector. Depth
ascends, with one accumulator per element, so every way of cutting a contraction into panels gives
the same bits. The register tile is `block_rows` x `block_vectors` vectors; the last rows run in
tiles of half the height, and so on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from graphdl.backends.cpu.contraction_packers import (
    column_packer,
    flat_view,
    panel_columns,
    row_packer,
    square_lanes,
    strip_copier,
    strip_packer_name,
    strip_pitch,
    strip_transposer,
)
from graphdl.backends.cpu.generate import generate
from graphdl.backends.cpu.target import CpuTarget
from graphdl.kernel.nodes import (
    Access,
    Allocate,
    Binary,
    Buffer,
    CallFunction,
    Constant,
    Fma,
    If,
    Kernel,
    Let,
    Load,
    Loop,
    LoopKind,
    Space,
    Statement,
    Store,
    Value,
    Variable,
)
from graphdl.typesystem.dtype import DType
from graphdl.typesystem.expression import Comparison, Size, Symbol, minimum

Body = tuple[Statement, ...]

DOTS_SQUARES = 2
"""Squares whose sums run side by side, to hide the latency of an addition."""
ROW_VECTORS = 12
"""Vectors of columns of a single row."""
PACKED_PANELS = 4
"""Rows that meet more panels than this are packed first."""

_ROWS, _COLUMNS, _DEPTH = Symbol("rows"), Symbol("columns"), Symbol("depth")
_A_ROW, _A_DEPTH = Symbol("a_row"), Symbol("a_depth")
_B_ROW, _B_COLUMN, _C_ROW = Symbol("b_row"), Symbol("b_column"), Symbol("c_row")
_ACCUMULATE = Symbol("accumulate")
_ROW, _LANE, _STEP, _LEFT = Symbol("row"), Symbol("lane"), Symbol("step"), Symbol("left")


def panel_name(dtype: DType, target: CpuTarget, numerics: str) -> str:
    """The panel product's symbol."""
    rounding = "exact" if numerics == "exact" else "fused"
    return f"graphdl_panel_{dtype}_{rounding}"


def row_name(dtype: DType, target: CpuTarget, numerics: str) -> str:
    """The row product's symbol."""
    return panel_name(dtype, target, numerics).replace("panel", "row")


def strip_name(dtype: DType, target: CpuTarget, numerics: str) -> str:
    """The strip product's symbol."""
    return panel_name(dtype, target, numerics).replace("panel", "strip")


@cache
def shared_kernels(dtype: DType, target: CpuTarget, numerics: str) -> Mapping[str, Kernel]:
    """Everything that contractions of a dtype may call, by symbol."""
    kernels = [
        strip_kernel(dtype, target, numerics),
        panel_kernel(dtype, target, numerics),
        row_kernel(dtype, target, numerics),
        strip_transposer(dtype, target),
        strip_copier(dtype, target),
        row_packer(dtype, target),
        column_packer(dtype, target),
        dots_kernel(dtype, target, numerics),
    ]
    return {kernel.name: kernel for kernel in kernels}


@cache
def shared_text(name: str, dtype: DType, target: CpuTarget, numerics: str) -> str:
    """LLVM text of a shared function."""
    return generate(shared_kernels(dtype, target, numerics)[name], target, shared=True)


def strip_functions(dtype: DType, target: CpuTarget, numerics: str) -> tuple[str, ...]:
    """The symbols of the strip product and of what it calls."""
    packers = (strip_packer_name(dtype, True), strip_packer_name(dtype, False))
    key = (dtype, target, numerics)
    return (strip_name(*key), panel_name(*key), row_name(*key), *packers)


# The strip product --------------------------------------------------------------------------------


def strip_kernel(dtype: DType, target: CpuTarget, numerics: str) -> Kernel:
    """strip(a, b, c, packed, rows, columns, depth, a_row, a_depth, b_row, b_column, c_row,
    accumulate): some rows times any number of panels, `b_column` elements apart per column. Rows
    that meet several panels, and are contiguous in one direction, are packed first, one register
    tile after the other.
    """
    several = (
        Comparison(PACKED_PANELS * panel_columns(dtype, target), "<", _COLUMNS),
        Comparison((_A_ROW - 1) * (_A_DEPTH - 1), "==", 0),
    )
    single = (Comparison(_ROWS, "==", 1), Comparison(_B_COLUMN, "==", 1))
    row_sizes = (_COLUMNS, _DEPTH, _A_ROW, _A_DEPTH, _B_ROW, _C_ROW, _ACCUMULATE)
    row = CallFunction(row_name(dtype, target, numerics), row_sizes, (("a", 0), ("b", 0), ("c", 0)))
    in_place = _PanelCalls(dtype, target, numerics, "a", _A_ROW, _A_DEPTH).over_rows(_ROWS, 0)
    otherwise = If(several, _packed_tiles(dtype, target, numerics), in_place)
    sizes = (_ROWS, _COLUMNS, _DEPTH, _A_ROW, _A_DEPTH, _B_ROW, _B_COLUMN, _C_ROW, _ACCUMULATE)
    buffers = (*_operands(dtype), flat_view("packed", dtype, Access.WRITE))
    body = (If(single, (row,), (otherwise,)),)
    return Kernel(strip_name(dtype, target, numerics), sizes, buffers, body)


def _packed_tiles(dtype: DType, target: CpuTarget, numerics: str) -> Body:
    """For each register tile of rows: pack it, then run it over all panels."""
    top = Symbol("top")
    rows = minimum(target.block_rows, _ROWS - top)

    def pack(is_transposed: bool) -> Statement:
        stride = _A_ROW if is_transposed else _A_DEPTH
        views = (("a", top * _A_ROW), ("packed", 0))
        name = strip_packer_name(dtype, is_transposed)
        return CallFunction(name, (rows, _DEPTH, stride), views)

    pitch = strip_pitch(dtype, target)
    calls = _PanelCalls(dtype, target, numerics, "packed", 1, pitch).over_rows(rows, top)
    choice = If((Comparison(_A_DEPTH, "==", 1),), (pack(True),), (pack(False),))
    return (Loop(top, 0, _ROWS, target.block_rows, LoopKind.SERIAL, (choice, *calls)),)


@dataclass(frozen=True, slots=True)
class _PanelCalls:
    """Calls of the panel product with a left operand of these strides."""

    dtype: DType
    target: CpuTarget
    numerics: str
    left: str
    a_row: Size
    a_depth: Size

    def over_rows(self, rows: Size, first: Size) -> Body:
        """Every panel times `rows` rows, whose output starts in row `first`."""
        width = panel_columns(self.dtype, self.target)
        sizes = (
            *(rows, minimum(width, _COLUMNS - _LEFT), _DEPTH),
            *(self.a_row, self.a_depth, _B_ROW, _C_ROW, _ACCUMULATE),
        )
        views = ((self.left, 0), ("b", _LEFT * _B_COLUMN), ("c", first * _C_ROW + _LEFT))
        name = panel_name(self.dtype, self.target, self.numerics)
        call = CallFunction(name, sizes, views)
        return (Loop(_LEFT, 0, _COLUMNS, width, LoopKind.SERIAL, (call,)),)


# The panel product --------------------------------------------------------------------------------


def panel_kernel(dtype: DType, target: CpuTarget, numerics: str) -> Kernel:
    """The panel product in vector form."""
    fused = numerics != "exact" and dtype.is_floating
    lanes = target.lanes(dtype.bits)
    wide = _strips(_Tile(dtype, lanes, target.block_vectors, fused, 0), target.block_rows)
    narrow = _strips(_Tile(dtype, lanes, 1, fused, _LEFT), target.block_rows)
    slices = Loop(_LEFT, 0, _COLUMNS, lanes, LoopKind.SERIAL, narrow)
    body = (If((Comparison(_COLUMNS, "==", panel_columns(dtype, target)),), wide, (slices,)),)
    sizes = (_ROWS, _COLUMNS, _DEPTH, _A_ROW, _A_DEPTH, _B_ROW, _C_ROW, _ACCUMULATE)
    return Kernel(panel_name(dtype, target, numerics), sizes, _operands(dtype), body)


def _operands(dtype: DType) -> tuple[Buffer, ...]:
    return (
        flat_view("a", dtype, Access.READ),
        flat_view("b", dtype, Access.READ),
        flat_view("c", dtype, Access.UPDATE),
    )


def _strips(tile: _Tile, block_rows: int) -> Body:
    """Full tiles, then at most one each of 4, 2 and 1 rows."""
    main = _ROWS // block_rows * block_rows
    first = Symbol("first")
    body: Body = (Loop(first, 0, main, block_rows, LoopKind.SERIAL, tile.body(block_rows, first)),)
    height = 1 << (block_rows - 1).bit_length() - 1
    left = _ROWS - main
    while height:
        start = left // (2 * height) * (2 * height)
        body += (If((Comparison(height, "<=", left - start),), tile.body(height, main + start)),)
        height //= 2
    return body


class _Tile:
    """A register tile of some rows by `vectors` vectors of columns, the first of them `left`."""

    def __init__(self, dtype: DType, lanes: int, vectors: int, fused: bool, left: Size) -> None:
        self.dtype, self.lanes, self.vectors, self.fused = dtype, lanes, vectors, fused
        self.left = left

    def body(self, rows: int, first: Size) -> Body:
        """Load or clear the tile, run over the depth, store it."""
        name = f"{self.vectors}x{rows}"
        sums = Buffer(f"sum{name}", self.dtype, (rows, self.vectors * self.lanes), Space.REGISTER)
        strip = Buffer(f"strip{name}", self.dtype, (self.vectors * self.lanes,), Space.REGISTER)
        return (
            Allocate(sums),
            Allocate(strip),
            *self._start(rows, first, sums),
            Loop(_STEP, 0, _DEPTH, 1, LoopKind.SERIAL, self._step(rows, first, sums, strip)),
            *self._finish(rows, first, sums),
        )

    def _vectors(self, make: Callable[[int, tuple[Comparison, ...]], Statement]) -> Body:
        """One VECTOR loop per vector; a single one may be the end of a panel."""
        body: Body = ()
        for vector in range(self.vectors):
            start = vector * self.lanes
            is_full = self.vectors > 1
            mask = () if is_full else (Comparison(self.left + start + _LANE, "<", _COLUMNS),)
            body += (Loop(_LANE, 0, self.lanes, 1, LoopKind.VECTOR, (make(start, mask),)),)
        return body

    def _rows(
        self, rows: int, make: Callable[[int, tuple[Comparison, ...]], Statement]
    ) -> Statement:
        return Loop(_ROW, 0, rows, 1, LoopKind.UNROLL, self._vectors(make))

    def _start(self, rows: int, first: Size, sums: Buffer) -> Body:
        if_added = Comparison(_ACCUMULATE, "!=", 0)

        def load(start: int, mask: tuple[Comparison, ...]) -> Statement:
            place = ((first + _ROW) * _C_ROW + self.left + start + _LANE,)
            value = Load("c", place, self.dtype, (if_added, *mask))
            return Store(sums.name, (_ROW, start + _LANE), value)

        return (self._rows(rows, load),)

    def _step(self, rows: int, first: Size, sums: Buffer, strip: Buffer) -> Body:
        def fetch(start: int, mask: tuple[Comparison, ...]) -> Statement:
            value = Load("b", (_STEP * _B_ROW + self.left + start + _LANE,), self.dtype, mask)
            return Store(strip.name, (start + _LANE,), value)

        def add(start: int, mask: tuple[Comparison, ...]) -> Statement:
            place = (_ROW, start + _LANE)
            factor = Load(strip.name, (start + _LANE,), self.dtype)
            total = Load(sums.name, place, self.dtype)
            scalar = Variable("scalar", self.dtype)
            return Store(sums.name, place, _multiply_add(self.fused, scalar, factor, total))

        element = Load("a", ((first + _ROW) * _A_ROW + _STEP * _A_DEPTH,), self.dtype)
        products = (Let("scalar", element), *self._vectors(add))
        return (*self._vectors(fetch), Loop(_ROW, 0, rows, 1, LoopKind.UNROLL, products))

    def _finish(self, rows: int, first: Size, sums: Buffer) -> Body:
        def store(start: int, mask: tuple[Comparison, ...]) -> Statement:
            value = Load(sums.name, (_ROW, start + _LANE), self.dtype)
            place = ((first + _ROW) * _C_ROW + self.left + start + _LANE,)
            return Store("c", place, value, mask)

        return (self._rows(rows, store),)


# One row -----------------------------------------------------------------------------------------


def row_kernel(dtype: DType, target: CpuTarget, numerics: str) -> Kernel:
    """row(a, b, c, columns, depth, a_depth, b_row, c_row, accumulate): one row times b in place, in
    vectors enough to hide the latency of an addition and to read long pieces of b."""
    fused = numerics != "exact" and dtype.is_floating
    lanes = target.lanes(dtype.bits)
    width = ROW_VECTORS * lanes
    whole = _COLUMNS // width * width
    wide = _Tile(dtype, lanes, ROW_VECTORS, fused, _LEFT).body(1, 0)
    narrow = _Tile(dtype, lanes, 1, fused, _LEFT).body(1, 0)
    body = (
        Loop(_LEFT, 0, whole, width, LoopKind.SERIAL, wide),
        Loop(_LEFT, whole, _COLUMNS, lanes, LoopKind.SERIAL, narrow),
    )
    sizes = (_COLUMNS, _DEPTH, _A_ROW, _A_DEPTH, _B_ROW, _C_ROW, _ACCUMULATE)
    return Kernel(row_name(dtype, target, numerics), sizes, _operands(dtype), body)


# Dot products -------------------------------------------------------------------------------------


def dots_name(dtype: DType, target: CpuTarget, numerics: str) -> str:
    """The symbol of one row times contiguous columns."""
    return panel_name(dtype, target, numerics).replace("panel", "dots")


def dots_kernel(dtype: DType, target: CpuTarget, numerics: str) -> Kernel:
    """dots(a, b, c, columns, depth, a_depth, b_column): c[columns] = one row times b, whose columns
    are contiguous and `b_column` elements apart. Squares of b are transposed in registers, two at a
    time, so that each sum still adds in ascending depth."""
    fused = numerics != "exact" and dtype.is_floating
    lanes = square_lanes(dtype, target)
    dots = [_Dots(dtype, lanes, fused, part) for part in range(DOTS_SQUARES)]
    whole = _DEPTH // lanes * lanes
    columns = Loop(_ROW, 0, lanes, 1, LoopKind.UNROLL, tuple(each.fetch() for each in dots))
    scalar = Load("a", ((_STEP + _ROW) * _A_DEPTH,), dtype)
    steps: Body = (Let("scalar", scalar), *(each.add_column() for each in dots))
    squares: Body = (
        *(Allocate(each.square) for each in dots),
        columns,
        Loop(_ROW, 0, lanes, 1, LoopKind.UNROLL, steps),
    )
    last: Body = (
        Let("scalar", Load("a", (_STEP * _A_DEPTH,), dtype)),
        *(each.add_element() for each in dots),
    )
    body = (
        *(Allocate(each.sums) for each in dots),
        *(each.clear() for each in dots),
        Loop(_STEP, 0, whole, lanes, LoopKind.SERIAL, squares),
        Loop(_STEP, whole, _DEPTH, 1, LoopKind.SERIAL, last),
        *(each.finish() for each in dots),
    )
    groups = Loop(_LEFT, 0, _COLUMNS, DOTS_SQUARES * lanes, LoopKind.SERIAL, body)
    sizes = (_COLUMNS, _DEPTH, _A_DEPTH, _B_COLUMN)
    return Kernel(dots_name(dtype, target, numerics), sizes, _operands(dtype), (groups,))


class _Dots:
    """The sums of one square's columns."""

    def __init__(self, dtype: DType, lanes: int, fused: bool, part: int) -> None:
        self.dtype, self.lanes, self.fused = dtype, lanes, fused
        self.first = _LEFT + part * lanes
        self.sums = Buffer(f"sums{part}", dtype, (lanes,), Space.REGISTER)
        self.square = Buffer(f"square{part}", dtype, (lanes, lanes), Space.REGISTER)

    def _in_lanes(self, statement: Statement) -> Statement:
        return Loop(_LANE, 0, self.lanes, 1, LoopKind.VECTOR, (statement,))

    def _add(self, factor: Value) -> Statement:
        total = Load(self.sums.name, (_LANE,), self.dtype)
        scalar = Variable("scalar", self.dtype)
        return self._in_lanes(
            Store(self.sums.name, (_LANE,), _multiply_add(self.fused, scalar, factor, total))
        )

    def clear(self) -> Statement:
        """Start at zero."""
        zero = Constant(0.0 if self.dtype.is_floating else 0, self.dtype)
        return self._in_lanes(Store(self.sums.name, (_LANE,), zero))

    def fetch(self) -> Statement:
        """One column of the square; copies of the last one behind it."""
        column = minimum(self.first + _ROW, _COLUMNS - 1)
        value = Load("b", (column * _B_COLUMN + _STEP + _LANE,), self.dtype)
        return self._in_lanes(Store(self.square.name, (_ROW, _LANE), value))

    def add_column(self) -> Statement:
        """One step of depth from the square."""
        return self._add(Load(self.square.name, (_LANE, _ROW), self.dtype))

    def add_element(self) -> Statement:
        """One step of depth behind the last whole square."""
        mask = (Comparison(self.first + _LANE, "<", _COLUMNS),)
        place = (self.first + _LANE) * _B_COLUMN + _STEP
        return self._add(Load("b", (place,), self.dtype, mask))

    def finish(self) -> Statement:
        """Write the sums."""
        mask = (Comparison(self.first + _LANE, "<", _COLUMNS),)
        value = Load(self.sums.name, (_LANE,), self.dtype)
        return self._in_lanes(Store("c", (self.first + _LANE,), value, mask))


def _multiply_add(fused: bool, scalar: Value, factor: Value, total: Value) -> Value:
    if fused:
        return Fma(scalar, factor, total)
    return Binary("add", total, Binary("multiply", scalar, factor))
