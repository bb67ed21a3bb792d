"""Scatters of 16-bit floats add in float32 and round once at the end.

Why: a scatter's kernel adds in memory, and memory of 16 bits would round after every addition.
Requires: no regions but barriers. Ensures: no scatter works on 16-bit floats.

    scatter_add(x: float16, i, u: float16)
        ->   convert(scatter_add(convert(x, float32), i, convert(u, float32)), float16)
"""

from __future__ import annotations

from collections.abc import Sequence

from graphdl.graph.nodes import Graph, Node, Tensor, build_node
from graphdl.graph.op import OpKind
from graphdl.graph.rebuild import transform_graph
from graphdl.ops.elementwise import convert
from graphdl.typesystem.dtype import DType, float32


def widen_scatters(graph: Graph) -> Graph:
    """`graph` whose scatters work on float32 or wider."""

    def visit(node: Node, operands: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
        dtype = node.result_types[0].dtype
        if node.op.kind is not OpKind.SCATTER or not dtype.is_floating or dtype.bits > 16:
            return None
        target, indices, updates = operands
        wide = build_node(
            node.op,
            (_convert(target, float32, node), indices, _convert(updates, float32, node)),
            node.attributes,
            location=node.location,
            origin=node.origin,
        )
        return (_convert(wide.results[0], dtype, node),)

    return transform_graph(graph, visit)


def _convert(tensor: Tensor, dtype: DType, node: Node) -> Tensor:
    made = build_node(
        convert, (tensor,), {"dtype": dtype}, location=node.location, origin=node.origin
    )
    return made.results[0]
