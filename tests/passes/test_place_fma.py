"""One rounding where a product feeds one sum; everything else as it was."""

from __future__ import annotations

import numpy as np
import pytest

from graphdl.graph.interpreter import interpret
from graphdl.graph.nodes import Graph, build_node
from graphdl.graph.printer import text
from graphdl.graph.verifier import verify
from graphdl.ops import elementwise as e
from graphdl.passes.pipeline import optimize
from graphdl.passes.place_fma import place_fma
from graphdl.rewrite.driver import counting_hits
from graphdl.typesystem.dtype import DType, bfloat16, float16, float32, float64, int32
from tests.graph.random_graphs import leaf
from tests.graph.same_values import assert_same_values
from tests.passes.rule_cases import Case, like
from tests.plugins.golden import Golden

FUSED = {
    "add": lambda x, y: e.add(e.multiply(x, y), x),
    "add on the right": lambda x, y: e.add(x, e.multiply(x, y)),
    "product less": lambda x, y: e.subtract(e.multiply(x, y), x),
    "less a product": lambda x, y: e.subtract(x, e.multiply(e.exp(x), y)),
    "less a scaled": lambda x, y: e.subtract(x, e.multiply(y, like(0.1, x))),
    "two products": lambda x, y: e.add(e.multiply(x, x), e.multiply(y, y)),
}
LEFT = {
    "a product used twice": lambda x, y: (lambda p: e.add(e.add(p, x), e.exp(p)))(e.multiply(x, y)),
    "a product plus itself": lambda x, y: (lambda p: e.add(p, p))(e.multiply(x, y)),
    "no product": lambda x, y: e.add(e.exp(x), y),
    "a product of a sum": lambda x, y: e.multiply(e.add(x, y), y),
}


@pytest.mark.parametrize("name", FUSED)
def test_fused(name: str, golden: Golden) -> None:
    for dtype in (float32, float64):
        before = Case("", FUSED[name]).graph(dtype)
        after = place_fma(before)
        verify(after)
        if dtype == float32:
            shown = (text(graph, with_comments=False) for graph in (before, after))
            assert "->\n".join(shown) == golden
        assert "fma" in [node.op.name for node in after.nodes()]
        tolerance = 1e-6 if dtype == float32 else 1e-14
        assert_same_values(before, after, tolerance=tolerance, special=False)
        assert_same_values(before, optimize(before, "fast")[0], tolerance=tolerance, special=False)


@pytest.mark.parametrize("name", LEFT)
def test_left(name: str) -> None:
    graph = Case("", LEFT[name]).graph(float32)
    assert place_fma(graph) is graph


@pytest.mark.parametrize("dtype", [float16, bfloat16, int32], ids=str)
def test_other_dtypes_are_left(dtype: DType) -> None:
    graph = Case("", FUSED["add"]).graph(dtype)
    assert place_fma(graph) is graph


def test_exact_numerics_have_no_fma() -> None:
    graph = Case("", FUSED["add"]).graph(float32)
    exact, records = optimize(graph, "exact")
    assert exact is graph
    assert "place_fma" not in [record.name for record in records]


def test_one_rounding() -> None:
    x, y, z = (leaf("placeholder", name, float32, ()) for name in "xyz")
    graph = Graph((x, y, z), (e.add(e.multiply(x, y), z),))
    data = [np.float32(1 + 2**-12), np.float32(1 + 2**-12), np.float32(-1)]
    exact = (1 + 2**-12) ** 2 - 1
    assert interpret(place_fma(graph), data).outputs[0] == np.float32(exact)
    assert interpret(graph, data).outputs[0] != np.float32(exact)


def test_labels_lines_and_hits() -> None:
    x, y = (leaf("placeholder", name, float32, ()) for name in "xy")
    total = build_node(e.add, (e.multiply(x, y), y), name="total")
    with counting_hits() as hits:
        (new,) = place_fma(Graph((x, y), total.results)).outputs
    assert (new.node.name, new.node.location) == ("total", total.location)
    assert hits == {"place_fma": 1}


def test_a_product_that_is_an_output_or_input_stays() -> None:
    x, y = (leaf("placeholder", name, float32, ()) for name in "xy")
    product = e.multiply(x, y)
    for graph in (
        Graph((x, y), (e.add(product, x), product)),
        Graph((x, product), (e.add(product, x),)),
    ):
        assert place_fma(graph) is graph
