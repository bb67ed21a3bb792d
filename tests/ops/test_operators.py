"""Operators and methods of Tensor, and what only data can do."""

from __future__ import annotations

import operator
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from graphdl.errors import DTypeError, ShapeError, UserError
from graphdl.graph.nodes import Tensor
from graphdl.ops.functions.creation import placeholder
from tests.plugins.compare import assert_close
from tests.plugins.evaluate import run, run_both

X = np.random.default_rng(0).uniform(1, 4, (3, 4)).astype(np.float32)
Y = np.random.default_rng(1).uniform(1, 4, (3, 4)).astype(np.float32)
A = np.random.default_rng(2).integers(1, 6, (3, 4)).astype(np.int32)
B = np.random.default_rng(3).integers(1, 6, (3, 4)).astype(np.int32)

FLOAT_OPERATORS = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod,
    operator.pow, operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge,
]  # fmt: skip
INTEGER_OPERATORS = [operator.and_, operator.or_, operator.xor, operator.lshift, operator.rshift]


@pytest.mark.parametrize("function", FLOAT_OPERATORS, ids=lambda f: f.__name__)
def test_operators_are_numpys(function: Callable[..., Any]) -> None:
    assert_close(run_both(function, X, Y), function(X, Y))
    assert_close(run(lambda x: function(x, 2), X), function(X, 2))
    assert_close(run(lambda x: function(2, x), X), function(2, X))
    assert_close(run(lambda x: function(x, Y), X), function(X, Y))
    assert_close(run(lambda x: function(Y, x), X), function(Y, X))
    assert_close(run(lambda x: function(np.float32(2), x), X), function(np.float32(2), X))


@pytest.mark.parametrize("function", INTEGER_OPERATORS, ids=lambda f: f.__name__)
def test_integer_operators_are_numpys(function: Callable[..., Any]) -> None:
    np.testing.assert_array_equal(run_both(function, A, B), function(A, B))
    np.testing.assert_array_equal(run(lambda x: function(x, 1), A), function(A, 1))
    np.testing.assert_array_equal(run(lambda x: function(B, x), A), function(B, A))


def test_unary_operators_are_numpys() -> None:
    for function in (operator.neg, operator.pos, abs):
        np.testing.assert_array_equal(run(function, X), function(X))
    np.testing.assert_array_equal(run(operator.invert, A), ~A)
    np.testing.assert_array_equal(run(operator.invert, X > 2), ~(X > 2))


def test_matmul_operator() -> None:
    assert_close(run_both(operator.matmul, X, Y.T.copy()), X @ Y.T)
    assert_close(run(lambda x: X.T @ x, Y), X.T @ Y)


METHODS: list[tuple[Callable[[Any], Any], Callable[[Any], Any]]] = [
    (lambda x: x.sum(), lambda x: x.sum()),
    (lambda x: x.sum(1), lambda x: x.sum(1)),
    (lambda x: x.sum(axis=0, keepdims=True), lambda x: x.sum(axis=0, keepdims=True)),
    (lambda x: x.prod(0), lambda x: x.prod(0)),
    (lambda x: x.mean((0, 1)), lambda x: x.mean((0, 1))),
    (lambda x: x.var(1, correction=1), lambda x: x.var(1, ddof=1)),
    (lambda x: x.std(), lambda x: x.std()),
    (lambda x: x.max(0), lambda x: x.max(0)),
    (lambda x: x.min(), lambda x: x.min()),
    (lambda x: (x > 2).any(1), lambda x: (x > 2).any(1)),
    (lambda x: (x > 2).all(), lambda x: (x > 2).all()),
    (lambda x: x.argmax(1), lambda x: x.argmax(1)),
    (lambda x: x.argmin(), lambda x: x.argmin()),
    (lambda x: x.reshape(4, 3), lambda x: x.reshape(4, 3)),
    (lambda x: x.reshape((2, -1)), lambda x: x.reshape(2, -1)),
    (lambda x: x.reshape(-1), lambda x: x.reshape(-1)),
    (lambda x: x.flatten(), lambda x: x.flatten()),
    (lambda x: x[None].squeeze(0), lambda x: x),
    (lambda x: x.T, lambda x: x.T),
    (lambda x: x.mT, lambda x: x.T),
    (lambda x: x.transpose(), lambda x: x.T),
    (lambda x: x.transpose(1, 0), lambda x: x.T),
    (lambda x: x.astype("int32"), lambda x: x.astype(np.int32)),
    (lambda x: x.named("h"), lambda x: x),
]


