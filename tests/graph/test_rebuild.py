"""Substitution shares what does not change, enters regions, and infers types anew."""

from __future__ import annotations

import numpy as np
import pytest

from graphdl.errors import ShapeError
from graphdl.graph.interpreter import interpret
from graphdl.graph.nodes import Graph, StateWrite, Tensor, Update, build_node, topological_order
from graphdl.graph.parser import StorageName, parse
from graphdl.graph.printer import text
from graphdl.graph.rebuild import substitute, substitute_sizes, transform_graph
from graphdl.graph.verifier import verify
from graphdl.ops import elementwise as e
from graphdl.ops import leaves, movement, reduction
from graphdl.ops.arguments import filled
from graphdl.ops.regions import remat
from graphdl.ops.table import OPS
from graphdl.typesystem.dtype import float32
from graphdl.typesystem.expression import Symbol
from tests.graph.random_graphs import leaf

N = Symbol("n")


def test_only_what_depends_is_rebuilt() -> None:
    x, y = leaf("placeholder", "x", float32, (N,)), leaf("placeholder", "y", float32, (N,))
    shared = e.exp(y)
    changed = build_node(e.add, (e.negative(x), shared), name="sum").results[0]
    (new, same) = substitute((changed, shared), {x.key: y})
    assert same.is_same(shared)
    assert new.node.operands[1].is_same(shared)
    assert new.node.operands[0].node.operands[0].is_same(y)
    assert (new.node.name, new.node.location) == ("sum", changed.node.location)


def test_a_root_may_be_replaced_itself() -> None:
    x, y = leaf("placeholder", "x", float32, (N,)), leaf("placeholder", "y", float32, (N,))
    assert substitute((x,), {x.key: y})[0].is_same(y)
    assert substitute((x,), {})[0].is_same(x)


def test_replacements_are_not_replaced_again() -> None:
    x, y = leaf("placeholder", "x", float32, (N,)), leaf("placeholder", "y", float32, (N,))
    (new,) = substitute((e.subtract(x, y),), {x.key: y, y.key: x})
    assert new.node.operands[0].is_same(y)
    assert new.node.operands[1].is_same(x)


def test_types_are_found_again() -> None:
    x, y = leaf("placeholder", "x", float32, (N, 4)), leaf("placeholder", "y", float32, (5, 4))
    (new,) = substitute((reduction.reduce_sum(e.exp(x), axes=(1,)),), {x.key: y})
    assert str(new.type) == "float32[5]"
    with pytest.raises(ShapeError):
        substitute((e.add(x, leaf("placeholder", "z", float32, (N, 4))),), {x.key: y})


def test_state_writes_follow() -> None:
    x, y = leaf("placeholder", "x", float32, ()), leaf("placeholder", "y", float32, ())
    state = leaf("variable", "w", float32, ())
    node = build_node(e.exp, (y,), writes=(StateWrite(state, e.negative(x)),))
    (new,) = substitute(node.results, {x.key: y})
    assert new.node.writes[0].value.node.operands[0].is_same(y)
    assert new.node.writes[0].variable.is_same(state)


def region_with_constant() -> tuple[Tensor, Tensor, Tensor]:
    x = leaf("placeholder", "x", float32, ())
    attributes = {"position": 0, "dtype": float32, "shape": ()}
    inner = build_node(leaves.parameter, (), attributes).results[0]
    two = filled(2, float32)
    body = Graph((inner,), (e.multiply(inner, two),))
    return x, two, build_node(remat, (x,), regions=(body,)).results[0]


def test_regions_are_entered() -> None:
    x, two, y = region_with_constant()
    (new,) = substitute((y,), {two.key: filled(3, float32)})
    assert interpret(Graph((x,), (new,)), [5.0]).outputs[0] == 15
    assert interpret(Graph((x,), (y,)), [5.0]).outputs[0] == 10


def test_deep_graphs_do_not_recurse() -> None:
    x, y = leaf("placeholder", "x", float32, ()), leaf("placeholder", "y", float32, ())
    z = x
    for _ in range(5000):
        z = e.negative(z)
    (new,) = substitute((z,), {x.key: y})
    assert topological_order((new,))[0] is y.node


def test_a_walk_that_changes_nothing_gives_the_graph_itself() -> None:
    x, _, y = region_with_constant()
    graph = Graph((x,), (e.exp(y), e.log(y)))
    assert transform_graph(graph, lambda node, operands: None) is graph


def test_a_cut_input_stays_uncomputed() -> None:
    x = leaf("placeholder", "x", float32, ())
    h = e.exp(x)
    graph = Graph((h,), (e.negative(h),))
    seen = []
    transform_graph(graph, lambda node, operands: seen.append(node.op))  # type: ignore[func-returns-value]
    assert seen == [e.negative]


SIZED = """\
graph g(x):
  x: float32[n, 4] = placeholder(name="x", dtype=float32, shape=(n, 4), default=None)
  w: float32[4] = variable(storage=@"w", name="w", dtype=float32, shape=(4,), trainable=True)
  %2: float32[4] = reduce_sum(x, axes=(0,))
  %3: float32[4*n] = reshape(x, shape=(4*n,))
  %4: float32[n//2, 8] = reshape(%3, shape=(n//2, 8))
  %5: float32[] = size(value=n, dtype=float32)
  return %4, %5
  update w <- %2
"""


def test_sizes_are_fixed_everywhere() -> None:
    graph = parse(SIZED, OPS)
    fixed = substitute_sizes(graph, {N: 6})
    verify(fixed)
    assert "n//2" not in text(fixed)
    assert str(fixed.outputs[0].type) == "float32[3, 8]"
    assert not any(node.guards for node in fixed.nodes())
    data, weights = np.arange(24.0).reshape(6, 4), {StorageName("w"): np.ones(4, np.float32)}
    before, after = (interpret(g, [data], weights) for g in (graph, fixed))
    for left, right in zip(
        before.outputs + before.updates, after.outputs + after.updates, strict=True
    ):
        np.testing.assert_array_equal(left, right)


def test_sizes_are_renamed() -> None:
    graph = substitute_sizes(parse(SIZED, OPS), {N: Symbol("batch") * 2})
    verify(graph)
    assert str(graph.inputs[0].type) == "float32[2*batch, 4]"
    assert str(graph.outputs[0].type) == "float32[batch, 8]"


def test_updates_are_kept_with_their_variables() -> None:
    x, state = leaf("placeholder", "x", float32, ()), leaf("variable", "w", float32, ())
    graph = Graph((x,), (), (Update(state, e.exp(x)),))
    new = transform_graph(graph, lambda node, operands: (e.log(x),) if node.op is e.exp else None)
    assert new.updates[0].variable is state
    assert new.updates[0].value.node.op is e.log


def test_a_size_that_breaks_a_guard_keeps_the_guard() -> None:
    x = leaf("placeholder", "x", float32, (N,))
    fixed = substitute_sizes(Graph((x,), (movement.reshape(x, shape=(N // 2, 2)),)), {N: 5})
    with pytest.raises(ShapeError, match="element counts differ"):
        interpret(fixed, [np.ones(5)])
