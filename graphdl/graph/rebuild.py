"""New graphs out of old ones: replace tensors or sizes, share whatever does not change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

from graphdl.graph.nodes import (
    Graph,
    Node,
    StateWrite,
    Tensor,
    Update,
    rebuild,
    topological_order,
)
from graphdl.graph.op import Attributes
from graphdl.typesystem.expression import Expression, Size, Symbol
from graphdl.typesystem.expression import substitute as substitute_symbols
from graphdl.typesystem.tensor_type import TensorType

Key = tuple[int, int]
Visit = Callable[[Node, tuple[Tensor, ...]], Sequence[Tensor] | None]
"""(node, its new operands) -> what stands for its results; None keeps it as it is."""


def transform(
    roots: Sequence[Tensor],
    visit: Visit,
    cut: Set[Key] = frozenset(),
    *,
    replacements: Mapping[Key, Tensor] | None = None,
    with_writes: bool = False,
) -> tuple[Tensor, ...]:
    """What becomes of `roots` when `visit` sees every node under them once, operands first.

    Where `visit` gives None a node stays, rebuilt when an operand has changed. Nodes that are only
    reached through `cut` are not visited; `replacements` are cut too, and stand for what they
    replace. `with_writes` also enters the new values that nodes give to variables.
    """
    changed: dict[Key, Tensor] = dict(replacements or {})
    cut = cut | changed.keys() if changed else cut
    for node in topological_order(roots, cut, with_writes=with_writes):
        operands = node.operands
        if changed and any((id(t.node), t.index) in changed for t in operands):
            operands = tuple(changed.get((id(t.node), t.index), t) for t in operands)
        results = visit(node, operands)
        if results is None:
            writes = _changed_writes(node, changed) if with_writes and node.writes else node.writes
            if operands is node.operands and writes is node.writes:
                continue
            results = retyped(node, operands, writes=writes).results
        for index, result in enumerate(results):
            key = (id(node), index)
            if key not in cut and not (result.node is node and result.index == index):
                changed[key] = result
    return tuple(changed.get(root.key, root) for root in roots)


def _changed_writes(node: Node, changed: Mapping[Key, Tensor]) -> tuple[StateWrite, ...]:
    tensors = [tensor for write in node.writes for tensor in (write.variable, write.value)]
    if not any(tensor.key in changed for tensor in tensors):
        return node.writes
    new = [changed.get(tensor.key, tensor) for tensor in tensors]
    return tuple(
        replace(write, variable=new[2 * i], value=new[2 * i + 1])
        for i, write in enumerate(node.writes)
    )


def retyped(node: Node, operands: Iterable[Tensor], **changes: Any) -> Node:
    """`node` on new operands; types and guards are inferred again where an operand's type differs.

    Raises what the type rule raises.
    """
    operands = tuple(operands)
    pairs = zip(operands, node.operands, strict=True)
    if all(new is old or new.type == old.type for new, old in pairs):
        return rebuild(node, operands, **changes)
    types = tuple(operand.type for operand in operands)
    regions = changes.get("regions", node.regions)
    extra: dict[str, Any] = {"regions": regions} if regions else {}
    guards = node.op.guards
    return rebuild(
        node,
        operands,
        result_types=node.op.infer(*types, **node.attributes, **extra),
        guards=guards(*types, **node.attributes) if guards is not None else (),
        **changes,
    )


def with_roots(graph: Graph, roots: Sequence[Tensor]) -> Graph:
    """`graph` with other outputs and new values, in the order of `graph.roots`; itself if equal."""
    if all(new.is_same(old) for new, old in zip(roots, graph.roots, strict=True)):
        return graph
    count = len(graph.outputs)
    updates = tuple(
        Update(update.variable, value)
        for update, value in zip(graph.updates, roots[count:], strict=True)
    )
    return replace(graph, outputs=tuple(roots[:count]), updates=updates)


def with_regions(node: Node, change: Callable[[Graph], Graph]) -> tuple[Graph, ...]:
    """The node's regions after `change`; the same tuple when none of them changed."""
    regions = tuple(change(region) for region in node.regions)
    is_same = all(new is old for new, old in zip(regions, node.regions, strict=True))
    return node.regions if is_same else regions


def transform_graph(graph: Graph, visit: Visit) -> Graph:
    """`graph` after `transform`, cut at its inputs, regions first; itself when nothing changed."""

    def visit_all(node: Node, operands: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
        if not node.regions:
            return visit(node, operands)
        regions = with_regions(node, lambda region: transform_graph(region, visit))
        if regions is node.regions:
            return visit(node, operands)
        new = rebuild(node, operands, regions=regions)
        return visit(new, operands) or new.results

    cut = {tensor.key for tensor in graph.inputs}
    return with_roots(graph, transform(graph.roots, visit_all, cut))


def substitute(roots: Sequence[Tensor], replacements: Mapping[Key, Tensor]) -> tuple[Tensor, ...]:
    """`roots` with every tensor in `replacements` (by `tensor.key`) replaced.

    What does not depend on a replaced tensor is shared with the old graph. New values that nodes
    give to variables are rebuilt too, and tensors inside regions are replaced there. Raises what
    the type rules raise when a replacement of another type does not fit.
    """

    def visit(node: Node, operands: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
        if not node.regions:
            return None
        regions = with_regions(node, in_region)
        return None if regions is node.regions else retyped(node, operands, regions=regions).results

    def in_region(region: Graph) -> Graph:
        cut = {tensor.key for tensor in region.inputs}
        inside = {key: new for key, new in replacements.items() if key not in cut}
        new = transform(region.roots, visit, cut, replacements=inside, with_writes=True)
        return with_roots(region, new)

    return transform(roots, visit, replacements=replacements, with_writes=True)


def substitute_sizes(graph: Graph, replacements: Mapping[Symbol, Size]) -> Graph:
    """`graph` with named sizes fixed or renamed in every type, attribute, guard and region.

    Inputs and updated variables that mention a size become new leaves.
    """
    leaves: dict[int, Node] = {}

    def visit(node: Node, operands: tuple[Tensor, ...]) -> Sequence[Tensor]:
        new = leaves.get(id(node))
        if new is None:
            new = _with_sizes(node, operands, replacements)
        return new.results

    for tensor in graph.inputs:
        leaves[id(tensor.node)] = _with_sizes(tensor.node, tensor.node.operands, replacements)
    inputs = {t.key: Tensor(leaves[id(t.node)], t.index) for t in graph.inputs}
    new = transform(graph.roots, visit, replacements=inputs)
    return replace(with_roots(graph, new), inputs=tuple(inputs[t.key] for t in graph.inputs))


def _with_sizes(
    node: Node, operands: tuple[Tensor, ...], replacements: Mapping[Symbol, Size]
) -> Node:
    attributes = {key: _resized(value, replacements) for key, value in node.attributes.items()}
    types = tuple(
        TensorType(type_.dtype, _resized(type_.shape, replacements)) for type_ in node.result_types
    )
    regions = with_regions(node, lambda region: substitute_sizes(region, replacements))
    is_same = attributes == dict(node.attributes) and types == node.result_types
    if is_same and regions is node.regions and operands is node.operands:
        return node
    guards = node.op.guards
    return rebuild(
        node,
        operands,
        attributes=Attributes(attributes),
        result_types=types,
        guards=guards(*(t.type for t in operands), **attributes) if guards is not None else (),
        regions=regions,
    )


def _resized(value: Any, replacements: Mapping[Symbol, Size]) -> Any:
    match value:
        case Expression():
            return substitute_symbols(value, replacements)
        case tuple():
            return tuple(_resized(item, replacements) for item in value)
    return value
