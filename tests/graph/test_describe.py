"""One tensor in one line."""

from __future__ import annotations

from graphdl.graph.describe import describe
from graphdl.graph.nodes import build_node
from graphdl.ops import elementwise as e
from graphdl.ops import movement
from graphdl.ops.arguments import filled
from graphdl.ops.regions import optimization_barrier
from graphdl.source_location import SourceLocation
from graphdl.typesystem.dtype import float32
from graphdl.typesystem.expression import Symbol
from tests.graph.random_graphs import leaf

N = Symbol("batch")
LINE = SourceLocation("/home/me/train.py", 12)


def test_an_error_shows_type_label_and_line() -> None:
    x = leaf("placeholder", "image", float32, (N, 784))
    assert describe(x).startswith('float32[batch, 784]  placeholder "image"   ')
    node = build_node(e.exp, (x,), location=LINE)
    assert describe(node.results[0]) == "float32[batch, 784]  exp   train.py:12"


def test_repr_is_the_line_of_text() -> None:
    x = leaf("placeholder", "image", float32, (N, 4))
    zero = filled(0, float32)
    wide = movement.broadcast_in_dim(zero, shape=(N, 4), broadcast_dimensions=())
    h = build_node(e.maximum, (x, wide), name="h", location=LINE)
    assert repr(h.results[0]) == (
        f"h: float32[batch, 4] = maximum(image, %{wide.node.serial})  # train.py:12"
    )
    assert "broadcast_in_dim(0.0, shape=(batch, 4)" in repr(wide)


def test_several_results_are_told_apart() -> None:
    x = leaf("placeholder", "x", float32, (2,))
    first, second = optimization_barrier(x, x)
    assert repr(first).startswith(
        f"%{first.node.serial}.0: float32[2] = optimization_barrier(x, x)"
    )
    assert repr(second).startswith(f"%{first.node.serial}.1:")
