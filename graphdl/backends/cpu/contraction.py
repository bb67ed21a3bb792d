"""Contractions: panels of columns, a shared register-tiled product, the epilogue on finished tiles.

    parallel i, j: sweep k: s += a[i, k] * b[k, j]; c[i, j] = relu(s)

becomes tasks, each a chunk of rows by a panel of columns:

    parallel task
        let row, column                                    -- where this task's chunk starts
        allocate thread panel, tile
        serial k in 0:K step 512                           -- blocks of depth, ascending
            call pack(b[k:, column:] -> panel)             -- where that pays; else b is read in place
            call panel(a[row:, k:], panel -> tile, accumulate = k)
        serial r; serial c step 16; vector lane            -- the epilogue, while the tile is in cache
            c[row+r, column+c+lane] = relu(tile[r, c+lane])

A contraction without an epilogue is summed in its output. Sizes and strides are run-time values, so
the shared functions are compiled once per dtype. Operands that are expressions, or that step through
their buffers unevenly, are computed into dense chunks first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from graphdl.backends.cpu.contraction_form import (
    Contraction,
    NameReplacer,
    Operand,
    recognize_contraction,
)
from graphdl.backends.cpu.contraction_panel import (
    packer_name,
    packer_text,
    panel_columns,
    panel_name,
    panel_text,
)
from graphdl.backends.cpu.generate import workspace_bytes
from graphdl.backends.cpu.nests import Nest, mask_lanes, replace_symbols
from graphdl.backends.cpu.target import CpuTarget
from graphdl.backends.cpu.tiled import TiledKernel
from graphdl.kernel.nodes import (
    Allocate,
    Axis,
    Buffer,
    CallFunction,
    If,
    IndexValue,
    Kernel,
    Let,
    Load,
    Loop,
    LoopKind,
    Space,
    Statement,
    Store,
)
from graphdl.typesystem.dtype import int64
from graphdl.typesystem.expression import (
    Comparison,
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

DEPTH_BLOCK = 512
"""Steps of depth that one packed panel holds: 96 KiB of float32 in 48 columns, in the L2 cache."""
CHUNK_ROWS = 256
"""Most rows of one task, so that packing a panel is paid back."""
SMALL_CHUNK_ROWS = 32
"""Rows of one task where nothing is packed."""
GROUP_PANELS = 4
"""Panels of one task, packed together."""
STRIP_ROWS = 24
"""Rows that run over all panels of a group while they stay in cache."""
STAGED_ROWS = 64
"""Rows of a left operand that must be computed first."""
DIRECT_ROWS = 24
"""With at most this many rows in all, packing costs more than it saves."""
DIRECT_ELEMENTS = 128 * 1024
"""A right operand of at most this many elements stays in cache without being packed."""
_TASK_COST = 50_000
"""Picoseconds of starting a task."""
_PRODUCT_COST = 12
"""Picoseconds of a multiplication and addition in one of 16 lanes."""

_TASK = Symbol("task")
_ROW, _COLUMN = Symbol("row_first"), Symbol("column_first")
_ROWS, _COLUMNS = Symbol("row_count"), Symbol("column_count")
_BLOCK = Symbol("block")
_LEFT, _STRIP = Symbol("left"), Symbol("strip")
_LANE = Symbol("lane")


def tile_contraction(nest: Nest, target: CpuTarget, numerics: str) -> TiledKernel | None:
    """The functions of a contraction kernel; None for a kernel that is not one."""
    contraction = recognize_contraction(nest)
    if contraction is None:
        return None
    return _Recipe(contraction, target, numerics).tile()


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a block of an operand is read from."""

    buffer: str
    first: Size
    row_stride: Size
    depth_stride: Size

    def moved(self, distance: Size) -> _Source:
        """The same block some elements further on."""
        return replace(self, first=self.first + distance)

    def after(self, steps: Size) -> _Source:
        """The block some steps of depth further on."""
        return self.moved(self.depth_stride * steps)


