"""`gd.draw`: a picture of a function, of tensors, of a graph or of a schedule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, Protocol

from graphdl.errors import ArgumentError
from graphdl.graph.nodes import Graph, Tensor
from graphdl.graph.structure import leaves_of
from graphdl.schedule.groups import Schedule
from graphdl.viz.draw_graph import picture_of_graph
from graphdl.viz.draw_schedule import picture_of_schedule
from graphdl.viz.layout import png_from_dot, svg_from_dot
from graphdl.viz.picture import Path, Picture
from graphdl.viz.write_dot import dot_text
from graphdl.viz.write_html import html_text

PARTS = ("all", "forward", "backward")
SUFFIXES = (".dot", ".svg", ".png", ".html")
MAXIMUM_VIEWS = 40
"""Folded groups whose inside the HTML file holds; groups beyond it stay closed."""


class Drawable(Protocol):
    """A view of something at a depth, or of one group inside it."""

    def __call__(self, *, depth: int | None = None, inside: Path = ()) -> Picture:
        """The picture."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture that a notebook shows by itself; `dot`, `svg` and `html` are its texts."""

    view: Drawable
    depth: int | None

    @property
    def dot(self) -> str:
        """The picture in Graphviz's language."""
        return dot_text(self.view(depth=self.depth))

    @property
    def svg(self) -> str:
        """The picture as SVG."""
        return svg_from_dot(self.dot)

    @property
    def png(self) -> bytes:
        """The picture as PNG."""
        return png_from_dot(self.dot)

    @property
    def html(self) -> str:
        """One self-contained page: pan, zoom, search, and groups that open on a click."""
        return _write_page(self.view, self.depth)

    def _repr_svg_(self) -> str:
        return self.svg


def draw(
    what: Any,
    path: str | FilePath | None = None,
    *,
    stage: str = "graph",
    part: str = "all",
    depth: int | None = None,
) -> Drawing:
    """Draw a Function, a tensor, a list or dict of tensors, a Graph or a Schedule.

    path: a file ending in .dot, .svg, .png or .html; None only returns the drawing. stage: "graph"
    as the user built it, "optimized", or "program" with a frame around each kernel (Functions
    only). part: "all", "forward" or "backward". depth: how many levels of scopes to open; None
    opens as many as fit in 60 boxes.

    Raises ArgumentError for anything else.

    >>> import graphdl as gd
    >>> x = gd.placeholder("x", ("n",))
    >>> "multiply" in gd.draw(x * 2).dot
    True
    """
    if part not in PARTS:
        raise ArgumentError(f"draw: part is {part!r}", hint=f"use one of {', '.join(PARTS)}")
    if depth is not None and depth < 0:
        raise ArgumentError(f"draw: depth is {depth!r}", hint="use 0, 1, 2, … or None")
    drawing = Drawing(_view_of(what, stage, part), depth)
    if path is not None:
        _save(drawing, FilePath(path))
    return drawing


def _save(drawing: Drawing, path: FilePath) -> None:
    if path.suffix not in SUFFIXES:
        raise ArgumentError(f"draw: cannot write {path.name}", hint=f"use {', '.join(SUFFIXES)}")
    if path.suffix == ".png":
        path.write_bytes(drawing.png)
        return
    writers: dict[str, Callable[[], str]] = {
        ".dot": lambda: drawing.dot,
        ".svg": lambda: drawing.svg,
        ".html": lambda: drawing.html,
    }
    path.write_text(writers[path.suffix](), encoding="utf-8")


def _view_of(what: Any, stage: str, part: str) -> Drawable:
    source = _stage_of(what, stage)
    if isinstance(source, Schedule):
        schedule = source

        def view_schedule(*, depth: int | None = None, inside: Path = ()) -> Picture:
            return picture_of_schedule(schedule, depth=depth, inside=inside)

        return view_schedule
    graph = source

    def view_graph(*, depth: int | None = None, inside: Path = ()) -> Picture:
        return picture_of_graph(graph, part=part, depth=depth, inside=inside)

    return view_graph


def _stage_of(what: Any, stage: str) -> Graph | Schedule:
    if isinstance(what, Graph | Schedule):
        return what
    if hasattr(what, "stages"):
        if stage == "graph":
            found = what.graph
        elif stage == "optimized":
            found = what.schedule.graph
        elif stage == "program":
            found = what.schedule
        else:
            known = "graph, optimized, program"
            raise ArgumentError(f"draw: no picture of stage {stage!r}", hint=f"use {known}")
        assert isinstance(found, Graph | Schedule)
        return found
    tensors = leaves_of(what)
    if not tensors or not all(isinstance(tensor, Tensor) for tensor in tensors):
        raise ArgumentError(
            f"draw: cannot draw {type(what).__name__}",
            hint="give a Function, tensors, a Graph or a Schedule",
        )
    return Graph((), tuple(tensors))


def _write_page(view: Drawable, depth: int | None) -> str:
    first = view(depth=depth)
    views: dict[str, str] = {"best": svg_from_dot(dot_text(first))}
    opens: dict[str, str] = {}
    pending = [first]
    for level in (1, 2):
        picture = view(depth=level)
        if picture != first:
            views[f"depth {level}"] = svg_from_dot(dot_text(picture))
            pending.append(picture)
    while pending and len(views) < MAXIMUM_VIEWS:
        for box in pending.pop(0).boxes:
            if box.opens is None or len(views) >= MAXIMUM_VIEWS:
                continue
            name = " / ".join(box.opens)
            opens[box.key] = name
            if name not in views:
                inner = view(depth=None, inside=box.opens)
                views[name] = svg_from_dot(dot_text(inner))
                pending.append(inner)
    return html_text(first.title, views, opens, "best")
