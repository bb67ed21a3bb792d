"""Groups are equal when one kernel serves both, and only then."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

import graphdl as gd
from graphdl.graph.nodes import Graph, Tensor, Update
from graphdl.lowering.group_key import group_key
from graphdl.schedule.fuse import fuse
from graphdl.schedule.order import order


def keys(*outputs: Tensor, updates: tuple[Update, ...] = ()) -> list[Hashable]:
    nodes = Graph((), outputs, updates).nodes()
    inputs = tuple(Tensor(node) for node in nodes if node.op.name == "placeholder")
    ordered = order(fuse(Graph(inputs, outputs, updates)))
    return [group_key(group, ordered.memory_of, ordered.in_place).key for group in ordered.groups]


def x(name: str, size: object = "n") -> Tensor:
    return gd.placeholder(name, (size, 4))


def test_equal_groups_have_equal_keys() -> None:
    first, second = keys(gd.softmax(x("a")), gd.softmax(x("b")))
    assert first == second


def test_sizes_constants_and_patterns_count() -> None:
    assert len(set(keys(gd.exp(x("a")) * 2, gd.exp(x("b")) * 3))) == 2
    assert len(set(keys(gd.exp(x("a")), gd.exp(x("b", 7))))) == 2
    a, b, c = x("a"), x("b"), x("c")
    assert len(set(keys(gd.exp(a) * b, gd.exp(c) * c))) == 2


def test_writing_a_variable_in_place_counts() -> None:
    v, w = (gd.variable(np.ones((3, 4)), name=name) for name in "vw")
    found = keys(gd.exp(v), updates=(Update(w, gd.exp(w)),))
    assert len(set(found)) == 2
