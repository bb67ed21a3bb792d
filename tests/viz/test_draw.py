"""Pictures: what they contain, that every renderer takes them, and that names cannot break them."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphdl as gd
from graphdl.graph.nodes import Graph, Update
from graphdl.viz import layout
from graphdl.viz.draw import draw
from graphdl.viz.draw_graph import picture_of_graph
from graphdl.viz.group_nodes import MAXIMUM_BOXES
from graphdl.viz.picture import Box, Cluster, Edge, EdgeKind, Picture, Role
from graphdl.viz.write_dot import dot_text


def training_graph(layers: int) -> Graph:
    """The training step of a small classifier with this many hidden layers."""
    image = gd.placeholder("image", ("batch", 8))
    label = gd.placeholder("label", ("batch",), dtype="int64")
    hidden = [gd.nn.Dense(8, activation="relu") for _ in range(layers)]
    model = gd.nn.Sequential([*hidden, gd.nn.Dense(3)])
    logits = model(image)
    loss = gd.nn.losses.sparse_categorical_crossentropy(label, logits, from_logits=True)
    updates = gd.optim.SGD(0.1).minimize(loss, model.parameters())
    pairs = tuple(Update(variable, value) for variable, value in updates.items())
    return Graph((image, label), (loss,), pairs, "train_step")


def test_forward_backward_and_updates_are_told_apart() -> None:
    picture = picture_of_graph(training_graph(1))
    roles = {box.role for box in picture.boxes}
    assert {Role.INPUT, Role.VARIABLE, Role.GRADIENT, Role.UPDATE, Role.OUTPUT} <= roles
    kinds = {edge.kind for edge in picture.edges}
    assert kinds == {EdgeKind.DATA, EdgeKind.GRADIENT_OF, EdgeKind.UPDATE}
    boxes = {box.key: box for box in picture.boxes}
    for edge in picture.edges:
        if edge.kind is EdgeKind.GRADIENT_OF:
            assert boxes[edge.source].role is not Role.GRADIENT
            assert boxes[edge.target].role is Role.GRADIENT


@pytest.mark.parametrize("layers", [1, 4, 24])
def test_at_most_sixty_boxes_stay(layers: int) -> None:
    picture = picture_of_graph(training_graph(layers))
    assert 5 <= len(picture.boxes) <= MAXIMUM_BOXES


def test_every_box_shows_shape_dtype_and_line() -> None:
    picture = picture_of_graph(training_graph(1), depth=10)
    for box in picture.boxes:
        if box.role in (Role.OPERATION, Role.GRADIENT, Role.VARIABLE, Role.INPUT):
            text = " ".join(box.lines)
            assert re.search(r"(float32|int64|bool)\[", text)
            assert "test_draw.py:" in text


def test_edges_join_boxes_of_the_picture() -> None:
    for depth in range(6):
        picture = picture_of_graph(training_graph(2), depth=depth)
        keys = {box.key for box in picture.boxes}
        assert all(edge.source in keys and edge.target in keys for edge in picture.edges)
        assert len(keys) == len(picture.boxes)


def test_parts() -> None:
    graph = training_graph(1)
    forward = picture_of_graph(graph, part="forward", depth=10)
    backward = picture_of_graph(graph, part="backward", depth=10)
    assert all(box.role is not Role.GRADIENT for box in forward.boxes)
    assert any(box.role is Role.GRADIENT for box in backward.boxes)


@pytest.mark.parametrize("has_dot", [True, False])
def test_every_format_with_and_without_dot(
    has_dot: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if has_dot and not layout.has_dot_program():
        pytest.skip("the dot program is not installed")
    monkeypatch.setattr(layout, "has_dot_program", lambda: has_dot)
    x = gd.placeholder("x", ("batch", 3))
    for suffix in ("dot", "svg", "png", "html"):
        draw(gd.softmax(x), tmp_path / f"step.{suffix}")
    assert (tmp_path / "step.dot").read_text().startswith("digraph")
    root = ElementTree.fromstring((tmp_path / "step.svg").read_text())
    assert root.tag.endswith("svg")
    assert (tmp_path / "step.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    page = (tmp_path / "step.html").read_text()
    assert "<svg" in page.replace("\\u003c", "<")
    assert not re.search(r'(src|href)="https?:', page)


NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@settings(max_examples=20, deadline=None)
@given(NAMES, NAMES, NAMES)
def test_no_name_breaks_the_picture(title: str, name: str, cluster: str) -> None:
    first = Box("a", Role.OPERATION, (name or " ", "line"), name, (cluster,))
    second = Box(f"b{name}", Role.FOLDED, (name or " ",), opens=(cluster,))
    edges = (Edge("a", f"b{name}", label=name),)
    picture = Picture(title, (first, second), edges, (Cluster((cluster,), cluster),))
    svg = layout.svg_from_dot(dot_text(picture))
    assert ElementTree.fromstring(svg).tag.endswith("svg")
    assert svg.count('class="node') == 2


def test_a_script_in_a_name_does_not_reach_the_page() -> None:
    x = gd.placeholder("x", (2,)).named("</script><b>")
    page = draw(x * 2).html
    assert page.count("</script>") == 2


def test_unknown_requests_are_errors() -> None:
    x = gd.placeholder("x", (2,)) * 2
    with pytest.raises(gd.ArgumentError, match="part"):
        draw(x, part="middle")
    with pytest.raises(gd.ArgumentError, match="cannot write"):
        draw(x, "picture.gif")
    with pytest.raises(gd.ArgumentError, match="cannot draw"):
        draw(3)
