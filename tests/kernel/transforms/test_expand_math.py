"""What expand_math leaves behind, and that it computes the same."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest

from graphdl.kernel.evaluator import evaluate, evaluate_with_lets
from graphdl.kernel.nodes import (
    Binary,
    Bitcast,
    Cast,
    Constant,
    Fma,
    Let,
    Select,
    Unary,
    Value,
    Variable,
)
from graphdl.kernel.transforms.count_operations import count_operations
from graphdl.kernel.transforms.expand_math import (
    BINARY_EXPANSIONS,
    UNARY_EXPANSIONS,
    expand_math,
)
from graphdl.typesystem.dtype import DType, bfloat16, float16, float32, float64, int32

X, Y = Variable("x", float32), Variable("y", float32)


def expand(value: Value) -> tuple[tuple[Let, ...], Value]:
    counter = itertools.count()
    return expand_math(value, lambda: f"t{next(counter)}")


def parts(value: Value) -> Iterator[Value]:
    """The value and everything in it."""
    yield value
    match value:
        case Unary(_, operand) | Cast(operand, _) | Bitcast(operand, _):
            yield from parts(operand)
        case Binary(_, left, right):
            yield from (*parts(left), *parts(right))
        case Fma(a, b, c) | Select(a, b, c):
            yield from (*parts(a), *parts(b), *parts(c))


@pytest.mark.parametrize("dtype", [float16, bfloat16, float32, float64], ids=str)
@pytest.mark.parametrize("op", sorted(UNARY_EXPANSIONS))
def test_no_function_is_left_and_the_dtype_stays(op: str, dtype: DType) -> None:
    lets, value = expand(Unary(op, Variable("x", dtype)))
    assert value.dtype == dtype
    bound = {"x"}
    for let in (*lets, Let("result", value)):
        for part in parts(let.value):
            assert not (isinstance(part, Unary) and part.op in UNARY_EXPANSIONS)
            assert not (isinstance(part, Binary) and part.op in BINARY_EXPANSIONS)
            assert not isinstance(part, Variable) or part.name in bound
        assert let.name not in bound
        bound.add(let.name)


def test_values_inside_values_are_expanded() -> None:
    inner = Binary("add", Unary("exp", X), Unary("tanh", Y))
    value = Select(Binary("less", Unary("log", X), Y), Fma(inner, X, Y), Unary("negative", inner))
    lets, result = expand(value)
    arrays = {"x": np.array([0.5, 2, 3], np.float32), "y": np.array([1, -1, 0.1], np.float32)}
    got = evaluate_with_lets(lets, result, arrays)
    np.testing.assert_allclose(got, evaluate(value, arrays), rtol=1e-6)


def test_what_needs_no_expansion_is_kept() -> None:
    value = Binary("add", Unary("sqrt", X), Unary("floor", Y))
    assert expand(value) == ((), value)
    assert expand(value)[1] is value
    whole = Binary("power", Variable("n", int32), Constant(2, int32))
    assert expand(whole) == ((), whole)


def test_an_operand_is_computed_once() -> None:
    lets, _ = expand(Unary("tanh", Binary("multiply", X, Y)))
    products = [let for let in lets if let.value == Binary("multiply", X, Y)]
    assert len(products) == 1


@pytest.mark.parametrize("dtype", [float16, bfloat16], ids=str)
def test_sixteen_bits_round_once(dtype: DType) -> None:
    x = np.arange(-8, 8, 0.37).astype(dtype.numpy)
    lets, value = expand(Unary("exp", Variable("x", dtype)))
    got = evaluate_with_lets(lets, value, {"x": x})
    wide_lets, wide = expand(Unary("exp", X))
    expected = evaluate_with_lets(wide_lets, wide, {"x": x.astype(np.float32)})
    np.testing.assert_array_equal(got, expected.astype(dtype.numpy))


BUDGET = {"exp": 16, "tanh": 22, "logistic": 18, "erf": 25, "log": 28, "sin": 17, "cos": 17}


@pytest.mark.parametrize(("op", "most"), BUDGET.items())
def test_functions_stay_cheap(op: str, most: int) -> None:
    lets, value = expand(Unary(op, X))
    assert count_operations((*(let.value for let in lets), value)) <= most
