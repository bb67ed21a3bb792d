"""Derivatives of reductions."""

from __future__ import annotations

from collections.abc import Sequence

from graphdl.autodiff.rules import (
    Contribution,
    batch_rule,
    filled,
    jvp_rule,
    vjp_rule,
    zeros_like,
)
from graphdl.graph.nodes import Node, Tensor
from graphdl.ops import reduction as ops
from graphdl.ops.elementwise import convert, divide, equal, multiply, select
from graphdl.ops.movement import broadcast_in_dim
from graphdl.typesystem.expression import Size

Cotangents = tuple[Tensor, ...]
Tangents = tuple[Tensor | None, ...]
Contributions = Sequence[Contribution]


def spread(reduced: Tensor, like: Tensor, axes: tuple[int, ...]) -> Tensor:
    """`reduced` repeated along the `axes` that made it out of something shaped as `like`."""
    kept = tuple(axis for axis in range(like.ndim) if axis not in axes)
    result: Tensor = broadcast_in_dim(reduced, shape=like.shape, broadcast_dimensions=kept)
    return result


@vjp_rule(ops.reduce_sum)
def reduce_sum_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """g for every element."""
    return (spread(cotangents[0], node.operands[0], node.attributes["axes"]),)


@vjp_rule(ops.reduce_max, ops.reduce_min)
def reduce_extreme_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """g shared equally by the elements that equal the result."""
    (x,), (result,), axes = node.operands, node.results, node.attributes["axes"]
    is_winner = equal(x, spread(result, x, axes))
    winners = ops.reduce_sum(convert(is_winner, dtype=x.dtype), axes=axes)
    share = spread(divide(cotangents[0], winners), x, axes)
    return (select(is_winner, share, zeros_like(x)),)


@vjp_rule(ops.reduce_prod)
def reduce_prod_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """g times the product of the other elements."""
    x, axes = node.operands[0], node.attributes["axes"]
    return (multiply(spread(cotangents[0], x, axes), _others(node)),)


def _others(node: Node) -> Tensor:
    """For each element the product of the other ones, zeros included.

    With no zero that is product / x; with one it is the product of the others, at the zero only;
    with more it is 0. Its own derivative is right where no element is 0.
    """
    (x,), axes = node.operands, node.attributes["axes"]
    zero, one = zeros_like(x), filled(x, 1)
    is_zero = equal(x, zero)
    without_zeros = select(is_zero, one, x)
    product = ops.reduce_prod(without_zeros, axes=axes)
    zeros = ops.reduce_sum(convert(is_zero, dtype=x.dtype), axes=axes)
    no_zero, one_zero = equal(zeros, zeros_like(zeros)), equal(zeros, filled(zeros, 1))
    at_zeros = spread(select(one_zero, product, zeros_like(product)), x, axes)
    elsewhere = spread(select(no_zero, product, zeros_like(product)), x, axes)
    others: Tensor = select(is_zero, at_zeros, divide(elsewhere, without_zeros))
    return others


# Forward and batched ------------------------------------------------------------------------------


@jvp_rule(ops.reduce_sum)
def reduce_sum_jvp(node: Node, tangents: Tangents) -> Sequence[Tensor | None]:
    """The sum of t."""
    return [None if t is None else ops.reduce_sum(t, **node.attributes) for t in tangents]


@jvp_rule(ops.reduce_max, ops.reduce_min)
def reduce_extreme_jvp(node: Node, tangents: Tangents) -> Sequence[Tensor | None]:
    """The mean of t over the elements that equal the result."""
    (x,), (result,), axes = node.operands, node.results, node.attributes["axes"]
    (t,) = tangents
    if t is None:
        return (None,)
    is_winner = equal(x, spread(result, x, axes))
    winners = ops.reduce_sum(convert(is_winner, dtype=x.dtype), axes=axes)
    total = ops.reduce_sum(select(is_winner, t, zeros_like(x)), axes=axes)
    return (divide(total, winners),)


@jvp_rule(ops.reduce_prod)
def reduce_prod_jvp(node: Node, tangents: Tangents) -> Sequence[Tensor | None]:
    """The sum of t times the product of the other elements."""
    (t,) = tangents
    if t is None:
        return (None,)
    return (ops.reduce_sum(multiply(t, _others(node)), axes=node.attributes["axes"]),)


@batch_rule(*(op for op in ops.OPS if op not in (ops.argmax, ops.argmin)))
def reduction_batch(
    node: Node, operands: tuple[Tensor, ...], has_batch: tuple[bool, ...], size: Size
) -> Sequence[Tensor]:
    """Over the axes behind the batch."""
    axes = tuple(axis + 1 for axis in node.attributes["axes"])
    return (node.op(*operands, axes=axes),)


@batch_rule(ops.argmax, ops.argmin)
def argument_batch(
    node: Node, operands: tuple[Tensor, ...], has_batch: tuple[bool, ...], size: Size
) -> Sequence[Tensor]:
    """Along the axis behind the batch."""
    return (node.op(*operands, axis=node.attributes["axis"] + 1),)
