"""Derivatives of ops with regions."""

from __future__ import annotations

from collections.abc import Sequence

from graphdl.autodiff.push import push_forward, transpose_vjp
from graphdl.autodiff.rules import (
    Contribution,
    Undefined,
    batch_rule,
    jvp_rule,
    vjp_rule,
    zeros_like,
)
from graphdl.autodiff.sweep import pull_back
from graphdl.autodiff.trace import inline
from graphdl.graph.nodes import Graph, Node, Tensor, build_node
from graphdl.ops import regions as ops
from graphdl.ops.region_tracing import make_parameters
from graphdl.typesystem.expression import Size

Contributions = Sequence[Contribution]
Tangents = tuple[Tensor | None, ...]

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


# Forward and batched ------------------------------------------------------------------------------


@jvp_rule(ops.custom_gradient)
def custom_gradient_jvp(node: Node, tangents: Tangents) -> Sequence[Tensor | None]:
    """The backward region transposed; the forward region differentiated where backward is not
    linear in the cotangents (it clips them, say), so that no function has it as its derivative."""
    found = transpose_vjp(node, tangents)
    if found is not None:
        return found
    outputs = inline(node.regions[0], node.operands, node)
    moved = [i for i, tangent in enumerate(tangents) if tangent is not None]
    return push_forward(outputs, [node.operands[i] for i in moved], [tangents[i] for i in moved])


@jvp_rule(ops.remat)
def remat_jvp(node: Node, tangents: Tangents) -> Sequence[Tensor | None]:
    """A region of its own, so that a gradient of the tangents computes it again, too."""
    moved = [(i, tangent) for i, tangent in enumerate(tangents) if tangent is not None]
    given = (*node.operands, *(tangent for _, tangent in moved))
    parameters = make_parameters(tensor.type for tensor in given)
    operands, pushed = parameters[: len(node.operands)], parameters[len(node.operands) :]
    outputs = inline(node.regions[0], operands, node)
    found = push_forward(outputs, [operands[i] for i, _ in moved], pushed)
    known = [tangent for tangent in found if tangent is not None]
    if not known:
        return found
    region = Graph(tuple(parameters), tuple(known), name="region")
    results = iter(build_node(ops.remat, given, regions=(region,)).results)
    return [None if tangent is None else next(results) for tangent in found]


@jvp_rule(ops.optimization_barrier)
def optimization_barrier_jvp(node: Node, tangents: Tangents) -> Sequence[Tensor | None]:
    """A barrier for the tangents too."""
    pairs = zip(tangents, node.operands, strict=True)
    given = [zeros_like(x) if t is None and x.dtype.is_floating else t for t, x in pairs]
    held = iter(build_node(ops.optimization_barrier, [t for t in given if t is not None]).results)
    return [None if t is None else next(held) for t in given]


@batch_rule(ops.optimization_barrier)
def optimization_barrier_batch(
    node: Node, operands: tuple[Tensor, ...], has_batch: tuple[bool, ...], size: Size
) -> Sequence[Tensor]:
    """The same; whatever has no batch needs none."""
    return build_node(ops.optimization_barrier, operands).results
