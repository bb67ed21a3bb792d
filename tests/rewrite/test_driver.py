"""Rules are applied to a fixpoint, keep provenance, and are caught when they are wrong."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from graphdl.config import configure
from graphdl.errors import InternalError
from graphdl.graph.nodes import Graph, Tensor, build_node, gradient_of, name_scope
from graphdl.graph.printer import text
from graphdl.graph.verifier import verify
from graphdl.ops import elementwise as e
from graphdl.ops import leaves
from graphdl.ops.regions import optimization_barrier, remat
from graphdl.rewrite.driver import Rule, apply_rules, counting_hits, rewrite, rule
from graphdl.rewrite.pattern import node_of, variables
from graphdl.source_location import SourceLocation
from graphdl.typesystem.dtype import float32, float64
from graphdl.typesystem.expression import Symbol
from tests.graph.random_graphs import leaf
from tests.graph.same_values import assert_same_values

N = Symbol("n")
x, y = variables("x", "y")


@rule(e.negative(e.negative(x)))
def drop_double_negation(x: Tensor) -> Tensor:
    """-(-x) is x."""
    return x


@rule(e.log(e.exp(x)))
def cancel(x: Tensor) -> Tensor:
    """log(exp(x)) is x."""
    return x


@rule(e.abs_(x))
def spell_out(x: Tensor) -> Tensor:
    """|x| is -(-(log(exp(x)))): nonsense, but work for the other rules."""
    return e.negative(e.negative(e.log(e.exp(x))))  # type: ignore[no-any-return]


@pytest.fixture
def a() -> Tensor:
    return leaf("placeholder", "a", float32, (N,))


def ops_of(graph: Graph) -> list[str]:
    return [node.op.name for node in graph.nodes()]


def test_what_a_rule_builds_is_rewritten_too(a: Tensor) -> None:
    graph = Graph((a,), (e.sqrt(e.abs_(a)),))
    new, hits = apply_rules(graph, (drop_double_negation, cancel, spell_out))
    assert ops_of(new) == ["sqrt"]
    assert hits == {"spell_out": 1, "cancel": 1, "drop_double_negation": 1}


def test_nothing_to_do_gives_the_graph_itself(a: Tensor) -> None:
    graph = Graph((a,), (e.exp(a),))
    assert apply_rules(graph, (drop_double_negation, cancel)) == (graph, {})


def test_long_chains_and_deep_graphs(a: Tensor) -> None:
    z = a
    for _ in range(4001):
        z = e.negative(z)
    new, hits = apply_rules(Graph((a,), (z,)), (drop_double_negation,))
    assert ops_of(new) == ["negative"]
    assert hits["drop_double_negation"] == 2000


def test_a_replacement_takes_line_scope_origin_and_label(a: Tensor) -> None:
    line = SourceLocation("train.py", 3)
    forward = e.tanh(a).node
    with name_scope("encoder"), gradient_of(forward):
        old = build_node(e.log, (e.exp(a),), name="h", location=line)

    @rule(e.log(x))
    def double(x: Tensor) -> Tensor:
        return e.add(e.sqrt(x), e.sqrt(x))  # type: ignore[no-any-return]

    new = rewrite(Graph((a,), old.results), (double,)).outputs[0].node
    assert (new.location, new.scope, new.origin, new.name) == (line, old.scope, forward, "h")
    inner = new.operands[0].node
    assert (inner.location, inner.scope, inner.name) == (line, old.scope, None)


def test_rebuilt_users_keep_their_own_provenance(a: Tensor) -> None:
    top = build_node(e.sqrt, (e.negative(e.negative(a)),), name="top")
    new = rewrite(Graph((a,), top.results), (drop_double_negation,)).outputs[0].node
    assert (new.name, new.location, new.serial) == ("top", top.location, top.serial)


def test_rules_are_tried_in_order_and_may_decline(a: Tensor) -> None:
    @rule(e.exp(x))
    def decline(x: Tensor) -> Tensor | None:
        return None

    @rule(e.exp(x))
    def accept(x: Tensor, root: Tensor) -> Tensor | None:
        assert root.node.op is e.exp
        return e.tanh(x)  # type: ignore[no-any-return]

    new, hits = apply_rules(Graph((a,), (e.exp(a),)), (decline, accept))
    assert ops_of(new) == ["tanh"]
    assert hits == {"accept": 1}


def test_several_patterns_and_op_only_patterns(a: Tensor) -> None:
    @rule(e.exp(x), node_of(e.add, "whole"))
    def unify(root: Tensor) -> Tensor:
        return root.node.operands[0]

    new, hits = apply_rules(Graph((a,), (e.add(e.exp(a), a),)), (unify,))
    assert new.outputs[0].is_same(a)
    assert hits == {"unify": 2}


def test_regions_are_rewritten(a: Tensor) -> None:
    attributes = {"position": 0, "dtype": float32, "shape": (N,)}
    inner = build_node(leaves.parameter, (), attributes).results[0]
    region = Graph((inner,), (e.negative(e.negative(e.exp(inner))),))
    nodes = [build_node(remat, (a,), regions=(region,)) for _ in range(2)]
    graph = Graph((a,), (nodes[0].results[0], nodes[1].results[0]))
    new, hits = apply_rules(graph, (drop_double_negation,))
    assert hits == {"drop_double_negation": 1}
    assert [ops_of(t.node.regions[0]) for t in new.outputs] == [["exp"], ["exp"]]
    assert_same_values(graph, new)


def test_cut_inputs_are_walls(a: Tensor) -> None:
    h = e.negative(a)
    graph = Graph((h,), (e.negative(h),))
    assert rewrite(graph, (drop_double_negation,)) is graph
    first, second = optimization_barrier(e.negative(a), e.negative(e.negative(a)))
    graph = Graph((first,), (e.negative(first), second))
    new = rewrite(graph, (drop_double_negation,))
    assert new.outputs[0] is graph.outputs[0]
    assert new.inputs == (first,)
    verify(new)


def test_a_rule_is_switched_off_by_name(a: Tensor) -> None:
    graph = Graph((a,), (e.negative(e.negative(a)),))
    with configure(disable={"drop_double_negation"}):
        assert rewrite(graph, (drop_double_negation,)) is graph
    assert rewrite(graph, (drop_double_negation,)) is not graph


def test_hits_are_counted_for_whoever_asks(a: Tensor) -> None:
    graph = Graph((a,), (e.negative(e.negative(a)),))
    with counting_hits() as hits:
        rewrite(graph, (drop_double_negation,))
        rewrite(graph, (drop_double_negation,))
    assert hits == {"drop_double_negation": 2}


def test_a_rule_that_changes_a_type_is_caught(a: Tensor) -> None:
    @rule(e.exp(x))
    def widen(x: Tensor) -> Tensor:
        return e.convert(x, dtype=float64)  # type: ignore[no-any-return]

    message = re.escape("rule widen changes the type float32[n] to float64[n]")
    with pytest.raises(InternalError, match=message) as caught:
        rewrite(Graph((a,), (e.exp(a),)), (widen,))
    assert "before:" in str(caught.value)
    assert "convert(" in str(caught.value).split("after:")[1]


@rule(e.exp(x))
def there(x: Tensor) -> Tensor:
    """To log."""
    return e.log(x)  # type: ignore[no-any-return]


@rule(e.log(x))
def back(x: Tensor) -> Tensor:
    """To exp."""
    return e.exp(x)  # type: ignore[no-any-return]


@rule(e.tanh(x))
def grow(x: Tensor) -> Tensor:
    """One more each time."""
    return e.tanh(e.negative(x))  # type: ignore[no-any-return]


@rule(e.sqrt(x))
def stand_still(root: Tensor) -> Tensor:
    """Itself."""
    return root


@pytest.mark.parametrize(
    ("start", "rules", "names"),
    [
        (e.exp, (there, back), "there -> back"),
        (e.tanh, (grow,), "grow"),
        (e.sqrt, (stand_still,), "stand_still"),
    ],
)
def test_circles_are_caught(a: Tensor, start: e.Op, rules: Sequence[Rule], names: str) -> None:
    with pytest.raises(InternalError, match=f"rules rewrite in a circle: {names}") as caught:
        rewrite(Graph((a,), (start(a),)), rules)
    assert "before:" in str(caught.value)
    assert "after:" in str(caught.value)


def test_a_wrong_rule_is_caught_by_the_values(a: Tensor) -> None:
    @rule(e.subtract(x, y))
    def commute(x: Tensor, y: Tensor) -> Tensor | None:
        return None if y.node.op is e.exp else e.subtract(y, x)

    graph = Graph((a,), (e.subtract(e.exp(a), a),))
    new = rewrite(graph, (commute,))
    verify(new)
    with pytest.raises(AssertionError):
        assert_same_values(graph, new)


def test_the_result_reads_well(a: Tensor) -> None:
    graph = Graph((a,), (build_node(e.log, (e.exp(e.abs_(a)),), name="h").results[0],))
    assert "exp" not in text(rewrite(graph, (cancel,)))
