"""The reverse sweep: from cotangents of outputs to cotangents of the tensors asked for.

Reverse accumulation over a topological order (Griewank and Walther, Evaluating Derivatives, 2008,
chapter 3), into the same graph, so that a derivative can be differentiated again.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphdl.autodiff.masks import add_masked, kept_side, move_mask
from graphdl.autodiff.rules import RULES, Contribution, Undefined, zeros_like
from graphdl.errors import GradientError
from graphdl.graph.nodes import Graph, Node, Tensor, gradient_of, topological_order
from graphdl.graph.op import OpKind
from graphdl.ops.arguments import operand_lines
from graphdl.passes.stabilize import stabilize

Key = tuple[int, int]


class Ledger:
    """The contributions to each tensor's cotangent; sums them when asked."""

    def __init__(self) -> None:
        self._contributions: dict[Key, list[Tensor]] = {}

    def credit(self, tensor: Tensor, contribution: Tensor) -> None:
        """Add a contribution to the cotangent of `tensor`."""
        self._contributions.setdefault(tensor.key, []).append(contribution)

    def total(self, tensor: Tensor) -> Tensor | None:
        """The cotangent of `tensor`; None when nothing reached it."""
        contributions = self._contributions.get(tensor.key)
        if not contributions:
            return None
        total = contributions[0]
        with gradient_of(tensor.node):
            for contribution in contributions[1:]:
                total = add_masked(total, contribution)
        self._contributions[tensor.key] = [total]
        return total


def pull_back(
    outputs: Sequence[Tensor], cotangents: Sequence[Tensor | None], wrt: Sequence[Tensor]
) -> list[Tensor | None]:
    """The cotangent of each of `wrt`; None where no differentiable path leads to an output.

    A tensor of `wrt` may depend on another: the graph is cut at all of them, the part behind each
    cut is swept once the cotangent at the cut is complete. So a stabilising rewrite never reaches
    across a tensor whose derivative is asked for.
    """
    ledger = Ledger()
    cuts = {tensor.key: tensor for tensor in wrt}
    _sweep_part(list(outputs), list(cotangents), cuts, ledger)
    position = {id(node): i for i, node in enumerate(topological_order(wrt))}
    inner = [tensor for tensor in cuts.values() if tensor.node.operands]
    for tensor in sorted(inner, key=lambda cut: position[id(cut.node)], reverse=True):
        others = {key: cut for key, cut in cuts.items() if key != tensor.key}
        _sweep_part([tensor], [ledger.total(tensor)], others, ledger)
    return [ledger.total(tensor) for tensor in wrt]


def _sweep_part(
    outputs: list[Tensor],
    cotangents: list[Tensor | None],
    cuts: dict[Key, Tensor],
    ledger: Ledger,
) -> None:
    """Carry the cotangents of `outputs` to the tensors in `cuts`."""
    if all(cotangent is None for cotangent in cotangents):
        return
    inner = Ledger()
    if not active_nodes(topological_order(outputs, set(cuts)), cuts):
        _seed(outputs, cotangents, cuts, inner, ledger)
        return
    graph = stabilize(Graph(tuple(cuts.values()), tuple(outputs)))
    order = topological_order(graph.outputs, set(cuts))
    active = active_nodes(order, cuts)
    _seed(graph.outputs, cotangents, cuts, inner, ledger)
    for node in reversed(order):
        if id(node) in active:
            _sweep_node(node, cuts, active, inner, ledger)


def _seed(
    outputs: Sequence[Tensor],
    cotangents: Sequence[Tensor | None],
    cuts: dict[Key, Tensor],
    inner: Ledger,
    outer: Ledger,
) -> None:
    for output, cotangent in zip(outputs, cotangents, strict=True):
        if cotangent is not None:
            (outer if output.key in cuts else inner).credit(output, cotangent)


def active_nodes(order: Sequence[Node], cuts: dict[Key, Tensor]) -> set[int]:
    """The ids of the nodes through which a derivative flows to a tensor in `cuts`."""
    active: set[int] = set()
    for node in order:
        has_floating_result = any(result.dtype.is_floating for result in node.result_types)
        if (
            has_floating_result
            and node.op.is_differentiable
            and any(is_active(operand, cuts, active) for operand in node.operands)
        ):
            active.add(id(node))
    return active


def is_active(tensor: Tensor, cuts: dict[Key, Tensor], active: set[int]) -> bool:
    """Whether a cotangent of `tensor` contributes to a tensor in `cuts`."""
    return tensor.dtype.is_floating and (tensor.key in cuts or id(tensor.node) in active)


def _sweep_node(
    node: Node, cuts: dict[Key, Tensor], active: set[int], inner: Ledger, outer: Ledger
) -> None:
    totals = [None if result.key in cuts else inner.total(result) for result in node.results]
    if all(total is None for total in totals):
        return
    with gradient_of(node):
        cotangents = tuple(
            zeros_like(result) if total is None else total
            for result, total in zip(node.results, totals, strict=True)
        )
        contributions = _apply_rule(node, cotangents)
        for operand, contribution in zip(node.operands, contributions, strict=True):
            if contribution is None or not is_active(operand, cuts, active):
                continue
            if isinstance(contribution, Undefined):
                raise undefined_error("grad", node, operand, contribution)
            (outer if operand.key in cuts else inner).credit(operand, contribution)


def _apply_rule(node: Node, cotangents: tuple[Tensor, ...]) -> Sequence[Contribution]:
    rule = RULES.get(node.op)
    if rule is None:
        raise GradientError(f"grad: {node.op.name} has no derivative rule", location=node.location)
    masked = cotangents[0]
    side = kept_side(masked) if node.op.kind is OpKind.ELEMENTWISE else None
    if side is None:
        return rule(node, cotangents)
    contributions = rule(node, (masked.node.operands[side],))
    return [move_mask(contribution, masked, side) for contribution in contributions]


def undefined_error(
    name: str, node: Node, operand: Tensor, contribution: Undefined
) -> GradientError:
    """The error for a derivative that a rule refuses."""
    return GradientError(
        f"{name}: {node.op.name}: {contribution.reason}",
        details=operand_lines(operand=operand, result=node.results[0]),
        hint=contribution.hint,
    )