class _Recipe:
    """Writes the kernel of one contraction."""

    def __init__(self, contraction: Contraction, target: CpuTarget, numerics: str) -> None:
        self.form, self.target, self.numerics = contraction, target, numerics
        self.dtype = contraction.dtype
        self.lanes = target.lanes(self.dtype.bits)
        self.width = panel_columns(self.dtype, target)
        self.rows: Size = contraction.row.extent if contraction.row else 1
        self.columns = contraction.column.extent
        self.depth = product(axis.extent for axis in contraction.depth)
        self.functions: dict[str, str] = {}

    def tile(self) -> TiledKernel:
        """The task loop around this contraction's body."""
        kernel = self.form.nest.kernel
        is_staged = not self._is_read_in_place(self.form.lhs)
        chunk, group = self._task_shape(is_staged)
        chunks = floor_divide(add(self.rows, chunk - 1), chunk)
        groups = floor_divide(add(self.columns, group - 1), group)
        parts = (chunks,) if is_staged else (chunks, groups)
        outer = tuple(axis.extent for axis in self.form.outer)
        numbers = _decompose(_TASK, (*outer, *parts))
        lets = [_let(axis.symbol, n) for axis, n in zip(self.form.outer, numbers, strict=False)]
        first = multiply(numbers[len(outer)], chunk)
        lets += [_let(_ROW, first), _let(_ROWS, minimum(chunk, self.rows - _ROW))]
        if is_staged:
            inner = self._staged_body(group)
        else:
            inner = self._group_body(multiply(numbers[-1], group), group, None)
        count = product((*outer, *parts))
        loop = Loop(_TASK, 0, count, 1, LoopKind.PARALLEL, (*lets, *inner))
        function = Kernel(kernel.name, kernel.sizes, kernel.buffers, (loop,))
        across = self.columns if is_staged else minimum(group, self.columns)
        work = multiply(multiply(minimum(chunk, self.rows), across), self.depth)
        cost = work * (_PRODUCT_COST * 16 // self.lanes) + _TASK_COST
        functions = (function, *self.functions.values())
        return TiledKernel(kernel.name, functions, count, cost, workspace_bytes(function))

    def _task_shape(self, is_staged: bool) -> tuple[Size, Size]:
        """Rows and columns of one task: few where the right operand is not packed, so that threads
        find enough of them."""
        if is_staged:
            return STAGED_ROWS, GROUP_PANELS * self.width
        is_large = minimum(1, floor_divide(multiply(self.columns, self.depth), DIRECT_ELEMENTS + 1))
        rows = multiply(is_large, CHUNK_ROWS - SMALL_CHUNK_ROWS) + SMALL_CHUNK_ROWS
        return rows, multiply(is_large, (GROUP_PANELS - 1) * self.width) + self.width

    # Operands -------------------------------------------------------------------------------------

    def _is_read_in_place(self, operand: Operand) -> bool:
        return operand.is_plain and (len(self.form.depth) == 1 or self._steps_separately())

    def _steps_separately(self) -> bool:
        """Whether several contracted axes can run as loops around the product."""
        lhs, rhs = self.form.lhs, self.form.rhs
        return lhs.is_plain and rhs.is_plain and rhs.stride(self.form.column.symbol) == 1

    def _staged_body(self, group: Size) -> Body:
        """Compute the rows of the left operand once, then run over groups of panels."""
        chunk: Size = STAGED_ROWS
        along_rows = self._runs_along_rows()
        pitch = chunk if along_rows else self.depth
        block = Buffer("left_block", self.dtype, (multiply(chunk, self.depth) + self.lanes,), Space.THREAD)
        axes = self.form.depth
        row = Axis(Symbol("staged_row"), _ROWS)
        known = {self.form.row.symbol: _ROW + row.symbol} if self.form.row else {}
        linear = _linear(axes)
        index = linear * pitch + row.symbol if along_rows else row.symbol * pitch + linear
        store = Store(block.name, (index,), self.form.lhs.value)
        loops = (*axes, row) if along_rows else (row, *axes)
        stage = self._nest(loops, store, known)
        source = _Source(block.name, 0, 1 if along_rows else pitch, pitch if along_rows else 1)
        first = Symbol("group_first")
        body = self._group_body(first, group, source)
        return (Allocate(block), *stage, Loop(first, 0, self.columns, group, LoopKind.SERIAL, body))

    def _runs_along_rows(self) -> bool:
        """Whether the left operand's loads are contiguous along the rows, not along the depth."""
        if self.form.row is None:
            return False
        counts = [
            sum(step == 1 for step in self.form.strides(self.form.lhs.value, symbol))
            for symbol in (self.form.row.symbol, self.form.depth[-1].symbol)
        ]
        return counts[0] > counts[1]

    def _nest(self, loops: tuple[Axis, ...], store: Store, known: Mapping[Symbol, Size]) -> Body:
        """SERIAL loops around a statement, the innermost one in masked vectors."""
        last = loops[-1]
        start = Symbol(f"{last.symbol.name}_start")
        (statement,) = replace_symbols((store,), known)
        body = self._lanes((statement,), last.symbol, start, last.extent)
        result: Body = (Loop(start, 0, last.extent, self.lanes, LoopKind.SERIAL, body),)
        for axis in reversed(loops[:-1]):
            result = (Loop(axis.symbol, 0, axis.extent, 1, LoopKind.SERIAL, result),)
        return result

    def _lanes(self, body: Body, symbol: Symbol, start: Size, stop: Size | None) -> Body:
        """One vector of iterations of `symbol` from `start`, masked below `stop`."""
        moved = replace_symbols(body, {symbol: start + _LANE})
        if stop is not None:
            moved = mask_lanes(moved, _LANE, Comparison(start + _LANE, "<", stop))
        return (Loop(_LANE, 0, self.lanes, 1, LoopKind.VECTOR, moved),)

    # Sums -----------------------------------------------------------------------------------------

    def _group_body(self, first: Size, group: Size, left: _Source | None) -> Body:
        """Sum a chunk of rows by a group of panels, then finish it."""
        form = self.form
        lets = (_let(_COLUMN, first), _let(_COLUMNS, minimum(group, self.columns - _COLUMN)))
        output = form.plain_output()
        if output is not None:
            view = _Source(output.buffer, self._place(output), output.stride(_symbol(form.row)), 0)
            return (*lets, *self._sum(left, view))
        pitch = GROUP_PANELS * self.width
        rows = CHUNK_ROWS if left is None else STAGED_ROWS
        tile = Buffer("tile", self.dtype, (rows, pitch), Space.THREAD)
        sums = self._sum(left, _Source(tile.name, 0, pitch, 0))
        return (*lets, Allocate(tile), *sums, *self._epilogue(tile))

    def _place(self, operand: Operand) -> Size:
        """Where this task's part of a plain operand starts."""
        place = operand.base
        for axis in self.form.outer:
            place = place + operand.stride(axis.symbol) * axis.symbol
        if self.form.row is not None:
            place = place + operand.stride(self.form.row.symbol) * _ROW
        return place + operand.stride(self.form.column.symbol) * _COLUMN

    def _sum(self, left: _Source | None, output: _Source) -> Body:
        form = self.form
        if left is None:
            row, step = form.lhs.stride(_symbol(form.row)), form.lhs.stride(form.depth[-1].symbol)
            left = _Source(form.lhs.buffer, self._place(form.lhs), row, step)
        if len(form.depth) > 1:
            if self._steps_separately():
                return self._separate_steps(left, output)
            return self._computed_panels(left, output, 0, self.depth)
        moved = left.after(_BLOCK)
        count = minimum(DEPTH_BLOCK, self.depth - _BLOCK)
        if not form.rhs.is_plain or 1 not in self._right_strides():
            body = self._computed_panels(moved, output, _BLOCK, count)
        else:
            body = self._plain_panels(moved, output, count)
        return (Loop(_BLOCK, 0, maximum(1, self.depth), DEPTH_BLOCK, LoopKind.SERIAL, body),)

    def _right_strides(self) -> tuple[Size, Size]:
        rhs = self.form.rhs
        return rhs.stride(self.form.column.symbol), rhs.stride(self.form.depth[-1].symbol)

    def _plain_panels(self, left: _Source, output: _Source, count: Size) -> Body:
        """Read the right operand in place, or pack it."""
        across, along = self._right_strides()
        place = self._place(self.form.rhs) + along * _BLOCK
        buffer = self._panels(DEPTH_BLOCK)
        if across != 1:
            packed = (*self._pack_columns(buffer, place, across, count), self._packed(left, output, count))
            return (Allocate(buffer), *packed)
        direct = _Source(self.form.rhs.buffer, place, along, 0)
        in_place = (self._products(left, direct, 1, output, count, _BLOCK),)
        pack = self._call(
            packer_name(self.dtype, False),
            packer_text(self.dtype, self.target, False),
            (_COLUMNS, count, along),
            ((self.form.rhs.buffer, place), (buffer.name, 0)),
        )
        packed = (Allocate(buffer), pack, self._packed(left, output, count))
        is_short = Comparison(self.rows, "<=", DIRECT_ROWS)
        is_small = Comparison(multiply(self.columns, self.depth), "<=", DIRECT_ELEMENTS)
        return (If((is_short,), in_place, (If((is_small,), in_place, packed),)),)

    def _pack_columns(self, buffer: Buffer, place: Size, across: Size, count: Size) -> Body:
        pack = self._call(
            packer_name(self.dtype, True),
            packer_text(self.dtype, self.target, True),
            (minimum(self.width, _COLUMNS - _LEFT), count, across),
            ((self.form.rhs.buffer, place + across * _LEFT), (buffer.name, _LEFT * self._pitch(count))),
        )
        return (Loop(_LEFT, 0, _COLUMNS, self.width, LoopKind.SERIAL, (pack,)),)

    def _panels(self, depth: Size) -> Buffer:
        """Room for the panels of a group, each of a whole number of squares."""
        size = multiply(self._pitch(depth), GROUP_PANELS * self.width)
        return Buffer("panels", self.dtype, (size,), Space.THREAD)

    def _pitch(self, depth: Size) -> Size:
        """Rows from one panel to the next: the column packer writes whole squares."""
        if self.form.rhs.is_plain and self._right_strides()[0] == 1:
            return depth
        return multiply(floor_divide(add(depth, self.lanes - 1), self.lanes), self.lanes)

    def _packed(self, left: _Source, output: _Source, count: Size, begun: Size = _BLOCK) -> Statement:
        """Products with panels that stand one behind the other."""
        right = _Source("panels", 0, self.width, 0)
        return self._products(left, right, self._pitch(count), output, count, begun)

    def _computed_panels(self, left: _Source, output: _Source, first: Size, count: Size) -> Body:
        """Compute panels of the right operand, then multiply."""
        axes = self.form.depth
        buffer = self._panels(DEPTH_BLOCK if len(axes) == 1 else self.depth)
        column = Axis(Symbol("staged_column"), minimum(self.width, _COLUMNS - _LEFT))
        known: dict[Symbol, Size] = {self.form.column.symbol: _COLUMN + _LEFT + column.symbol}
        if len(axes) == 1:
            known[axes[0].symbol] = Symbol("staged_depth") + first
            axes = (Axis(Symbol("staged_depth"), count),)
        index = _LEFT * self._pitch(count) + _linear(axes) * self.width + column.symbol
        store = Store(buffer.name, (index,), self.form.rhs.value)
        panel = self._nest((*axes, column), store, known)
        fill = Loop(_LEFT, 0, _COLUMNS, self.width, LoopKind.SERIAL, panel)
        return (Allocate(buffer), fill, self._packed(left, output, count, first))

    def _separate_steps(self, left: _Source, output: _Source) -> Body:
        """Contracted axes that do not join: loops around the product over the last one."""
        form = self.form
        *slow, fast = form.depth
        right = _Source(form.rhs.buffer, self._place(form.rhs), self._right_strides()[1], 0)
        for axis in slow:
            right = right.moved(form.rhs.stride(axis.symbol) * axis.symbol)
            left = left.moved(form.lhs.stride(axis.symbol) * axis.symbol)
        is_any = minimum(1, product(axis.extent for axis in slow))
        count = multiply(minimum(DEPTH_BLOCK, fast.extent - _BLOCK), is_any)
        begun: Size = _BLOCK
        for axis in slow:
            begun = begun + axis.symbol
        right = right.moved(right.row_stride * _BLOCK)
        call = self._products(left.after(_BLOCK), right, 1, output, count, begun)
        body: Body = (Loop(_BLOCK, 0, maximum(1, fast.extent), DEPTH_BLOCK, LoopKind.SERIAL, (call,)),)
        for axis in reversed(slow):
            body = (Loop(axis.symbol, 0, maximum(1, axis.extent), 1, LoopKind.SERIAL, body),)
        return body

    def _products(
        self, left: _Source, right: _Source, pitch: Size, output: _Source, count: Size, begun: Size
    ) -> Statement:
        """Call the shared panel product for each panel of the group, `pitch` elements apart per
        column, over `count` steps of depth; `begun` is not 0 when earlier steps are in the output."""
        sizes = (
            minimum(STRIP_ROWS, _ROWS - _STRIP), minimum(self.width, _COLUMNS - _LEFT), count,
            left.row_stride, left.depth_stride, right.row_stride, output.row_stride, begun,
        )  # fmt: skip
        views = (
            (left.buffer, left.first + left.row_stride * _STRIP),
            (right.buffer, right.first + _LEFT * pitch),
            (output.buffer, output.first + output.row_stride * _STRIP + _LEFT),
        )
        text = panel_text(self.dtype, self.target, self.numerics)
        call = self._call(panel_name(self.dtype, self.target, self.numerics), text, sizes, views)
        panels = Loop(_LEFT, 0, _COLUMNS, self.width, LoopKind.SERIAL, (call,))
        return Loop(_STRIP, 0, _ROWS, STRIP_ROWS, LoopKind.SERIAL, (panels,))

    def _call(
        self, name: str, text: str, sizes: tuple[Size, ...], views: tuple[tuple[str, Size], ...]
    ) -> CallFunction:
        self.functions[name] = text
        return CallFunction(name, sizes, views)

    # Epilogue -------------------------------------------------------------------------------------

    def _epilogue(self, tile: Buffer) -> Body:
        """Run the statements behind the sum over the tile, row by row, in vectors of columns."""
        row, start = Symbol("tile_row"), Symbol("tile_column")
        column = self.form.column.symbol
        total = Load(tile.name, (row, column - _COLUMN), self.dtype)
        body = NameReplacer({self.form.sum_name: total}).body(self.form.epilogue)
        if self.form.row is not None:
            body = replace_symbols(body, {self.form.row.symbol: _ROW + row})
        whole = _COLUMNS // self.lanes * self.lanes
        full = self._lanes(body, column, _COLUMN + start, None)
        part = self._lanes(body, column, _COLUMN + whole, self.columns)
        loops: Body = (
            Loop(start, 0, whole, self.lanes, LoopKind.SERIAL, full),
            If((Comparison(whole, "<", _COLUMNS),), part),
        )
        return (Loop(row, 0, _ROWS, 1, LoopKind.SERIAL, loops),)


def _symbol(axis: Axis | None) -> Symbol | None:
    return axis.symbol if axis is not None else None


def _let(symbol: Symbol, value: Size) -> Let:
    return Let(symbol.name, IndexValue(value, int64))


def _linear(axes: tuple[Axis, ...]) -> Size:
    """The row-major number of a point."""
    total: Size = 0
    for axis in axes:
        total = add(multiply(total, axis.extent), axis.symbol)
    return total


def _decompose(number: Size, extents: tuple[Size, ...]) -> tuple[Size, ...]:
    """The row-major indices of a point number."""
    indices: list[Size] = []
    for extent in reversed(extents[1:]):
        indices.append(modulo(number, extent))
        number = floor_divide(number, extent)
    return (number, *reversed(indices))
