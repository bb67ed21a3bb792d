"""Scatters of 16-bit floats add in float32; others stay."""

from __future__ import annotations

import numpy as np
import pytest

import graphdl as gd
from graphdl.graph.nodes import Graph
from graphdl.schedule.widen_scatters import widen_scatters
from tests.graph.same_values import assert_same_values


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_sixteen_bits_are_widened(dtype: str) -> None:
    x, u = gd.placeholder("x", (4, 2), dtype), gd.placeholder("u", (3, 2), dtype)
    graph = Graph((x, u), (gd.scatter_add(x, gd.constant(np.array([1, 1, 3])), u),))
    widened = widen_scatters(graph)
    scatter = next(node for node in widened.nodes() if node.op.name == "scatter_add")
    assert scatter.result_types[0].dtype == gd.float32
    assert_same_values(graph, widened)


def test_others_stay() -> None:
    x, u = gd.placeholder("x", (4, 2)), gd.placeholder("u", (3, 2))
    graph = Graph((x, u), (gd.scatter_add(x, gd.constant(np.array([1, 1, 3])), u),))
    assert widen_scatters(graph) is graph
