"""Cotangents that are zero wherever a branch was not taken.

`where(x > 0, log(x), 0)` sends the cotangent `where(x > 0, g, 0)` into the logarithm, whose
derivative is infinite at 0: `where(x > 0, g, 0) / x` is NaN there. So the sweep moves such a mask
behind elementwise rules and out of sums: `where(x > 0, g / x, 0)` is 0 there.
"""

from __future__ import annotations

from graphdl.autodiff.rules import Contribution, is_filled, zeros_like
from graphdl.graph.nodes import Tensor
from graphdl.ops.elementwise import add, select


def kept_side(cotangent: Tensor) -> int | None:
    """The operand of a select that survives, when the other branch is zero; None for no mask."""
    node = cotangent.node
    if node.op is not select:
        return None
    if is_filled(node.operands[2], 0):
        return 1
    return 2 if is_filled(node.operands[1], 0) else None


def mask(condition: Tensor, side: int, kept: Tensor) -> Tensor:
    """`kept` where the condition chooses `side`, 0 elsewhere."""
    branches = [zeros_like(kept)] * 2
    branches[side - 1] = kept
    result: Tensor = select(condition, *branches)
    return result


def move_mask(contribution: Contribution, masked: Tensor, side: int) -> Contribution:
    """What a rule made of the kept side of `masked`, with the mask put back."""
    if not isinstance(contribution, Tensor):
        return contribution
    if contribution.is_same(masked.node.operands[side]):
        return masked
    return mask(masked.node.operands[0], side, contribution)


def add_masked(first: Tensor, second: Tensor) -> Tensor:
    """The sum of two cotangents; still a mask where both have the same one."""
    side = kept_side(first)
    if side is not None and side == kept_side(second):
        (condition, *left), (other, *right) = first.node.operands, second.node.operands
        if condition.is_same(other):
            return mask(condition, side, add(left[side - 1], right[side - 1]))
    result: Tensor = add(first, second)
    return result
