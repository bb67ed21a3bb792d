"""Derivatives of movement: movement back, and a sum where an element was copied."""

from __future__ import annotations

from collections.abc import Sequence

from graphdl.autodiff.rules import Contribution, vjp_rule, zeros_like
from graphdl.graph.nodes import Node, Tensor
from graphdl.ops import movement as ops
from graphdl.ops.arguments import filled
from graphdl.ops.elementwise import multiply
from graphdl.ops.overlap import dilate
from graphdl.ops.reduction import reduce_sum
from graphdl.typesystem.expression import Size, maximum

Cotangents = tuple[Tensor, ...]
Contributions = Sequence[Contribution]


@vjp_rule(ops.reshape)
def reshape_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """g in the operand's shape."""
    return (ops.reshape(cotangents[0], shape=node.operands[0].shape),)


@vjp_rule(ops.transpose)
def transpose_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """g with the inverse permutation."""
    permutation = node.attributes["permutation"]
    inverse = tuple(permutation.index(axis) for axis in range(len(permutation)))
    return (ops.transpose(cotangents[0], permutation=inverse),)


@vjp_rule(ops.broadcast_in_dim)
def broadcast_in_dim_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """g summed over the axes that were new or stretched."""
    (g,), (x,) = cotangents, node.operands
    dimensions = node.attributes["broadcast_dimensions"]
    kept = {
        dimension
        for size, dimension in zip(x.shape, dimensions, strict=True)
        if size == g.shape[dimension]
    }
    axes = tuple(axis for axis in range(g.ndim) if axis not in kept)
    total = reduce_sum(g, axes=axes) if axes else g
    return (total if total.shape == x.shape else ops.reshape(total, shape=x.shape),)


@vjp_rule(ops.reverse)
def reverse_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """g reversed."""
    return (ops.reverse(cotangents[0], axes=node.attributes["axes"]),)


@vjp_rule(ops.slice_)
def slice_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """g put back among zeros."""
    (g,), (x,) = cotangents, node.operands
    starts, stops, steps = (node.attributes[name] for name in ("starts", "stops", "steps"))
    high: list[Size] = []
    for axis, (start, stop, step) in enumerate(zip(starts, stops, steps, strict=True)):
        g = dilate(g, axis, step)
        behind = x.shape[axis] - start - g.shape[axis]
        high.append(x.shape[axis] - stop if step == 1 else maximum(0, behind))
    padded = ops.pad(g, filled(0, g.dtype), low=tuple(starts), high=tuple(high))
    return (_leading_part(padded, x.shape),)


def _leading_part(tensor: Tensor, shape: tuple[Size, ...]) -> Tensor:
    """The first elements along every axis; the gap behind the last element may reach too far."""
    if tensor.shape == shape:
        return tensor
    rank = tensor.ndim
    result: Tensor = ops.slice_(tensor, starts=(0,) * rank, stops=shape, steps=(1,) * rank)
    return result


@vjp_rule(ops.pad)
def pad_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """The inner part of g, and the sum of the rest for the padding value."""
    (g,), x = cotangents, node.operands[0]
    low, high = node.attributes["low"], node.attributes["high"]
    stops = tuple(start + size for start, size in zip(low, x.shape, strict=True))
    inner = ops.slice_(g, starts=tuple(low), stops=stops, steps=(1,) * g.ndim)
    is_padding = ops.pad(zeros_like(x), filled(1, g.dtype), low=low, high=high)
    return inner, reduce_sum(multiply(g, is_padding), axes=tuple(range(g.ndim)))


@vjp_rule(ops.concatenate)
def concatenate_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """To each operand its part of g."""
    (g,), axis = cotangents, node.attributes["axis"]
    parts: list[Tensor] = []
    start: Size = 0
    for operand in node.operands:
        stop = start + operand.shape[axis]
        starts = tuple(start if i == axis else 0 for i in range(g.ndim))
        stops = tuple(stop if i == axis else size for i, size in enumerate(g.shape))
        parts.append(ops.slice_(g, starts=starts, stops=stops, steps=(1,) * g.ndim))
        start = stop
    return parts
