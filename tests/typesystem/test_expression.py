"""The algebra of integer expressions against Python's own integers."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from graphdl.typesystem import expression
from graphdl.typesystem.expression import (
    Comparison,
    FloorDivide,
    Modulo,
    Size,
    Sum,
    Symbol,
    add,
    evaluate,
    floor_divide,
    free_symbols,
    maximum,
    minimum,
    modulo,
    multiply,
    product,
    substitute,
)
from graphdl.typesystem.shape import parse_size

NAMES = ("a", "b", "c")
A, B, C = map(Symbol, NAMES)

Tree = Any  # an int, a name, or (operator, tree, tree)


def trees(*, divisors: st.SearchStrategy[Tree] | None = None) -> st.SearchStrategy[Tree]:
    """Expression trees; division is by `divisors`, by any tree when None."""

    def extend(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
        return st.one_of(
            st.tuples(st.sampled_from(["+", "-", "*", "min", "max"]), inner, inner),
            st.tuples(st.sampled_from(["//", "%"]), inner, inner if divisors is None else divisors),
        )

    leaves = st.one_of(st.integers(-6, 12), st.sampled_from(NAMES))
    return st.recursive(leaves, extend, max_leaves=8)


OPERATORS: dict[str, tuple[Any, Any]] = {
    "+": (add, lambda x, y: x + y),
    "-": (lambda x, y: x - y, lambda x, y: x - y),
    "*": (multiply, lambda x, y: x * y),
    "//": (floor_divide, lambda x, y: x // y),
    "%": (modulo, lambda x, y: x % y),
    "min": (minimum, min),
    "max": (maximum, max),
}


def build(tree: Tree) -> Size:
    if isinstance(tree, int):
        return tree
    if isinstance(tree, str):
        return Symbol(tree)
    return OPERATORS[tree[0]][0](build(tree[1]), build(tree[2]))


def compute(tree: Tree, values: dict[str, int]) -> int:
    if isinstance(tree, int):
        return tree
    if isinstance(tree, str):
        return values[tree]
    return OPERATORS[tree[0]][1](compute(tree[1], values), compute(tree[2], values))


def assert_equal_where_defined(tree: Tree, values: dict[str, int]) -> None:
    """The expression equals the tree wherever Python does not divide by zero."""
    try:
        expected = compute(tree, values)
        built = build(tree)
    except ZeroDivisionError:
        assume(False)
    assert evaluate(built, {Symbol(n): v for n, v in values.items()}) == expected


assignments = st.fixed_dictionaries({name: st.integers(-9, 20) for name in NAMES})


@given(trees(), assignments)
@settings(max_examples=300, deadline=None)
def test_value_is_pythons(tree: Tree, values: dict[str, int]) -> None:
    assert_equal_where_defined(tree, values)


DIVISORS = st.sampled_from([2, 3, 4, 6, 12, "a", ("*", "a", "b"), ("+", "a", 1)])


@given(trees(divisors=DIVISORS), assignments)
@settings(max_examples=300, deadline=None)
def test_value_of_nested_divisions_is_pythons(tree: Tree, values: dict[str, int]) -> None:
    assert_equal_where_defined(tree, values)


@given(trees())
@settings(max_examples=150, deadline=None)
def test_text_parses_back_to_the_same_expression(tree: Tree) -> None:
    try:
        built = build(tree)
    except ZeroDivisionError:
        assume(False)
    assert parse_size(str(built)) == built


@given(trees(), assignments)
@settings(max_examples=150, deadline=None)
def test_substitution_commutes_with_evaluation(tree: Tree, values: dict[str, int]) -> None:
    try:
        compute(tree, values)
        built = build(tree)
        moved = substitute(built, {A: Symbol("x") + 1, B: Symbol("x") * C})
        inner = {"x": values["a"] - 1, "c": values["c"]}
        outer = {"a": values["a"], "b": inner["x"] * inner["c"], "c": values["c"]}
        expected = compute(tree, outer)
    except ZeroDivisionError:
        assume(False)
    assert evaluate(moved, {Symbol(n): v for n, v in inner.items()}) == expected


@given(st.permutations([A, B, C, A * B, 2 * C, 3, -1, A * 5]))
@settings(max_examples=30, deadline=None)
def test_equal_polynomials_have_one_form(parts: list[Size]) -> None:
    total: Size = 0
    for part in parts:
        total = total + part
    expected = 6 * A + B + 3 * C + A * B + 2
    assert total == expected
    assert hash(total) == hash(expected)
    assert str(total) == str(expected)


@pytest.mark.parametrize(
    ("built", "text"),
    [
        (2 * A + 1, "2*a+1"),
        (A - A, "0"),
        ((A + 1) * (A - 1), "a*a-1"),
        ((4 * A + 8) // 4, "a+2"),
        ((4 * A + B) // 4, "a+(b//4)"),
        ((A * C + B) // C, "a+(b//c)"),
        ((A * C + B) % C, "b%c"),
        ((2 * A + 1) // 4, "a//2"),
        ((2 * A + 1) % 4, "2*(a%2)+1"),
        ((3 - A) // 4, "(-a+3)//4"),
        ((A // 2) // 3, "a//6"),
        ((A // 2 + 1) // 3, "(a+2)//6"),
        ((A % 12) % 4, "a%4"),
        ((A % 12) // 4, "(a//4)%3"),
        ((A % B) // B, "0"),
        ((A % B) % B, "a%b"),
        ((A * C) // (B * C), "a//b"),
        ((A * C) % (B * C), "(a%b)*c"),
        (((2 * B + 1) * A + C) // (2 * B + 1), "a+(c//(2*b+1))"),
        (((2 * B + 1) * A + C) % (2 * B + 1), "c%(2*b+1)"),
        (minimum(A, 4, minimum(B, 3)), "min(a, b, 3)"),
        (maximum(A, A), "a"),
        (-A, "-a"),
        (7 - A, "-a+7"),
        (product([A, 2, B, 3]), "6*a*b"),
    ],
)
def test_normal_form(built: Size, text: str) -> None:
    assert str(built) == text


def test_numpy_integers_count_as_ints() -> None:
    assert A * np.int64(3) == 3 * A
    assert np.int64(3) * A == 3 * A
    assert np.int32(7) - A == 7 - A


def test_other_operands_are_left_to_their_own_class() -> None:
    class Scalar:
        def __radd__(self, other: object) -> str:
            return f"took {other}"

    assert A + Scalar() == "took a"  # type: ignore[operator]
    with pytest.raises(TypeError):
        A + "1.5"  # type: ignore[operator]


def test_literal_zero_divisor_is_refused() -> None:
    for divide in (floor_divide, modulo):
        with pytest.raises(ZeroDivisionError):
            divide(A, 0)


def test_free_symbols_and_unbound_evaluation() -> None:
    value = minimum(A // 3, B * C) + 1
    assert free_symbols(value) == {A, B, C}
    assert free_symbols(7) == frozenset()
    with pytest.raises(KeyError):
        evaluate(value, {A: 1})


def test_equal_only_to_the_same_kind_of_node() -> None:
    assert FloorDivide(A, 2) != Modulo(A, 2)
    assert Symbol("a") == Symbol("a") != Symbol("b")
    assert A != 1
    assert A + 1 != A


def test_pickle_keeps_the_value() -> None:
    value = (A * 3 + B) // C
    assert pickle.loads(pickle.dumps(value)) == value


def test_comparison_holds() -> None:
    values = {A: 2, B: 3}
    results = [Comparison(A, relation, B).holds(values) for relation in ("<", "<=", "==", "!=")]
    assert results == [True, True, False, True]
    assert str(Comparison(A + 1, "<=", B)) == "a+1 <= b"


def test_planted_fault_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A division that rounds to zero is found by the comparison with Python."""

    def truncating(value: Size, divisor: int) -> tuple[Size, Size]:
        assert isinstance(value, Sum)
        return -((-value.constant) // divisor), A

    monkeypatch.setattr(expression, "_split_constant", truncating)
    expression._floor_divide.cache_clear()
    try:
        with pytest.raises(AssertionError):
            assert_equal_where_defined(("//", ("+", "a", 5), 4), {"a": 5, "b": 1, "c": 1})
    finally:
        expression._floor_divide.cache_clear()
