"""What matches, what does not, and what is bound."""

from __future__ import annotations

import numpy as np
import pytest

from graphdl.graph.nodes import StateWrite, Tensor, build_node
from graphdl.ops import elementwise as e
from graphdl.ops import movement
from graphdl.ops.arguments import filled
from graphdl.ops.arguments import literal as constant
from graphdl.rewrite.pattern import (
    AttributeVariable,
    Bindings,
    Pattern,
    attribute_variables,
    expand_commutative,
    literal,
    match,
    node_of,
    scalar,
    uniform_value,
    variables,
)
from graphdl.typesystem.dtype import bfloat16, bool_, float32, float64, int32, uint8
from graphdl.typesystem.expression import Symbol
from tests.graph.random_graphs import leaf

N = Symbol("n")
x, y = variables("x", "y")


@pytest.fixture
def a() -> Tensor:
    return leaf("placeholder", "a", float32, (N,))


@pytest.fixture
def b() -> Tensor:
    return leaf("placeholder", "b", float32, (N,))


def found(pattern: Pattern, tensor: Tensor) -> Bindings | None:
    for variant in expand_commutative(pattern):
        bindings: Bindings = {}
        if match(variant, tensor, bindings):
            return bindings
    return None


def test_variables_bind_operands(a: Tensor, b: Tensor) -> None:
    bindings = found(e.subtract(x, e.exp(y)), e.subtract(a, e.exp(b)))
    assert bindings is not None
    assert bindings["x"].is_same(a)
    assert bindings["y"].is_same(b)
    assert found(e.subtract(e.exp(x), y), e.subtract(a, e.exp(b))) is None


def test_one_variable_is_one_tensor(a: Tensor, b: Tensor) -> None:
    assert found(e.add(x, x), e.add(a, a)) is not None
    assert found(e.add(x, x), e.add(a, b)) is None


def test_commutative_ops_match_both_orders_at_every_depth(a: Tensor, b: Tensor) -> None:
    pattern = e.add(e.multiply(e.exp(x), y), e.log(y))
    for product in (e.multiply(e.exp(a), b), e.multiply(b, e.exp(a))):
        for total in (e.add(product, e.log(b)), e.add(e.log(b), product)):
            bindings = found(pattern, total)
            assert bindings is not None
            assert bindings["x"].is_same(a)
    assert len(list(expand_commutative(pattern))) == 4
    assert found(e.subtract(x, e.exp(y)), e.subtract(e.exp(a), b)) is None


def test_literals_match_constants_and_their_broadcasts(a: Tensor) -> None:
    one = filled(1, float32)
    wide = filled(1, float32, (N, 2))
    moved = movement.transpose(movement.reshape(wide, shape=(2, N)), permutation=(1, 0))
    for tensor in (one, wide, moved, constant(np.ones(3, np.float32))):
        assert match(literal(1), tensor, {})
        assert not match(literal(2), tensor, {})
        assert not match(literal(True), tensor, {})
    assert not match(literal(1), a, {})
    assert not match(literal(1), constant(np.array([1, 2], np.float32)), {})
    assert not match(literal(1), constant(np.zeros((0,), np.float32)), {})


@pytest.mark.parametrize("dtype", [float32, float64, bfloat16], ids=str)
def test_zeros_have_signs(dtype: object) -> None:
    for sign in (0.0, -0.0):
        for other in (0.0, -0.0):
            tensor = filled(sign, dtype, (2,))  # type: ignore[arg-type]
            assert match(literal(other), tensor, {}) == (str(sign) == str(other))


def test_literals_of_integers_and_bools() -> None:
    assert match(literal(-1), filled(-1, int32), {})
    assert match(literal(0), filled(0, uint8), {})
    assert match(literal(True), filled(True, bool_, (3,)), {})
    assert not match(literal(1), filled(True, bool_), {})


def test_scalars_bind_their_number(a: Tensor) -> None:
    bindings = found(e.multiply(scalar("c"), x), e.multiply(a, filled(2.5, float32, (N,))))
    assert bindings is not None
    assert bindings["c"] == np.float32(2.5)
    assert found(e.multiply(scalar("c"), x), e.multiply(a, a)) is None


def test_attributes_match_values_and_bind_variables(a: Tensor) -> None:
    m = leaf("placeholder", "m", float32, (2, 3))
    once = movement.transpose(m, permutation=(1, 0))
    (inner, outer) = attribute_variables("inner", "outer")
    assert isinstance(inner, AttributeVariable)
    twice = movement.transpose(once, permutation=(0, 1))
    pattern = movement.transpose(movement.transpose(x, permutation=inner), permutation=outer)
    bindings = found(pattern, twice)
    assert bindings is not None
    assert (bindings["inner"], bindings["outer"]) == ((1, 0), (0, 1))
    same = movement.transpose(movement.transpose(x, permutation=inner), permutation=inner)
    assert found(same, twice) is None
    assert found(movement.transpose(x, permutation=(1, 0)), once) is not None
    assert found(movement.transpose(x, permutation=(0, 1)), once) is None


def test_a_node_variable_asks_for_the_op_only(a: Tensor, b: Tensor) -> None:
    joined = movement.concatenate(a, b, a, axis=0)
    bindings: Bindings = {}
    assert match(node_of(movement.concatenate, "j"), joined, bindings)
    assert bindings["j"].is_same(joined)
    assert not match(node_of(movement.pad, "j"), joined, {})
    assert not match(node_of(movement.concatenate, "j"), joined, {}, {joined.key})


def test_opaque_tensors_match_variables_only(a: Tensor) -> None:
    h = e.exp(a)
    top = e.log(h)
    assert not match(e.log(e.exp(x)), top, {}, {h.key})
    assert match(e.log(x), top, {}, {h.key})
    one = filled(1, float32)
    assert not match(literal(1), one, {}, {one.key})
    wide = filled(1, float32, (2,))
    assert uniform_value(wide, {wide.node.operands[0].key}) is None


def test_state_writes_are_never_matched_away(a: Tensor) -> None:
    state = leaf("variable", "w", float32, (N,))
    node = build_node(e.exp, (a,), writes=(StateWrite(state, a),))
    assert not match(e.exp(x), node.results[0], {})
    assert not match(e.log(e.exp(x)), e.log(node.results[0]), {})
