"""Tiled loop IR to Triton source.

Each PARALLEL nest of a kernel becomes one `@triton.jit` function, so a kernel may give several.
Names in the source are canonical: equal kernels give equal text. The functions' runtime arguments
are the kernel's buffers, then a scratch pointer for THREAD buffers where there are any, then the
kernel's sizes, then the block sizes as constexprs.
"""

from __future__ import annotations

from dataclasses import dataclass

from graphdl.backends.triton.recipes import (
    Contraction,
    Nest,
    Recipe,
    choose_recipe,
    match_contraction,
    names_of,
    nest_of,
    thread_buffers,
)
from graphdl.backends.triton.scalars import LANGUAGE_TYPE, POINTER_TYPE
from graphdl.backends.triton.writer import Writer
from graphdl.kernel.nodes import Kernel, Let, Sweep, Value
from graphdl.typesystem.expression import Size, Symbol, add, floor_divide, multiply, product

PRELUDE = """\
import triton
import triton.language as tl


@triton.jit
def _multiply(a, b):
    return a * b


@triton.jit
def _bitwise_and(a, b):
    return a & b


@triton.jit
def _bitwise_or(a, b):
    return a | b


@triton.jit
def _add(a, b):
    return a + b


@triton.jit
def _maximum(a, b):
    return tl.where((a > b) | (a != a), a, b)


@triton.jit
def _minimum(a, b):
    return tl.where((a < b) | (a != a), a, b)


@triton.jit
def _argmax(a, i, b, j):
    same = (a == b) | ((a != a) & (b != b))
    first = tl.where(same, i <= j, (a > b) | (a != a))
    return tl.where(first, a, b), tl.where(first, i, j)


@triton.jit
def _argmin(a, i, b, j):
    same = (a == b) | ((a != a) & (b != b))
    first = tl.where(same, i <= j, (a < b) | (a != a))
    return tl.where(first, a, b), tl.where(first, i, j)


@triton.jit
def _floor_divide(a, b):
    safe = tl.where(b == 0, 1, b)
    quotient = a // safe
    adjusted = quotient - ((quotient * safe != a) & ((a < 0) != (safe < 0))).to(quotient.dtype)
    return tl.where(b == 0, 0, adjusted)


@triton.jit
def _remainder(a, b):
    return tl.where(b == 0, 0, a - _floor_divide(a, b) * b)


@triton.jit
def _power(a, b):
    result = tl.full(a.shape, 1, a.dtype)
    base = a
    exponent = b
    for _ in tl.static_range(64):
        result = tl.where((exponent & 1) != 0, result * base, result)
        base = base * base
        exponent = exponent >> 1
    return result
"""


@dataclass(frozen=True, slots=True)
class TritonFunction:
    """One generated function and how to launch it.

    `grid` is the number of programs as an expression of the kernel's sizes. `signature` maps
    argument names to Triton type strings. `scratch_elements` is per program, in 8-byte words.
    """

    name: str
    source: str
    recipe: Recipe
    grid: Size
    signature: dict[str, str]
    constants: dict[str, int]
    warps: int
    stages: int
    scratch_words: Size = 0


def generate(kernel: Kernel) -> tuple[TritonFunction, ...]:
    """The Triton functions that together run a tiled kernel, in order.

    Raises TargetError for a value that has no Triton form.
    """
    nests = [nest_of((statement,)) for statement in kernel.body]
    if any(not nest.symbols for nest in nests):
        nests = [nest_of(kernel.body)]
    suffixes = [f"_{index}" for index in range(len(nests))] if len(nests) > 1 else [""]
    return tuple(
        _generate_nest(kernel, nest, kernel.name + suffix)
        for nest, suffix in zip(nests, suffixes, strict=True)
    )


def _generate_nest(kernel: Kernel, nest: Nest, name: str) -> TritonFunction:
    writer = Writer(kernel, {symbol: symbol.name for symbol in kernel.sizes})
    writer.allocate(thread_buffers(nest.body))
    recipe = choose_recipe(kernel, nest)
    match recipe:
        case Recipe.CONTRACTION:
            contraction = match_contraction(nest)
            assert contraction is not None
            grid, constants, warps, stages = _write_contraction(writer, nest, contraction)
        case Recipe.ROW:
            grid, constants, warps, stages = _write_row(writer, nest)
        case Recipe.LANES:
            grid, constants, warps, stages = _write_lanes(writer, nest)
    signature = {buffer.name: POINTER_TYPE[buffer.dtype.name] for buffer in kernel.buffers}
    if writer.threads:
        signature["scratch"] = "*i64"
    signature |= {symbol.name: "i64" for symbol in kernel.sizes}
    signature |= dict.fromkeys(constants, "constexpr")
    arguments = ", ".join(
        f"{argument}: tl.constexpr" if kind == "constexpr" else argument
        for argument, kind in signature.items()
    )
    comments = "".join(f"    # {line}\n" for line in _provenance(kernel))
    body = "\n".join(writer.lines)
    source = f"{PRELUDE}\n\n@triton.jit\ndef {name}({arguments}):\n{comments}{body}\n"
    return TritonFunction(
        name, source, recipe, grid, signature, constants, warps, stages, writer.scratch_words
    )


def _provenance(kernel: Kernel) -> list[str]:
    return [*kernel.notes, *(f"{location}  {location.text}" for location in kernel.lines)]


