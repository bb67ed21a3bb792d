"""Derivatives of movement: movement back, and a sum where an element was copied."""

from __future__ import annotations

from collections.abc import Sequence

from graphdl.autodiff.rules import (
    Contribution,
    batch_rule,
    batched,
    jvp_rule,
    vjp_rule,
    zeros_like,
)
from graphdl.graph.nodes import Node, Tensor
from graphdl.ops import movement as ops
from graphdl.ops.arguments import filled
from graphdl.ops.elementwise import multiply, select
from graphdl.ops.overlap import dilate
from graphdl.ops.reduction import reduce_sum
from graphdl.typesystem.dtype import bool_
from graphdl.typesystem.expression import Size, maximum

Cotangents = tuple[Tensor, ...]
Operands = tuple[Tensor, ...]
Flags = tuple[bool, ...]
Tangents = tuple[Tensor | None, ...]
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


# Forward and batched ------------------------------------------------------------------------------


@jvp_rule(ops.reshape, ops.transpose, ops.broadcast_in_dim, ops.reverse, ops.slice_)
def movement_jvp(node: Node, tangents: Tangents) -> Sequence[Tensor | None]:
    """t moved likewise."""
    return [None if t is None else node.op(t, **node.attributes) for t in tangents]


@jvp_rule(ops.pad, ops.concatenate)
def joining_jvp(node: Node, tangents: Tangents) -> Sequence[Tensor | None]:
    """Tangents joined likewise, zeros where there is none."""
    given = _or_zeros(node, tangents)
    return (node.op(*given, **node.attributes) if given else None,)


def _or_zeros(node: Node, tangents: Tangents) -> list[Tensor]:
    if all(tangent is None for tangent in tangents):
        return []
    pairs = zip(tangents, node.operands, strict=True)
    return [zeros_like(operand) if tangent is None else tangent for tangent, operand in pairs]


@batch_rule(ops.reshape)
def reshape_batch(node: Node, operands: Operands, has_batch: Flags, size: Size) -> Sequence[Tensor]:
    """The batch stays in front."""
    return (ops.reshape(*operands, shape=(size, *node.attributes["shape"])),)


@batch_rule(ops.transpose)
def transpose_batch(
    node: Node, operands: Operands, has_batch: Flags, size: Size
) -> Sequence[Tensor]:
    """The batch stays in front."""
    return (ops.transpose(*operands, permutation=(0, *_behind(node.attributes["permutation"]))),)


@batch_rule(ops.broadcast_in_dim)
def broadcast_in_dim_batch(
    node: Node, operands: Operands, has_batch: Flags, size: Size
) -> Sequence[Tensor]:
    """The batch stays in front."""
    dimensions = (0, *_behind(node.attributes["broadcast_dimensions"]))
    shape = (size, *node.attributes["shape"])
    return (ops.broadcast_in_dim(*operands, shape=shape, broadcast_dimensions=dimensions),)


@batch_rule(ops.slice_)
def slice_batch(node: Node, operands: Operands, has_batch: Flags, size: Size) -> Sequence[Tensor]:
    """The whole of the batch."""
    starts, stops, steps = (node.attributes[name] for name in ("starts", "stops", "steps"))
    named = {"starts": (0, *starts), "stops": (size, *stops), "steps": (1, *steps)}
    return (ops.slice_(*operands, **named),)


@batch_rule(ops.reverse)
def reverse_batch(node: Node, operands: Operands, has_batch: Flags, size: Size) -> Sequence[Tensor]:
    """Along the axes behind the batch."""
    return (ops.reverse(*operands, axes=_behind(node.attributes["axes"])),)


@batch_rule(ops.pad)
def pad_batch(node: Node, operands: Operands, has_batch: Flags, size: Size) -> Sequence[Tensor]:
    """No padding of the batch; a value for each example is chosen where the padding is."""
    x, value = operands
    x = batched(x, has_batch[0], size)
    low, high = (0, *node.attributes["low"]), (0, *node.attributes["high"])
    if not has_batch[1]:
        return (ops.pad(x, value, low=low, high=high),)
    inside = ops.pad(filled(True, bool_, x.shape), filled(False, bool_), low=low, high=high)
    padded = ops.pad(x, filled(0, x.dtype), low=low, high=high)
    values = ops.broadcast_in_dim(value, shape=padded.shape, broadcast_dimensions=(0,))
    return (select(inside, padded, values),)


@batch_rule(ops.concatenate)
def concatenate_batch(
    node: Node, operands: Operands, has_batch: Flags, size: Size
) -> Sequence[Tensor]:
    """Along the axis behind the batch."""
    given = (batched(x, has, size) for x, has in zip(operands, has_batch, strict=True))
    return (ops.concatenate(*given, axis=node.attributes["axis"] + 1),)


@batch_rule(ops.stop_gradient)
def stop_gradient_batch(
    node: Node, operands: Operands, has_batch: Flags, size: Size
) -> Sequence[Tensor]:
    """The same."""
    return (ops.stop_gradient(*operands),)


def _behind(axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(axis + 1 for axis in axes)
