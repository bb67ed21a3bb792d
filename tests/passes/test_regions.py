"""inline_regions, eliminate_dead_code, fold_training: regions open up, nothing dead stays."""

from __future__ import annotations

import numpy as np

from graphdl.graph.interpreter import interpret
from graphdl.graph.nodes import Graph, StateWrite, Tensor, build_node
from graphdl.graph.parser import parse
from graphdl.graph.printer import text
from graphdl.graph.verifier import verify
from graphdl.ops import elementwise as e
from graphdl.ops import leaves, movement
from graphdl.ops.regions import remat
from graphdl.ops.table import OPS
from graphdl.passes.eliminate_dead_code import eliminate_dead_code
from graphdl.passes.fold_training import fold_training
from graphdl.passes.inline_regions import inline_regions
from graphdl.passes.pipeline import optimize
from graphdl.typesystem.dtype import float32
from tests.graph.random_graphs import leaf
from tests.graph.same_values import assert_same_values
from tests.plugins.golden import Golden

NESTED = """\
graph g(x, y):
  x: float32[n] = placeholder(name="x", dtype=float32, shape=(n,), default=None)
  y: float32[n] = placeholder(name="y", dtype=float32, shape=(n,), default=None)
  %2.0: float32[n], %2.1: float32[n], %2.2: float32[n] = remat(x, y, x) regions:
    graph outer(%0, %1, %2):
      %0: float32[n] = parameter(position=0, dtype=float32, shape=(n,))
      %1: float32[n] = parameter(position=1, dtype=float32, shape=(n,))
      %2: float32[n] = parameter(position=2, dtype=float32, shape=(n,))
      %3: float32[n] = exp(%0)
      %4.0: float32[n], %4.1: float32[n] = remat(%3, %1) regions:
        graph inner(%0, %1):
          %0: float32[n] = parameter(position=0, dtype=float32, shape=(n,))
          %1: float32[n] = parameter(position=1, dtype=float32, shape=(n,))
          %2: float32[n] = negative(%0)
          %3: float32[n] = tanh(%1)
          return %2, %3
      return %4.0, %4.1, %2
  %3: float32[n] = log(%2.0)
  return %3
"""
CUSTOM = """\
graph g(x):
  x: float32[n] = placeholder(name="x", dtype=float32, shape=(n,), default=None)
  %1: float32[n] = custom_gradient(x, arguments=(0,), captures=0) regions:
    graph forward(%0):
      %0: float32[n] = parameter(position=0, dtype=float32, shape=(n,))
      h: float32[n] = exp(%0)  # a.py:3 in block
      return h
    graph backward(%0, %1):
      %0: float32[n] = parameter(position=0, dtype=float32, shape=(n,))
      %1: float32[n] = parameter(position=1, dtype=float32, shape=(n,))
      return %1
  return %1
"""


def shown(before: Graph, after: Graph) -> str:
    return "->\n".join(text(graph, with_comments=False) for graph in (before, after))


def test_nested_regions_are_inlined(golden: Golden) -> None:
    before = parse(NESTED, OPS)
    after = inline_regions(before)
    verify(after)
    assert shown(before, after) == golden
    assert_same_values(before, after)
    assert_same_values(before, optimize(before, "exact")[0])


def test_custom_gradients_become_their_forward_graph(golden: Golden) -> None:
    before = parse(CUSTOM, OPS)
    after = inline_regions(before)
    assert shown(before, after) == golden
    node = after.outputs[0].node
    assert (node.name, str(node.location), node.scope) == ("h", "a.py:3", ("block",))
    assert_same_values(before, after)


def test_one_region_in_two_places_uses_each_ones_operands() -> None:
    attributes = {"position": 0, "dtype": float32, "shape": ()}
    inner = build_node(leaves.parameter, (), attributes).results[0]
    region = Graph((inner,), (e.exp(inner),))
    x = leaf("placeholder", "x", float32, ())
    once = build_node(remat, (x,), regions=(region,)).results[0]
    twice = build_node(remat, (once,), regions=(region,)).results[0]
    graph = Graph((x,), (once, twice))
    assert_same_values(graph, inline_regions(graph))
    assert [node.op.name for node in inline_regions(graph).nodes()] == ["exp", "exp"]


def test_unused_results_and_captures_go(golden: Golden) -> None:
    before = parse(NESTED, OPS)
    after = eliminate_dead_code(before)
    verify(after)
    assert shown(before, after) == golden
    assert_same_values(before, after)
    assert eliminate_dead_code(after) is after


def test_a_used_region_stays() -> None:
    graph = parse(CUSTOM, OPS)
    assert eliminate_dead_code(graph) is graph
    flat = inline_regions(graph)
    assert eliminate_dead_code(flat) is flat


def flagged() -> tuple[Graph, Tensor]:
    x = leaf("placeholder", "x", float32, (2,))
    flag = build_node(leaves.is_training).results[0]
    wide = movement.broadcast_in_dim(flag, shape=(2,), broadcast_dimensions=())
    return Graph((x,), (e.select(wide, e.exp(x), x),)), x


def test_the_training_flag_is_decided(golden: Golden) -> None:
    before, x = flagged()
    after = fold_training(before, True)
    assert shown(before, after) == golden
    assert_same_values(before, after, training=True)
    assert optimize(before, "exact", training=False)[0].outputs[0].is_same(x)
    assert optimize(before, "exact", training=True)[0].outputs[0].node.op is e.exp


def test_the_flag_inside_a_region_is_decided() -> None:
    attributes = {"position": 0, "dtype": float32, "shape": ()}
    inner = build_node(leaves.parameter, (), attributes).results[0]
    flag = build_node(leaves.is_training).results[0]
    region = Graph((inner,), (e.select(flag, e.exp(inner), inner),))
    x = leaf("placeholder", "x", float32, ())
    graph = Graph((x,), build_node(remat, (x,), regions=(region,)).results)
    for training in (True, False):
        new = fold_training(graph, training)
        verify(new)
        run = interpret(new, [1.0], training=not training)
        np.testing.assert_allclose(run.outputs[0], np.e if training else 1, rtol=1e-6)


def test_state_writes_have_been_collected() -> None:
    x, state = leaf("placeholder", "x", float32, ()), leaf("variable", "w", float32, ())
    node = build_node(e.exp, (x,), writes=(StateWrite(state, x),))
    new = fold_training(Graph((x,), node.results), True).outputs[0].node
    assert new.writes == ()
    assert new.location == node.location