# Recipes ------------------------------------------------------------------------------------------


def _write_lanes(writer: Writer, nest: Nest) -> tuple[Size, dict[str, int], int, int]:
    total = product(nest.extents)
    if not nest.symbols:
        writer.body(nest.body)
        return 1, {}, 1, 1
    writer.line("lane = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)")
    writer.bind_points(nest.symbols, nest.extents, "lane", is_uniform=False)
    writer.line(f"inside = lane < {writer.size(total)}")
    with writer.shaped("[BLOCK]"), writer.masked("inside"):
        writer.body(nest.body)
    return _ceil_divide(total, 256), {"BLOCK": 256}, 4, 2


def _write_row(writer: Writer, nest: Nest) -> tuple[Size, dict[str, int], int, int]:
    if nest.symbols:
        writer.line("row = tl.program_id(0).to(tl.int64)")
        writer.bind_points(nest.symbols, nest.extents, "row", is_uniform=True)
    else:
        writer.line("row = 0")
    writer.body(nest.body, tile="BLOCK")
    return product(nest.extents), {"BLOCK": 1024}, 4, 2


def _write_contraction(
    writer: Writer, nest: Nest, found: Contraction
) -> tuple[Size, dict[str, int], int, int]:
    rows, columns = nest.extents[found.row], nest.extents[found.column]
    row_tiles, column_tiles = _ceil_divide(rows, 64), _ceil_divide(columns, 64)
    batch = [nest.extents[axis] for axis in found.batch]
    writer.line("tile = tl.program_id(0).to(tl.int64)")
    writer.line(f"column_tiles = ({writer.size(columns)} + BLOCK_N - 1) // BLOCK_N")
    writer.line(f"row_tiles = ({writer.size(rows)} + BLOCK_M - 1) // BLOCK_M")
    writer.line("matrix = tile // (row_tiles * column_tiles)")
    batch_symbols = tuple(nest.symbols[axis] for axis in found.batch)
    writer.bind_points(batch_symbols, tuple(batch), "matrix", is_uniform=True)
    writer.line("tile = tile % (row_tiles * column_tiles)")
    writer.line("row = (tile // column_tiles) * BLOCK_M + tl.arange(0, BLOCK_M)")
    writer.line("column = (tile % column_tiles) * BLOCK_N + tl.arange(0, BLOCK_N)")
    row_symbol, column_symbol = nest.symbols[found.row], nest.symbols[found.column]
    writer.symbols[row_symbol], writer.symbols[column_symbol] = "row[:, None]", "column[None, :]"
    inside = (
        f"(row < {writer.size(rows)})[:, None]",
        f"(column < {writer.size(columns)})[None, :]",
    )
    writer.body(found.before)
    _write_dot(writer, found, row_symbol, column_symbol, inside)
    with writer.shaped("[BLOCK_M, BLOCK_N]"), writer.masked(*inside):
        writer.body(found.epilogue)
    grid = multiply(product(batch), multiply(row_tiles, column_tiles))
    return grid, {"BLOCK_M": 64, "BLOCK_N": 64, "BLOCK_K": 32}, 8, 3


def _write_dot(
    writer: Writer, found: Contraction, row: Symbol, column: Symbol, inside: tuple[str, str]
) -> None:
    axis = found.sweep.axes[0]
    dtype = found.accumulator.values[0].dtype
    extent = writer.size(axis.extent)
    accumulator = found.accumulator.names[0]
    total = "tl.float64" if dtype.bits == 64 else "tl.float32"
    writer.line(f"{accumulator} = tl.zeros([BLOCK_M, BLOCK_N], dtype={total})")
    with writer.block(f"for start in range(0, {extent}, BLOCK_K):"):
        writer.line("step = start + tl.arange(0, BLOCK_K)")
        writer.line(f"within = step < {extent}")
        operands = []
        for value, shape, side in ((found.lhs, "[None, :]", 0), (found.rhs, "[:, None]", 1)):
            writer.symbols[axis.symbol] = f"step{shape}"
            kept, block = inside[side], ("[BLOCK_M, BLOCK_K]", "[BLOCK_K, BLOCK_N]")[side]
            with writer.shaped(block), writer.masked(kept, f"within{shape}"):
                for statement in found.sweep.body:
                    if isinstance(statement, Let) and _mentions(value, statement.name, found.sweep):
                        writer.statement(statement, "")
                text = writer.value(value)
            operand = writer.fresh("operand")
            mask = f"{kept} & within{shape}"
            zero = f"tl.zeros({block}, dtype={LANGUAGE_TYPE[dtype.name]})"
            writer.line(f"{operand} = tl.where({mask}, {text}, {zero})")
            operands.append(operand)
        left, right = operands
        writer.line(
            f'{accumulator} = tl.dot({left}, {right}, {accumulator}, input_precision="ieee", '
            f"out_dtype={total})"
        )
    writer.line(f"{accumulator} = {accumulator}.to({LANGUAGE_TYPE[dtype.name]})")


def _mentions(value: Value, name: str, sweep: Sweep) -> bool:
    lets = {
        statement.name: statement.value for statement in sweep.body if isinstance(statement, Let)
    }
    return name in names_of(value, lets)


def _ceil_divide(size: Size, block: int) -> Size:
    return floor_divide(add(size, block - 1), block)
