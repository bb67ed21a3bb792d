"""Gather: an index read from memory, clamped, then used like any other. Scatter: serial updates."""

from __future__ import annotations

from graphdl.graph.nodes import Node
from graphdl.kernel.nodes import (
    Access,
    Binary,
    Cast,
    Constant,
    IndexValue,
    Load,
    Loop,
    LoopKind,
    Statement,
    Store,
    Value,
)
from graphdl.lowering.emitter import Emitter, Index, Mask, without_ones
from graphdl.ops.indexing import gather, scatter_add
from graphdl.typesystem.dtype import int64
from graphdl.typesystem.expression import Size, Symbol


def lower_gather(emitter: Emitter, node: Node, index: Index, mask: Mask) -> Value:
    """The operand at an index that the second operand holds."""
    operand, indices = node.operands
    axis: int = node.attributes["axis"]
    end = axis + indices.ndim if node.op is gather else axis + 1
    place = index[axis:end] if node.op is gather else index
    found = clamped_symbol(emitter, emitter.value(indices, place, mask), operand.shape[axis])
    return emitter.value(operand, (*index[:axis], found, *index[end:]), mask)


def clamped_symbol(emitter: Emitter, value: Value, size: Size) -> Symbol:
    """A name for an index brought into [0, size - 1]."""
    wide = value if value.dtype == int64 else Cast(value, int64)
    last = IndexValue(size - 1, int64)
    clamped = Binary("minimum", Binary("maximum", wide, Constant(0, int64)), last)
    return emitter.let_index(clamped)


def lower_scatter(emitter: Emitter) -> tuple[Statement, ...]:
    """PARALLEL over the axes that no index chooses, SERIAL over the updates in row-major order."""
    (node,) = emitter.group.anchors
    operand, indices, updates = node.operands
    axis: int = node.attributes["axis"]
    serial = _serial_axes(node)
    extents = [
        (Symbol(f"d{number}"), size, number in serial) for number, size in enumerate(updates.shape)
    ]
    index: Index = tuple(0 if size == 1 else symbol for symbol, size, _ in extents)
    emitter.bind_symbols([symbol for symbol, _, _ in extents])
    end = axis + indices.ndim if node.op is scatter_add else axis + 1
    place = index[axis:end] if node.op is scatter_add else index
    found = clamped_symbol(emitter, emitter.value(indices, place), operand.shape[axis])
    update = emitter.value(updates, index)
    target = (*index[:axis], found, *index[end:])
    buffer = emitter.buffer(emitter.group.outputs[0], operand.shape, Access.UPDATE)
    target = without_ones(operand.shape, target)
    total = Binary("add", Load(buffer.name, target, buffer.dtype), update)
    emitter.scope.statements.append(Store(buffer.name, target, total))
    body = tuple(emitter.scope.statements)
    for symbol, size, is_serial in reversed(extents):
        if is_serial and size != 1:
            body = (Loop(symbol, 0, size, 1, LoopKind.SERIAL, body),)
    for symbol, size, is_serial in reversed(extents):
        if not is_serial and size != 1:
            body = (Loop(symbol, 0, size, 1, LoopKind.PARALLEL, body),)
    return body


def _serial_axes(node: Node) -> list[int]:
    """The axes of the updates along which two updates may meet in one element."""
    axis: int = node.attributes["axis"]
    if node.op is not scatter_add:
        return [axis]
    return list(range(axis, axis + node.operands[1].ndim))
