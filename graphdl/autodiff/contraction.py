"""Derivatives of contractions: two more contractions."""

from __future__ import annotations

from collections.abc import Sequence

from graphdl.autodiff.rules import Contribution, batch_rule, jvp_rule, to_front, vjp_rule
from graphdl.graph.nodes import Node, Tensor
from graphdl.ops.contraction import dot_general
from graphdl.ops.elementwise import add
from graphdl.ops.movement import transpose
from graphdl.typesystem.expression import Size

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


# Forward and batched ------------------------------------------------------------------------------


@jvp_rule(dot_general)
def dot_general_jvp(node: Node, tangents: tuple[Tensor | None, ...]) -> Sequence[Tensor | None]:
    """t_lhs rhs + lhs t_rhs."""
    (to_lhs, to_rhs), (lhs, rhs) = tangents, node.operands
    parts = [(to_lhs, rhs)] if to_lhs is not None else []
    parts += [(lhs, to_rhs)] if to_rhs is not None else []
    products = [dot_general(*pair, **node.attributes) for pair in parts]
    return (add(*products) if len(products) == 2 else products[0] if products else None,)


@batch_rule(dot_general)
def dot_general_batch(
    node: Node, operands: tuple[Tensor, ...], has_batch: tuple[bool, ...], size: Size
) -> Sequence[Tensor]:
    """One more batch axis, or one more free axis where an operand has no batch."""
    (lhs, rhs), (in_lhs, in_rhs) = operands, has_batch
    named = {
        name: tuple(axis + 1 for axis in axes) if has else axes
        for name, axes in node.attributes.items()
        for has in ((in_lhs if name.startswith("lhs") else in_rhs),)
    }
    batches = len(named["lhs_batch"])
    if in_lhs and in_rhs:
        named["lhs_batch"] = (0, *named["lhs_batch"])
        named["rhs_batch"] = (0, *named["rhs_batch"])
        return (dot_general(lhs, rhs, **named),)
    free = len(_free_axes(lhs, named["lhs_contract"], named["lhs_batch"]))
    return (to_front(dot_general(lhs, rhs, **named), batches + (0 if in_lhs else free)),)
