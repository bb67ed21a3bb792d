"""Compute before a loop what is the same in all of its steps.

Why: a step's work is done as often as the loop turns, in its gradient as well.
Requires: nothing. Ensures: nothing dear in a scan's region follows from captures alone; views and
numbers that every kernel computes in passing stay.

    scan(h, x, w) regions:                       %2 = exp(w)
      %3 = exp(%2)                          ->   scan(h, x, %2) regions:
      %4 = multiply(%0, %3)                        %4 = multiply(%0, %2)
"""

from __future__ import annotations

from collections.abc import Sequence

from graphdl.graph.nodes import (
    Graph,
    Node,
    Tensor,
    build_node,
    rebuild,
    replacing,
    topological_order,
)
from graphdl.graph.op import OpKind
from graphdl.graph.rebuild import transform, with_regions, with_roots
from graphdl.ops.control_flow import scan
from graphdl.ops.region_tracing import close
from graphdl.rewrite.driver import count_hits

Key = tuple[int, int]

_PASSING = (OpKind.LEAF, OpKind.MOVEMENT)
"""What costs nothing inside a kernel."""


def hoist_loop_invariants(graph: Graph) -> Graph:
    """`graph` with loop-invariant work outside of its loops, inner loops first."""

    def visit(node: Node, operands: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
        regions = with_regions(node, hoist_loop_invariants)
        if regions is not node.regions:
            node = rebuild(node, operands, regions=regions)
            return (_hoisted(node, operands) if node.op is scan else None) or node.results
        return _hoisted(node, operands) if node.op is scan else None

    cut = {tensor.key for tensor in graph.inputs}
    return with_roots(graph, transform(graph.roots, visit, cut))


def _hoisted(node: Node, operands: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
    """The loop with its invariant values as captures; None when there are none."""
    (region,) = node.regions
    found = _find(region, node.attributes["carries"] + node.attributes["sequences"])
    if not found:
        return None
    count_hits("hoist_loop_invariants")
    given = dict(zip((tensor.key for tensor in region.inputs), operands, strict=True))
    outside = transform(found, lambda node, operands: None, replacements=given)
    read = _reached(region.outputs, found)
    first = node.attributes["carries"] + node.attributes["sequences"]
    kept = [i for i, tensor in enumerate(region.inputs) if i < first or tensor.key in read]
    with replacing(node):
        inner = close(region.outputs, [*(region.inputs[i] for i in kept), *found])
        new = build_node(
            scan,
            [*(operands[i] for i in kept), *outside],
            node.attributes,
            regions=(inner,),
            name=node.name,
        )
    return new.results


def _reached(outputs: Sequence[Tensor], cut: Sequence[Tensor]) -> set[Key]:
    """The keys of what the outputs are computed from, but for what is behind the cut."""
    reached = {output.key for output in outputs}
    for node in topological_order(outputs, {tensor.key for tensor in cut}):
        reached.update(operand.key for operand in node.operands)
    return reached


def _find(region: Graph, varying_inputs: int) -> list[Tensor]:
    """The largest invariant values that steps read, views of them aside."""
    varying = {tensor.key for tensor in region.inputs[:varying_inputs]}
    captured = {tensor.key for tensor in region.inputs[varying_inputs:]}
    invariant = set(captured)
    read: list[Tensor] = list(region.outputs)
    for node in region.nodes():
        if any(operand.key in varying for operand in node.operands) or node.op.has_effect:
            varying.update(result.key for result in node.results)
            read.extend(node.operands)
        elif any(operand.key in invariant for operand in node.operands):
            invariant.update(result.key for result in node.results)
    found: dict[Key, Tensor] = {}
    pending = [tensor for tensor in read if tensor.key in invariant - captured]
    while pending:
        tensor = pending.pop()
        if tensor.node.op.kind not in _PASSING:
            found.setdefault(tensor.key, tensor)
            continue
        pending.extend(t for t in tensor.node.operands if t.key in invariant - captured)
    return list(found.values())
