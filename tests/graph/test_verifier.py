"""Each broken graph is refused with its node and the lines around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

from graphdl.errors import InternalError
from graphdl.graph.nodes import Graph, Node, Tensor, Update, build_node
from graphdl.graph.op import Attributes
from graphdl.graph.verifier import verify
from graphdl.ops import elementwise as e
from graphdl.ops import leaves, movement
from graphdl.ops.regions import remat
from graphdl.typesystem.dtype import float32, float64
from graphdl.typesystem.expression import Symbol
from graphdl.typesystem.tensor_type import TensorType
from tests.graph.random_graphs import graphs, leaf

N = Symbol("n")


@settings(max_examples=40, deadline=None)
@given(graphs())
def test_random_graphs_are_well_formed(graph: Graph) -> None:
    verify(graph)


def x_and_exp() -> tuple[Tensor, Node]:
    x = leaf("placeholder", "x", float32, (N,))
    return x, build_node(e.exp, (x,), name="h")


def parameter(position: int) -> Tensor:
    attributes = {"position": position, "dtype": float32, "shape": (N,)}
    return build_node(leaves.parameter, (), attributes).results[0]


def wrong_type() -> Graph:
    x, node = x_and_exp()
    return Graph((x,), replace(node, result_types=(TensorType(float64, (N,)),)).results)


def wrong_operand_count() -> Graph:
    x, node = x_and_exp()
    return Graph((x,), replace(node, operands=(x, x)).results)


def missing_attribute() -> Graph:
    x, _ = x_and_exp()
    node = movement.reshape(x, shape=(N, 1)).node
    return Graph((x,), replace(node, attributes=Attributes()).results)


def cycle() -> Graph:
    x, node = x_and_exp()
    later = e.negative(node.results[0])
    object.__setattr__(node, "operands", (later,))
    return Graph((x,), (later,))


def missing_result() -> Graph:
    x, node = x_and_exp()
    return Graph((x,), (e.negative(Tensor(node, 0)), build_node(e.log, (x,)).results[0]))


def unhashable_attribute() -> Graph:
    x, _ = x_and_exp()
    node = movement.reverse(x, axes=(0,)).node
    return Graph((x,), replace(node, attributes=Attributes({"axes": [0]})).results)


def stray_parameter() -> Graph:
    return Graph((), (e.exp(parameter(0)),))


def renumbered_parameter() -> Graph:
    x, _ = x_and_exp()
    inner = parameter(1)
    region = Graph((inner,), (e.exp(inner),))
    return Graph((x,), build_node(remat, (x,), regions=(region,)).results)


def hidden_capture() -> Graph:
    x, _ = x_and_exp()
    inner = parameter(0)
    region = Graph((inner,), (e.add(inner, x),))
    return Graph((x,), build_node(remat, (x,), regions=(region,)).results)


def wrong_update_type() -> Graph:
    state = leaf("variable", "w", float64, (N,))
    x, node = x_and_exp()
    return Graph((x,), (), (Update(state, node.results[0]),))


def two_updates() -> Graph:
    state = leaf("variable", "w", float32, (N,))
    x, node = x_and_exp()
    update = Update(state, node.results[0])
    return Graph((x,), (), (update, update))


def updated_input() -> Graph:
    x, node = x_and_exp()
    return Graph((x,), (), (Update(x, node.results[0]),))


def lost_guard() -> Graph:
    x, _ = x_and_exp()
    node = movement.reshape(x, shape=(N // 2, 2)).node
    return Graph((x,), replace(node, guards=()).results)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (wrong_type, "V2.*exp.*its type is float64.n., the type rule gives float32.n."),
        (wrong_operand_count, "V2.*the type rule refuses its operands.*needs 1 operands"),
        (missing_attribute, "V2.*the type rule refuses its operands"),
        (cycle, "V1.*depends on it"),
        (unhashable_attribute, "V3.*cannot be hashed"),
        (stray_parameter, "V4.*not among the inputs"),
        (renumbered_parameter, "V4.*input 0 of a region is not parameter 0"),
        (hidden_capture, "V5.*placeholder.*without being passed in"),
        (wrong_update_type, "V6.*float64.n. gets float32.n."),
        (two_updates, "V6.*updated twice"),
        (updated_input, "V6.*updated, but no variable"),
        (lost_guard, "V7.*guards"),
    ],
)
def test_a_broken_graph_is_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(InternalError, match=f"(?s){message}"):
        verify(make())


def test_a_result_that_does_not_exist_is_refused() -> None:
    x, node = x_and_exp()
    wrong = replace(build_node(e.negative, node.results), operands=(Tensor(node, 3),))
    with pytest.raises((InternalError, IndexError)):
        verify(Graph((x,), wrong.results))


def test_the_message_shows_the_node_among_its_neighbours() -> None:
    x, node = x_and_exp()
    bad = replace(build_node(e.log, node.results), result_types=(TensorType(float64, (N,)),))
    last = e.negative(e.convert(bad.results[0], dtype=float32))
    with pytest.raises(InternalError) as caught:
        verify(Graph((x,), (last,)))
    lines = str(caught.value).splitlines()
    assert [line[:2] for line in lines[1:]].count("> ") == 1
    marked = next(line for line in lines if line.startswith("> "))
    assert "log(h)" in marked
    assert any("exp(x)" in line for line in lines)
    assert any("convert" in line for line in lines)
