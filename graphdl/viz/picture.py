"""What a picture is made of: boxes, edges and clusters, with no layout.

Grammar

    Picture ::= Picture(title, boxes: Box*, edges: Edge*, clusters: Cluster*)
    Box     ::= Box(key, role, lines: text+, tooltip, cluster: path, opens: path | None)
    Edge    ::= Edge(source, target, kind, label)
    Cluster ::= Cluster(path, label)

A path names nested clusters, outermost first. `opens` is the path of the group that a folded box
stands for.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

Path = tuple[str, ...]


class Role(Enum):
    """What a box stands for; every role has its own look."""

    INPUT = "input"
    VARIABLE = "variable"
    CONSTANT = "constant"
    OPERATION = "operation"
    GRADIENT = "gradient"
    UPDATE = "update"
    OUTPUT = "output"
    FOLDED = "folded"


class EdgeKind(Enum):
    """Why two boxes are joined."""

    DATA = "data"
    GRADIENT_OF = "gradient of"
    UPDATE = "update"


@dataclass(frozen=True, slots=True)
class Box:
    """One box. `lines[0]` is its title."""

    key: str
    role: Role
    lines: tuple[str, ...]
    tooltip: str = ""
    cluster: Path = ()
    opens: Path | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """An arrow between two boxes."""

    source: str
    target: str
    kind: EdgeKind = EdgeKind.DATA
    label: str = ""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A frame around boxes."""

    path: Path
    label: str


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything that is drawn at once."""

    title: str
    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...]
    clusters: tuple[Cluster, ...] = ()
