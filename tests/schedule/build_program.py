"""From a graph to a checked Program, and both run on random numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdl.graph.interpreter import interpret as interpret_graph
from graphdl.graph.nodes import Graph
from graphdl.lowering.assemble import assemble, lower_schedule
from graphdl.passes.inline_regions import inline_regions
from graphdl.program.interpreter import interpret as interpret_program
from graphdl.program.nodes import Program
from graphdl.program.verifier import verify
from graphdl.schedule.fuse import fuse
from graphdl.schedule.order import order
from graphdl.schedule.plan_memory import plan_memory
from graphdl.schedule.widen_scatters import widen_scatters
from tests.graph.same_values import assert_equal_bits, named_sizes, random_array

Array = NDArray[Any]


def build_program(graph: Graph) -> Program:
    """Fuse, order, lower, place and assemble; the program is verified."""
    ordered = order(fuse(widen_scatters(inline_regions(graph))))
    lowered = lower_schedule(ordered)
    plan = plan_memory(ordered, lowered.elsewhere, lowered.workspaces)
    program = assemble("test", ordered.schedule.graph, ordered, lowered, plan, ())
    verify(program)
    return program


def run_both(
    graph: Graph,
    inputs: Sequence[Array] | None = None,
    *,
    seed: int = 0,
    size: int = 3,
    special: bool = True,
    program: Program | None = None,
) -> tuple[list[Array], list[Array]]:
    """(what the graph's interpreter says, what the program does): outputs, then new values."""
    rng = np.random.default_rng(seed)
    sizes = {symbol: size for symbol in sorted(named_sizes(graph), key=str)}
    if inputs is None:
        inputs = [random_array(tensor.type, sizes, rng, special) for tensor in graph.inputs]
    program = build_program(graph) if program is None else program
    states = {
        slot.value: random_array(slot.type, sizes, rng, special) for slot in program.variables
    }
    expected = interpret_graph(graph, inputs, states)
    arrays = [states[slot.value].copy() for slot in program.variables]
    outputs = interpret_program(program, inputs, arrays, expected.sizes)
    by_storage = dict(zip((slot.value for slot in program.variables), arrays, strict=True))
    updated = [by_storage[u.variable.node.attributes["storage"]] for u in graph.updates]
    return expected.outputs + expected.updates, outputs + updated


def assert_program_agrees(graph: Graph, **options: Any) -> Program:
    """The program of a graph computes the same bits as the graph."""
    program = build_program(graph)
    expected, found = run_both(graph, program=program, **options)
    for left, right in zip(expected, found, strict=True):
        assert_equal_bits(left, right)
    return program
