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

    @property
    def depth(self) -> int:
        """The depth at which everything is open."""
        return max((len(path) for path in self.paths.values()), default=0) + 1


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
    nodes = tuple(
        node for node in graph.nodes() if node.op.kind is not OpKind.LEAF and id(node) not in cut
    )
    phases = phase_of(graph, nodes)
    several = len(set(phases.values())) > 1
    paths: dict[int, Path] = {}
    for node in nodes:
        phase = (phases[id(node)],) if several else ()
        line = (str(node.location),) if node.location is not None else ()
        paths[id(node)] = (*phase, *node.scope, *line)
    return Grouping(nodes, paths)


def box_key(grouping: Grouping, node: Node, depth: int) -> str:
    """What identifies the box that a node is drawn in: its folded path, or the node itself."""
    path = grouping.paths[id(node)]
    if len(path) >= depth:
        return "group " + "/".join(path[:depth])
    return f"node {node.serial} {id(node)}"
