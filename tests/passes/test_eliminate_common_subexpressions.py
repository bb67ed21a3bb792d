"""Equal nodes become one; barriers, effects, writes and inputs stay apart."""

from __future__ import annotations

from graphdl.graph.nodes import Graph, StateWrite, Tensor, build_node
from graphdl.graph.parser import parse
from graphdl.graph.printer import text
from graphdl.graph.verifier import verify
from graphdl.ops import elementwise as e
from graphdl.ops.arguments import filled
from graphdl.ops.effect import print_
from graphdl.ops.regions import optimization_barrier
from graphdl.ops.table import OPS
from graphdl.passes.eliminate_common_subexpressions import eliminate_common_subexpressions
from graphdl.rewrite.driver import counting_hits
from graphdl.typesystem.dtype import float32
from tests.graph.random_graphs import leaf
from tests.graph.same_values import assert_same_values
from tests.passes.rule_cases import Case, N
from tests.plugins.golden import Golden

REGIONS = """\
graph g(x):
  x: float32[n] = placeholder(name="x", dtype=float32, shape=(n,), default=None)
  %1: float32[n] = remat(x) regions:
    graph first(%0):
      %0: float32[n] = parameter(position=0, dtype=float32, shape=(n,))  # a.py:1
      h: float32[n] = exp(%0)
      %2: float32[n] = exp(%0)
      %3: float32[n] = add(h, %2)
      return %3
  %2: float32[n] = remat(x) regions:
    graph second(%0):
      %0: float32[n] = parameter(position=0, dtype=float32, shape=(n,))  # b.py:1
      %1: float32[n] = exp(%0)
      %2: float32[n] = add(%1, %1)
      return %2
  %3: float32[n] = remat(x) regions:
    graph third(%0):
      %0: float32[n] = parameter(position=0, dtype=float32, shape=(n,))
      %1: float32[n] = log(%0)
      return %1
  return %1, %2, %3
"""


def merged(*outputs: Tensor) -> Graph:
    leaves = {node for t in outputs for node in Graph((), (t,)).nodes()}
    inputs = tuple(node.results[0] for node in leaves if node.op.name == "placeholder")
    before = Graph(tuple(sorted(inputs, key=lambda t: t.node.serial)), outputs)
    after = eliminate_common_subexpressions(before)
    verify(after)
    return after


def test_equal_nodes_are_merged(golden: Golden) -> None:
    def build(x: Tensor, y: Tensor) -> Tensor:
        left = e.add(e.exp(e.multiply(x, y)), filled(1, float32, x.shape))
        right = e.add(filled(1, float32, x.shape), e.exp(e.multiply(y, x)))
        return e.subtract(left, right)  # type: ignore[no-any-return]

    before = Case("", build).graph(float32)
    with counting_hits() as hits:
        after = eliminate_common_subexpressions(before)
    shown = (text(graph, with_comments=False) for graph in (before, after))
    assert "->\n".join(shown) == golden
    assert hits == {"eliminate_common_subexpressions": 5}
    verify(after)
    assert_same_values(before, after)
    assert eliminate_common_subexpressions(after) is after


def test_different_attributes_operands_and_orders_are_not() -> None:
    x, y = leaf("placeholder", "x", float32, (N,)), leaf("placeholder", "y", float32, (N,))
    pairs = (
        (e.subtract(x, y), e.subtract(y, x)),
        (e.exp(x), e.exp(y)),
        (filled(0.0, float32), filled(-0.0, float32)),
        (filled(1, float32, (2,)), filled(1, float32, (3,))),
    )
    for left, right in pairs:
        new = merged(left, right)
        assert not new.outputs[0].is_same(new.outputs[1])


def test_nan_constants_are_merged() -> None:
    new = merged(filled(float("nan"), float32), filled(float("nan"), float32))
    assert new.outputs[0].is_same(new.outputs[1])


def test_placeholders_of_one_name_stay_apart() -> None:
    x, y = (leaf("placeholder", "x", float32, (N,)) for _ in range(2))
    new = merged(x, y)
    assert not new.outputs[0].is_same(new.outputs[1])


def test_variables_of_one_storage_are_one() -> None:
    first = leaf("variable", "w", float32, (N,))
    second = build_node(first.node.op, (), first.node.attributes).results[0]
    new = merged(e.exp(first), e.exp(second))
    assert new.outputs[0].is_same(new.outputs[1])


def test_effects_and_writes_stay() -> None:
    x, state = leaf("placeholder", "x", float32, ()), leaf("variable", "w", float32, ())
    write = (StateWrite(state, x),)
    outputs = (
        print_(x, message="a"),
        print_(x, message="a"),
        build_node(e.exp, (x,), writes=write).results[0],
        build_node(e.exp, (x,), writes=write).results[0],
    )
    assert len({t.node for t in merged(*outputs).outputs}) == 4


def test_what_is_computed_again_behind_a_barrier_stays_apart() -> None:
    x = leaf("placeholder", "x", float32, ())
    once, again = e.exp(x), e.exp(optimization_barrier(x))
    new = merged(once, again)
    assert not new.outputs[0].is_same(new.outputs[1])


def test_several_results_are_merged_together() -> None:
    x, y = leaf("placeholder", "x", float32, ()), leaf("placeholder", "y", float32, ())
    left, right = (optimization_barrier(x, y) for _ in range(2))
    new = merged(left[0], right[1])
    assert new.outputs[0].node is new.outputs[1].node


def test_regions_are_merged_inside_and_as_a_whole() -> None:
    before = parse(REGIONS, OPS)
    after = eliminate_common_subexpressions(before)
    verify(after)
    first, second, third = (tensor.node for tensor in after.outputs)
    assert first is second
    assert third is not first
    assert len(first.regions[0].nodes()) == 2
    assert_same_values(before, after)


def test_a_cut_input_is_not_its_computation() -> None:
    x = leaf("placeholder", "x", float32, ())
    given = e.exp(x)
    graph = Graph((given, x), (e.negative(given), e.negative(e.exp(x))))
    new = eliminate_common_subexpressions(graph)
    assert not new.outputs[0].is_same(new.outputs[1])
