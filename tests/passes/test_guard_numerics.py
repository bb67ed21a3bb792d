"""Every floating result is checked, in order, and named with its line."""

from __future__ import annotations

import numpy as np
import pytest

import graphdl as gd
from graphdl.errors import NumericsError
from graphdl.graph.interpreter import interpret
from graphdl.graph.nodes import Graph
from graphdl.graph.verifier import verify
from graphdl.passes.guard_numerics import guard_numerics, numerics_message


def test_values_stay_and_every_floating_node_is_checked() -> None:
    x = gd.placeholder("x", ("n", 2))
    y = gd.sum(gd.exp(x) * 2, axis=1)
    graph = Graph((x,), (y, gd.argmax(x, axis=1)))
    checked = guard_numerics(graph)
    verify(checked)
    data = np.ones((3, 2), np.float32)
    for left, right in zip(
        interpret(graph, [data]).outputs, interpret(checked, [data]).outputs, strict=True
    ):
        np.testing.assert_array_equal(left, right)
    messages = [node.attributes["message"] for node in checked.nodes() if node.op.name == "check"]
    assert [message.split(" is ")[0] for message in messages] == [
        'placeholder "x"', "exp", "multiply", "reduce_sum",
    ]  # fmt: skip


def test_the_first_bad_value_stops() -> None:
    x = gd.placeholder("x", ())
    graph = guard_numerics(Graph((x,), (gd.exp(gd.log(x)),)))
    with pytest.raises(NumericsError, match="log is NaN or infinite"):
        interpret(graph, [np.float32(-1)])


def test_a_gradient_names_its_forward_node() -> None:
    x = gd.placeholder("x", ())
    gradient = gd.grad(gd.sqrt(x), x)
    texts = [numerics_message(node) for node in Graph((x,), (gradient,)).nodes()]
    assert any("in the gradient of sqrt (test_guard_numerics.py" in text for text in texts)
