"""Run loops that go the same way once.

Why: the gradient of a loop needs values of each step, and asks for them with a second loop over the
same operands that has more results.
Requires: loops are as they were built; `eliminate_dead_code` narrows them differently.
Ensures: no two scans with the same operands whose carries are computed alike.

    %4.0, %4.1 = scan(h, x, w) …             %5.0, %5.1, %5.2 = scan(h, x, w) regions:
    %5.0, %5.1, %5.2 = scan(h, x, w) …   ->    … return %7, %8, %3
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from graphdl.graph.nodes import Graph, Node, Tensor, build_node, rebuild, replacing
from graphdl.graph.rebuild import transform, with_regions, with_roots
from graphdl.ops.control_flow import scan
from graphdl.passes.eliminate_common_subexpressions import eliminate_common_subexpressions
from graphdl.rewrite.driver import count_hits


def merge_loops(graph: Graph) -> Graph:
    """`graph` with equal loops merged, inside regions too."""
    while True:
        new = _merge(graph)
        if new is graph:
            return graph
        graph = new


@dataclass(slots=True, eq=False)
class _Union:
    """Loops that become one: for each of them, which results of the union are its own."""

    region: Graph
    places: dict[int, list[int]] = field(default_factory=dict)
    merged: Node | None = None


def _merge(graph: Graph) -> Graph:
    unions = _find(graph)

    def visit(node: Node, operands: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
        union = unions.get(id(node))
        if union is not None:
            return _results(union, node, operands)
        regions = with_regions(node, merge_loops)
        changed = regions is not node.regions
        return rebuild(node, operands, regions=regions).results if changed else None

    cut = {tensor.key for tensor in graph.inputs}
    return with_roots(graph, transform(graph.roots, visit, cut))


def _find(graph: Graph) -> dict[int, _Union]:
    """The unions of more than one loop, by the ids of their nodes."""
    unions: dict[object, list[_Union]] = {}
    for node in graph.nodes():
        if node.op is not scan:
            continue
        key = (node.attributes, tuple(operand.key for operand in node.operands))
        known = unions.setdefault(key, [])
        if not any(_join(union, node) for union in known):
            places = list(range(len(node.result_types)))
            known.append(_Union(node.regions[0], {id(node): places}))
    found = (union for group in unions.values() for union in group)
    return {key: union for union in found if len(union.places) > 1 for key in union.places}


def _join(union: _Union, node: Node) -> bool:
    """Add a loop, if its carries are those of the union."""
    first, (second,) = union.region, node.regions
    pairs = zip((tensor.key for tensor in second.inputs), first.inputs, strict=True)
    moved = transform(second.outputs, lambda node, operands: None, replacements=dict(pairs))
    both = replace(first, outputs=(*first.outputs, *moved))
    together = eliminate_common_subexpressions(both).outputs
    outputs, others = together[: len(first.outputs)], together[len(first.outputs) :]
    count = node.attributes["carries"]
    pairs_of_carries = zip(outputs[:count], others[:count], strict=True)
    if not all(left.is_same(right) for left, right in pairs_of_carries):
        return False
    all_outputs = list(outputs)
    index: dict[tuple[int, int], int] = {}
    for place, output in enumerate(all_outputs[count:], count):
        index.setdefault(output.key, place)
    places = list(range(count))
    for output in others[count:]:
        if output.key not in index:
            index[output.key] = len(all_outputs)
            all_outputs.append(output)
        places.append(index[output.key])
    union.region = replace(first, outputs=tuple(all_outputs))
    union.places[id(node)] = places
    return True


def _results(union: _Union, node: Node, operands: tuple[Tensor, ...]) -> list[Tensor]:
    if union.merged is None:
        count_hits("merge_loops")
        with replacing(node):
            union.merged = build_node(
                scan, operands, node.attributes, regions=(union.region,), name=node.name
            )
    return [Tensor(union.merged, place) for place in union.places[id(node)]]
