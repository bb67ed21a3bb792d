"""A Schedule as a Picture: every kernel is a frame around the operations it computes."""

from __future__ import annotations

from collections import Counter

from graphdl.graph.describe import name_of
from graphdl.graph.nodes import Node, Tensor
from graphdl.schedule.groups import Group, Schedule
from graphdl.viz.group_nodes import MAXIMUM_BOXES
from graphdl.viz.picture import Box, Cluster, Edge, EdgeKind, Path, Picture, Role

_HIDDEN = frozenset({"constant", "size", "is_training"})


def picture_of_schedule(
    schedule: Schedule, *, depth: int | None = None, inside: Path = ()
) -> Picture:
    """Draw the kernels of a program and the buffers between them.

    depth 1 draws one box a kernel, 2 its operations inside a frame; None opens the operations when
    they fit in 60 boxes. inside: draw one kernel alone, opened.
    """
    groups = schedule.groups
    if inside:
        groups = tuple(group for group in groups if _title(group) == inside[0])
        return _open_picture(schedule, groups)
    if depth is None:
        depth = 2 if sum(len(_drawn(group)) for group in groups) <= MAXIMUM_BOXES else 1
    return _open_picture(schedule, groups) if depth > 1 else _closed_picture(schedule, groups)


def _title(group: Group) -> str:
    return f"kernel {group.number}: {group.kind.value}"


def _drawn(group: Group) -> list[Node]:
    return [node for node in group.nodes if node.op.name not in _HIDDEN and node.operands]


def _closed_picture(schedule: Schedule, groups: tuple[Group, ...]) -> Picture:
    boxes = [_kernel_box(group) for group in groups]
    edges: dict[tuple[str, str], Edge] = {}
    leaves: dict[str, Box] = {}
    for group in groups:
        for tensor in group.inputs:
            source = _source(schedule, tensor, leaves)
            if source is not None:
                edge = Edge(source, _title(group), EdgeKind.DATA, str(tensor.type))
                edges.setdefault((source, _title(group)), edge)
    exits, joined = _exits(schedule)
    return Picture(
        schedule.graph.name,
        (*leaves.values(), *boxes, *exits),
        (*edges.values(), *joined),
    )


def _kernel_box(group: Group) -> Box:
    nodes = _drawn(group)
    counts = Counter(node.op.name for node in nodes)
    common = ", ".join(f"{name}×{n}" if n > 1 else name for name, n in counts.most_common(4))
    lines = [_title(group), f"{len(nodes)} ops: {common}", *_lines(nodes)[:2]]
    results = " ".join(str(tensor.type) for tensor in group.outputs[:2])
    tooltip = "\n".join([*lines, *_texts(nodes)])
    is_backward = any(node.origin is not None for node in nodes)
    role = Role.GRADIENT if is_backward else Role.FOLDED
    return Box(_title(group), role, (*lines, results), tooltip, opens=(_title(group),))


def _lines(nodes: list[Node]) -> list[str]:
    return list(dict.fromkeys(str(node.location) for node in nodes if node.location is not None))


def _texts(nodes: list[Node]) -> list[str]:
    found = (node.location.text for node in nodes if node.location is not None)
    return [text for text in dict.fromkeys(found) if text]


def _source(schedule: Schedule, tensor: Tensor, leaves: dict[str, Box]) -> str | None:
    """The box that a stored tensor comes from: its kernel, or a leaf made here."""
    maker = schedule.makers.get(tensor.key)
    if maker is not None:
        return _title(schedule.groups[maker])
    return _leaf(tensor, leaves)


def _leaf(tensor: Tensor, leaves: dict[str, Box]) -> str | None:
    node = tensor.node
    if node.op.name in _HIDDEN:
        return None
    key = f"leaf {node.serial} {id(node)} {tensor.index}"
    if key not in leaves:
        role = Role.VARIABLE if node.op.name == "variable" else Role.INPUT
        lines = [name_of(node) or node.op.name, str(tensor.type)]
        if node.location is not None:
            lines.append(str(node.location))
        leaves[key] = Box(key, role, tuple(lines))
    return key


def _open_picture(schedule: Schedule, groups: tuple[Group, ...]) -> Picture:
    boxes: dict[str, Box] = {}
    edges: dict[tuple[str, str], Edge] = {}
    leaves: dict[str, Box] = {}
    shown = {group.number for group in groups}
    for group in groups:
        inside = {id(node) for node in group.nodes}
        for node in _drawn(group):
            key = _node_key(group, node)
            boxes[key] = _node_box(key, group, node)
            for operand in node.operands:
                source = _operand_source(schedule, group, operand, inside, shown, leaves)
                if source is not None:
                    edge = Edge(source, key, EdgeKind.DATA, "")
                    edges.setdefault((source, key), edge)
    kept = {
        key: edge for key, edge in edges.items() if edge.source in boxes or edge.source in leaves
    }
    clusters = tuple(Cluster((_title(group),), _title(group)) for group in groups)
    title = schedule.graph.name if len(groups) != 1 else _title(groups[0])
    everything = (*leaves.values(), *boxes.values())
    return Picture(title, everything, tuple(kept.values()), clusters)


def _node_key(group: Group, node: Node) -> str:
    return f"node {group.number} {node.serial} {id(node)}"


def _node_box(key: str, group: Group, node: Node) -> Box:
    title = f"{node.name}: {node.op.name}" if node.name else node.op.name
    lines = [title, " ".join(map(str, node.result_types))]
    if node.location is not None:
        lines.append(str(node.location))
    source = node.location.text if node.location is not None else ""
    role = Role.GRADIENT if node.origin is not None else Role.OPERATION
    return Box(key, role, tuple(lines), "\n".join([*lines, source]), (_title(group),))


def _operand_source(
    schedule: Schedule,
    group: Group,
    operand: Tensor,
    inside: set[int],
    shown: set[int],
    leaves: dict[str, Box],
) -> str | None:
    node = operand.node
    if node.op.name in _HIDDEN:
        return None
    if id(node) in inside and node.operands:
        return _node_key(group, node)
    maker = schedule.makers.get(operand.key)
    if maker is None:
        return _leaf(operand, leaves)
    other = schedule.groups[maker]
    return _node_key(other, node) if other.number in shown else _leaf(operand, leaves)


def _exits(schedule: Schedule) -> tuple[list[Box], list[Edge]]:
    boxes: list[Box] = []
    edges: list[Edge] = []
    graph = schedule.graph
    named = [(tensor, f"output {i}", Role.OUTPUT) for i, tensor in enumerate(graph.outputs)]
    for update in graph.updates:
        name = f"new {update.variable.node.attributes['name']}"
        named.append((update.value, name, Role.UPDATE))
    grouped: dict[tuple[int, Role], list[str]] = {}
    for tensor, name, role in named:
        maker = schedule.makers.get(tensor.key)
        if maker is not None:
            grouped.setdefault((maker, role), []).append(name)
    for (maker, role), names in grouped.items():
        key = f"{role.value} of {maker}"
        shown = names if len(names) <= 3 else [*names[:2], f"and {len(names) - 2} more"]
        boxes.append(Box(key, role, tuple(shown), "\n".join(names)))
        edges.append(Edge(_title(schedule.groups[maker]), key))
    return boxes, edges
