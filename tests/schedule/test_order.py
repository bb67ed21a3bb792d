"""Old values live until their last reader; checks come before writes; memory stays small."""

from __future__ import annotations

import numpy as np

import graphdl as gd
from graphdl.graph.nodes import Graph, Tensor, Update
from graphdl.passes.guard_indices import guard_indices
from graphdl.schedule.fuse import fuse
from graphdl.schedule.groups import GroupKind
from graphdl.schedule.order import CopyReason, Order, order
from tests.schedule.build_program import assert_program_agrees


def ordered(
    outputs: tuple[Tensor, ...], updates: tuple[Update, ...], inputs: tuple[Tensor, ...] = ()
) -> Order:
    graph = Graph(inputs, outputs, updates)
    numbers = [np.full((3, 3), 0.5, np.float32) for _ in inputs]
    assert_program_agrees(graph, inputs=numbers, special=False)
    return order(fuse(graph))


def matrix(name: str = "w") -> Tensor:
    return gd.variable(np.arange(9.0).reshape(3, 3), name=name)


def test_a_variable_is_written_after_its_other_readers() -> None:
    w, x = matrix(), gd.placeholder("x", (3, 3))
    new = x @ x + w
    found = ordered((w @ w,), (Update(w, new),), (x,))
    assert list(found.in_place.values()) == [w]
    writer = next(group for group in found.groups if new.key in {t.key for t in group.outputs})
    assert found.groups[-1] is writer


def test_a_reader_that_must_run_later_makes_the_update_a_copy() -> None:
    w = matrix()
    new = gd.exp(w)
    found = ordered((new @ w,), (Update(w, new),))
    assert found.copied[0][1] is CopyReason.OLD_VALUE


def test_an_old_value_that_moves_on_is_not_overwritten() -> None:
    a, b = matrix("a"), matrix("b")
    found = ordered((), (Update(a, a * 2), Update(b, a)))
    assert {reason for _, reason in found.copied} == {CopyReason.OLD_VALUE_MOVES, CopyReason.INPUT}


def test_one_value_for_two_variables_is_written_once_and_copied() -> None:
    a, b = matrix("a"), matrix("b")
    new = a + b
    found = ordered((), (Update(a, new), Update(b, new)))
    assert [reason for _, reason in found.copied] == [CopyReason.SHARED]


def test_checks_run_before_the_first_write() -> None:
    w, x = matrix(), gd.placeholder("x", (3, 3))
    checked = gd.check(x, gd.all(x < 1e9), "small")
    found = ordered((checked,), (Update(w, w + 1),), (x,))
    kinds = [group.kind for group in found.groups]
    writer = next(at for at, group in enumerate(found.groups) if _writes(found, group.outputs))
    assert kinds.index(GroupKind.HOST) < writer


def _writes(found: Order, outputs: tuple[Tensor, ...]) -> bool:
    return any(output.key in found.in_place for output in outputs)


def test_a_check_of_the_new_value_leaves_the_variable_alone_until_the_end() -> None:
    w = matrix()
    new = w + 1
    found = ordered((), (Update(w, gd.check(new, gd.all(new < 1e9), "small")),))
    assert found.copied[0][1] is CopyReason.CHECKS


def test_effects_keep_their_build_order() -> None:
    x = gd.placeholder("x", (3,))
    first = gd.print(x + 1, "first")
    second = gd.print(gd.sin(x), "second")
    found = order(fuse(Graph((x,), (second, first))))
    messages = [
        group.nodes[0].attributes["message"]
        for group in found.groups
        if group.kind is GroupKind.HOST
    ]
    assert messages == ["first", "second"]


def test_what_frees_memory_runs_first() -> None:
    """A chain of matrix products with a sum of each: the sum runs before the next product."""
    x = gd.placeholder("x", (64, 64))
    values, sums = [x], []
    for _ in range(4):
        values.append(values[-1] @ values[-1])
        sums.append(gd.sum(values[-1]))
    found = order(fuse(Graph((x,), tuple(reversed(sums)))))
    kinds = [group.kind.value for group in found.groups]
    assert kinds == ["contraction", "row"] * 4


def test_index_inputs_are_checked_before_the_first_kernel() -> None:
    x, label = gd.placeholder("x", ("n", 4)), gd.placeholder("label", ("n",), "int64")
    picked = gd.take_along_axis(gd.softmax(x), label[:, None], axis=1)
    graph, checks = guard_indices(Graph((x, label), (gd.sum(x @ gd.ones((4, 4))), picked)))
    kinds = [group.kind for group in order(fuse(graph)).groups]
    assert len(checks) == 1
    assert kinds.index(GroupKind.HOST) == 1
