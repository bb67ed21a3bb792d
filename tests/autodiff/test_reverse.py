"""grad and vjp: structures, orders, stability, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from graphdl.autodiff.reverse import grad, stop_gradient, vjp
from graphdl.autodiff.sweep import Ledger
from graphdl.errors import ArgumentError, GradientError, ShapeError
from graphdl.graph.nodes import Graph, Tensor, name_scope, topological_order
from graphdl.graph.verifier import verify
from graphdl.ops.composite import log_softmax, relu, sigmoid, softmax, softplus
from graphdl.ops.functions.contraction import matmul
from graphdl.ops.functions.creation import constant, placeholder, variable, zeros
from graphdl.ops.functions.cumulative import cumulative_sum
from graphdl.ops.functions.elementwise import abs as absolute
from graphdl.ops.functions.elementwise import (
    astype,
    clip,
    divide,
    exp,
    floor,
    log,
    maximum,
    sqrt,
    tanh,
    where,
)
from graphdl.ops.functions.elementwise import pow as power
from graphdl.ops.functions.indexing import take
from graphdl.ops.functions.movement import concat, reshape
from graphdl.ops.functions.reduction import argmax, logsumexp, mean, prod, std
from graphdl.ops.functions.reduction import max as largest
from graphdl.ops.functions.reduction import sum as total
from tests.plugins.steps import value_of

Array = np.ndarray[Any, Any]


def _placeholder(*shape: Any, dtype: str = "float64", name: str = "x") -> Tensor:
    return placeholder(name, shape, dtype=dtype)


# What comes back ----------------------------------------------------------------------------------


def test_the_result_has_the_structure_of_wrt() -> None:
    a, b, c = (_placeholder(2, name=name) for name in "abc")
    found = grad(total(a * b + c), {"first": a, "rest": [b, (c,)]})
    inputs = {a: [1.0, 2.0], b: [3.0, 4.0], c: [5.0, 6.0]}
    assert value_of(found["first"], inputs).tolist() == [3, 4]
    assert value_of(found["rest"][0], inputs).tolist() == [1, 2]
    assert value_of(found["rest"][1][0], inputs).tolist() == [1, 1]
    assert isinstance(found["rest"][1], tuple)


def test_wrt_may_be_inner_tensors_that_depend_on_each_other() -> None:
    x = _placeholder(2)
    y = x * x
    z = exp(y)
    cost = total(z * y)
    gx, gy, gz = grad(cost, [x, y, z])
    data = np.array([0.3, 0.7])
    square = data * data
    inputs = {x: data}
    np.testing.assert_allclose(value_of(gz, inputs), square)
    np.testing.assert_allclose(value_of(gy, inputs), np.exp(square) * (1 + square))
    np.testing.assert_allclose(value_of(gx, inputs), np.exp(square) * (1 + square) * 2 * data)


def test_the_cost_itself_and_the_same_tensor_twice() -> None:
    x = _placeholder()
    cost = x * x
    first, second, itself = grad(cost, [x, x, cost])
    assert [float(value_of(t, {x: 3.0})) for t in (first, second, itself)] == [6, 6, 1]


def test_a_wrt_hidden_by_a_stabilising_rule_keeps_its_gradient() -> None:
    x = _placeholder(3)
    p = softmax(x)
    cost = -log(p)[0]
    gp, gx = grad(cost, [p, x])
    inputs = {x: [0.1, 0.5, -0.3]}
    values = value_of(p, inputs)
    np.testing.assert_allclose(value_of(gp, inputs), [-1 / values[0], 0, 0])
    np.testing.assert_allclose(value_of(gx, inputs), values - [1, 0, 0], atol=1e-12)


def test_vjp_takes_several_outputs_and_cotangents() -> None:
    x = _placeholder(2)
    found = vjp([x * x, exp(x), x], x, [constant([1.0, 10.0], "float64"), None, x])
    np.testing.assert_allclose(value_of(found, {x: [3.0, 4.0]}), [6 + 3, 80 + 4])


def test_gradient_nodes_carry_their_origin_line_and_scope() -> None:
    x = _placeholder(2)
    with name_scope("encoder"):
        y = tanh(x)
    gradient = grad(total(y), x)
    forward = set(map(id, topological_order([y])))
    built = [node for node in topological_order([gradient]) if id(node) not in forward]
    assert built
    for node in built:
        assert node.origin is not None
        assert node.location == node.origin.location
        assert node.scope == node.origin.scope
    assert any(node.origin is y.node and node.scope == ("encoder",) for node in built)


def test_named_sizes_stay_symbolic() -> None:
    x = placeholder("x", ("batch", 3))
    w = variable(np.ones((3, 2)))
    cost = mean(relu(matmul(x[::2], w))) + mean(concat([x, x])[1:, ::-1]) + total(x[:, 1::2])
    gx, gw = grad(cost, [x, w])
    assert (gx.type, gw.type) == (x.type, w.type)
    for batch in (1, 4, 5):
        value = value_of(gx, {x: np.ones((batch, 3))})
        assert value.shape == (batch, 3)
    _verify(gx, gw)


def _verify(*tensors: Tensor) -> None:
    leaves = [n for n in topological_order(tensors) if n.op.name == "placeholder"]
    verify(Graph(tuple(n.results[0] for n in leaves), tensors))


# Values -------------------------------------------------------------------------------------------


def _compare_with_torch(function: Any, torch_function: Any, *arrays: Array) -> None:
    inputs = {_placeholder(*a.shape, name=f"x{i}"): a for i, a in enumerate(arrays)}
    found = grad(function(*inputs), list(inputs))
    tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
    expected = torch.autograd.grad(torch_function(*tensors), tensors)
    for gradient, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(
            value_of(gradient, inputs), wanted.numpy(), rtol=1e-9, atol=1e-12
        )


_random = np.random.default_rng(3)
_X = _random.normal(size=(4, 5))
_W = _random.normal(size=(5, 3))
_LABELS = np.array([0, 2, 1, 1])


def test_composites_equal_torch() -> None:
    labels = constant(_LABELS)
    one_hot = np.eye(3)[_LABELS]
    nll = torch.nn.functional.cross_entropy
    _compare_with_torch(
        lambda x, w: -mean(total(constant(one_hot, "float64") * log_softmax(matmul(x, w)), axis=1)),
        lambda x, w: nll(x @ w, torch.tensor(_LABELS)),
        _X, _W,
    )  # fmt: skip
    _compare_with_torch(
        lambda x: total(softmax(x, axis=0)[1]) + total(logsumexp(x, axis=1)),
        lambda x: torch.softmax(x, 0)[1].sum() + torch.logsumexp(x, 1).sum(),
        _X,
    )
    _compare_with_torch(
        lambda x: total((x - mean(x, axis=1, keepdims=True)) / std(x, axis=1, keepdims=True) * x),
        lambda x: ((x - x.mean(1, True)) / x.std(1, correction=0, keepdim=True) * x).sum(),
        _X,
    )
    _compare_with_torch(
        lambda x: total(prod(x, axis=1) * cumulative_sum(x, axis=0)[:, 2]),
        lambda x: (x.prod(1) * x.cumsum(0)[:, 2]).sum(),
        _X,
    )
    _compare_with_torch(
        lambda x: total(take(x, labels, axis=1) * take(x, labels, axis=0)[:, :4]),
        lambda x: (x[:, _LABELS] * x[_LABELS][:, :4]).sum(),
        _X,
    )


def test_second_order_of_a_network_equals_torch() -> None:
    first, second = _random.normal(size=(5, 6)), _random.normal(size=(6,))
    direction = _random.normal(size=(5, 6))
    x, w, v = constant(_X, "float64"), _placeholder(5, 6, name="w"), _placeholder(6, name="v")
    cost = mean(sigmoid(matmul(tanh(matmul(x, w)), v)))
    slope = total(grad(cost, w) * constant(direction, "float64"))
    products = grad(slope, [w, v])

    tw, tv = (torch.tensor(array, requires_grad=True) for array in (first, second))
    expected_cost = torch.sigmoid(torch.tanh(torch.tensor(_X) @ tw) @ tv).mean()
    (gradient,) = torch.autograd.grad(expected_cost, tw, create_graph=True)
    expected = torch.autograd.grad((gradient * torch.tensor(direction)).sum(), [tw, tv])
    for found, wanted in zip(products, expected, strict=True):
        values = value_of(found, {w: first, v: second})
        np.testing.assert_allclose(values, wanted.numpy(), rtol=1e-9, atol=1e-14)


def test_third_order() -> None:
    x = _placeholder()
    d3 = grad(grad(grad(power(x, 5.0), x), x), x)
    assert float(value_of(d3, {x: 2.0})) == 60 * 4


@pytest.mark.parametrize("written", ["log(softmax)", "log of a ratio", "one-hot row"])
def test_cross_entropy_of_a_sure_prediction_is_finite(written: str) -> None:
    x = _placeholder(2, dtype="float32")
    if written == "log(softmax)":
        cost = -log(softmax(x))[0]
    elif written == "log of a ratio":
        cost = -total(constant([1.0, 0.0]) * log(exp(x) / total(exp(x))))
    else:
        cost = -total(constant([1.0, 0.0]) * log(softmax(reshape(x, (1, 2)))))
    assert value_of(grad(cost, x), {x: [0, 200]}).tolist() == [-1, 1]


def test_sure_sigmoids_and_products_with_logarithms_are_finite() -> None:
    x = _placeholder(2, dtype="float32")
    cost = -total(log(sigmoid(x)))
    assert value_of(grad(cost, x), {x: [-200, 200]}).tolist() == [-1, 0]
    cost = total(log(1 + exp(x)))
    assert value_of(grad(cost, x), {x: [-200, 200]}).tolist() == [0, 1]
    p = _placeholder(2, dtype="float32", name="p")
    assert value_of(grad(total(constant([0.0, 1.0]) * log(p)), p), {p: [0, 0.5]}).tolist() == [0, 2]


def test_a_branch_not_taken_gives_no_nan() -> None:
    x = _placeholder(3)
    safe = where(x > 0, sqrt(x) * log(x), 0.0) + where(x > 0, divide(1.0, x), x)
    gradient = grad(total(safe), x)
    data = np.array([0.0, -1.0, 4.0])
    expected = [1, 1, np.log(4) / 4 + 1 / 2 - 1 / 16]
    np.testing.assert_allclose(value_of(gradient, {x: data}), expected)
    second = grad(total(gradient), x)
    assert np.isfinite(value_of(second, {x: data})).all()


def test_the_gradient_of_relu_reads_its_result() -> None:
    x = _placeholder(3)
    y = relu(x)
    (found,) = (n for n in topological_order([grad(total(y), x)]) if n.op.name == "less_equal"
                and n.operands[0].is_same(y))  # fmt: skip
    assert found.origin is y.node
    data = {x: np.array([-1.0, np.nan, 2.0])}
    assert value_of(grad(total(y), x), data).tolist() == [0, 1, 1]


def test_points_without_a_derivative() -> None:
    x = _placeholder(3)
    zero = {x: np.array([0.0, -1.0, 1.0])}
    assert value_of(grad(total(absolute(x)), x), zero).tolist() == [0, -1, 1]
    assert value_of(grad(total(relu(x)), x), zero).tolist() == [0, 0, 1]
    assert value_of(grad(total(maximum(x, -x)), x), zero).tolist() == [0, -1, 1]
    assert value_of(grad(total(softplus(x)), x), zero)[0] == 0.5
    assert value_of(grad(total(floor(x)), x), zero).tolist() == [0, 0, 0]
    assert value_of(grad(total(power(x, 0)), x), zero).tolist() == [0, 0, 0]
    assert np.isfinite(value_of(grad(total(power(x, constant(2.0, "float64"))), x), zero)).all()
    ties = {x: np.array([2.0, 2.0, 1.0])}
    assert value_of(grad(largest(x), x), ties).tolist() == [0.5, 0.5, 0]
    assert value_of(grad(total(clip(x, 0, 1.5)), x), ties).tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("data", "expected"),
    [([2.0, 3.0, 4.0], [12, 8, 6]), ([2.0, 0.0, 4.0], [0, 8, 0]), ([0.0, 0.0, 4.0], [0, 0, 0])],
)
def test_a_product_with_zeros(data: list[float], expected: list[float]) -> None:
    x = _placeholder(3)
    assert value_of(grad(prod(x), x), {x: data}).tolist() == expected


def test_empty_axes() -> None:
    x = _placeholder(0, 3)
    assert value_of(grad(total(x * x), x), {x: np.zeros((0, 3))}).shape == (0, 3)


def test_float16_keeps_its_dtype() -> None:
    x = placeholder("x", (3,), "bfloat16")
    gradient = grad(total(astype(tanh(x), "float32")), x)
    assert gradient.type == x.type


# What has no derivative ---------------------------------------------------------------------------


def test_stop_gradient_counts_as_a_constant() -> None:
    x = _placeholder()
    assert float(value_of(grad(x * stop_gradient(x), x), {x: 3.0})) == 3
    with pytest.raises(GradientError, match="stop_gradient cuts the path"):
        grad(stop_gradient(x), x)


def test_a_disconnected_wrt_names_both_lines() -> None:
    x = _placeholder(2)
    other = placeholder("other", ())
    cost = total(x)
    with pytest.raises(GradientError) as caught:
        grad(cost, [x, other])
    text = str(caught.value)
    assert 'placeholder "other"' in text
    assert "reduce_sum" in text
    assert text.count("test_reverse.py:") == 3
    assert grad(cost, [x, other], disconnected="none")[1] is None
    zero = grad(cost, [x, other], disconnected="zero")[1]
    assert zero.type == other.type
    assert value_of(zero).tolist() == 0


def test_a_path_through_integers_is_cut() -> None:
    x = _placeholder(3)
    with pytest.raises(GradientError, match="argmax cuts the path"):
        grad(astype(argmax(x), "float32"), x)
    with pytest.raises(GradientError, match="convert cuts the path"):
        grad(total(astype(astype(x, "int32"), "float32")), x)
    mixed = total(x * astype(argmax(x), "float64"))
    assert value_of(grad(mixed, x), {x: [1.0, 5.0, 2.0]}).tolist() == [1, 1, 1]


def test_wrong_arguments_are_told() -> None:
    x, label = _placeholder(2), placeholder("label", (2,), "int64")
    with pytest.raises(ShapeError, match="0-d, got float64"):
        grad(x, x)
    with pytest.raises(GradientError, match="wrt is int64"):
        grad(total(x), label)
    with pytest.raises(GradientError, match="cost is int64"):
        grad(total(label), x)
    with pytest.raises(ArgumentError, match="wrt must be a tensor, got ndarray"):
        grad(total(x), np.zeros(2))
    with pytest.raises(ArgumentError, match="disconnected='maybe'"):
        grad(total(x), x, disconnected="maybe")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="1 cotangents for 2 outputs"):
        vjp([x, x], x, [x])
    with pytest.raises(ShapeError, match="output's type"):
        vjp(x, x, zeros((3,), "float64"))


def test_a_sweep_that_loses_contributions_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def keep_last(ledger: Ledger, tensor: Tensor, contribution: Tensor) -> None:
        ledger._contributions[tensor.key] = [contribution]

    monkeypatch.setattr(Ledger, "credit", keep_last)
    x = _placeholder()
    assert float(value_of(grad(x * x, x), {x: 3.0})) != 6