@pytest.mark.parametrize("number", range(len(METHODS)))
def test_methods_are_numpys(number: int) -> None:
    method, oracle = METHODS[number]
    assert_close(run(method, X), oracle(X))


def test_size_is_the_number_of_elements() -> None:
    x = placeholder("x", ("batch", 3))
    assert str(x.size) == "3*batch"
    assert x.ndim == 2


REFUSALS: list[tuple[Callable[[Tensor], Any], str, str]] = [
    (bool, "a tensor has no truth value", "gd.where"),
    (lambda x: 1 if x > 0 else 2, "a tensor has no truth value", "gd.where"),
    (lambda x: 0 < x < 1, "a tensor has no truth value", "gd.where"),
    (len, "len\\(\\) of a tensor", "x.shape\\[0\\]"),
    (list, "a tensor cannot be iterated over", "gd.unstack"),
    (lambda x: [*x], "a tensor cannot be iterated over", "gd.unstack"),
    (lambda x: 1.0 in x, "`in` looks for a number", "gd.any"),
    (float, "float\\(\\) of a tensor", "x.eval"),
    (int, "int\\(\\) of a tensor", "gd.astype"),
    (complex, "complex\\(\\) of a tensor", "not supported"),
    (lambda x: [1, 2][x], "a tensor where a whole number is needed", "gd.take"),
    (lambda x: range(x), "a tensor where a whole number is needed", "gd.take"),
    (np.asarray, "a tensor holds no data", "x.eval"),
    (np.exp, "np.exp works on data", "write gd.exp"),
    (lambda x: np.arctan2(x, 1), "np.arctan2 works on data", "write gd.atan2"),
    (np.sum, "np.sum works on data", "write gd.sum"),
    (lambda x: np.concatenate([x, x]), "np.concatenate works on data", "write gd.concat"),
    (lambda x: np.add.reduce(x), "works on data", "gd."),
    (lambda x: np.add(X, x, out=X), "works on data", "gd."),
]


@pytest.mark.parametrize("number", range(len(REFUSALS)))
def test_what_only_data_can_do_says_what_to_write(number: int) -> None:
    action, message, hint = REFUSALS[number]
    x = placeholder("x", X.shape)
    with pytest.raises(UserError, match=rf"(?s){message}.*hint: .*{hint}") as caught:
        action(x)
    assert "test_operators.py:" in str(caught.value)


def test_equality_with_no_operand_is_identity() -> None:
    x = placeholder("x", (2,))
    assert (x == None) is False  # noqa: E711
    assert (x != "text") is True
    assert isinstance(x == 1, Tensor)
    for bad in (None, "text", {}, set()):
        with pytest.raises(DTypeError, match="add: not defined for Tensor and"):
            x + bad


def test_tensors_are_dictionary_keys() -> None:
    x, y = placeholder("x", (2,)), placeholder("x", (2,))
    table = {x: 1, y: 2}
    assert table[x] == 1
    assert table[y] == 2
    assert len({x, y, x}) == 2


def test_in_place_operators_rebind() -> None:
    x = placeholder("x", (3, 4))
    y = x
    y += 1
    assert y is not x
    assert y.node.op.name == "add"


def test_tracebacks_end_at_the_users_line() -> None:
    x = placeholder("x", (2, 3))
    with pytest.raises(ShapeError) as caught:
        x @ x
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert frames[0].filename == __file__
    assert len(frames) <= 2  # the entry point's own frame is the other
    assert len(traceback.extract_tb(caught.value.full_traceback)) > 2


SIZES: list[tuple[Callable[[Any], Any], float]] = [
    (lambda n: 1.0 / n, 1 / 3),
    (lambda n: n / 2, 1.5),
    (lambda n: n * 2.5, 7.5),
    (lambda n: n**0.5, 3**0.5),
    (lambda n: 2.0**n, 8),
    (lambda n: n - 0.5, 2.5),
    (lambda n: np.float32(2) * n, 6),
    (lambda n: n / (n + 1), 0.75),
]


@pytest.mark.parametrize("number", range(len(SIZES)))
def test_sizes_make_numbers_with_floats(number: int) -> None:
    function, wanted = SIZES[number]
    x = placeholder("x", ("n", 4))
    result = function(x.shape[0]) * x[0, 0]
    assert_close(result.eval({x: X}), X[0, 0] * wanted)


def test_whole_powers_of_sizes_are_sizes() -> None:
    x = placeholder("x", ("n", 4))
    assert str(x.shape[0] ** 2) == "n*n"
    assert x.shape[0] ** 0 == 1
