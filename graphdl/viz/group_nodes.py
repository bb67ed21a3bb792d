"""Which nodes of a graph belong together, and how deep a picture can open them.

Each node's path is its phase (forward, backward, update), then the user's scopes, then the user's
line. A picture at depth d shows every group whose path is d long as one folded box.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from graphdl.graph.nodes import Graph, Node
from graphdl.graph.op import OpKind
from graphdl.viz.picture import Path

MAXIMUM_BOXES = 60
FORWARD, BACKWARD, UPDATE = "forward", "backward", "update"


@dataclass(frozen=True, slots=True)
class Grouping:
    """The path of every node that is drawn as an operation, by the node's identity."""

    nodes: tuple[Node, ...]
    paths: Mapping[int, Path]

    def groups(self) -> dict[Path, int]:
        """Every group, outer ones first, with the number of nodes in it."""
        counts: dict[Path, int] = {}
        for node in self.nodes:
            path = self.paths[id(node)]
            for length in range(len(path) + 1):
                counts[path[:length]] = counts.get(path[:length], 0) + 1
        return dict(sorted(counts.items(), key=lambda entry: len(entry[0])))


def phase_of(graph: Graph, nodes: Iterable[Node]) -> dict[int, str]:
    """Forward, backward or update for every node.

    A node with an origin is a gradient's; a node that only new values of variables read is part of
    the update.
    """
    output_nodes = {id(node) for node in Graph(graph.inputs, graph.outputs).nodes()}
    phases: dict[int, str] = {}
    for node in nodes:
        if node.origin is not None:
            phases[id(node)] = BACKWARD
        elif graph.updates and id(node) not in output_nodes:
            phases[id(node)] = UPDATE
        else:
            phases[id(node)] = FORWARD
    _pull_forward(nodes, phases)
    return phases


def _pull_forward(nodes: Iterable[Node], phases: dict[int, str]) -> None:
    """What a backward node reads without being a gradient itself is forward."""
    for node in reversed(list(nodes)):
        if phases[id(node)] == UPDATE:
            continue
        for operand in node.operands:
            if phases.get(id(operand.node)) == UPDATE:
                phases[id(operand.node)] = FORWARD


def group_nodes(graph: Graph) -> Grouping:
    """Assign every operation of a graph to its groups."""
    cut = {id(tensor.node) for tensor in graph.inputs}
    kept = (node for node in graph.nodes() if node.op.kind is not OpKind.LEAF)
    nodes = tuple(node for node in kept if id(node) not in cut and not is_constant(node))
    phases = phase_of(graph, nodes)
    several = len(set(phases.values())) > 1
    paths: dict[int, Path] = {}
    for node in nodes:
        phase = (phases[id(node)],) if several else ()
        line = (str(node.location),) if node.location is not None else ()
        paths[id(node)] = (*phase, *node.scope, *line)
    return Grouping(nodes, paths)


def is_constant(node: Node) -> bool:
    """Whether a node is a constant, or one moved or converted: shown in the box that reads it."""
    if node.op.name in ("constant", "size", "is_training"):
        return True
    is_moved = node.op.kind is OpKind.MOVEMENT or node.op.name == "convert"
    return is_moved and all(is_constant(operand.node) for operand in node.operands)


def folded_path(grouping: Grouping, node: Node, opened: frozenset[Path]) -> Path | None:
    """The closed group that a node is drawn in; None when the node has a box of its own."""
    path = grouping.paths[id(node)]
    for length in range(len(path) + 1):
        if path[:length] not in opened:
            return path[:length]
    return None


def open_groups(grouping: Grouping, depth: int) -> frozenset[Path]:
    """The groups above `depth`, and those that hold a single node."""
    groups = grouping.groups()
    return frozenset(path for path, count in groups.items() if len(path) < depth or count == 1)
