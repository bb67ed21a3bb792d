"""The registries of rules: op -> vector-Jacobian product, Jacobian-vector product, batched form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from graphdl.errors import InternalError
from graphdl.graph.nodes import Node, Tensor
from graphdl.graph.op import Op
from graphdl.ops import arguments
from graphdl.ops.leaves import constant
from graphdl.ops.movement import broadcast_in_dim, transpose
from graphdl.typesystem.expression import Size


@dataclass(frozen=True, slots=True)
class Undefined:
    """Says that an operand has no derivative, and why; an error only where one is asked for."""

    reason: str
    hint: str | None = None


Contribution = Tensor | Undefined | None
"""A cotangent of an operand; None is zero by definition (an index, a condition)."""

VjpRule = Callable[[Node, tuple[Tensor, ...]], Sequence[Contribution]]
"""(node, cotangent of each result) -> contribution to each operand."""

JvpRule = Callable[[Node, tuple[Tensor | None, ...]], Sequence[Tensor | None]]
"""(node, tangent of each operand) -> tangent of each result; None is zero."""

BatchRule = Callable[[Node, tuple[Tensor, ...], tuple[bool, ...], Size], Sequence[Tensor]]
"""(node, new operands, which of them have a leading batch axis, its size) -> new results.

A result of one axis more than the node's has the batch axis in front; one of as many has none.
"""

RULES: dict[Op, VjpRule] = {}
"""Every derivative rule; filled by importing the family files, which `table.py` does."""

JVP_RULES: dict[Op, JvpRule] = {}
"""Every forward rule. An op with a vjp rule alone is differentiated forward by transposing that."""

BATCH_RULES: dict[Op, BatchRule] = {}
"""Every batching rule."""


def vjp_rule(*ops: Op) -> Callable[[VjpRule], VjpRule]:
    """Register the decorated function as the derivative of `ops`."""

    def register(rule: VjpRule) -> VjpRule:
        for op in ops:
            if op in RULES:
                raise InternalError(f"{op.name} has two derivative rules")
            RULES[op] = rule
        return rule

    return register


def jvp_rule(*ops: Op) -> Callable[[JvpRule], JvpRule]:
    """Register the decorated function as the forward derivative of `ops`."""

    def register(rule: JvpRule) -> JvpRule:
        for op in ops:
            if op in JVP_RULES:
                raise InternalError(f"{op.name} has two forward rules")
            JVP_RULES[op] = rule
        return rule

    return register


def batch_rule(*ops: Op) -> Callable[[BatchRule], BatchRule]:
    """Register the decorated function as the batched form of `ops`."""

    def register(rule: BatchRule) -> BatchRule:
        for op in ops:
            if op in BATCH_RULES:
                raise InternalError(f"{op.name} has two batching rules")
            BATCH_RULES[op] = rule
        return rule

    return register


def batched(tensor: Tensor, has_batch: bool, size: Size) -> Tensor:
    """`tensor` with a leading batch axis: repeated where it has none."""
    if has_batch:
        return tensor
    result: Tensor = broadcast_in_dim(
        tensor,
        shape=(size, *tensor.shape),
        broadcast_dimensions=tuple(range(1, tensor.ndim + 1)),
    )
    return result


def to_front(tensor: Tensor, axis: int) -> Tensor:
    """`tensor` with `axis` moved before all others."""
    if axis == 0:
        return tensor
    others = tuple(other for other in range(tensor.ndim) if other != axis)
    result: Tensor = transpose(tensor, permutation=(axis, *others))
    return result


def from_front(tensor: Tensor, axis: int) -> Tensor:
    """`tensor` with its first axis moved to `axis`."""
    if axis == 0:
        return tensor
    order = list(range(1, tensor.ndim))
    order.insert(axis, 0)
    result: Tensor = transpose(tensor, permutation=tuple(order))
    return result


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
