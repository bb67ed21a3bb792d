"""Derivatives of ops with regions."""

from __future__ import annotations

from collections.abc import Sequence

from graphdl.autodiff.rules import Contribution, Undefined, vjp_rule
from graphdl.autodiff.sweep import pull_back
from graphdl.autodiff.trace import inline
from graphdl.graph.nodes import Node, Tensor, build_node
from graphdl.ops import regions as ops

Contributions = Sequence[Contribution]

_CAPTURED = Undefined(
    "a tensor that the function reads from outside has no derivative through it",
    hint="make it an argument of the function, and let backward return its gradient",
)


@vjp_rule(ops.custom_gradient)
def custom_gradient_vjp(node: Node, cotangents: tuple[Tensor, ...]) -> Contributions:
    """The backward region."""
    results = inline(node.regions[1], (*node.operands, *cotangents), node)
    captures = node.attributes["captures"]
    contributions: list[Contribution] = [None] * (len(node.operands) - captures)
    for position, result in zip(node.attributes["arguments"], results, strict=True):
        contributions[position] = result
    return contributions + [_CAPTURED] * captures


@vjp_rule(ops.remat)
def remat_vjp(node: Node, cotangents: tuple[Tensor, ...]) -> Contributions:
    """The derivative of the region computed again, once the cotangents are there.

    The barrier ties operands and cotangents together, so that the second computation is neither
    merged with the first nor started before it is needed.
    """
    held = build_node(ops.optimization_barrier, (*node.operands, *cotangents)).results
    operands, pulled = held[: len(node.operands)], held[len(node.operands) :]
    outputs = inline(node.regions[0], operands, node)
    wrt = [operand for operand in operands if operand.dtype.is_floating]
    found = iter(pull_back(outputs, pulled, wrt))
    return [next(found) if operand.dtype.is_floating else None for operand in operands]


@vjp_rule(ops.optimization_barrier)
def optimization_barrier_vjp(node: Node, cotangents: tuple[Tensor, ...]) -> Contributions:
    """A barrier for the cotangents too."""
    return build_node(ops.optimization_barrier, cotangents).results
