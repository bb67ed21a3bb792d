"""remat and custom_gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphdl.autodiff.reverse import grad
from graphdl.autodiff.trace import custom_gradient, remat
from graphdl.errors import ArgumentError, GradientError
from graphdl.graph.nodes import Graph, Tensor, topological_order
from graphdl.graph.verifier import verify
from graphdl.ops.functions.contraction import matmul
from graphdl.ops.functions.creation import placeholder, variable
from graphdl.ops.functions.elementwise import astype, exp, sin, tanh
from graphdl.ops.functions.random import bernoulli
from graphdl.ops.functions.reduction import sum as total
from tests.plugins.steps import value_of

DATA = np.array([0.5, -1.5])


def _x() -> Tensor:
    return placeholder("x", (2,), "float64")


def _ops(*tensors: Tensor) -> list[str]:
    return [node.op.name for node in topological_order(tensors)]


def test_remat_has_the_same_values_and_derivatives() -> None:
    x = _x()

    def block(t: Tensor) -> Tensor:
        return sin(exp(t) * t)

    plain, again = total(block(x)), total(remat(block)(x))
    for _ in range(3):
        np.testing.assert_allclose(value_of(again, {x: DATA}), value_of(plain, {x: DATA}))
        plain, again = total(grad(plain, x)), total(grad(again, x))


def test_remat_computes_its_inside_again_behind_a_barrier() -> None:
    x = _x()
    y = remat(lambda t: tanh(exp(t)))(x)
    assert _ops(y) == ["placeholder", "remat"]
    gradient = grad(total(y), x)
    names = _ops(gradient)
    assert "optimization_barrier" in names
    assert "remat" not in names
    assert names.count("exp") == 1
    origins = {n.origin for n in topological_order([gradient]) if n.op.name == "exp"}
    assert origins == {y.node}
    verify(Graph((x,), (y, gradient)))


def test_remat_captures_what_it_reads_from_outside() -> None:
    x = _x()
    w = variable(np.array([2.0, 3.0]), dtype="float64")
    scale = exp(w)
    y = remat(lambda t: {"out": [tanh(t * w), t * scale]})(x)
    cost = total(y["out"][0]) + total(y["out"][1])
    expected = total(tanh(x * w)) + total(x * scale)
    for found, wanted in zip(grad(cost, [x, w]), grad(expected, [x, w]), strict=True):
        np.testing.assert_allclose(value_of(found, {x: DATA}), value_of(wanted, {x: DATA}))
    (node,) = (n for n in topological_order([cost]) if n.op.name == "remat")
    assert [operand.node.op.name for operand in node.operands] == ["placeholder", "variable", "exp"]
    verify(Graph((x,), (cost,)))


def test_remat_keeps_the_state_writes_of_its_inside() -> None:
    x = placeholder("x", (4,))
    y = remat(lambda t: tanh(t) * astype(bernoulli((4,)), "float32"))(x)
    assert len(y.node.writes) == 1
    gradient = grad(total(y), x)
    copies = [n for n in topological_order([gradient]) if n.op.name == "random_bits"]
    assert copies
    assert not any(node.writes for node in copies)
    # The mask of the second computation is that of the first.
    ones = {x: np.full(4, 0.1, np.float32)}
    forward, slope = value_of(y, ones), value_of(gradient, ones)
    assert ((forward != 0) == (slope != 0)).all()


def test_custom_gradient_uses_backward_and_can_be_nested() -> None:
    x = _x()

    @custom_gradient
    def clipped(t: Tensor) -> Any:
        return t * t, lambda g: g * 10.0

    y = clipped(clipped(x))
    assert value_of(grad(total(y), x), {x: DATA}).tolist() == [100, 100]
    np.testing.assert_allclose(value_of(y, {x: DATA}), DATA**4)
    inside = remat(lambda t: clipped(t) + t)(x)
    assert value_of(grad(total(inside), x), {x: DATA}).tolist() == [11, 11]


def test_custom_gradient_with_several_arguments_results_and_integers() -> None:
    x, y = _x(), placeholder("y", (2,), "float64")
    count = placeholder("count", (), "int64")

    @custom_gradient
    def both(a: Tensor, pair: dict[str, Tensor], n: Tensor) -> Any:
        product = a * pair["b"]

        def backward(first: Tensor, second: Tensor) -> Any:
            return first * pair["b"] + second, None, None

        return [product, a * astype(n, "float64")], backward

    first, second = both(x, {"b": y}, count)
    inputs = {x: DATA, y: np.array([3.0, 4.0]), count: 2}
    np.testing.assert_allclose(value_of(second, inputs), DATA * 2)
    gx = grad(total(first) + total(second * 5.0), x)
    np.testing.assert_allclose(value_of(gx, inputs), [3 + 5, 4 + 5])
    with pytest.raises(GradientError, match="does not depend on"):
        grad(total(first), y)


def test_custom_gradient_is_differentiable_again() -> None:
    x = _x()

    @custom_gradient
    def cube(t: Tensor) -> Any:
        return t * t * t, lambda g: g * 3.0 * t * t

    second = grad(total(grad(total(cube(x)), x)), x)
    np.testing.assert_allclose(value_of(second, {x: DATA}), 6 * DATA)


def test_a_captured_tensor_has_no_derivative_through_custom_gradient() -> None:
    x = _x()
    w = variable(np.ones(2), dtype="float64", name="w")
    y = custom_gradient(lambda t: (t * w, lambda g: g * w))(x)
    np.testing.assert_allclose(value_of(grad(total(y), x), {x: DATA}), [1, 1])
    with pytest.raises(GradientError, match="make it an argument"):
        grad(total(y), w)


def test_wrong_functions_are_told() -> None:
    x = _x()
    with pytest.raises(ArgumentError, match=r"must return \(result, backward\)"):
        custom_gradient(lambda t: t)(x)
    with pytest.raises(ArgumentError, match="returned 2 gradients for 1"):
        custom_gradient(lambda t: (t, lambda g: (g, g)))(x)
    with pytest.raises(ArgumentError, match="of the input's type"):
        custom_gradient(lambda t: (t, total))(x)
    with pytest.raises(ArgumentError, match="not a tensor"):
        remat(lambda t: 3)(x)


def test_matrix_products_inside_remat() -> None:
    x = placeholder("x", ("batch", 3), "float64")
    w = variable(np.arange(9.0).reshape(3, 3) / 9, dtype="float64")
    y = x
    plain = x
    for _ in range(3):
        y = remat(lambda t: tanh(matmul(t, w)))(y)
        plain = tanh(matmul(plain, w))
    data = {x: np.linspace(-1, 1, 6).reshape(2, 3)}
    np.testing.assert_allclose(
        value_of(grad(total(y), w), data), value_of(grad(total(plain), w), data), rtol=1e-12
    )
