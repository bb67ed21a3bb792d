"""Elementwise work is done before values are repeated."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from graphdl.graph.nodes import Graph, Tensor, build_node
from graphdl.graph.printer import text
from graphdl.graph.verifier import verify
from graphdl.ops import elementwise as e
from graphdl.ops.arguments import filled
from graphdl.ops.movement import broadcast_in_dim
from graphdl.passes.delay_broadcasts import delay_broadcasts
from graphdl.passes.pipeline import optimize
from graphdl.rewrite.driver import counting_hits
from graphdl.typesystem.dtype import float32, int32
from graphdl.typesystem.expression import Symbol
from tests.graph.random_graphs import leaf
from tests.graph.same_values import assert_same_values
from tests.plugins.golden import Golden

N = Symbol("n")
WIDE = (N, 4)


def rows(x: Tensor) -> Tensor:
    return broadcast_in_dim(x, shape=WIDE, broadcast_dimensions=(0,))  # type: ignore[no-any-return]


def columns(x: Tensor) -> Tensor:
    return broadcast_in_dim(x, shape=WIDE, broadcast_dimensions=(1,))  # type: ignore[no-any-return]


def two() -> Tensor:
    return filled(2, float32, WIDE)


DELAYED = {
    "unary": lambda x, y: e.exp(rows(x)),
    "a chain": lambda x, y: e.negative(e.exp(e.negative(rows(x)))),
    "binary": lambda x, y: e.add(rows(x), rows(y)),
    "with a constant": lambda x, y: e.subtract(two(), rows(x)),
    "select": lambda x, y: e.select(e.less(rows(x), two()), rows(y), two()),
    "attributes": lambda x, y: e.convert(rows(x), dtype=int32),
    "of a broadcast": lambda x, y: e.add(rows(e.exp(x)), e.log(rows(y))),
}
LEFT = {
    "different axes": lambda x, y: e.add(rows(x), columns(leaf("placeholder", "z", float32, (4,)))),
    "a whole operand": lambda x, y: e.add(rows(x), e.exp(leaf("placeholder", "z", float32, WIDE))),
    "constants": lambda x, y: e.add(two(), two()),
    "nothing repeated": lambda x, y: e.exp(
        broadcast_in_dim(x, shape=(N, 1), broadcast_dimensions=(0,))
    ),
}


def graph_of(build: Callable[[Tensor, Tensor], Tensor]) -> Graph:
    x, y = (leaf("placeholder", name, float32, (N,)) for name in "xy")
    return Graph((x, y), (build(x, y),))


@pytest.mark.parametrize("name", DELAYED)
def test_delayed(name: str, golden: Golden) -> None:
    before = graph_of(DELAYED[name])
    with counting_hits() as hits:
        after = delay_broadcasts(before)
    verify(after)
    assert hits["delay_broadcasts"] >= 1
    shown = (text(graph, with_comments=False) for graph in (before, after))
    assert "->\n".join(shown) == golden
    assert after.outputs[0].node.op is broadcast_in_dim
    assert_same_values(before, after)
    assert_same_values(before, optimize(before, "exact")[0])
    assert delay_broadcasts(after) is after


@pytest.mark.parametrize("name", LEFT)
def test_left(name: str) -> None:
    graph = graph_of(LEFT[name])
    assert delay_broadcasts(graph) is graph


def test_a_broadcast_that_is_an_input_is_not_entered() -> None:
    wide = rows(leaf("placeholder", "x", float32, (N,)))
    graph = Graph((wide,), (e.exp(wide),))
    assert delay_broadcasts(graph) is graph


def test_labels_stay_on_the_whole_value() -> None:
    x = leaf("placeholder", "x", float32, (N,))
    graph = Graph((x,), build_node(e.exp, (rows(x),), name="h").results)
    new = delay_broadcasts(graph).outputs[0].node
    assert (new.name, new.location) == ("h", graph.outputs[0].node.location)
