"""A Picture as DOT text. Every name is quoted and escaped, whatever it holds."""

from __future__ import annotations

from graphdl.viz.picture import Box, Cluster, Edge, EdgeKind, Path, Picture, Role

FILL = {
    Role.INPUT: "#cfe8ff",
    Role.VARIABLE: "#ffe2b8",
    Role.CONSTANT: "#eeeeee",
    Role.OPERATION: "#ffffff",
    Role.GRADIENT: "#f6d9e6",
    Role.UPDATE: "#d9f2d0",
    Role.OUTPUT: "#cfe8ff",
    Role.FOLDED: "#f4f1ff",
}
SHAPE = {
    Role.INPUT: "invhouse",
    Role.VARIABLE: "cylinder",
    Role.CONSTANT: "box",
    Role.OUTPUT: "house",
    Role.FOLDED: "box3d",
}
EDGE_STYLE = {
    EdgeKind.DATA: 'color="#555555"',
    EdgeKind.GRADIENT_OF: 'color="#c0719a", style=dotted, constraint=false, arrowhead=none',
    EdgeKind.UPDATE: 'color="#4f9a3c", style=dashed, constraint=false',
}


_NODE_STYLE = (
    'fontname="Helvetica", fontsize=10, style="filled,rounded", shape=box, margin="0.12,0.06"'
)


def quote(text: str) -> str:
    """A DOT string literal that shows `text` as it is, control characters apart."""
    shown = "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )
    return '"' + shown.replace("\\", "\\\\").replace('"', '\\"') + '"'


def dot_text(picture: Picture) -> str:
    """The whole picture as one DOT digraph."""
    lines = [
        "digraph graphdl {",
        f"  label={quote(picture.title)}; labelloc=t; rankdir=TB; compound=true;",
        '  bgcolor="white"; nodesep=0.25; ranksep=0.35; fontname="Helvetica";',
        f"  node [{_NODE_STYLE}];",
        '  edge [fontname="Helvetica", fontsize=8, arrowsize=0.6];',
    ]
    lines += _cluster_lines(picture, (), "  ")
    lines += [_edge_line(edge) for edge in picture.edges]
    return "\n".join([*lines, "}", ""])


def _cluster_lines(picture: Picture, path: Path, indent: str) -> list[str]:
    lines = [indent + _box_line(box) for box in picture.boxes if box.cluster == path]
    for cluster in picture.clusters:
        if cluster.path[:-1] != path or not cluster.path:
            continue
        inner = indent + "  "
        lines.append(f"{indent}subgraph {quote('cluster ' + '/'.join(cluster.path))} {{")
        lines.append(f"{inner}{_cluster_attributes(cluster)}")
        lines += _cluster_lines(picture, cluster.path, inner)
        lines.append(f"{indent}}}")
    return lines


def _cluster_attributes(cluster: Cluster) -> str:
    return f'label={quote(cluster.label)}; style="rounded"; color="#b8b8c8"; fontsize=11;'


def _box_line(box: Box) -> str:
    attributes = [
        "label=" + '"' + "\\n".join(quote(line)[1:-1] for line in box.lines) + '"',
        f'fillcolor="{FILL[box.role]}"',
        f"tooltip={quote(box.tooltip or box.lines[0])}",
        f"id={quote(box.key)}",
    ]
    if box.role in SHAPE:
        attributes.append(f"shape={SHAPE[box.role]}")
        if SHAPE[box.role] != "box":
            attributes.append("style=filled")
    if box.opens is not None:
        attributes.append(f"class={quote('opens')}")
    return f"{quote(box.key)} [{', '.join(attributes)}];"


def _edge_line(edge: Edge) -> str:
    label = f", label={quote(edge.label)}" if edge.label else ""
    return f"  {quote(edge.source)} -> {quote(edge.target)} [{EDGE_STYLE[edge.kind]}{label}];"
