"""Values over arrays."""

from __future__ import annotations

import numpy as np
import pytest

from graphdl.errors import InternalError
from graphdl.kernel.evaluator import evaluate, evaluate_comparisons, evaluate_index
from graphdl.kernel.nodes import (
    Binary,
    Condition,
    Constant,
    Fma,
    IndexValue,
    Load,
    Unary,
    Variable,
)
from graphdl.typesystem.dtype import float32, int64
from graphdl.typesystem.expression import Comparison, Symbol, maximum, minimum

ROW, N = Symbol("i"), Symbol("n")
X = Variable("x", float32)


def test_fma_rounds_once() -> None:
    x = np.array([1 + 2**-12], np.float32)
    square = evaluate(Fma(X, X, Constant(-1, float32)), {"x": x})
    rounded = evaluate(Binary("subtract", Binary("multiply", X, X), Constant(1, float32)), {"x": x})
    assert square[0] == 2**-11 + 2**-24
    assert rounded[0] == 2**-11


def test_indices_over_points_are_pythons() -> None:
    points = np.arange(-7, 8)
    index = minimum((3 * ROW + N) // 4, maximum(ROW % 5, 2)) * N + 1
    expected = [min((3 * i + 6) // 4, max(i % 5, 2)) * 6 + 1 for i in range(-7, 8)]
    assert list(evaluate_index(index, {ROW: points, N: 6})) == expected  # type: ignore[arg-type]
    assert evaluate_index(index, {ROW: 3, N: 6}) == expected[10]


def test_conditions_are_conjunctions() -> None:
    points = np.arange(5)
    terms = (Comparison(1, "<=", ROW), Comparison(ROW, "!=", 3), Comparison(ROW, "<", 4))
    assert list(np.flatnonzero(evaluate_comparisons(terms, {ROW: points}))) == [1, 2]
    both = Condition((*terms, Comparison(ROW, "==", 2)))
    assert evaluate(both, {}, {ROW: points}).tolist() == [False, False, True, False, False]


def test_an_index_as_a_number() -> None:
    value = evaluate(IndexValue(2 * ROW, float32), {}, {ROW: np.arange(3)})
    assert value.dtype == np.float32
    assert value.tolist() == [0, 2, 4]


@pytest.mark.parametrize(
    "value", [X, IndexValue(ROW, int64), Load("b", (0,), float32), Unary("exp", X)], ids=repr
)
def test_what_is_not_bound_is_a_bug(value: Variable) -> None:
    with pytest.raises(InternalError):
        evaluate(value, {})
