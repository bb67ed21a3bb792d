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

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from graphdl.backends.cpu.contraction_form import (
    Contraction,
    NameReplacer,
    Operand,
    recognize_contraction,
)
from graphdl.backends.cpu.contraction_panel import (
    packer_name,
    panel_columns,
    shared_text,
    strip_functions,
    strip_lanes,
    strip_name,
    strip_pitch,
)
from graphdl.backends.cpu.generate import workspace_bytes
from graphdl.backends.cpu.nests import Nest, mask_lanes, replace_symbols
from graphdl.backends.cpu.target import CpuTarget
from graphdl.backends.cpu.tiled import THREADS, TiledKernel
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

DEPTH_BLOCK = 256
"""Most steps of depth between two visits of the output."""
GROUP_BYTES = 4096
"""Most bytes of columns of one task: with DEPTH_BLOCK rows they fill half of a large L2 cache."""
CHUNK_ROWS = 512
"""Most rows of one task, so that packing a panel is paid back."""
SMALL_CHUNK_ROWS = 32
"""Rows of one task where nothing is packed."""
STAGED_ROWS = 64
"""Rows of a left operand that must be computed first."""
DIRECT_ROWS = 24
"""With at most this many rows in all, packing costs more than it saves."""
DIRECT_DEPTH = 32
"""Steps of depth of such short contractions: whole pieces of rows are read before the next ones."""
DIRECT_ELEMENTS = 128 * 1024
"""A right operand of at most this many elements stays in cache without being packed."""
_TASK_COST = 50_000
"""Picoseconds of starting a task."""
_PRODUCT_COST = 12
"""Picoseconds of a multiplication and addition in one of 16 lanes."""

_TASK = Symbol("task")
_ROW, _COLUMN = Symbol("row_first"), Symbol("column_first")
_ROWS, _COLUMNS = Symbol("row_count"), Symbol("column_count")
_ROWS_EACH, _COLUMNS_EACH = Symbol("rows_each"), Symbol("columns_each")
_ACROSS, _PACKED, _LARGE = Symbol("parts_across"), Symbol("is_packed"), Symbol("is_large")
_UNIT, _MOST = Symbol("unit"), Symbol("most_steps")
_DEEP, _EVEN = Symbol("padded_depth"), Symbol("padded_steps")
_BLOCK, _BLOCKS, _BLOCK_SIZE = Symbol("block"), Symbol("blocks"), Symbol("block_size")
_STEP, _STEPS = Symbol("step_first"), Symbol("step_count")
_STRIP, _LEFT, _LANE = Symbol("strip"), Symbol("left"), Symbol("lane")


