"""Check every floating value for NaN and infinity: what `check_numerics=True` compiles in.

Why: a NaN is seen long after it was made; the check names the node that made it.
Requires: no regions but barriers. Ensures: every floating result that is computed, and every
floating input, is read behind a check that it is finite, in topological order.

    y = log(x)   ->   y = log(x)   %2 = check(y, reduce_and(is_finite(y)), message="log made …")
"""

from __future__ import annotations

from collections.abc import Sequence

from graphdl.graph.describe import name_of
from graphdl.graph.nodes import Graph, Node, Tensor, build_node, rebuild
from graphdl.graph.op import OpKind
from graphdl.graph.rebuild import transform, with_roots
from graphdl.ops import effect, elementwise, leaves, reduction

_UNCHECKED = (OpKind.LEAF, OpKind.MOVEMENT, OpKind.EFFECT, OpKind.REGION, OpKind.GATHER)


def guard_numerics(graph: Graph) -> Graph:
    """`graph` that stops with NumericsError at its first value that is NaN or infinite."""

    def visit(node: Node, operands: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
        is_variable = node.op is leaves.variable
        if node.op.kind in _UNCHECKED and not is_variable:
            return None
        new = node if operands is node.operands else rebuild(node, operands)
        return [_checked(tensor, numerics_message(node)) for tensor in new.results]

    inputs = {
        tensor.key: _checked(tensor, numerics_message(tensor.node)) for tensor in graph.inputs
    }
    cut = {tensor.key for tensor in graph.inputs}
    return with_roots(graph, transform(graph.roots, visit, cut, replacements=inputs))


def numerics_message(node: Node) -> str:
    """What is said about a node that made a NaN or an infinity."""
    name = name_of(node)
    what = node.op.name if name is None else f'{node.op.name} "{name}"'
    message = f"{what} is NaN or infinite"
    if node.origin is not None:
        message += f", in the gradient of {node.origin.op.name}"
        if node.origin.location is not None:
            message += f" ({node.origin.location})"
    return message


def _checked(tensor: Tensor, message: str) -> Tensor:
    if not tensor.dtype.is_floating:
        return tensor
    condition = elementwise.is_finite(tensor)
    if tensor.ndim:
        condition = reduction.reduce_and(condition, axes=tuple(range(tensor.ndim)))
    node = build_node(
        effect.check,
        (tensor, condition),
        {"message": message},
        location=tensor.node.location,
        origin=tensor.node.origin,
    )
    return node.results[0]
