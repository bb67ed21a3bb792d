"""Derivatives of effects: identities on their first operand."""

from __future__ import annotations

from collections.abc import Sequence

from graphdl.autodiff.rules import Contribution, batch_rule, batched, jvp_rule, vjp_rule
from graphdl.graph.nodes import Node, Tensor
from graphdl.ops import effect as ops
from graphdl.ops.reduction import reduce_and
from graphdl.typesystem.expression import Size


@vjp_rule(ops.print_)
def print_vjp(node: Node, cotangents: tuple[Tensor, ...]) -> Sequence[Contribution]:
    """g."""
    return cotangents


@vjp_rule(ops.check)
def check_vjp(node: Node, cotangents: tuple[Tensor, ...]) -> Sequence[Contribution]:
    """g; the condition has none."""
    return cotangents[0], None


@jvp_rule(ops.print_, ops.check)
def effect_jvp(node: Node, tangents: tuple[Tensor | None, ...]) -> Sequence[Tensor | None]:
    """t."""
    return tangents[:1]


@batch_rule(ops.print_)
def print_batch(
    node: Node, operands: tuple[Tensor, ...], has_batch: tuple[bool, ...], size: Size
) -> Sequence[Tensor]:
    """Prints the whole batch at once."""
    return (ops.print_(*operands, **node.attributes),)


@batch_rule(ops.check)
def check_batch(
    node: Node, operands: tuple[Tensor, ...], has_batch: tuple[bool, ...], size: Size
) -> Sequence[Tensor]:
    """Fails when the condition fails for one example."""
    x, condition = operands
    if has_batch[1]:
        condition = reduce_and(condition, axes=(0,))
    return (ops.check(batched(x, has_batch[0], size), condition, **node.attributes),)
