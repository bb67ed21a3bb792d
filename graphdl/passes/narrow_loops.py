"""What of a loop or branch is needed: results, carries, slices, captures."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from graphdl.graph.nodes import Graph, Node, Tensor, build_node, replacing, topological_order
from graphdl.ops.control_flow import scan
from graphdl.ops.region_tracing import close


def narrow_scan(
    node: Node, operands: tuple[Tensor, ...], region: Graph, used: Collection[tuple[int, int]]
) -> Sequence[Tensor] | None:
    """The results of a smaller `scan` with this region, at their old places; None when nothing can
    go. `used` holds the keys of the results that somebody reads."""
    count, sequences = node.attributes["carries"], node.attributes["sequences"]
    wanted = {index for index in range(len(region.outputs)) if (id(node), index) in used}
    needed = _inputs_of(region, wanted)
    while more := {index for index in needed if index < count} - wanted:
        wanted |= more
        needed = _inputs_of(region, wanted)
    results = sorted(wanted)
    kept = sorted(needed | {index for index in results if index < count})
    if len(results) == len(region.outputs) and len(kept) == len(operands):
        return None
    outputs = [region.outputs[index] for index in results]
    attributes = {
        **node.attributes,
        "carries": sum(index < count for index in kept),
        "sequences": sum(count <= index < count + sequences for index in kept),
    }
    with replacing(node):
        narrow = close(outputs, [region.inputs[index] for index in kept])
        new = build_node(
            scan,
            [operands[index] for index in kept],
            attributes,
            regions=(narrow,),
            writes=node.writes,
            name=node.name,
        )
    places = {old: Tensor(new, index) for index, old in enumerate(results)}
    # An unused result keeps a stand-in that nothing reads.
    return [places.get(index, Tensor(node, index)) for index in range(len(region.outputs))]


def narrow_switch(
    node: Node,
    operands: tuple[Tensor, ...],
    regions: Sequence[Graph],
    used: Collection[tuple[int, int]],
) -> Sequence[Tensor] | None:
    """The results of a smaller `switch` with these regions, as `narrow_scan` gives them."""
    everything = range(len(node.result_types))
    results = [index for index in everything if (id(node), index) in used]
    kept = sorted(set[int]().union(*(_inputs_of(region, results) for region in regions)))
    if len(results) == len(everything) and len(kept) == len(operands) - 1:
        return None
    with replacing(node):
        narrow = [
            close([region.outputs[i] for i in results], [region.inputs[i] for i in kept])
            for region in regions
        ]
        new = build_node(
            node.op,
            [operands[0], *(operands[1 + index] for index in kept)],
            regions=tuple(narrow),
            writes=node.writes,
            name=node.name,
        )
    places = {old: Tensor(new, index) for index, old in enumerate(results)}
    return [places.get(index, Tensor(node, index)) for index in everything]


def _inputs_of(region: Graph, outputs: Collection[int]) -> set[int]:
    """The inputs that some outputs depend on."""
    roots = [region.outputs[index] for index in outputs]
    cut = {tensor.key: index for index, tensor in enumerate(region.inputs)}
    reached = {tensor.key for tensor in roots}
    for node in topological_order(roots, cut.keys()):
        reached.update(operand.key for operand in node.operands)
    return {index for key, index in cut.items() if key in reached}
