"""Elementwise ops as scalar expressions. 16-bit floats are computed in float32 and rounded once."""

from __future__ import annotations

from graphdl.graph.nodes import Node
from graphdl.kernel.nodes import Binary, Bitcast, Cast, Fma, Select, Unary, Value
from graphdl.lowering.emitter import Emitter, Index, Mask
from graphdl.typesystem.dtype import DType, float32


def lower_elementwise(emitter: Emitter, node: Node, index: Index, mask: Mask) -> Value:
    """The op applied to the operands at the same index."""
    operands = [emitter.value(operand, index, mask) for operand in node.operands]
    dtype = node.result_types[0].dtype
    match node.op.name, operands:
        case "convert", [operand]:
            return operand if operand.dtype == dtype else Cast(operand, dtype)
        case "bitcast", [operand]:
            return operand if operand.dtype == dtype else Bitcast(operand, dtype)
        case "select", [condition, on_true, on_false]:
            return Select(condition, on_true, on_false)
    return narrow(_apply(node.op.name, [widen(operand) for operand in operands]), dtype)


def _apply(name: str, operands: list[Value]) -> Value:
    match operands:
        case [operand]:
            return Unary(name, operand)
        case [left, right]:
            return Binary(name, left, right)
        case [a, b, c]:
            return Fma(a, b, c)
    raise AssertionError(f"{name} takes {len(operands)} operands")


def is_half(dtype: DType) -> bool:
    """Whether arithmetic happens in float32 instead."""
    return dtype.is_floating and dtype.bits == 16


def widen(value: Value) -> Value:
    """A 16-bit float as float32; anything else as it is."""
    return Cast(value, float32) if is_half(value.dtype) else value


def narrow(value: Value, dtype: DType) -> Value:
    """The result of widened arithmetic, rounded to its own dtype."""
    return Cast(value, dtype) if is_half(dtype) and value.dtype != dtype else value