def tile_contraction(nest: Nest, target: CpuTarget, numerics: str) -> TiledKernel | None:
    """The functions of a contraction kernel; None for a kernel that is not one."""
    contraction = recognize_contraction(nest)
    if contraction is None:
        return None
    return _Recipe(contraction, target, numerics).tile()


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a block of an operand is read from, or written to. The strides of a right operand are
    those of its rows and, from panel to panel, of one column."""

    buffer: str
    first: Size
    row_stride: Size
    depth_stride: Size

    def moved(self, distance: Size) -> _Source:
        """The same block some elements further on."""
        return replace(self, first=self.first + distance)


class _Shape:
    """Rows and columns of one task, and how many tasks that makes down and across.

    Where the right operand is packed, tasks are long, because each packs its own panels, and every
    thread finds columns of its own. Elsewhere they are wide, because rows are packed once per task.
    """

    def __init__(
        self, recipe: _Recipe, is_staged: bool, bind: Callable[[Symbol, Size], Size]
    ) -> None:
        most = GROUP_BYTES // recipe.dtype.itemsize
        self.rows: Size = STAGED_ROWS
        self.columns: Size = most
        if not is_staged:
            is_large = bind(_LARGE, recipe.is_large())
            unit = bind(_UNIT, maximum(1, THREADS) * recipe.lanes)
            padded = bind(Symbol("padded"), recipe.columns + (unit - 1))
            share = maximum(4 * recipe.lanes, multiply(floor_divide(padded, unit), recipe.lanes))
            shared = most - is_large * (most - minimum(most, share))
            self.columns = bind(_COLUMNS_EACH, maximum(recipe.lanes, shared))
            self.rows = bind(
                _ROWS_EACH, SMALL_CHUNK_ROWS + is_large * (CHUNK_ROWS - SMALL_CHUNK_ROWS)
            )
        else:
            bind(_COLUMNS_EACH, most)
        padded_columns = bind(Symbol("padded_columns"), recipe.columns + (self.columns - 1))
        self.across: Size = (
            1 if is_staged else bind(_ACROSS, floor_divide(padded_columns, self.columns))
        )
        padded_rows = bind(Symbol("padded_rows"), recipe.rows + (self.rows - 1))
        self.down = floor_divide(padded_rows, self.rows)


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
        self.strip_rows = target.block_rows
        self.called: set[str] = set()

    def tile(self) -> TiledKernel:
        """The task loop around this contraction's body."""
        kernel = self.form.nest.kernel
        is_staged = not self._is_read_in_place(self.form.lhs)
        shape = _Shape(self, is_staged, lambda symbol, value: value)
        outer = tuple(axis.extent for axis in self.form.outer)
        count = product((*outer, shape.down, shape.across))
        inner = self._staged_body() if is_staged else self._group_body(None)
        loop = Loop(_TASK, 0, count, 1, LoopKind.PARALLEL, (*self._task_lets(is_staged), *inner))
        function = Kernel(kernel.name, (*kernel.sizes, THREADS), kernel.buffers, (loop,))
        wide = self.columns if is_staged else minimum(shape.columns, self.columns)
        work = multiply(multiply(minimum(shape.rows, self.rows), wide), self.depth)
        cost = work * (_PRODUCT_COST * 16 // self.lanes) + _TASK_COST
        key = (self.dtype, self.target, self.numerics)
        texts = (shared_text(name, *key) for name in sorted(self.called))
        return TiledKernel(kernel.name, (function, *texts), count, cost, workspace_bytes(function))

    def _task_lets(self, is_staged: bool) -> Body:
        """Which rows and columns a task has: columns change fastest, then rows, then outer axes."""
        lets: list[Statement] = []

        def bind(symbol: Symbol, value: Size) -> Size:
            lets.append(_let(symbol, value))
            return symbol

        shape = _Shape(self, is_staged, bind)
        down = bind(Symbol("parts_down"), shape.down) if self.form.outer else shape.down
        outer = tuple(axis.extent for axis in self.form.outer)
        *places, row, column = _decompose(_TASK, (*outer, down, shape.across))
        for axis, place in zip(self.form.outer, places, strict=True):
            bind(axis.symbol, place)
        bind(_ROW, row * shape.rows)
        bind(_ROWS, minimum(shape.rows, self.rows - _ROW))
        if not is_staged:
            bind(_COLUMN, column * shape.columns)
        return tuple(lets)

    def is_large(self) -> Size:
        """1 when the right operand does not stay in cache, else 0."""
        return minimum(1, floor_divide(multiply(self.columns, self.depth), DIRECT_ELEMENTS + 1))

    # Operands -------------------------------------------------------------------------------------

    def _is_read_in_place(self, operand: Operand) -> bool:
        return operand.is_plain and (len(self.form.depth) == 1 or self._steps_separately())

    def _steps_separately(self) -> bool:
        """Whether several contracted axes can run as loops around the product."""
        lhs, rhs = self.form.lhs, self.form.rhs
        return lhs.is_plain and rhs.is_plain and rhs.stride(self.form.column.symbol) == 1

    def _staged_body(self) -> Body:
        """Compute the rows of the left operand once, then run over groups of panels."""
        along_rows = self._runs_along_rows()
        pitch: Size = STAGED_ROWS if along_rows else self.depth
        size = multiply(self.depth, STAGED_ROWS) + self.lanes
        block = Buffer("left_block", self.dtype, (size,), Space.THREAD)
        axes = self.form.depth
        row = Axis(Symbol("staged_row"), _ROWS)
        known = {self.form.row.symbol: _ROW + row.symbol} if self.form.row else {}
        linear = _linear(axes)
        index = linear * pitch + row.symbol if along_rows else row.symbol * pitch + linear
        store = Store(block.name, (index,), self.form.lhs.value)
        loops = (*axes, row) if along_rows else (row, *axes)
        source = _Source(block.name, 0, 1 if along_rows else pitch, pitch if along_rows else 1)
        groups = Loop(
            _COLUMN, 0, self.columns, GROUP_BYTES // self.dtype.itemsize, LoopKind.SERIAL,
            self._group_body(source),
        )  # fmt: skip
        return (Allocate(block), *self._nest(loops, store, known), groups)

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

    def _group_body(self, left: _Source | None) -> Body:
        """Sum a task's rows by a group of panels, and finish them strip by strip."""
        form = self.form
        count = _let(_COLUMNS, minimum(_COLUMNS_EACH, self.columns - _COLUMN))
        if left is None:
            row, step = form.lhs.stride(_symbol(form.row)), form.lhs.stride(form.depth[-1].symbol)
            left = _Source(form.lhs.buffer, self._place(form.lhs), row, step)
        output = form.plain_output()
        if output is not None:
            view = _Source(output.buffer, self._place(output), output.stride(_symbol(form.row)), 0)
            return (count, *self._sum(left, view, None))
        rows = STAGED_ROWS if left.buffer == "left_block" else CHUNK_ROWS
        tile = Buffer("tile", self.dtype, (rows, GROUP_BYTES // self.dtype.itemsize), Space.THREAD)
        sums = self._sum(left, _Source(tile.name, 0, tile.shape[1], 0), tile)
        return (count, Allocate(tile), *sums)

    def _place(self, operand: Operand) -> Size:
        """Where this task's part of a plain operand starts."""
        place = operand.base
        for axis in self.form.outer:
            place = place + operand.stride(axis.symbol) * axis.symbol
        if self.form.row is not None:
            place = place + operand.stride(self.form.row.symbol) * _ROW
        return place + operand.stride(self.form.column.symbol) * _COLUMN

    def _sum(self, left: _Source, output: _Source, tile: Buffer | None) -> Body:
        if len(self.form.depth) > 1 and self._steps_separately():
            return self._separate_steps(left, output, tile)
        rhs = self.form.rhs
        if rhs.is_plain and len(self.form.depth) == 1 and self._right_strides()[0] == 1:
            return self._sum_rows(left, output, tile)
        pitch = multiply(floor_divide(_STEPS + (self.lanes - 1), self.lanes), self.lanes)
        panels = self._panels()
        if rhs.is_plain and len(self.form.depth) == 1 and self._right_strides()[1] == 1:
            fill = self._pack_columns(panels, pitch)
        else:
            fill = self._compute_panels(panels, pitch)
        right = _Source(panels.name, 0, self.width, pitch)
        return (Allocate(panels), *self._blocks(0, fill, left, (right,), output, tile))

    def _right_strides(self) -> tuple[Size, Size]:
        rhs = self.form.rhs
        return rhs.stride(self.form.column.symbol), rhs.stride(self.form.depth[-1].symbol)

    def _sum_rows(self, left: _Source, output: _Source, tile: Buffer | None) -> Body:
        """The right operand has contiguous rows: read them in place, or pack them."""
        _, along = self._right_strides()
        panels, place = self._panels(), self._place(self.form.rhs) + along * _STEP
        direct = _Source(self.form.rhs.buffer, place, along, 1)
        packed = _Source(panels.name, 0, self.width, _STEPS)
        pack = self._call(
            packer_name(self.dtype, False),
            (_COLUMNS, _STEPS, along),
            ((self.form.rhs.buffer, place), (panels.name, 0)),
        )
        is_long = minimum(1, floor_divide(self.rows, DIRECT_ROWS + 1))
        packs = _let(_PACKED, multiply(self.is_large(), is_long))
        fill = If((Comparison(_PACKED, "==", 1),), (pack,))
        blocks = self._blocks(1 - is_long, (fill,), left, (direct, packed), output, tile)
        return (Allocate(panels), packs, *blocks)

    def _blocks(
        self,
        is_short: Size,
        fill: Body,
        left: _Source,
        right: tuple[_Source, ...],
        output: _Source,
        tile: Buffer | None,
    ) -> Body:
        """For each block of depth: fill the panels, then run every strip of rows over them; the
        epilogue follows the last block of a strip."""
        deepest: Size = DEPTH_BLOCK if len(self.form.depth) == 1 else maximum(1, self.depth)
        most = maximum(DIRECT_DEPTH, _choose(is_short, DIRECT_DEPTH, deepest))
        lets = (
            _let(_MOST, most),
            _let(_DEEP, self.depth + (_MOST - 1)),
            _let(_BLOCKS, maximum(1, floor_divide(_DEEP, _MOST))),
            _let(_EVEN, self.depth + (_BLOCKS - 1)),
            _let(_BLOCK_SIZE, floor_divide(_EVEN, _BLOCKS)),
        )
        strip = self._strip_buffer(maximum(DIRECT_DEPTH, deepest))
        body = self._choose_right(left, right, output)
        if tile is not None:
            last = If(
                (Comparison(_BLOCK + 1, "==", _BLOCKS),), self._epilogue(tile, self._tile_row())
            )
            body = (*body, last)
        strips = self._strips(body)
        first = (
            _let(_STEP, _BLOCK * _BLOCK_SIZE),
            _let(_STEPS, minimum(_BLOCK_SIZE, self.depth - _STEP)),
        )
        loop = Loop(_BLOCK, 0, _BLOCKS, 1, LoopKind.SERIAL, (*first, *fill, *strips))
        return (*lets, Allocate(strip), loop)

    def _choose_right(self, left: _Source, right: tuple[_Source, ...], output: _Source) -> Body:
        """The product with the right operand in place or packed, as `fill` has left it."""
        products = [self._product(left, source, output) for source in right]
        if len(products) == 1:
            return tuple(products)
        in_place, packed = products
        return (If((Comparison(_PACKED, "==", 1),), (packed,), (in_place,)),)

    def _strip_buffer(self, depth: Size) -> Buffer:
        """Room for one packed strip, of a whole number of squares."""
        lanes = strip_lanes(self.dtype, self.target)
        whole = multiply(_parts(depth, lanes), lanes)
        return Buffer(
            "strip", self.dtype, (whole, strip_pitch(self.dtype, self.target)), Space.THREAD
        )

    def _strips(self, body: Body) -> Body:
        return (Loop(_STRIP, 0, _ROWS, self.strip_rows, LoopKind.SERIAL, body),)

    def _tile_row(self) -> Size:
        """Where a strip starts in the tile: with one block of depth, all strips use the same rows."""
        return _STRIP * minimum(1, _BLOCKS - 1)

    def _pack_columns(self, panels: Buffer, pitch: Size) -> Body:
        across, _ = self._right_strides()
        place = self._place(self.form.rhs) + _STEP + across * _LEFT
        pack = self._call(
            packer_name(self.dtype, True),
            (minimum(self.width, _COLUMNS - _LEFT), _STEPS, across),
            ((self.form.rhs.buffer, place), (panels.name, _LEFT * pitch)),
        )
        return (Loop(_LEFT, 0, _COLUMNS, self.width, LoopKind.SERIAL, (pack,)),)

    def _panels(self) -> Buffer:
        """Room for a group of whole panels, each of a whole number of squares."""
        depth: Size = DEPTH_BLOCK
        if len(self.form.depth) > 1:
            depth = multiply(floor_divide(add(self.depth, self.lanes - 1), self.lanes), self.lanes)
        columns = GROUP_BYTES // self.dtype.itemsize
        whole = (columns + self.width - 1) // self.width * self.width
        return Buffer("panels", self.dtype, (multiply(depth, whole),), Space.THREAD)

    def _compute_panels(self, panels: Buffer, pitch: Size) -> Body:
        """Any right operand: evaluate it into the panels."""
        axes = self.form.depth
        column = Axis(Symbol("staged_column"), minimum(self.width, _COLUMNS - _LEFT))
        known: dict[Symbol, Size] = {self.form.column.symbol: _COLUMN + _LEFT + column.symbol}
        if len(axes) == 1:
            step = Symbol("staged_step")
            known[axes[0].symbol] = _STEP + step
            axes = (Axis(step, _STEPS),)
        index = _LEFT * pitch + _linear(axes) * self.width + column.symbol
        store = Store(panels.name, (index,), self.form.rhs.value)
        fill = self._nest((*axes, column), store, known)
        return (Loop(_LEFT, 0, _COLUMNS, self.width, LoopKind.SERIAL, fill),)

    def _separate_steps(self, left: _Source, output: _Source, tile: Buffer | None) -> Body:
        """Contracted axes that do not join: loops around the product over the last one."""
        form = self.form
        *slow, fast = form.depth
        right = _Source(form.rhs.buffer, self._place(form.rhs), self._right_strides()[1], 1)
        begun: Size = 0
        for axis in slow:
            right = right.moved(form.rhs.stride(axis.symbol) * axis.symbol)
            left = left.moved(form.lhs.stride(axis.symbol) * axis.symbol)
            begun = begun + axis.symbol
        is_any = minimum(1, product(axis.extent for axis in slow))
        lets = (_let(_STEP, 0), _let(_STEPS, multiply(fast.extent, is_any)), _let(_BLOCK, begun))
        body: Body = (*lets, *self._strips((self._product(left, right, output),)))
        for axis in reversed(slow):
            body = (Loop(axis.symbol, 0, maximum(1, axis.extent), 1, LoopKind.SERIAL, body),)
        body = (Allocate(self._strip_buffer(fast.extent)), *body)
        if tile is None:
            return body
        return (*body, *self._strips(self._epilogue(tile, _STRIP)))

    def _product(self, left: _Source, right: _Source, output: _Source) -> Statement:
        """The shared panel product of one strip, one panel and one block of depth. In the first
        block it replaces the output, in later ones it adds."""
        first_row = (
            self._tile_row() if output.buffer == "tile" and not self._is_separate() else _STRIP
        )
        sizes = (
            minimum(self.strip_rows, _ROWS - _STRIP), _COLUMNS, _STEPS, left.row_stride, left.depth_stride,
            right.row_stride, right.depth_stride, output.row_stride, _BLOCK,
        )  # fmt: skip
        views = (
            (left.buffer, left.first + left.row_stride * _STRIP + left.depth_stride * _STEP),
            (right.buffer, right.first),
            (output.buffer, output.first + output.row_stride * first_row),
            ("strip", 0),
        )
        name = strip_name(self.dtype, self.target, self.numerics)
        self.called.update(strip_functions(self.dtype, self.target, self.numerics))
        return CallFunction(name, sizes, views)

    def _is_separate(self) -> bool:
        return len(self.form.depth) > 1 and self._steps_separately()

    def _call(
        self, name: str, sizes: tuple[Size, ...], views: tuple[tuple[str, Size], ...]
    ) -> CallFunction:
        self.called.add(name)
        return CallFunction(name, sizes, views)

    # Epilogue -------------------------------------------------------------------------------------

    def _epilogue(self, tile: Buffer, first: Size) -> Body:
        """Run the statements behind the sum over a strip of the tile, which starts in row `first`
        of it: row by row, in vectors of columns."""
        row, start = Symbol("tile_row"), Symbol("tile_column")
        column = self.form.column.symbol
        total = Load(tile.name, (first + row, column - _COLUMN), self.dtype)
        body = NameReplacer({self.form.sum_name: total}).body(self.form.epilogue)
        if self.form.row is not None:
            body = replace_symbols(body, {self.form.row.symbol: _ROW + _STRIP + row})
        whole = _COLUMNS // self.lanes * self.lanes
        full = self._lanes(body, column, _COLUMN + start, None)
        part = self._lanes(body, column, _COLUMN + whole, self.columns)
        loops: Body = (
            Loop(start, 0, whole, self.lanes, LoopKind.SERIAL, full),
            If((Comparison(whole, "<", _COLUMNS),), part),
        )
        rows = minimum(self.strip_rows, _ROWS - _STRIP)
        return (Loop(row, 0, rows, 1, LoopKind.SERIAL, loops),)


def _symbol(axis: Axis | None) -> Symbol | None:
    return axis.symbol if axis is not None else None


def _let(symbol: Symbol, value: Size) -> Let:
    return Let(symbol.name, IndexValue(value, int64))


def _parts(number: Size, size: Size) -> Size:
    """How many parts of a size cover a number."""
    return floor_divide(add(number, size - 1), size)


def _choose(condition: Size, one: Size, zero: Size) -> Size:
    """`one` where the condition is 1, `zero` where it is 0."""
    return zero + multiply(condition, one - zero)


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
