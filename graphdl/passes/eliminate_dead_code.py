"""Drop what regions carry for nothing.

Why: a graph holds only what its outputs reach, but a region's captures and results are all reached
at once; a result that nobody reads keeps its computation alive.
Requires: nothing. Ensures: every result of a `remat` or `scan` is used, carries apart that other
results need, and so is every parameter of its region, nested ones too.

    %2.0: …, %2.1: … = remat(x, y) regions:        %2: float32[4] = remat(x) regions:
      graph block(%0, %1):                           graph block(%0):
        …                                     ->       …
        return %2, %1                                  return %1
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from graphdl.graph.nodes import Graph, Node, Tensor, build_node, rebuild, replacing
from graphdl.graph.rebuild import transform, with_regions, with_roots
from graphdl.ops.control_flow import WITH_BODIES, scan
from graphdl.ops.leaves import parameter
from graphdl.ops.regions import remat
from graphdl.passes.narrow_loops import narrow_scan, narrow_switch
from graphdl.rewrite.driver import count_hits


def eliminate_dead_code(graph: Graph) -> Graph:
    """`graph` without unused region results, parameters and captured operands."""
    while True:
        new = _eliminate(graph)
        if new is graph:
            return graph
        graph = new


def _eliminate(graph: Graph) -> Graph:
    order = graph.nodes()
    if not any(node.regions for node in order):
        return graph
    used = {operand.key for node in order for operand in node.operands}
    used |= {root.key for root in graph.roots}

    def visit(node: Node, operands: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
        if node.op in WITH_BODIES:
            return _with_narrow_bodies(node, operands, used)
        return _narrowed(node, operands, used) if node.op is remat else None

    cut = {tensor.key for tensor in graph.inputs}
    return with_roots(graph, transform(graph.roots, visit, cut))


def _with_narrow_bodies(
    node: Node, operands: tuple[Tensor, ...], used: set[tuple[int, int]]
) -> Sequence[Tensor] | None:
    regions = with_regions(node, eliminate_dead_code)
    if node.op is scan:
        narrow = narrow_scan(node, operands, regions[0], used)
    else:
        narrow = narrow_switch(node, operands, regions, used)
    if narrow is not None:
        count_hits("eliminate_dead_code")
        return narrow
    is_same = regions is node.regions
    return None if is_same else rebuild(node, operands, regions=regions).results


def _narrowed(
    node: Node, operands: tuple[Tensor, ...], used: set[tuple[int, int]]
) -> Sequence[Tensor] | None:
    """The results of a smaller `remat`, at their old places; None when nothing can go."""
    (old,) = node.regions
    results = [index for index in range(len(old.outputs)) if (id(node), index) in used]
    region = eliminate_dead_code(replace(old, outputs=tuple(old.outputs[i] for i in results)))
    reached = {t.key for inner in region.nodes() for t in inner.operands}
    reached |= {output.key for output in region.outputs}
    kept = [index for index, tensor in enumerate(region.inputs) if tensor.key in reached]
    is_same = len(results) == len(old.outputs) and len(kept) == len(operands)
    if is_same and all(map(Tensor.is_same, region.outputs, old.outputs)):
        return None
    count_hits("eliminate_dead_code")
    with replacing(node):
        new = build_node(
            remat,
            [operands[index] for index in kept],
            node.attributes,
            regions=(_with_inputs(region, kept),),
            writes=node.writes,
            name=node.name,
        )
    places = {old_index: Tensor(new, index) for index, old_index in enumerate(results)}
    # An unused result keeps a stand-in that nothing reads.
    return [places.get(index, Tensor(node, index)) for index in range(len(old.outputs))]


def _with_inputs(region: Graph, kept: Sequence[int]) -> Graph:
    """The region with only these inputs, its parameters numbered anew."""
    fresh: dict[tuple[int, int], Tensor] = {}
    for position, index in enumerate(kept):
        tensor = region.inputs[index]
        with replacing(tensor.node):
            attributes = {**tensor.node.attributes, "position": position}
            node = build_node(parameter, (), attributes, name=tensor.node.name)
        fresh[tensor.key] = node.results[0]
    outputs = transform(region.outputs, lambda node, operands: None, replacements=fresh)
    return replace(region, inputs=tuple(fresh.values()), outputs=outputs)
