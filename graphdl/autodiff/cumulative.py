"""Derivatives of scans: each is a scan from the other end."""

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
from graphdl.graph.nodes import Node, Tensor, build_node
from graphdl.ops import arguments
from graphdl.ops import cumulative as ops
from graphdl.ops.creation import iota
from graphdl.ops.elementwise import (
    add,
    bitwise_and,
    convert,
    divide,
    equal,
    exp,
    greater,
    log,
    multiply,
    negative,
    select,
    subtract,
)
from graphdl.ops.indexing import gather_elements, scatter_add_elements
from graphdl.typesystem.dtype import int64
from graphdl.typesystem.expression import Size

Cotangents = tuple[Tensor, ...]
Tangents = tuple[Tensor | None, ...]
Contributions = Sequence[Contribution]
BEYOND = 2**62
"""Above any place on an axis."""


def _direction(node: Node) -> tuple[int, bool]:
    return node.attributes["axis"], node.attributes.get("reverse", False)


@vjp_rule(ops.cumulative_sum)
def cumulative_sum_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """The cumulative sum of g from the other end."""
    axis, is_reverse = _direction(node)
    return (ops.cumulative_sum(cotangents[0], axis=axis, reverse=not is_reverse),)


@vjp_rule(ops.cumulative_prod)
def cumulative_prod_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """Before the first zero, the sum of g y from the other end over x; at it, the same sum with
    the products that leave it out; behind it, 0.

    Its own derivative is right where no more than one element along the axis is 0.
    """
    (g,), (x,), (result,) = cotangents, node.operands, node.results
    axis, is_reverse = _direction(node)
    is_zero = equal(x, zeros_like(x))
    zeros = convert(is_zero, dtype=int64)
    count = ops.cumulative_sum(zeros, axis=axis, reverse=is_reverse)
    is_first = bitwise_and(is_zero, equal(count, filled(count, 1)))
    one = filled(x, 1)
    without = ops.cumulative_prod(select(is_first, one, x), axis=axis, reverse=is_reverse)
    at_first = ops.cumulative_sum(multiply(g, without), axis=axis, reverse=not is_reverse)
    total = ops.cumulative_sum(multiply(g, result), axis=axis, reverse=not is_reverse)
    return (select(is_first, at_first, divide(total, select(is_zero, one, x))),)


@vjp_rule(ops.cumulative_max, ops.cumulative_min)
def cumulative_extreme_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """g added up where the running extreme came from, at ties the element seen last."""
    (g,), x, axis = cotangents, node.operands[0], node.attributes["axis"]
    return (scatter_add_elements(zeros_like(x), _latest(node), g, axis=axis),)


def _latest(node: Node) -> Tensor:
    """Where along the axis the running extreme came from."""
    (x,), (result,) = node.operands, node.results
    axis, is_reverse = _direction(node)
    counting = {"shape": x.shape, "axis": axis, "dtype": int64}
    places = build_node(iota, (), counting).results[0]
    none = arguments.filled(BEYOND if is_reverse else -1, int64, x.shape)
    records = select(equal(x, result), places, none)
    scan = ops.cumulative_min if is_reverse else ops.cumulative_max
    latest: Tensor = scan(records, axis=axis, reverse=is_reverse)
    return latest


@vjp_rule(ops.cumulative_logsumexp)
def cumulative_logsumexp_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """exp(x) times the sum of g exp(-y) from the other end, in logarithms of g and of -g.

    Its own derivative is right where g is not 0.
    """
    (g,), (x,), (result,) = cotangents, node.operands, node.results
    axis, is_reverse = _direction(node)
    parts = []
    for part in (g, negative(g)):
        is_positive = greater(part, zeros_like(g))
        logarithm = log(select(is_positive, part, filled(g, 1)))
        score = select(is_positive, subtract(logarithm, result), filled(g, float("-inf")))
        total = ops.cumulative_logsumexp(score, axis=axis, reverse=not is_reverse)
        parts.append(exp(add(total, x)))
    return (subtract(*parts),)


# Forward and batched ------------------------------------------------------------------------------


@jvp_rule(ops.cumulative_sum)
def cumulative_sum_jvp(node: Node, tangents: Tangents) -> Sequence[Tensor | None]:
    """The running sum of t."""
    return [None if t is None else ops.cumulative_sum(t, **node.attributes) for t in tangents]


@jvp_rule(ops.cumulative_max, ops.cumulative_min)
def cumulative_extreme_jvp(node: Node, tangents: Tangents) -> Sequence[Tensor | None]:
    """t where the running extreme came from."""
    (t,), axis = tangents, node.attributes["axis"]
    return (None if t is None else gather_elements(t, _latest(node), axis=axis),)


@jvp_rule(ops.cumulative_logsumexp)
def cumulative_logsumexp_jvp(node: Node, tangents: Tangents) -> Sequence[Tensor | None]:
    """exp(-y) times the running sum of t exp(x), in logarithms of t and of -t."""
    (t,), (x,), (result,) = tangents, node.operands, node.results
    if t is None:
        return (None,)
    axis, is_reverse = _direction(node)
    parts = []
    for part in (t, negative(t)):
        is_positive = greater(part, zeros_like(t))
        logarithm = log(select(is_positive, part, filled(t, 1)))
        score = select(is_positive, add(logarithm, x), filled(t, float("-inf")))
        total = ops.cumulative_logsumexp(score, axis=axis, reverse=is_reverse)
        parts.append(exp(subtract(total, result)))
    return (subtract(*parts),)


@batch_rule(*ops.OPS)
def cumulative_batch(
    node: Node, operands: tuple[Tensor, ...], has_batch: tuple[bool, ...], size: Size
) -> Sequence[Tensor]:
    """Along the axis behind the batch."""
    axis, is_reverse = _direction(node)
    return (node.op(*operands, axis=axis + 1, reverse=is_reverse),)
