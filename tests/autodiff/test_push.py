"""Every forward rule: against finite differences, and against reverse mode as its transpose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from graphdl.autodiff.push import push_forward, transpose_vjp
from graphdl.autodiff.reverse import vjp
from graphdl.autodiff.table import JVP_RULES, RULES
from graphdl.errors import GradientError
from graphdl.graph.nodes import Tensor
from graphdl.ops import elementwise
from graphdl.ops.table import OPS
from tests.autodiff.test_rules import CASES
from tests.plugins.gradients import evaluate, inputs_like

Array = np.ndarray[Any, Any]
STEP = 1e-5
TRANSPOSED = {"custom_gradient", "cumulative_prod"}
"""Ops whose forward rule is their vjp rule, transposed."""


def _check(function: Callable[..., Any], arrays: tuple[Array, ...], order: int = 2) -> None:
    generator = np.random.default_rng(3)
    inputs = inputs_like(arrays)
    result = function(*inputs)
    outputs = list(result) if isinstance(result, tuple | list) else [result]
    outputs = [output for output in outputs if output.dtype.is_floating]
    moved = [i for i, array in enumerate(arrays) if array.dtype == np.float64]
    directions = [generator.normal(size=arrays[i].shape) for i in moved]
    wrt = [inputs[i] for i in moved]
    tangents = inputs_like(directions)
    for _ in range(order):
        outputs = _check_once(outputs, inputs, arrays, wrt, tangents, directions, generator)


def _check_once(
    outputs: list[Tensor],
    inputs: list[Tensor],
    arrays: tuple[Array, ...],
    wrt: list[Tensor],
    tangents: list[Tensor],
    directions: list[Array],
    generator: np.random.Generator,
) -> list[Tensor]:
    """Check one order; returns the tangents that are there, for the next."""
    fed, values = [*inputs, *tangents], [*arrays, *directions]
    ends = []
    for sign in (STEP, -STEP):
        shifts = {id(x): sign * d for x, d in zip(wrt, directions, strict=True)}
        shifted = [a + shifts.get(id(x), 0) for x, a in zip(inputs, arrays, strict=True)]
        ends.append(evaluate(outputs, fed, [*shifted, *directions]))
    pushed = push_forward(outputs, wrt, list(tangents))
    left = 0.0
    weights = [generator.normal(size=array.shape) for array in ends[0]]
    for output, tangent, first, second, weight in zip(outputs, pushed, *ends, weights, strict=True):
        expected = (first - second) / (2 * STEP)
        found = np.zeros_like(expected)
        if tangent is not None:
            assert tangent.type == output.type
            (found,) = evaluate([tangent], fed, values)
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)
        left += float(np.sum(weight * found))
    seeds = inputs_like(weights)
    pulled = vjp(outputs, wrt, seeds, disconnected="zero")
    rows = evaluate(pulled, [*fed, *seeds], [*values, *weights])
    right = sum(float(np.sum(d * row)) for d, row in zip(directions, rows, strict=True))
    assert abs(left - right) <= 1e-9 * max(1.0, abs(left))
    return [tangent for tangent in pushed if tangent is not None]


@pytest.mark.parametrize("case", CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)])
def test_forward_equals_finite_differences_and_the_transpose_of_reverse(case: Any) -> None:
    name, function, arrays = case
    _check(function, arrays, order=1 if name == "cumulative_logsumexp" else 2)


def test_every_op_with_a_derivative_has_a_forward_rule() -> None:
    without = {op.name for op in OPS.values() if op in RULES and op not in JVP_RULES}
    assert without <= TRANSPOSED
    assert not [op.name for op in JVP_RULES if op not in RULES]


def test_a_rule_is_transposed_where_there_is_no_forward_rule(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for op in list(JVP_RULES):
        monkeypatch.delitem(JVP_RULES, op)
    x = np.random.default_rng(0).uniform(0.5, 1, (2, 3))
    multiply, divide = elementwise.multiply, elementwise.divide
    _check(lambda a, b: multiply(elementwise.tanh(a), divide(b, a)), (x, x + 1), order=2)


def test_a_wrong_forward_rule_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = lambda node, t: (elementwise.multiply(t[0], node.results[0]),)  # noqa: E731
    monkeypatch.setitem(JVP_RULES, elementwise.tanh, wrong)
    with pytest.raises(AssertionError):
        _check(elementwise.tanh, (np.array([0.5, 1.0]),))


def test_what_is_not_linear_has_no_transpose(monkeypatch: pytest.MonkeyPatch) -> None:
    squared = lambda node, g: (elementwise.multiply(g[0], g[0]),)  # noqa: E731
    monkeypatch.setitem(RULES, elementwise.tanh, squared)
    monkeypatch.delitem(JVP_RULES, elementwise.tanh)
    (x,) = inputs_like([np.ones(2)])
    y = elementwise.tanh(x)
    assert transpose_vjp(y.node, (x,)) is None
    with pytest.raises(GradientError, match="not linear in the cotangents"):
        push_forward([y], [x], [x])


def test_a_tensor_moved_with_one_that_it_depends_on() -> None:
    x, t, u = inputs_like([np.array([1.0, 2.0])] * 3)
    h = elementwise.multiply(x, x)
    y = elementwise.multiply(h, x)
    (found,) = push_forward([y], [h, x], [u, t])
    assert found is not None
    values = [np.array([1.0, 2.0]), np.array([1.0, 10.0]), np.array([3.0, 0.5])]
    (value,) = evaluate([found], [x, t, u], values)
    np.testing.assert_allclose(value, 3 * values[0] ** 2 * values[1] + values[0] * values[2])
