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
from dataclasses import dataclass

from graphdl.backends.cpu.contraction_form import Contraction, Operand, recognize_contraction
from graphdl.backends.cpu.contraction_panel import (
    packer_name,
    packer_text,
    panel_columns,
    panel_name,
    panel_text,
)
from graphdl.backends.cpu.nests import Nest, Rewriter, mask_lanes, replace_symbols
from graphdl.backends.cpu.target import CpuTarget
from graphdl.backends.cpu.tiled import TiledKernel
from graphdl.kernel.nodes import (
    Access,
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
    Value,
    Variable,
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
    substitute,
)

Body = tuple[Statement, ...]

DEPTH_BLOCK = 512
"""Steps of depth that one packed panel holds: 96 KiB of float32 in 48 columns, in the L2 cache."""
CHUNK_ROWS = 256
"""Most rows of one task, so that packing a panel is paid back."""
DIRECT_ROWS = 24
"""With at most this many rows in all, packing costs more than it saves."""
DIRECT_ELEMENTS = 128 * 1024
"""A right operand of at most this many elements stays in cache without being packed."""
_PRODUCT_COST = 12
"""Picoseconds of a multiplication and addition in one of 16 lanes."""

_TASK = Symbol("task")
_ROW, _COLUMN = Symbol("row_first"), Symbol("column_first")
_ROWS, _COLUMNS = Symbol("row_count"), Symbol("column_count")
_BLOCK = Symbol("block")
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
