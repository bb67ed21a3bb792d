"""Derivatives of contractions: two more contractions."""

from __future__ import annotations

from collections.abc import Sequence

from graphdl.autodiff.rules import Contribution, vjp_rule
from graphdl.graph.nodes import Node, Tensor
from graphdl.ops.contraction import dot_general
from graphdl.ops.movement import transpose

Axes = tuple[int, ...]


@vjp_rule(dot_general)
def dot_general_vjp(node: Node, cotangents: tuple[Tensor, ...]) -> Sequence[Contribution]:
    """For matrices: g rhs^T and lhs^T g.

    The result's axes are (batch, lhs free, rhs free). To each operand go the axes of g that are not
    its own, contracted with the other operand's free axes; a transpose restores its axis order.
    """
    (g,), (lhs, rhs), attributes = cotangents, node.operands, node.attributes
    lhs_contract, rhs_contract = attributes["lhs_contract"], attributes["rhs_contract"]
    lhs_batch, rhs_batch = attributes["lhs_batch"], attributes["rhs_batch"]
    lhs_free = _free_axes(lhs, lhs_contract, lhs_batch)
    rhs_free = _free_axes(rhs, rhs_contract, rhs_batch)
    batch = tuple(range(len(lhs_batch)))
    lhs_part = tuple(range(len(batch), len(batch) + len(lhs_free)))
    rhs_part = tuple(range(len(batch) + len(lhs_free), g.ndim))
    to_lhs = dot_general(
        g, rhs, lhs_contract=rhs_part, rhs_contract=rhs_free, lhs_batch=batch, rhs_batch=rhs_batch
    )
    to_rhs = dot_general(
        lhs, g, lhs_contract=lhs_free, rhs_contract=lhs_part, lhs_batch=lhs_batch, rhs_batch=batch
    )
    # What is left of the other operand is its contracted axes, in its own axis order.
    from_rhs = _partners(rhs_contract, lhs_contract)
    from_lhs = _partners(lhs_contract, rhs_contract)
    return (
        _restore(to_lhs, lhs_batch + lhs_free + from_rhs),
        _restore(to_rhs, rhs_batch + from_lhs + rhs_free),
    )


def _free_axes(operand: Tensor, contract: Axes, batch: Axes) -> Axes:
    return tuple(axis for axis in range(operand.ndim) if axis not in contract + batch)


def _partners(contract: Axes, partners: Axes) -> Axes:
    """`partners` in ascending order of the axes that they are contracted with."""
    return tuple(partner for _, partner in sorted(zip(contract, partners, strict=True)))


def _restore(tensor: Tensor, axes: Axes) -> Tensor:
    """Move axis i of `tensor` to place axes[i]."""
    if axes == tuple(range(len(axes))):
        return tensor
    permutation = tuple(axes.index(axis) for axis in range(len(axes)))
    result: Tensor = transpose(tensor, permutation=permutation)
    return result
