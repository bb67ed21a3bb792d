"""The registry of derivative rules: op -> vector-Jacobian product."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from graphdl.errors import InternalError
from graphdl.graph.nodes import Node, Tensor
from graphdl.graph.op import Op
from graphdl.ops import arguments
from graphdl.ops.leaves import constant
from graphdl.ops.movement import broadcast_in_dim


@dataclass(frozen=True, slots=True)
class Undefined:
    """Says that an operand has no derivative, and why; an error only where one is asked for."""

    reason: str
    hint: str | None = None


Contribution = Tensor | Undefined | None
"""A cotangent of an operand; None is zero by definition (an index, a condition)."""

VjpRule = Callable[[Node, tuple[Tensor, ...]], Sequence[Contribution]]
"""(node, cotangent of each result) -> contribution to each operand."""

RULES: dict[Op, VjpRule] = {}
"""Every derivative rule; filled by importing the family files, which `table.py` does."""


def vjp_rule(*ops: Op) -> Callable[[VjpRule], VjpRule]:
    """Register the decorated function as the derivative of `ops`."""

    def register(rule: VjpRule) -> VjpRule:
        for op in ops:
            if op in RULES:
                raise InternalError(f"{op.name} has two derivative rules")
            RULES[op] = rule
        return rule

    return register


def filled(like: Tensor, value: float) -> Tensor:
    """`value` everywhere, with the dtype and shape of `like`."""
    return arguments.filled(value, like.dtype, like.shape)


def zeros_like(like: Tensor) -> Tensor:
    """Zeros with the dtype and shape of `like`."""
    return filled(like, 0)


def is_filled(tensor: Tensor, value: float) -> bool:
    """Whether `tensor` is visibly a constant that holds `value` everywhere."""
    node = tensor.node
    if node.op is broadcast_in_dim:
        node = node.operands[0].node
    if node.op is not constant:
        return False
    array = node.attributes["value"].array
    return bool(array.size) and bool((array == value).all())
