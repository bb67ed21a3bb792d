"""A Graph as a Picture: forward, backward and update in one, folded until it can be read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from graphdl.graph.nodes import Graph, Node, Tensor
from graphdl.viz.group_nodes import (
    BACKWARD,
    FORWARD,
    MAXIMUM_BOXES,
    Grouping,
    folded_path,
    group_nodes,
    is_constant,
    open_groups,
)
from graphdl.viz.picture import Box, Cluster, Edge, EdgeKind, Path, Picture, Role


def picture_of_graph(
    graph: Graph, *, part: str = "all", depth: int | None = None, inside: Path = ()
) -> Picture:
    """Draw a graph.

    part: "all", "forward" or "backward" (which includes the updates). depth: groups this deep are
    folded; None opens as much as fits in 60 boxes. inside: draw one group alone.
    """
    grouping = _restrict(group_nodes(graph), part, inside)
    if depth is not None:
        return _Builder(graph, grouping, open_groups(grouping, depth)).build()
    opened = open_groups(grouping, len(inside))
    best = _Builder(graph, grouping, opened).build()
    for path in grouping.groups():
        if path in opened or (path and path[:-1] not in opened):
            continue
        picture = _Builder(graph, grouping, opened | {path}).build()
        if len(picture.boxes) <= MAXIMUM_BOXES:
            best, opened = picture, opened | {path}
    return best


def _restrict(grouping: Grouping, part: str, inside: Path) -> Grouping:
    def is_kept(node: Node) -> bool:
        path = grouping.paths[id(node)]
        if path[: len(inside)] != inside:
            return False
        is_backward = bool(path) and path[0] != FORWARD and node.origin is not None
        return part == "all" or (part == "backward") == is_backward

    nodes = tuple(node for node in grouping.nodes if is_kept(node))
    return Grouping(nodes, grouping.paths)


@dataclass(slots=True)
class _Builder:
    """Collects boxes and edges for one depth."""

    graph: Graph
    grouping: Grouping
    opened: frozenset[Path]
    boxes: dict[str, Box] = field(default_factory=dict)
    edges: dict[tuple[str, str, EdgeKind], str] = field(default_factory=dict)
    members: dict[str, list[Node]] = field(default_factory=dict)

    def build(self) -> Picture:
        for node in self.grouping.nodes:
            self.members.setdefault(self._box_of(node), []).append(node)
        absorbed = self._absorbed_leaves()
        for key, nodes in self.members.items():
            leaves = [leaf for leaf, owner in absorbed.items() if owner == key]
            self.boxes[key] = self._box(key, nodes, leaves)
        for node in self.grouping.nodes:
            self._join_operands(node, absorbed)
            self._join_origin(node)
        self._add_outputs()
        self._add_updates()
        clusters = self._clusters()
        edges = tuple(Edge(s, t, kind, label) for (s, t, kind), label in self.edges.items())
        return Picture(self.graph.name, tuple(self.boxes.values()), edges, clusters)

    def _box_of(self, node: Node) -> str:
        path = folded_path(self.grouping, node, self.opened)
        return f"node {node.serial} {id(node)}" if path is None else "group " + "/".join(path)

    def _key_of(self, tensor: Tensor) -> str | None:
        """The box that a tensor comes from, or None when it is not drawn."""
        if id(tensor.node) in self.grouping.paths:
            key = self._box_of(tensor.node)
            return key if key in self.members else None
        if is_constant(tensor.node):
            return None
        return _leaf_key(tensor)

    def _absorbed_leaves(self) -> dict[str, str]:
        """Variables that a single folded box uses are counted in it, not drawn."""
        users: dict[str, set[str]] = {}
        for node in self.grouping.nodes:
            own = self._box_of(node)
            for operand in node.operands:
                if operand.node.op.name == "variable":
                    users.setdefault(_leaf_key(operand), set()).add(own)
        return {
            leaf: next(iter(keys))
            for leaf, keys in users.items()
            if len(keys) == 1 and len(self.members[next(iter(keys))]) > 1
        }

    def _box(self, key: str, nodes: list[Node], leaves: list[str]) -> Box:
        if key.startswith("node "):
            return self._operation_box(key, nodes[0])
        path = folded_path(self.grouping, nodes[0], self.opened) or ()
        counts = Counter(node.op.name for node in nodes)
        common = ", ".join(f"{name}×{n}" if n > 1 else name for name, n in counts.most_common(3))
        lines = [path[-1] if path else self.graph.name, f"{len(nodes)} ops: {common}"]
        if leaves:
            lines.append(f"{len(leaves)} variables")
        lines.append(" ".join(dict.fromkeys(str(t.type) for t in self._exits(nodes)[:2])))
        source = next((n.location.text for n in nodes if n.location is not None), "")
        role = Role.GRADIENT if path[:1] == (BACKWARD,) else Role.FOLDED
        tooltip = "\n".join([*lines, source])
        return Box(key, role, tuple(line for line in lines if line), tooltip, path[:-1], path)

    def _exits(self, nodes: list[Node]) -> list[Tensor]:
        inside = {id(node) for node in nodes}
        read_outside = {
            operand.key
            for node in self.grouping.nodes
            if id(node) not in inside
            for operand in node.operands
        }
        read_outside |= {root.key for root in self.graph.roots}
        return [result for node in nodes for result in node.results if result.key in read_outside]

    def _operation_box(self, key: str, node: Node) -> Box:
        title = f"{node.name}: {node.op.name}" if node.name else node.op.name
        lines = [title, " ".join(map(str, node.result_types))]
        constants = [
            _constant_text(operand) for operand in node.operands if is_constant(operand.node)
        ]
        if constants:
            lines.append("with " + ", ".join(constants))
        if node.location is not None:
            lines.append(str(node.location))
        source = node.location.text if node.location is not None else ""
        attributes = ", ".join(f"{name}={value}" for name, value in node.attributes.items())
        role = Role.GRADIENT if node.origin is not None else Role.OPERATION
        tooltip = "\n".join(text for text in (*lines, attributes, source) if text)
        return Box(key, role, tuple(lines), tooltip, self.grouping.paths[id(node)])

    def _join_operands(self, node: Node, absorbed: dict[str, str]) -> None:
        target = self._box_of(node)
        for operand in node.operands:
            source = self._key_of(operand)
            if source is None or source == target or source in absorbed:
                continue
            if source not in self.members and source not in self.boxes:
                self.boxes[source] = _leaf_box(source, operand)
            label = str(operand.type) if source in self.members else ""
            self.edges.setdefault((source, target, EdgeKind.DATA), label)

    def _join_origin(self, node: Node) -> None:
        if node.origin is None or id(node.origin) not in self.grouping.paths:
            return
        own = self._box_of(node)
        forward = self._box_of(node.origin)
        if forward in self.members and forward != own:
            self.edges.setdefault((forward, own, EdgeKind.GRADIENT_OF), "")

    def _add_outputs(self) -> None:
        for number, output in enumerate(self.graph.outputs):
            source = self._key_of(output)
            if source is None or (source not in self.members and source not in self.boxes):
                continue
            key = f"output {number}"
            name = output.node.name or f"output {number}"
            self.boxes[key] = Box(key, Role.OUTPUT, (name, str(output.type)))
            self.edges[(source, key, EdgeKind.DATA)] = ""

    def _add_updates(self) -> None:
        written: dict[str, list[Tensor]] = {}
        for update in self.graph.updates:
            source = self._key_of(update.value)
            if source in self.members:
                written.setdefault(str(source), []).append(update.variable)
        for source, variables in written.items():
            for variable in variables:
                leaf = _leaf_key(variable)
                if leaf in self.boxes:
                    self.edges[(source, leaf, EdgeKind.UPDATE)] = ""
            names = [str(variable.node.attributes["name"]) for variable in variables]
            key = f"update {source}"
            shown = names if len(names) <= 3 else [*names[:2], f"and {len(names) - 2} more"]
            self.boxes[key] = Box(key, Role.UPDATE, ("new value of", *shown), "\n".join(names))
            self.edges[(source, key, EdgeKind.DATA)] = ""

    def _clusters(self) -> tuple[Cluster, ...]:
        paths: dict[Path, None] = {}
        for box in self.boxes.values():
            for length in range(1, len(box.cluster) + 1):
                paths.setdefault(box.cluster[:length])
        return tuple(Cluster(path, path[-1]) for path in paths)


def _leaf_key(tensor: Tensor) -> str:
    return f"leaf {tensor.node.op.name} {tensor.node.serial} {tensor.index}"


def _leaf_box(key: str, tensor: Tensor) -> Box:
    node = tensor.node
    roles = {"variable": Role.VARIABLE, "constant": Role.CONSTANT}
    role = roles.get(node.op.name, Role.INPUT)
    name = str(node.attributes.get("name") or node.name or node.op.name)
    lines = [name, str(tensor.type)]
    if node.location is not None:
        lines.append(str(node.location))
    return Box(key, role, tuple(lines), node.location.text if node.location is not None else "")


def _constant_text(tensor: Tensor) -> str:
    node = tensor.node
    if node.operands:
        return _constant_text(node.operands[0])
    if node.op.name != "constant":
        return str(node.attributes.get("value", node.op.name))
    array = node.attributes["value"].array
    return str(array.item()) if array.size == 1 else f"constant {tensor.type}"
