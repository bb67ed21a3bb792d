"""Put the bodies of `remat` and `custom_gradient` where they are called.

Why: after differentiation the regions have done their work; fusion must see through them.
Requires: nothing. What a gradient computes again stays apart from the first computation, because
its operands come out of an `optimization_barrier`.
Ensures: no `remat` and no `custom_gradient` node.

    %1: float32[4] = remat(x) regions:                            %1: float32[4] = exp(x)
      graph block(%0):                                       ->
        %0: float32[4] = parameter(position=0, …)
        %1: float32[4] = exp(%0)
        return %1
"""

from __future__ import annotations

from collections.abc import Sequence

from graphdl.graph.nodes import Graph, Node, Tensor, rebuild
from graphdl.graph.rebuild import transform, with_regions, with_roots
from graphdl.ops.regions import custom_gradient, remat
from graphdl.rewrite.driver import count_hits


def inline_regions(graph: Graph) -> Graph:
    """`graph` with remat and custom_gradient regions (the forward one) inlined, nested ones too."""
    cut = {tensor.key for tensor in graph.inputs}
    return with_roots(graph, transform(graph.roots, _visit, cut))


def _visit(node: Node, operands: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
    if node.op is not remat and node.op is not custom_gradient:
        regions = with_regions(node, inline_regions)
        changed = regions is not node.regions
        return rebuild(node, operands, regions=regions).results if changed else None
    count_hits("inline_regions")
    body = node.regions[0]
    captured = {inner.key: outer for inner, outer in zip(body.inputs, operands, strict=True)}
    return transform(body.outputs, _visit, replacements=captured)
