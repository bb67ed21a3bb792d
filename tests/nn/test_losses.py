"""Losses against torch, and at the edges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from graphdl.autodiff.reverse import grad
from graphdl.errors import ArgumentError, DTypeError, ShapeError
from graphdl.graph.nodes import Tensor
from graphdl.nn.losses import (
    binary_crossentropy,
    categorical_crossentropy,
    mean_squared_error,
    sparse_categorical_crossentropy,
)
from graphdl.ops.composite import sigmoid, softmax
from graphdl.ops.functions.creation import constant, placeholder
from tests.plugins.steps import value_of

functional = torch.nn.functional
_random = np.random.default_rng(2)
LOGITS = _random.normal(size=(5, 3)).astype(np.float32)
CLASSES = np.array([0, 2, 1, 1, 0])
SHARES = _random.dirichlet([1, 1, 1], size=5).astype(np.float32)
BITS = (_random.random((5, 3)) < 0.5).astype(np.float32)
_t = torch.tensor

Loss = Callable[..., Tensor]
CASES: list[tuple[str, Loss, Any, Any, Any]] = [
    ("mse", mean_squared_error, SHARES, False, lambda x: functional.mse_loss(x, _t(SHARES))),
    (
        "categorical", categorical_crossentropy, SHARES, softmax,
        lambda x: functional.cross_entropy(x, _t(SHARES)),
    ),
    (
        "sparse", sparse_categorical_crossentropy, CLASSES, softmax,
        lambda x: functional.cross_entropy(x, _t(CLASSES)),
    ),
    (
        "binary", binary_crossentropy, BITS, sigmoid,
        lambda x: functional.binary_cross_entropy_with_logits(x, _t(BITS)),
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[name for name, *_ in CASES])
@pytest.mark.parametrize("through", ["logits", "probabilities"])
def test_values_and_gradients_equal_torch(case: Any, through: str) -> None:
    _, loss, truth, probabilities, expected = case
    x = placeholder("x", ("batch", 3))
    y = placeholder("y", ("batch", *truth.shape[1:]), truth.dtype)
    if not probabilities:
        cost = loss(y, x)
    elif through == "logits":
        cost = loss(y, x, from_logits=True)
    else:
        cost = loss(y, probabilities(x))
    logits = torch.tensor(LOGITS, requires_grad=True)
    wanted = expected(logits)
    wanted.backward()
    inputs = {x: LOGITS, y: truth}
    np.testing.assert_allclose(value_of(cost, inputs), wanted.detach().numpy(), rtol=1e-5)
    np.testing.assert_allclose(
        value_of(grad(cost, x), inputs), logits.grad.numpy(), rtol=1e-4, atol=1e-6
    )


def test_reductions_and_weights() -> None:
    x = placeholder("x", (5, 3))
    weights = np.array([0.0, 1.0, 2.0, 3.0, 4.0], np.float32)
    inputs = {x: LOGITS}
    each = value_of(mean_squared_error(SHARES, x, reduction="none"), inputs)
    np.testing.assert_allclose(each, ((LOGITS - SHARES) ** 2).mean(1), rtol=1e-5)
    summed = mean_squared_error(SHARES, x, reduction="sum", sample_weight=weights)
    np.testing.assert_allclose(value_of(summed, inputs), (each * weights).sum(), rtol=1e-5)
    mean = mean_squared_error(SHARES, x, sample_weight=weights)
    np.testing.assert_allclose(value_of(mean, inputs), (each * weights).mean(), rtol=1e-5)


def test_label_smoothing_mixes_with_the_uniform_distribution() -> None:
    x = placeholder("x", (5, 3))
    cost = categorical_crossentropy(np.eye(3)[CLASSES], x, True, 0.1)
    wanted = functional.cross_entropy(_t(LOGITS), _t(CLASSES), label_smoothing=0.1)
    np.testing.assert_allclose(value_of(cost, {x: LOGITS}), wanted.numpy(), rtol=1e-5)
    cost = binary_crossentropy(BITS, x, True, 0.2)
    wanted = functional.binary_cross_entropy_with_logits(_t(LOGITS), _t(BITS) * 0.8 + 0.1)
    np.testing.assert_allclose(value_of(cost, {x: LOGITS}), wanted.numpy(), rtol=1e-5)


def test_another_axis() -> None:
    x = placeholder("x", (3, 5))
    inputs = {x: LOGITS.T}
    cost = sparse_categorical_crossentropy(CLASSES, x, True, axis=0)
    wanted = functional.cross_entropy(_t(LOGITS), _t(CLASSES)).numpy()
    np.testing.assert_allclose(value_of(cost, inputs), wanted, rtol=1e-5)
    cost = categorical_crossentropy(np.eye(3)[CLASSES].T, x, True, axis=0)
    np.testing.assert_allclose(value_of(cost, inputs), wanted, rtol=1e-5)


@pytest.mark.parametrize("through", ["logits", "probabilities"])
def test_sure_predictions_have_finite_gradients(through: str) -> None:
    x = placeholder("x", (1, 2))
    inputs = {x: np.array([[0.0, 200.0]])}
    is_logits = through == "logits"
    prediction = x if is_logits else softmax(x)
    for cost in (
        sparse_categorical_crossentropy(np.array([0]), prediction, is_logits),
        categorical_crossentropy(np.array([[1.0, 0.0]]), prediction, is_logits),
    ):
        assert value_of(grad(cost, x), inputs).tolist() == [[-1, 1]]
    prediction = x if is_logits else sigmoid(x)
    cost = binary_crossentropy(np.array([[1.0, 0.0]]), prediction, is_logits, reduction="sum")
    assert value_of(grad(cost, x), inputs).tolist() == [[-0.25, 0.5]]


def test_a_certain_and_right_probability_costs_nothing() -> None:
    p = placeholder("p", (1, 2))
    inputs = {p: np.array([[1.0, 0.0]])}
    assert value_of(categorical_crossentropy(np.array([[1.0, 0.0]]), p), inputs) == 0
    assert value_of(binary_crossentropy(np.array([[1.0, 0.0]]), p), inputs) == 0


def test_wrong_arguments_are_told() -> None:
    x, labels = placeholder("x", ("batch", 3)), placeholder("label", ("batch",), "int64")
    with pytest.raises(ShapeError, match="one shape"):
        mean_squared_error(placeholder("y", ("batch", 4)), x)
    with pytest.raises(DTypeError, match="order is sparse_categorical_crossentropy"):
        sparse_categorical_crossentropy(x, labels)
    with pytest.raises(DTypeError, match="must hold class numbers"):
        sparse_categorical_crossentropy(x, x)
    with pytest.raises(ShapeError, match=r"must have the shape \[batch\]"):
        sparse_categorical_crossentropy(placeholder("label", (3,), "int64"), x)
    with pytest.raises(ArgumentError, match="unknown reduction"):
        mean_squared_error(x, x, reduction="average")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="out of range"):
        categorical_crossentropy(x, x, axis=2)
    assert sparse_categorical_crossentropy(labels, x).ndim == 0
    assert constant(1).ndim == 0
