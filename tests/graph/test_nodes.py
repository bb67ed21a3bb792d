"""Order, provenance and identity of nodes."""

from __future__ import annotations

from graphdl.graph.nodes import (
    Graph,
    StateWrite,
    build_node,
    gradient_of,
    name_scope,
    replacing,
    topological_order,
)
from graphdl.ops import elementwise as e
from graphdl.ops.regions import optimization_barrier
from graphdl.source_location import SourceLocation
from graphdl.typesystem.dtype import float32
from tests.graph.random_graphs import leaf


def test_operands_come_first_and_ties_in_order_of_use() -> None:
    x, y = leaf("placeholder", "x", float32, ()), leaf("placeholder", "y", float32, ())
    a, b = e.exp(x), e.exp(y)
    c = e.add(b, a)
    order = topological_order((c, a))
    assert order == [y.node, b.node, x.node, a.node, c.node]


def test_a_diamond_is_visited_once() -> None:
    x = leaf("placeholder", "x", float32, ())
    y = x
    for _ in range(60):
        y = e.add(y, y)
    assert len(topological_order((y,))) == 61


def test_inputs_cut_the_walk_at_one_result() -> None:
    x = leaf("placeholder", "x", float32, ())
    first, second = optimization_barrier(x, e.exp(x))
    (user,) = Graph((first,), (e.log(first),)).nodes()
    assert user.op is e.log
    order = Graph((first,), (e.add(first, second),)).nodes()
    assert [node.op.name for node in order] == [
        "placeholder",
        "exp",
        "optimization_barrier",
        "add",
    ]


def test_state_writes_are_walked_on_request() -> None:
    x, state = leaf("placeholder", "x", float32, ()), leaf("variable", "w", float32, ())
    value = e.negative(state)
    node = build_node(e.exp, (x,), writes=(StateWrite(state, value),))
    assert value.node not in topological_order(node.results)
    assert value.node in topological_order(node.results, with_writes=True)


def test_a_replacement_takes_line_scope_and_origin() -> None:
    x = leaf("placeholder", "x", float32, ())
    forward = e.exp(x).node
    line = SourceLocation("train.py", 3)
    with name_scope("block"), gradient_of(build_node(e.log, (x,), location=line)):
        old = e.exp(x).node
    with replacing(old), gradient_of(forward):
        new = e.log(x).node
    assert (new.location, new.scope, new.origin) == (line, old.scope, old.origin)
    assert e.log(x).node.origin is None
