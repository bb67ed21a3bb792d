"""Index inputs get a check; computed indices do not; values stay the same."""

from __future__ import annotations

import numpy as np
import pytest

import graphdl as gd
from graphdl.errors import NumericsError
from graphdl.graph.interpreter import interpret
from graphdl.graph.nodes import Graph, Tensor
from graphdl.graph.verifier import verify
from graphdl.passes.guard_indices import guard_indices

TABLE = np.arange(8, dtype=np.float32).reshape(4, 2)


def ids(dtype: str = "int64") -> Tensor:
    return gd.placeholder("ids", ("n",), dtype)


def guarded(inputs: tuple[Tensor, ...], *outputs: Tensor) -> tuple[Graph, int]:
    graph, checks = guard_indices(Graph(inputs, outputs))
    verify(graph)
    return graph, len(checks)


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8"])
def test_an_input_is_checked_through_conversions_and_movements(dtype: str) -> None:
    i = ids(dtype)
    picked = gd.take(gd.constant(TABLE), gd.reshape(gd.astype(i, "int64"), (-1, 1)), axis=0)
    graph, count = guarded((i,), picked)
    assert count == 1
    data = np.array([0, 3], dtype)
    expected = interpret(Graph((i,), (picked,)), [data]).outputs[0]
    np.testing.assert_array_equal(interpret(graph, [data]).outputs[0], expected)
    with pytest.raises(NumericsError, match=r'"ids" holds an index outside \[0, 4\)'):
        interpret(graph, [np.array([0, 4], dtype)])


def test_one_check_for_one_index_and_size() -> None:
    i = ids()
    table = gd.constant(TABLE)
    assert guarded((i,), gd.take(table, i, axis=0), gd.take(table * 2, i, axis=0))[1] <= 2


def test_computed_indices_are_only_clamped() -> None:
    x = gd.placeholder("x", ("n", 4))
    graph, count = guarded((x,), gd.take(gd.constant(TABLE), gd.argmax(x, axis=1), axis=0))
    assert count == 0
    assert graph.outputs[0].node.op.name == "gather"


def test_scatters_are_checked_too() -> None:
    i = ids()
    target = gd.scatter_add(gd.constant(TABLE), i, gd.ones(("n", 2)))
    graph, count = guarded((i,), target)
    assert count == 1
    with pytest.raises(NumericsError):
        interpret(graph, [np.array([9])])


def test_a_named_axis_is_checked_against_its_size() -> None:
    i, x = ids(), gd.placeholder("x", ("m", 2))
    graph, _ = guarded((i, x), gd.take(x, i, axis=0))
    interpret(graph, [np.array([4]), np.zeros((5, 2))])
    with pytest.raises(NumericsError):
        interpret(graph, [np.array([5]), np.zeros((5, 2))])
