"""Activations against PyTorch, values and gradients, far out and at special places too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as torch_of

from graphdl.autodiff.reverse import grad
from graphdl.errors import ArgumentError, DTypeError
from graphdl.ops import composite as gd
from graphdl.ops.functions.creation import placeholder
from graphdl.ops.functions.reduction import logsumexp
from graphdl.ops.functions.reduction import sum as sum_of
from tests.plugins.compare import assert_close
from tests.plugins.evaluate import run, run_both

PLAIN: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "relu": (gd.relu, torch_of.relu),
    "relu6": (gd.relu6, torch_of.relu6),
    "leaky_relu": (gd.leaky_relu, lambda x: torch_of.leaky_relu(x, 0.2)),
    "elu": (gd.elu, torch_of.elu),
    "elu_alpha": (lambda x: gd.elu(x, 0.5), lambda x: torch_of.elu(x, 0.5)),
    "selu": (gd.selu, torch_of.selu),
    "gelu": (gd.gelu, torch_of.gelu),
    "gelu_tanh": (
        lambda x: gd.gelu(x, approximate=True),
        lambda x: torch_of.gelu(x, approximate="tanh"),
    ),
    "softplus": (gd.softplus, torch_of.softplus),
    "softsign": (gd.softsign, torch_of.softsign),
    "sigmoid": (gd.sigmoid, torch.sigmoid),
    "hard_sigmoid": (gd.hard_sigmoid, lambda x: torch_of.relu6(x + 3) / 6),
    "log_sigmoid": (gd.log_sigmoid, torch_of.logsigmoid),
    "silu": (gd.silu, torch_of.silu),
    "mish": (gd.mish, torch_of.mish),
    "softmax": (gd.softmax, lambda x: torch.softmax(x, -1)),
    "log_softmax": (gd.log_softmax, lambda x: torch.log_softmax(x, -1)),
}
X = np.random.default_rng(0).normal(scale=3, size=(4, 6))
FAR = np.array([[-90.0, -30.0, -0.0, 0.0, 30.0, 90.0]])


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("data", [X, FAR], ids=["near", "far"])
def test_values_and_gradients_are_pytorchs(name: str, data: Any) -> None:
    function, oracle = PLAIN[name]
    weights = np.random.default_rng(1).normal(size=data.shape)
    x = torch.tensor(data, requires_grad=True)
    wanted = oracle(x)
    (wanted * torch.tensor(weights)).sum().backward()
    assert x.grad is not None

    def value_and_gradient(tensor: Any, weight: Any) -> Any:
        result = function(tensor)
        return result, grad(sum_of(result * weight), tensor)

    value, gradient = run_both(value_and_gradient, data, weights)
    assert_close(value, wanted.detach().numpy(), rtol=1e-10, atol=1e-12)
    assert_close(gradient, x.grad.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", PLAIN)
def test_nan_spreads(name: str) -> None:
    x = np.array([[1.0, np.nan, -1.0]], np.float32)
    assert np.isnan(run(PLAIN[name][0], x)[0, 1])


@pytest.mark.parametrize("axis", [-1, 0, (0, 1)], ids=str)
def test_softmax_over_axes(axis: Any) -> None:
    powers = np.exp(X - X.max())
    wanted = powers / powers.sum(axis=axis, keepdims=True)
    assert_close(run_both(lambda x: gd.softmax(x, axis=axis), X), wanted)
    assert_close(run_both(lambda x: gd.log_softmax(x, axis=axis), X), np.log(wanted))


def test_softmax_does_not_overflow() -> None:
    x = np.array([[0.0, 200.0], [-1e4, 1e4]], np.float32)
    np.testing.assert_array_equal(run(gd.softmax, x), [[0, 1], [0, 1]])
    np.testing.assert_array_equal(run(gd.log_softmax, x), [[-200, 0], [-2e4, 0]])


def test_integers_are_computed_in_float32() -> None:
    assert placeholder("x", (2,), "int32").dtype.name == "int32"
    for name in ("sigmoid", "softmax", "gelu"):
        assert getattr(gd, name)(placeholder("x", (2,), "int32")).dtype.name == "float32"
    assert gd.relu(placeholder("x", (2,), "int8")).dtype.name == "int8"


def test_masks_leave_elements_out() -> None:
    mask = np.random.default_rng(4).random(X.shape) < 0.6
    mask[:, 0] = True
    hidden = np.where(mask, X, -np.inf)
    powers = np.exp(hidden)
    wanted = powers / powers.sum(-1, keepdims=True)
    assert_close(run_both(lambda x, m: gd.softmax(x, where=m), X, mask), wanted)
    with np.errstate(divide="ignore"):
        logarithms = np.log(wanted)
    assert_close(run_both(lambda x, m: gd.log_softmax(x, where=m), X, mask), logarithms)
    summed = run_both(lambda x, m: logsumexp(x, axis=-1, where=m), X, mask)
    assert_close(summed, np.log(powers.sum(-1)))
    bad = np.where(mask, X, np.nan)
    slope = run(lambda x, m: grad(sum_of(gd.softmax(x, where=m)[:, :2]), x), bad, mask)
    assert np.isfinite(slope).all()
    with pytest.raises(DTypeError, match=r"softmax: where must be bool, got float32\n  where"):
        gd.softmax(placeholder("x", (2,)), where=placeholder("m", (2,)))


def test_dtypes_convert_first() -> None:
    half = X.astype(np.float16)
    found = run(lambda x: gd.softmax(x, dtype="float64"), half)
    assert_close(found, torch.softmax(torch.tensor(half), -1, torch.float64))
    assert found.dtype == np.float64
    for beta, threshold in ((2.0, None), (0.5, 1.0)):
        found = run(lambda x, b=beta, t=threshold: gd.softplus(x, b, t), X)
        bound = 1e9 if threshold is None else threshold
        assert_close(found, torch_of.softplus(torch.tensor(X), beta, bound))


def test_a_bad_axis_names_the_operand() -> None:
    with pytest.raises(
        ArgumentError, match=r"softmax: axis 2 is out of range.*\n  x  float32\[2, 3\]"
    ):
        gd.softmax(placeholder("x", (2, 3)), axis=2)
