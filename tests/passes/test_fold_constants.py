"""Constants meet; broadcasts stay broadcasts; large constants are not made."""

from __future__ import annotations

import numpy as np
import pytest

from graphdl.graph.nodes import Graph, Tensor, build_node
from graphdl.graph.printer import text
from graphdl.graph.verifier import verify
from graphdl.ops import creation, cumulative, leaves, movement, reduction
from graphdl.ops import elementwise as e
from graphdl.ops.arguments import filled, literal
from graphdl.ops.contraction import dot_general
from graphdl.ops.effect import print_
from graphdl.ops.indexing import gather
from graphdl.ops.random import random_bits
from graphdl.passes.fold_constants import MOST_BYTES, fold_constants
from graphdl.rewrite.driver import counting_hits
from graphdl.rewrite.pattern import uniform_value
from graphdl.typesystem.dtype import bool_, float32, int32, int64, uint32
from graphdl.typesystem.expression import Symbol
from tests.graph.random_graphs import leaf
from tests.graph.same_values import assert_same_values, constant_array
from tests.plugins.golden import Golden

N = Symbol("n")
MATRICES = {"lhs_contract": (1,), "rhs_contract": (0,), "lhs_batch": (), "rhs_batch": ()}


def folded(tensor: Tensor) -> Tensor:
    graph = Graph((), (tensor,))
    new = fold_constants(graph)
    verify(new)
    return new.outputs[0]


def numbers(*shape: int) -> Tensor:
    return literal(np.arange(np.prod(shape, dtype=int), dtype=np.float32).reshape(shape))


def test_repeated_numbers_stay_one_number(golden: Golden) -> None:
    x = leaf("placeholder", "x", float32, (N, 4))
    two = filled(2, float32, (N, 4))
    wide = movement.transpose(e.multiply(two, two), permutation=(1, 0))
    scale = movement.transpose(e.exp(e.negative(wide)), permutation=(1, 0))
    before = Graph((x,), (e.multiply(x, scale),))
    after = fold_constants(before)
    shown = (text(graph, with_comments=False) for graph in (before, after))
    assert "->\n".join(shown) == golden
    verify(after)
    assert_same_values(before, after)


@pytest.mark.parametrize(
    "tensor",
    [
        pytest.param(e.add(numbers(3), numbers(3)), id="elementwise"),
        pytest.param(e.select(literal(np.arange(3) < 2), numbers(3), numbers(3)), id="select"),
        pytest.param(movement.transpose(numbers(2, 3), permutation=(1, 0)), id="movement"),
        pytest.param(movement.concatenate(numbers(2), numbers(3), axis=0), id="concatenate"),
        pytest.param(reduction.reduce_sum(numbers(2, 70), axes=(1,)), id="reduction"),
        pytest.param(cumulative.cumulative_sum(numbers(5), axis=0, reverse=False), id="cumulative"),
        pytest.param(dot_general(numbers(2, 3), numbers(3, 2), **MATRICES), id="contraction"),
        pytest.param(gather(numbers(4, 2), literal(np.array([2, 0])), axis=0), id="gather"),
        pytest.param(e.convert(numbers(3), dtype=int32), id="convert"),
        pytest.param(e.exp(e.sqrt(e.add(numbers(3), numbers(3)))), id="a chain"),
    ],
)
def test_constants_are_computed(tensor: Tensor) -> None:
    new = folded(tensor)
    assert new.node.op is leaves.constant
    assert_same_values(Graph((), (tensor,)), Graph((), (new,)))


def test_uniform_arrays_are_seen_through_movement_and_choice() -> None:
    wide = filled(3, float32, (N, 4))
    index = leaf("placeholder", "i", int64, (2,))
    for tensor in (
        movement.reshape(wide, shape=(4 * N,)),
        reduction.reduce_max(wide, axes=(1,)),
        gather(wide, index, axis=1),
        movement.reverse(wide, axes=(0,)),
    ):
        new = fold_constants(Graph((index,), (tensor,))).outputs[0]
        assert new.node.op is movement.broadcast_in_dim
        assert uniform_value(new) == 3


def test_what_is_not_known_stays() -> None:
    x = leaf("placeholder", "x", float32, (N,))
    key = literal(np.zeros(2, np.uint32))
    count = build_node(leaves.size, (), {"value": N, "dtype": int64}).results[0]
    bits = build_node(random_bits, (key, key), {"shape": (N,)}).results[0]
    iota = build_node(creation.iota, (), {"shape": (5,), "axis": 0, "dtype": uint32}).results[0]
    shown = print_(literal(np.float32(1)), message="here")
    sums = reduction.reduce_sum(filled(1, float32, (3, 4)), axes=(0,))
    halves = movement.pad(filled(1, float32, (3,)), filled(0, float32), low=(1,), high=(0,))
    for tensor in (e.exp(x), count, bits, iota, shown, sums, halves, filled(1, bool_, (3,))):
        assert folded(tensor).node is tensor.node


def test_a_fixed_size_is_a_constant() -> None:
    node = build_node(leaves.size, (), {"value": 12, "dtype": float32})
    assert constant_array(folded(node.results[0])) == 12


def test_large_results_are_not_made() -> None:
    side = int((MOST_BYTES / 4) ** 0.5)
    small = dot_general(numbers(side, 1), numbers(1, side), **MATRICES)
    large = dot_general(numbers(side + 1, 1), numbers(1, side + 1), **MATRICES)
    assert folded(small).node.op is leaves.constant
    assert folded(large).node is large.node


def test_hits_are_counted() -> None:
    with counting_hits() as hits:
        folded(e.exp(e.exp(numbers(3))))
    assert hits == {"fold_constants": 2}


def test_a_constant_that_is_an_input_is_not_known() -> None:
    given = literal(np.float32(1))
    graph = Graph((given,), (e.exp(given),))
    assert fold_constants(graph) is graph
