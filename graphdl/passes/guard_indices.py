"""Check index inputs before they are used.

Why: a gather clamps its indices, so a label that is out of range would silently be another label.
Indices that a call hands in are checked before anything is written; those that a graph computes
from its own values are clamped, and not checked.
Requires: no regions but barriers. Ensures: every gather and scatter whose indices follow from an
input by movements and elementwise ops alone reads them behind a check of `0 <= index < size`.

    %2 = gather(table, ids, axis=0)
        ->   %5 = check(ids, reduce_and(0 <= ids and ids < 10))   %6 = gather(table, %5, axis=0)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graphdl.graph.constant_value import ConstantValue
from graphdl.graph.describe import name_of
from graphdl.graph.nodes import Graph, Node, Tensor, build_node
from graphdl.graph.op import OpKind
from graphdl.graph.rebuild import transform, with_roots
from graphdl.ops import effect, elementwise, leaves, movement, reduction
from graphdl.typesystem.dtype import bool_
from graphdl.typesystem.expression import Size

_CHECKED = (OpKind.GATHER, OpKind.SCATTER)
_TRACED = (OpKind.ELEMENTWISE, OpKind.MOVEMENT)


@dataclass(frozen=True, slots=True, eq=False)
class IndexCheck:
    """`indices`, computed from the input `source`, must lie in [0, size) for `user`. `message` is
    that of the check node, and the key by which a failure is recognised."""

    source: Tensor
    indices: Tensor
    size: Size
    user: Node
    message: str


def guard_indices(graph: Graph) -> tuple[Graph, tuple[IndexCheck, ...]]:
    """`graph` with its index inputs checked, and what the checks are."""
    found = _find(graph)
    if not found:
        return graph, ()
    replacements: dict[tuple[int, int], Tensor] = {}
    for check in found:
        current = replacements.get(check.source.key, check.source)
        replacements[check.source.key] = _checked(current, check)
    cut = {tensor.key for tensor in graph.inputs}
    roots = transform(graph.roots, lambda node, operands: None, cut, replacements=replacements)
    return with_roots(graph, roots), tuple(found)


def _find(graph: Graph) -> list[IndexCheck]:
    inputs = {tensor.key: tensor for tensor in graph.inputs}
    found: dict[tuple[tuple[int, int], Size], IndexCheck] = {}
    for node in graph.nodes():
        if node.op.kind not in _CHECKED:
            continue
        indices = node.operands[1]
        source = _trace(indices, inputs)
        if source is None:
            continue
        size = node.operands[0].shape[node.attributes["axis"]]
        place = (indices.key, size)
        if place not in found:
            message = _message(source, node, size, len(found))
            found[place] = IndexCheck(source, indices, size, node, message)
    return list(found.values())


def _trace(tensor: Tensor, inputs: dict[tuple[int, int], Tensor]) -> Tensor | None:
    """The one input that a tensor is computed from, element by element; else None."""
    sources: dict[tuple[int, int], Tensor] = {}
    stack, seen = [tensor], set[int]()
    while stack:
        current = stack.pop()
        if current.key in inputs:
            sources[current.key] = current
            continue
        node = current.node
        if id(node) in seen or node.op in (leaves.constant, leaves.size):
            continue
        seen.add(id(node))
        if node.op.kind not in _TRACED:
            return None
        stack.extend(node.operands)
    return next(iter(sources.values())) if len(sources) == 1 else None


def _message(source: Tensor, node: Node, size: Size, number: int) -> str:
    name = name_of(source.node) or "an input"
    return f'"{name}" holds an index outside [0, {size}) for {node.op.name} (check {number})'


def _checked(current: Tensor, check: IndexCheck) -> Tensor:
    """`current`, behind a check that the indices made from it are in range."""
    indices = check.indices
    zero = _filled(_number(indices, 0), indices)
    size = build_node(leaves.size, (), {"value": check.size, "dtype": indices.dtype}).results[0]
    is_low = elementwise.less_equal(zero, indices)
    is_high = elementwise.less(indices, _filled(size, indices))
    condition = elementwise.bitwise_and(is_low, is_high)
    axes = tuple(range(indices.ndim))
    if axes:
        condition = reduction.reduce_and(condition, axes=axes)
    assert condition.dtype == bool_
    attributes = {"message": check.message}
    location = check.user.location
    node = build_node(effect.check, (current, condition), attributes, location=location)
    return node.results[0]


def _number(like: Tensor, value: int) -> Tensor:
    array = ConstantValue(np.asarray(value, like.dtype.numpy))
    return build_node(leaves.constant, (), {"value": array}).results[0]


def _filled(number: Tensor, like: Tensor) -> Tensor:
    if not like.ndim:
        return number
    result: Tensor = movement.broadcast_in_dim(number, shape=like.shape, broadcast_dimensions=())
    return result
