"""What is stored in any case, and how far a contraction follows movements."""

from __future__ import annotations

import numpy as np

import graphdl as gd
from graphdl.graph.nodes import Graph, Tensor
from graphdl.schedule.mark import contraction_source, mark


def test_uses_pass_through_movements() -> None:
    x = gd.placeholder("x", (2, 3))
    e = gd.exp(x)
    t = gd.matrix_transpose(e)
    marks = mark(Graph((x,), (t + 1, t * 2)))
    assert marks.uses[marks.at(e)] == 2


def test_roots_are_wanted_below_their_reshapes() -> None:
    x = gd.placeholder("x", (2, 3))
    e = gd.exp(x)
    marks = mark(Graph((x,), (gd.reshape(e, (6,)),)))
    assert marks.wanted[marks.at(e)]
    assert sum(marks.wanted) == 1


def test_a_contraction_follows_even_steps_only() -> None:
    x = gd.placeholder("x", ("b", 4, 6))
    heads = gd.permute_dims(gd.reshape(x[:, :, 2:], ("b", 4, 2, 2)), (0, 2, 1, 3))
    assert contraction_source(heads, ()).is_same(x)
    merged = gd.reshape(gd.permute_dims(gd.exp(x), (0, 2, 1)), ("b", 24))
    assert contraction_source(merged, ()).node.op.name == "transpose"
    padded = gd.pad(x, ((0, 0), (1, 1), (0, 0)))
    assert contraction_source(padded, ()).is_same(padded)


def test_inputs_have_numbers_of_their_own() -> None:
    x, y = gd.placeholder("x", (2,)), gd.placeholder("y", (2,))
    marks = mark(Graph((x, y), (x + y,)))
    assert (marks.at(x), marks.at(y)) == (-1, -2)
    assert marks.rank(-1) == 1


def test_what_a_broadcast_repeats_is_stored_alone_when_dear() -> None:
    row = gd.variable(np.ones(3))
    dear: Tensor = gd.exp(row)
    marks = mark(Graph((), (gd.broadcast_to(dear, (4, 3)) + 1,)))
    assert marks.alone[marks.at(dear)]
