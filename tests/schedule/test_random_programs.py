"""Random graphs: fusion, order, lowering and memory plan change no bit."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from graphdl.graph.nodes import Graph
from graphdl.program.parser import parse
from graphdl.program.printer import text
from tests.graph.random_graphs import graphs
from tests.schedule.build_program import assert_program_agrees


@settings(max_examples=60)
@given(graph=graphs(most_nodes=16), seed=st.integers(0, 3), size=st.sampled_from((3, 1, 5)))
def test_a_program_computes_what_its_graph_means(graph: Graph, seed: int, size: int) -> None:
    program = assert_program_agrees(graph, seed=seed, size=size)
    assert parse(text(program)) == program
