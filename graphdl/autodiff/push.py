"""The forward sweep: from tangents of the tensors moved to tangents of outputs.

Forward accumulation over a topological order (Griewank and Walther, Evaluating Derivatives, 2008,
chapter 3), into the same graph, so that a derivative can be differentiated again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graphdl.autodiff.rules import JVP_RULES, RULES, Undefined
from graphdl.autodiff.sweep import active_nodes, pull_back, undefined_error
from graphdl.errors import GradientError
from graphdl.graph.nodes import Graph, Node, Tensor, gradient_of, topological_order
from graphdl.ops.elementwise import add
from graphdl.ops.region_tracing import make_parameters
from graphdl.passes.stabilize import stabilize

Key = tuple[int, int]


def push_forward(
    outputs: Sequence[Tensor], wrt: Sequence[Tensor], tangents: Sequence[Tensor | None]
) -> list[Tensor | None]:
    """The tangent of each output; None where no differentiable path leads to it.

    A tensor of `wrt` may depend on another: its own tangent is then added to the one that reaches
    it. So this is the transpose of `pull_back`. A None in `tangents` is zero.
    """
    cuts = {tensor.key: tensor for tensor in wrt}
    known: dict[Key, Tensor | None] = {}
    for tensor, tangent in zip(wrt, tangents, strict=True):
        known[tensor.key] = _sum(known.get(tensor.key), tangent)
    position = {id(node): i for i, node in enumerate(topological_order(wrt))}
    for tensor in sorted(cuts.values(), key=lambda cut: position[id(cut.node)]):
        if tensor.node.operands:
            others = {key: cut for key, cut in cuts.items() if key != tensor.key}
            (reached,) = _push_part([tensor], others, known)
            known[tensor.key] = _sum(known[tensor.key], reached)
    return _push_part(outputs, cuts, known)


def _sum(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    if first is None or second is None:
        return first if second is None else second
    total: Tensor = add(first, second)
    return total


def _push_part(
    outputs: Sequence[Tensor], cuts: Mapping[Key, Tensor], known: Mapping[Key, Tensor | None]
) -> list[Tensor | None]:
    """The tangents of `outputs` from those of the tensors in `cuts`."""
    cuts = {key: cut for key, cut in cuts.items() if known[key] is not None}
    found = {key: known[key] for key in cuts}
    if not active_nodes(topological_order(outputs, set(cuts)), cuts):
        return [found.get(output.key) for output in outputs]
    graph = stabilize(Graph(tuple(cuts.values()), tuple(outputs)))
    order = topological_order(graph.outputs, set(cuts))
    active = active_nodes(order, cuts)
    for node in order:
        if id(node) not in active:
            continue
        tangents = tuple(found.get(operand.key) for operand in node.operands)
        if all(tangent is None for tangent in tangents):
            continue
        with gradient_of(node):
            results = apply_jvp(node, tangents)
        for result, tangent in zip(node.results, results, strict=True):
            if result.key not in cuts and tangent is not None and result.dtype.is_floating:
                found[result.key] = tangent
    return [found.get(output.key) for output in graph.outputs]


def apply_jvp(node: Node, tangents: tuple[Tensor | None, ...]) -> Sequence[Tensor | None]:
    """The tangents of a node's results by its forward rule, or by its vjp rule transposed."""
    rule = JVP_RULES.get(node.op)
    if rule is not None:
        return rule(node, tangents)
    if node.op not in RULES:
        raise GradientError(f"jvp: {node.op.name} has no derivative rule", location=node.location)
    found = transpose_vjp(node, tangents)
    if found is None:
        raise GradientError(
            f"jvp: the derivative of {node.op.name} is not linear in the cotangents",
            location=node.location,
        )
    return found


def transpose_vjp(
    node: Node, tangents: tuple[Tensor | None, ...]
) -> Sequence[Tensor | None] | None:
    """The vjp rule, a linear map of cotangents, transposed; None where it is not visibly linear.

    Differentiating a vector-Jacobian product by its vector gives the Jacobian-vector product.
    """
    cotangents = make_parameters(node.result_types)
    contributions = RULES[node.op](node, tuple(cotangents))
    outputs: list[Tensor] = []
    seeds: list[Tensor | None] = []
    for operand, contribution, tangent in zip(node.operands, contributions, tangents, strict=True):
        if tangent is None or contribution is None:
            continue
        if isinstance(contribution, Undefined):
            raise undefined_error("jvp", node, operand, contribution)
        outputs.append(contribution)
        seeds.append(tangent)
    return transpose_linear(outputs, cotangents, seeds)


def transpose_linear(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor], cotangents: Sequence[Tensor | None]
) -> list[Tensor | None] | None:
    """Cotangents of the `inputs` of a linear map; None where the map is not visibly linear."""
    wrt = [tensor for tensor in inputs if tensor.dtype.is_floating]
    found = pull_back(outputs, cotangents, wrt)
    used = topological_order([tensor for tensor in found if tensor is not None])
    unknown = {id(tensor.node) for tensor in inputs}
    if any(id(node) in unknown for node in used):
        return None
    remaining = iter(found)
    return [next(remaining) if tensor.dtype.is_floating else None for tensor in inputs]
