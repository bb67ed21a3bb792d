"""Derivatives of effects: identities on their first operand."""

from __future__ import annotations

from collections.abc import Sequence

from graphdl.autodiff.rules import Contribution, vjp_rule
from graphdl.graph.nodes import Node, Tensor
from graphdl.ops import effect as ops


@vjp_rule(ops.print_)
def print_vjp(node: Node, cotangents: tuple[Tensor, ...]) -> Sequence[Contribution]:
    """g."""
    return cotangents


@vjp_rule(ops.check)
def check_vjp(node: Node, cotangents: tuple[Tensor, ...]) -> Sequence[Contribution]:
    """g; the condition has none."""
    return cotangents[0], None
