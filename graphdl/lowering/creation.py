"""Creation: values that follow from the index alone."""

from __future__ import annotations

from graphdl.graph.nodes import Node
from graphdl.kernel.nodes import Cast, IndexValue, Value
from graphdl.lowering.elementwise import is_half
from graphdl.lowering.emitter import Emitter, Index, Mask
from graphdl.typesystem.dtype import DType, float32, int64
from graphdl.typesystem.expression import Size


def lower_iota(emitter: Emitter, node: Node, index: Index, mask: Mask) -> Value:
    """The index along one axis, as a number."""
    return index_number(index[node.attributes["axis"]], node.result_types[0].dtype)


def lower_size(emitter: Emitter, node: Node, index: Index, mask: Mask) -> Value:
    """A named size, or an expression of sizes, as a number."""
    return index_number(node.attributes["value"], node.result_types[0].dtype)


def index_number(index: Size, dtype: DType) -> Value:
    """An index as a number of `dtype`; narrow integers wrap, 16-bit floats round once more."""
    if is_half(dtype):
        return Cast(IndexValue(index, float32), dtype)
    if dtype.bits < 32:
        return Cast(IndexValue(index, int64), dtype)
    return IndexValue(index, dtype)
