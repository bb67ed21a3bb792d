"""No two live values share memory, nothing is larger than it must be, and copies come in order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphdl as gd
from graphdl.graph.nodes import Graph, Tensor, Update
from graphdl.lowering.assemble import lower_schedule
from graphdl.passes.inline_regions import inline_regions
from graphdl.program.nodes import Copy, Storage, Swap
from graphdl.schedule.fuse import fuse
from graphdl.schedule.order import order
from graphdl.schedule.plan_memory import MemoryPlan, is_at_least, plan_memory, round_up
from graphdl.typesystem.expression import Symbol, evaluate
from tests.graph.random_graphs import graphs
from tests.schedule.build_program import assert_program_agrees, build_program

N = Symbol("n")


def plan(graph: Graph) -> MemoryPlan:
    ordered = order(fuse(inline_regions(graph)))
    return plan_memory(ordered, lower_schedule(ordered).elsewhere)


def live_ranges(found: MemoryPlan, size: int) -> list[tuple[int, int, int, int]]:
    """(first byte, last byte, first group, last group) of every value in the arena."""
    ranges = []
    for key, (start, end) in found.lifetimes.items():
        view = found.views[key]
        if view.storage is Storage.ARENA:
            offset = evaluate(view.offset, {N: size})
            length = evaluate(view.type.byte_count, {N: size})
            assert offset % 64 == 0
            assert offset + length <= evaluate(found.arena_bytes, {N: size})
            ranges.append((offset, offset + length, start, end))
    return ranges


def overlapping(ranges: list[tuple[int, int, int, int]]) -> list[object]:
    return [
        (a, b)
        for at, a in enumerate(ranges)
        for b in ranges[:at]
        if a[0] < b[1] and b[0] < a[1] and a[2] <= b[3] and b[2] <= a[3]
    ]


@settings(max_examples=60)
@given(graph=graphs(most_nodes=25), size=st.sampled_from((1, 3, 40)))
def test_live_values_never_overlap(graph: Graph, size: int) -> None:
    assert overlapping(live_ranges(plan(graph), size)) == []


def test_a_chain_of_layers_needs_two_places() -> None:
    x = gd.placeholder("x", ("n", 64))
    w = gd.variable(np.ones((64, 64)))
    value: Tensor = x
    for _ in range(6):
        value = gd.relu(value @ w)
    assert plan(Graph((x,), (value,))).arena_bytes == 512 * N


def test_sizes_that_cannot_be_compared_do_not_share() -> None:
    n, m = Symbol("n"), Symbol("m")
    assert is_at_least(2 * n + 1, n)
    assert not is_at_least(n, m)
    assert not is_at_least(n, n + 1)
    assert round_up(4 * n) == (4 * n + 63) // 64 * 64
    assert round_up(64 * n) == 64 * n


def test_a_planted_overlap_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planner that puts everything in one place breaks both the property and the values."""
    x = gd.placeholder("x", ("n", 8))
    product = x @ gd.matrix_transpose(x)
    graph = Graph((x,), (gd.exp(product) @ x + gd.sum(product, axis=1)[:, None],))
    assert_program_agrees(graph)
    monkeypatch.setattr(
        "graphdl.schedule.plan_memory._Planner._take", lambda self, free, size: self.one(size)
    )
    monkeypatch.setattr(
        "graphdl.schedule.plan_memory._Planner.one", one_slot_for_all, raising=False
    )
    assert overlapping(live_ranges(plan(graph), 5))
    numbers = np.random.default_rng(0).standard_normal((5, 8)).astype(np.float32)
    with pytest.raises(AssertionError):
        assert_program_agrees(graph, inputs=[numbers])


def one_slot_for_all(self: object, size: object) -> object:
    slots = self.slots  # type: ignore[attr-defined]
    if not slots:
        slots.append(type("Slot", (), {"size": 4096 * N, "tenants": []})())
    return slots[0]


# Copies -------------------------------------------------------------------------------------------


def variable(name: str) -> Tensor:
    return gd.variable(np.arange(3.0), name=name)


def moves(*updates: Update, outputs: tuple[Tensor, ...] = ()) -> list[str]:
    program = assert_program_agrees(Graph((), outputs, updates))
    return [type(each).__name__ for each in program.statements if isinstance(each, Copy | Swap)]


def test_two_variables_swap() -> None:
    a, b = variable("a"), variable("b")
    assert moves(Update(a, b), Update(b, a)) == ["Swap"]


def test_three_variables_rotate_by_two_swaps() -> None:
    a, b, c = variable("a"), variable("b"), variable("c")
    assert moves(Update(a, b), Update(b, c), Update(c, a)) == ["Swap", "Swap"]


def test_a_chain_of_variables_moves_from_its_end() -> None:
    a, b, c = variable("a"), variable("b"), variable("c")
    assert moves(Update(a, b), Update(b, c)) == ["Copy", "Copy"]


def test_an_old_value_that_is_an_output_is_copied_first() -> None:
    a = variable("a")
    program = assert_program_agrees(Graph((), (a, a * 2), (Update(a, a + 1),)))
    assert isinstance(program.statements[0], Copy)


def test_an_output_that_is_an_input_is_a_copy() -> None:
    x = gd.placeholder("x", ("n", 2))
    program = assert_program_agrees(Graph((x,), (x, gd.reshape(x, (-1,)))))
    assert [type(each) for each in program.statements] == [Copy, Copy]


def test_a_new_value_that_is_an_output_is_computed_once() -> None:
    a = variable("a")
    new = gd.exp(a)
    assert moves(Update(a, new), outputs=(new, new)) == ["Copy", "Copy"]


def test_reading_other_places_than_one_writes_is_a_copy() -> None:
    a = variable("a")
    assert moves(Update(a, a + gd.flip(a, axis=0))) == ["Copy"]


def test_a_scatter_updates_its_variable_without_a_copy() -> None:
    table = gd.variable(np.zeros((4, 2)), name="table")
    ids = gd.constant(np.array([1, 1, 3]))
    new = gd.scatter_add(table, ids, gd.ones((3, 2)))
    program = build_program(Graph((), (), (Update(table, new),)))
    assert not any(isinstance(each, Copy) for each in program.statements)
    assert_program_agrees(Graph((), (), (Update(table, new),)))


def test_a_scatter_keeps_an_operand_that_others_need() -> None:
    table = gd.variable(np.zeros((4, 2)), name="table")
    ids = gd.constant(np.array([1, 1, 3]))
    program = assert_program_agrees(
        Graph((), (gd.scatter_add(table, ids, gd.ones((3, 2))), table + 1))
    )
    assert sum(isinstance(each, Copy) for each in program.statements) == 1
