"""Contractions: panels of columns, a shared register-tiled product, the epilogue on finished rows.

    parallel i, j: sweep k: s += a[i, k] * b[k, j]; c[i, j] = relu(s)

becomes tasks, each some rows by a group of columns:

    parallel task
        let row_first, row_count, column_first, column_count
        allocate thread tile, panels, strip
        serial block                              -- of depth, ascending
            call pack(b -> panels)                -- where that pays; else b is read in place
            serial strip                          -- of rows, some register tiles high
                call strip(a, panels -> tile)     -- replaces in the first block, adds in later ones
                if this is the last block
                    serial row, column; vector lane
                        c[row, column+lane] = relu(tile[row, column+lane])

A contraction without an epilogue is summed in its output. Sizes and strides are run-time values, so
the shared functions are compiled once per dtype. Operands that are expressions, or that step
through their buffers unevenly, are computed into dense chunks first. Blocking after Goto and van
de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from graphdl.backends.cpu.contraction_form import Contraction, Operand, recognize_contraction
from graphdl.backends.cpu.contraction_packers import (
    packer_name,
    panel_columns,
    square_lanes,
    strip_pitch,
)
from graphdl.backends.cpu.contraction_panel import (
    dots_name,
    shared_text,
    strip_functions,
    strip_name,
)
from graphdl.backends.cpu.contraction_stage import (
    compute_left,
    compute_panels,
    epilogue,
    left_block,
    left_strides,
)
from graphdl.backends.cpu.contraction_tasks import (
    CHUNK_ROWS,
    COLUMN,
    COLUMNS,
    DEPTH_BLOCK,
    LEFT,
    ROW,
    ROWS,
    STAGED_ROWS,
    STRIP,
    TASK,
    Body,
    TaskShape,
    choose,
    column_let,
    depth_count,
    is_large,
    let,
    most_columns,
    rounded_up,
    row_count,
    staged_shape,
    task_lets,
    task_shape,
)
from graphdl.backends.cpu.generate import workspace_bytes
from graphdl.backends.cpu.nests import Nest
from graphdl.backends.cpu.target import CpuTarget
from graphdl.backends.cpu.tiled import THREADS, TiledKernel
from graphdl.kernel.nodes import (
    Allocate,
    Axis,
    Buffer,
    CallFunction,
    If,
    Kernel,
    Loop,
    LoopKind,
    Space,
    Statement,
)
from graphdl.typesystem.expression import (
    Comparison,
    Size,
    Symbol,
    floor_divide,
    maximum,
    minimum,
    multiply,
    product,
)

STRIP_TILES = 4
"""Register tiles of rows between two runs of the epilogue."""
DIRECT_ROWS = 24
"""With at most this many rows in all, packing costs more than it saves."""
DIRECT_DEPTH = 32
"""Steps of depth of such short contractions: whole pieces of rows are read before the next ones."""
_TASK_COST = 50_000
"""Picoseconds of starting a task."""
_PRODUCT_COST = 12
"""Picoseconds of a multiplication and addition in one of 16 lanes."""

_PACKED, _MOST, _DEEP, _EVEN = map(
    Symbol, ("is_packed", "most_steps", "padded_depth", "padded_steps")
)
_BLOCK, _BLOCKS, _BLOCK_SIZE = Symbol("block"), Symbol("blocks"), Symbol("block_size")
_STEP, _STEPS = Symbol("step_first"), Symbol("step_count")


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


@dataclass(frozen=True, slots=True)
class _Sum:
    """What is multiplied, and where the sums go: into an output, or into rows of a tile."""

    left: _Source
    output: _Source
    tile: Buffer | None


class _Recipe:
    """Writes the kernel of one contraction."""

    def __init__(self, form: Contraction, target: CpuTarget, numerics: str) -> None:
        self.form, self.target = form, target
        self.key = (form.dtype, target, numerics)
        self.dtype = form.dtype
        self.lanes = target.lanes(self.dtype.bits)
        self.width = panel_columns(self.dtype, target)
        self.depth = depth_count(form)
        self.strip_rows = STRIP_TILES * target.block_rows
        self.strip = minimum(self.strip_rows, ROWS - STRIP)
        self.called: set[str] = set()

    def tile(self) -> TiledKernel:
        """The task loop around this contraction's body."""
        form, kernel = self.form, self.form.nest.kernel
        is_staged = not self._is_read_in_place(form.lhs)
        shape = self._shape(is_staged)
        count = product((*(axis.extent for axis in form.outer), shape.down, shape.across))
        inner = self._staged_body() if is_staged else self._group_body(self._left_in_place())
        lets = task_lets(form, self.lanes, is_staged)
        loop = Loop(TASK, 0, count, 1, LoopKind.PARALLEL, (*lets, *inner))
        function = Kernel(kernel.name, (*kernel.sizes, THREADS), kernel.buffers, (loop,))
        texts = (shared_text(name, *self.key) for name in sorted(self.called))
        return TiledKernel(
            kernel.name, (function, *texts), count, self._cost(shape), workspace_bytes(function)
        )

    def _shape(self, is_staged: bool) -> TaskShape:
        if is_staged:
            shape = staged_shape(self.form, lambda name, value: value)
            return replace(shape, columns=self.form.column.extent)
        return task_shape(self.form, self.lanes, lambda name, value: value)

    def _cost(self, shape: TaskShape) -> Size:
        rows = minimum(shape.rows, row_count(self.form))
        columns = minimum(shape.columns, self.form.column.extent)
        each = _PRODUCT_COST * 16 // self.lanes
        return multiply(multiply(rows, columns), self.depth) * each + _TASK_COST

    # Operands -------------------------------------------------------------------------------------

    def _is_read_in_place(self, operand: Operand) -> bool:
        return operand.is_plain and (len(self.form.depth) == 1 or self._steps_separately())

    def _steps_separately(self) -> bool:
        """Whether there are several contracted axes, which run as loops around the product."""
        if len(self.form.depth) == 1:
            return False
        lhs, rhs = self.form.lhs, self.form.rhs
        return lhs.is_plain and rhs.is_plain and self._right_strides()[0] == 1

    def _right_strides(self) -> tuple[Size, Size]:
        """The right operand's stride across columns and along the depth."""
        rhs = self.form.rhs
        return rhs.stride(self.form.column.symbol), rhs.stride(self.form.depth[-1].symbol)

    def _left_in_place(self) -> _Source:
        lhs = self.form.lhs
        strides = lhs.stride(_symbol(self.form.row)), lhs.stride(self.form.depth[-1].symbol)
        return _Source(lhs.buffer, self._place(lhs), *strides)

    def _place(self, operand: Operand) -> Size:
        """Where this task's part of a plain operand starts."""
        place = operand.base
        for axis in self.form.outer:
            place = place + operand.stride(axis.symbol) * axis.symbol
        if self.form.row is not None:
            place = place + operand.stride(self.form.row.symbol) * ROW
        return place + operand.stride(self.form.column.symbol) * COLUMN

    def _staged_body(self) -> Body:
        """Compute the rows of the left operand once, then run over groups of columns."""
        block = left_block(self.form, self.lanes)
        body = self._group_body(_Source(block.name, 0, *left_strides(self.form)))
        most = most_columns(self.form)
        groups = Loop(COLUMN, 0, self.form.column.extent, most, LoopKind.SERIAL, body)
        return (Allocate(block), *compute_left(self.form, self.lanes), groups)

    # Sums -----------------------------------------------------------------------------------------

    def _group_body(self, left: _Source) -> Body:
        """Sum a task's rows by a group of columns, and finish them strip by strip."""
        form, count = self.form, column_let(self.form)
        output = form.plain_output()
        if output is not None:
            view = _Source(output.buffer, self._place(output), output.stride(_symbol(form.row)), 0)
            return (count, *self._sum(_Sum(left, view, None)))
        rows = STAGED_ROWS if left.buffer == "left_block" else CHUNK_ROWS
        tile = Buffer("tile", self.dtype, (rows, most_columns(form)), Space.THREAD)
        view = _Source(tile.name, 0, tile.shape[1], 0)
        return (count, Allocate(tile), *self._sum(_Sum(left, view, tile)))

    def _sum(self, work: _Sum) -> Body:
        if self._steps_separately():
            return self._separate_steps(work)
        is_plain = self.form.rhs.is_plain and len(self.form.depth) == 1
        if is_plain and self._right_strides()[0] == 1:
            return self._sum_rows(work)
        if is_plain and self._right_strides()[1] == 1:
            return self._sum_columns(work)
        panels, pitch = self._panels(), rounded_up(_STEPS, self.lanes)
        block = (_STEP, _STEPS)
        fill = compute_panels(self.form, panels.name, self.width, pitch, block, self.lanes)
        return self._from_panels(panels, pitch, fill, work)

    def _from_panels(self, panels: Buffer, pitch: Size, fill: Body, work: _Sum) -> Body:
        right = _Source(panels.name, 0, self.width, pitch)
        products = (self._product(work, right, self._tile_row(work)),)
        return (Allocate(panels), *self._blocks(0, fill, products, work))

    def _sum_columns(self, work: _Sum) -> Body:
        """The right operand has contiguous columns: pack them, or, for a single row, take one dot
        product after the other."""
        across, _ = self._right_strides()
        panels, pitch = self._panels(), rounded_up(_STEPS, self.lanes)
        views = (
            (work.left.buffer, work.left.first),
            (self.form.rhs.buffer, self._place(self.form.rhs)),
            (work.output.buffer, work.output.first),
        )
        sizes = (COLUMNS, self.depth, work.left.depth_stride, across)
        alone: Body = (self._call(dots_name(*self.key), sizes, views),)
        if work.tile is not None:
            alone = (*alone, *self._strips(self._epilogue(work.tile, 0)))
        if row_count(self.form) == 1:
            return alone
        packed = self._from_panels(panels, pitch, self._pack_columns(panels, pitch), work)
        return (If((Comparison(row_count(self.form), "==", 1),), alone, packed),)

    def _sum_rows(self, work: _Sum) -> Body:
        """The right operand has contiguous rows: read them in place, or pack them."""
        _, along = self._right_strides()
        panels, place = self._panels(), self._place(self.form.rhs) + along * _STEP
        in_place = _Source(self.form.rhs.buffer, place, along, 1)
        packed = _Source(panels.name, 0, self.width, _STEPS)
        views = ((self.form.rhs.buffer, place), (panels.name, 0))
        pack = self._call(packer_name(self.dtype, False), (COLUMNS, _STEPS, along), views)
        is_long = minimum(1, floor_divide(row_count(self.form), DIRECT_ROWS + 1))
        packs = let(_PACKED, multiply(is_large(self.form), is_long))
        is_packed = (Comparison(_PACKED, "==", 1),)
        row = self._tile_row(work)
        products = (
            If(
                is_packed,
                (self._product(work, packed, row),),
                (self._product(work, in_place, row),),
            ),
        )
        blocks = self._blocks(1 - is_long, (If(is_packed, (pack,)),), products, work)
        return (Allocate(panels), packs, *blocks)

    def _blocks(self, is_short: Size, fill: Body, products: Body, work: _Sum) -> Body:
        """For each block of depth: fill the panels, then run every strip of rows over them; the
        epilogue follows the last block of a strip."""
        deepest: Size = DEPTH_BLOCK if len(self.form.depth) == 1 else maximum(1, self.depth)
        lets = (
            let(_MOST, maximum(DIRECT_DEPTH, choose(is_short, DIRECT_DEPTH, deepest))),
            let(_DEEP, self.depth + (_MOST - 1)),
            let(_BLOCKS, maximum(1, floor_divide(_DEEP, _MOST))),
            let(_EVEN, self.depth + (_BLOCKS - 1)),
            let(_BLOCK_SIZE, floor_divide(_EVEN, _BLOCKS)),
        )
        if work.tile is not None:
            is_last = Comparison(_BLOCK + 1, "==", _BLOCKS)
            products = (*products, If((is_last,), self._epilogue(work.tile, self._tile_row(work))))
        first = (
            let(_STEP, _BLOCK * _BLOCK_SIZE),
            let(_STEPS, minimum(_BLOCK_SIZE, self.depth - _STEP)),
        )
        body = (*first, *fill, *self._strips(products))
        loop = Loop(_BLOCK, 0, _BLOCKS, 1, LoopKind.SERIAL, body)
        return (*lets, Allocate(self._strip_buffer(maximum(DIRECT_DEPTH, deepest))), loop)

    def _separate_steps(self, work: _Sum) -> Body:
        """Contracted axes that do not join: loops around the product over the last one."""
        form = self.form
        *slow, fast = form.depth
        left = work.left
        right = _Source(form.rhs.buffer, self._place(form.rhs), self._right_strides()[1], 1)
        begun: Size = 0
        for axis in slow:
            right = right.moved(form.rhs.stride(axis.symbol) * axis.symbol)
            left = left.moved(form.lhs.stride(axis.symbol) * axis.symbol)
            begun = begun + axis.symbol
        is_any = minimum(1, product(axis.extent for axis in slow))
        lets = (let(_STEP, 0), let(_STEPS, multiply(fast.extent, is_any)), let(_BLOCK, begun))
        call = self._product(replace(work, left=left), right, STRIP)
        body: Body = (*lets, *self._strips((call,)))
        for axis in reversed(slow):
            body = (Loop(axis.symbol, 0, maximum(1, axis.extent), 1, LoopKind.SERIAL, body),)
        body = (Allocate(self._strip_buffer(fast.extent)), *body)
        if work.tile is None:
            return body
        return (*body, *self._strips(self._epilogue(work.tile, STRIP)))

    def _strips(self, body: Body) -> Body:
        return (Loop(STRIP, 0, ROWS, self.strip_rows, LoopKind.SERIAL, body),)

    def _tile_row(self, work: _Sum) -> Size:
        """Where a strip starts in the output; with one block of depth, all strips use the same rows
        of a tile."""
        return STRIP if work.tile is None else STRIP * minimum(1, _BLOCKS - 1)

    def _epilogue(self, tile: Buffer, first: Size) -> Body:
        return epilogue(self.form, tile, first, self.strip, self.lanes)

    # Calls ----------------------------------------------------------------------------------------

    def _product(self, work: _Sum, right: _Source, row: Size) -> Statement:
        """The shared product of one strip and one block of depth. In the first block it replaces
        the output, in later ones it adds."""
        left, output = work.left, work.output
        sizes = (
            *(self.strip, COLUMNS, _STEPS, left.row_stride, left.depth_stride),
            *(right.row_stride, right.depth_stride, output.row_stride, _BLOCK),
        )
        views = (
            (left.buffer, left.first + left.row_stride * STRIP + left.depth_stride * _STEP),
            (right.buffer, right.first),
            (output.buffer, output.first + output.row_stride * row),
            ("strip", 0),
        )
        self.called.update(strip_functions(*self.key))
        return self._call(strip_name(*self.key), sizes, views)

    def _pack_columns(self, panels: Buffer, pitch: Size) -> Body:
        """The right operand has contiguous columns: transpose them."""
        across, _ = self._right_strides()
        place = self._place(self.form.rhs) + _STEP + across * LEFT
        sizes = (minimum(self.width, COLUMNS - LEFT), _STEPS, across)
        views = ((self.form.rhs.buffer, place), (panels.name, LEFT * pitch))
        pack = self._call(packer_name(self.dtype, True), sizes, views)
        return (Loop(LEFT, 0, COLUMNS, self.width, LoopKind.SERIAL, (pack,)),)

    def _call(
        self, name: str, sizes: tuple[Size, ...], views: tuple[tuple[str, Size], ...]
    ) -> CallFunction:
        self.called.add(name)
        return CallFunction(name, sizes, views)

    # Buffers --------------------------------------------------------------------------------------

    def _panels(self) -> Buffer:
        """Room for a group of whole panels, each of a whole number of squares."""
        depth: Size = DEPTH_BLOCK
        if len(self.form.depth) > 1:
            depth = rounded_up(self.depth, self.lanes)
        columns = rounded_up(most_columns(self.form), self.width)
        return Buffer("panels", self.dtype, (multiply(depth, columns),), Space.THREAD)

    def _strip_buffer(self, depth: Size) -> Buffer:
        """Room for one packed strip, of a whole number of squares."""
        steps = rounded_up(depth, square_lanes(self.dtype, self.target))
        shape = (steps, strip_pitch(self.dtype, self.target))
        return Buffer("strip", self.dtype, shape, Space.THREAD)


def _symbol(axis: Axis | None) -> Symbol | None:
    return axis.symbol if axis is not None else None
