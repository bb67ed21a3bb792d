"""merge_loops, hoist_loop_invariants, eliminate_dead_code: loops run once and do what is needed."""

from __future__ import annotations

import graphdl as gd
from graphdl.graph.nodes import Graph, Node, Tensor
from graphdl.graph.printer import text
from graphdl.graph.verifier import verify
from graphdl.ops import control_flow as ops
from graphdl.passes.eliminate_dead_code import eliminate_dead_code
from graphdl.passes.hoist_loop_invariants import hoist_loop_invariants
from graphdl.passes.merge_loops import merge_loops
from graphdl.passes.pipeline import optimize
from tests.graph.same_values import assert_same_values
from tests.plugins.golden import Golden


def loops(graph: Graph) -> list[Node]:
    return [node for node in graph.nodes() if node.op is ops.scan]


def shown(before: Graph, after: Graph) -> str:
    verify(after)
    assert_same_values(before, after)
    return "->\n".join(text(graph, with_comments=False) for graph in (before, after))


def test_the_gradients_loop_is_merged_with_the_users(golden: Golden) -> None:
    x = gd.placeholder("x", (4, 3))
    last, _ = gd.scan(lambda c, v: (gd.sin(c) * v, None), gd.ones(3), x)
    before = Graph((x,), (last, gd.grad(gd.sum(last), x)))
    after = merge_loops(before)
    assert (len(loops(before)), len(loops(after))) == (3, 2)
    assert shown(before, after) == golden


def test_loops_with_other_carries_stay_apart() -> None:
    x = gd.placeholder("x", (4, 3))
    first, _ = gd.scan(lambda c, v: (c + v, None), gd.ones(3), x)
    second, _ = gd.scan(lambda c, v: (c * v, None), first, x)
    third, _ = gd.scan(lambda c, v: (c - v, None), first, x)
    graph = Graph((x,), (second, third))
    assert merge_loops(graph) is graph


def test_invariant_work_leaves_nested_loops(golden: Golden) -> None:
    x, w = gd.placeholder("x", (4, 3)), gd.placeholder("w", (3,))

    def outer(carry: Tensor, row: Tensor) -> tuple[Tensor, None]:
        inner, _ = gd.scan(lambda c, v: (c * gd.exp(w) + gd.sin(row) * v, None), carry, row)
        return inner, None

    before = Graph((x, w), (gd.scan(outer, gd.ones(3), x)[0],))
    after = hoist_loop_invariants(before)
    assert [node.op.name for node in after.nodes() if node.op.is_transcendental] == ["exp"]
    assert shown(before, after) == golden
    assert hoist_loop_invariants(after) is after


def test_what_nobody_reads_leaves_a_loop(golden: Golden) -> None:
    x, w = gd.placeholder("x", (4, 3)), gd.placeholder("w", (3,))

    def step(carry: list[Tensor], v: Tensor) -> tuple[list[Tensor], tuple[Tensor, Tensor]]:
        used, helps, dead = carry
        return [used + helps, helps * v, dead * w], (used, dead)

    (used, _, _), (ys, _) = gd.scan(step, [gd.ones(3)] * 3, x)
    before = Graph((x, w), (used, ys))
    after = eliminate_dead_code(before)
    (loop,) = loops(after)
    assert (len(loop.operands), len(loop.result_types)) == (3, 3)
    assert shown(before, after) == golden
    assert eliminate_dead_code(after) is after


def test_what_nobody_reads_leaves_a_branch() -> None:
    x, w = gd.placeholder("x", (3,)), gd.placeholder("w", (3,))
    index = gd.placeholder("index", (), dtype="int32")
    first, _ = gd.switch(index, [lambda: (x, w), lambda: (gd.sin(x), x)])
    before = Graph((x, w, index), (first,))
    after = eliminate_dead_code(before)
    (node,) = [node for node in after.nodes() if node.op is ops.switch]
    assert (len(node.operands), len(node.result_types)) == (2, 1)
    verify(after)


def test_rules_and_folding_reach_into_bodies() -> None:
    x = gd.placeholder("x", (4, 3))
    last, _ = gd.scan(lambda c, v: (gd.exp(v) + gd.exp(v) * 1.0 + c, None), 0.0, x[:, 0])
    (loop,) = loops(optimize(Graph((x,), (last,)))[0])
    names = [node.op.name for node in loop.regions[0].nodes()]
    assert names.count("exp") == 1
