"""More activations against PyTorch and plain NumPy, values and gradients, compiled code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as torch_of

from graphdl.autodiff.reverse import grad
from graphdl.errors import ArgumentError, ShapeError
from graphdl.ops import activations as gd
from graphdl.ops.functions.creation import placeholder
from graphdl.ops.functions.reduction import sum as sum_of
from tests.plugins.compare import assert_close
from tests.plugins.evaluate import run, run_both
from tests.plugins.native import assert_native


def sparse_plus(x: Any) -> Any:
    inside = (x + 1) ** 2 / 4
    return torch.where(x >= 1, x, torch.where(x <= -1, torch.zeros_like(x), inside))


PLAIN: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "hard_tanh": (gd.hard_tanh, torch_of.hardtanh),
    "hard_tanh_wide": (lambda x: gd.hard_tanh(x, -3, 2), lambda x: torch_of.hardtanh(x, -3, 2)),
    "hard_silu": (gd.hard_silu, torch_of.hardswish),
    "celu": (gd.celu, torch_of.celu),
    "celu_alpha": (lambda x: gd.celu(x, 0.5), lambda x: torch_of.celu(x, 0.5)),
    "glu": (gd.glu, torch_of.glu),
    "glu_first": (lambda x: gd.glu(x, 0), lambda x: torch_of.glu(x, 0)),
    "hard_shrink": (gd.hard_shrink, torch_of.hardshrink),
    "soft_shrink": (gd.soft_shrink, torch_of.softshrink),
    "soft_shrink_wide": (lambda x: gd.soft_shrink(x, 1.5), lambda x: torch_of.softshrink(x, 1.5)),
    "tanh_shrink": (gd.tanh_shrink, torch_of.tanhshrink),
    "threshold": (lambda x: gd.threshold(x, 0.3, 7), lambda x: torch_of.threshold(x, 0.3, 7)),
    "squareplus": (gd.squareplus, lambda x: (x + torch.sqrt(x * x + 4)) / 2),
    "sparse_plus": (gd.sparse_plus, sparse_plus),
    "sparse_sigmoid": (gd.sparse_sigmoid, lambda x: (torch.clip(x, -1, 1) + 1) / 2),
    "softmin": (gd.softmin, lambda x: torch_of.softmin(x, -1)),
    "rrelu": (gd.rrelu, lambda x: torch_of.rrelu(x, training=False)),
}
X = np.random.default_rng(0).normal(scale=3, size=(4, 6))
FAR = np.array([[-90.0, -30.0, -0.0, 0.25, 30.0, 90.0], [0.0] * 6])


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("data", [X, FAR], ids=["near", "far"])
def test_values_and_gradients_are_pytorchs(name: str, data: Any) -> None:
    function, oracle = PLAIN[name]
    x = torch.tensor(data, requires_grad=True)
    wanted = oracle(x)
    ((wanted + 1.5) ** 2).sum().backward()
    assert x.grad is not None

    def value_and_gradient(tensor: Any) -> Any:
        result = function(tensor)
        return result, grad(sum_of((result + 1.5) ** 2), tensor)

    value, gradient = run_both(value_and_gradient, data)
    assert_close(value, wanted.detach().numpy(), rtol=1e-10, atol=1e-12)
    assert_close(gradient, x.grad.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", PLAIN)
def test_nan_spreads_and_integers_are_float32(name: str) -> None:
    function = PLAIN[name][0]
    assert np.isnan(run(function, np.full((2, 2), np.nan, np.float32))).all()
    assert function(placeholder("x", (2, 2), "int32")).dtype.name == "float32"
    assert run(function, np.zeros((0, 2), np.float32)).shape[0] == 0


@pytest.mark.parametrize("shape", [(), (1,), (3,)], ids=str)
def test_learned_slopes_are_pytorchs(shape: Any) -> None:
    data = np.random.default_rng(2).normal(size=(2, 3, 4))
    weight = np.random.default_rng(3).normal(size=shape)
    x, w = torch.tensor(data, requires_grad=True), torch.tensor(weight, requires_grad=True)
    wanted = torch_of.prelu(x, w)
    (wanted * wanted).sum().backward()
    assert x.grad is not None
    assert w.grad is not None

    def everything(t: Any, u: Any) -> Any:
        result = gd.prelu(t, u)
        return result, *grad(sum_of(result * result), [t, u])

    found = run_both(everything, data, weight)
    for one, other in zip(found, (wanted.detach(), x.grad, w.grad), strict=True):
        assert_close(one, other.numpy(), rtol=1e-10)


def test_log1mexp_keeps_its_digits() -> None:
    x = np.array([1e-12, 0.1, 0.6, 0.7, 3.0, 40.0])
    wanted = [
        -27.631021115929,
        -2.352168461,
        -0.7958704,
        -0.686341,
        -0.05106918,
        -4.248354e-18,
    ]
    assert_close(run_both(gd.log1mexp, x), wanted, rtol=1e-4, atol=0)
    assert np.isfinite(run(lambda t: grad(sum_of(gd.log1mexp(t)), t), x)).all()


def test_errors() -> None:
    x = placeholder("x", (2, 3))
    with pytest.raises(ShapeError, match=r"glu: axis 1 of size 3 has no two halves\n  x  float32"):
        gd.glu(x)
    with pytest.raises(ArgumentError, match="glu: axis 2 is out of range"):
        gd.glu(x, 2)
    with pytest.raises(ArgumentError, match="hard_tanh: low 1 is not below high 1"):
        gd.hard_tanh(x, 1, 1)
    with pytest.raises(ArgumentError, match="soft_shrink: the threshold must not be negative"):
        gd.soft_shrink(x, -1)
    with pytest.raises(ArgumentError, match="rrelu: lower 1 is above upper 0"):
        gd.rrelu(x, 1, 0)
    with pytest.raises(ShapeError, match="prelu: sizes differ"):
        gd.prelu(x, placeholder("w", (2,)))


def test_compiled_code_is_the_interpreters() -> None:
    def everything(x: Any) -> Any:
        results = [function(x) for function, _ in PLAIN.values()]
        return [*results, *(grad(sum_of(result * result), x) for result in results)]

    assert_native(everything, X.astype(np.float32), rtol=1e-5, atol=1e-5)
