"""Public scans against NumPy and PyTorch, values and gradients, interpreted and compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from graphdl.autodiff.reverse import grad
from graphdl.errors import ArgumentError, DTypeError
from graphdl.ops.functions import cumulative as gd
from graphdl.ops.functions.creation import placeholder
from graphdl.ops.functions.reduction import sum as sum_of
from tests.plugins.compare import assert_close
from tests.plugins.evaluate import run, run_both
from tests.plugins.native import assert_native

X = np.random.default_rng(0).uniform(-2, 2, (3, 4, 5))
HOLES = np.where(np.abs(X) < 0.8, 0.0, X)

ORACLES: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "cumulative_sum": (gd.cumulative_sum, torch.cumsum),
    "cumulative_prod": (gd.cumulative_prod, torch.cumprod),
    "cummax": (gd.cummax, lambda x, axis: torch.cummax(x, axis).values),
    "cummin": (gd.cummin, lambda x, axis: torch.cummin(x, axis).values),
    "cumlogsumexp": (gd.cumlogsumexp, torch.logcumsumexp),
}


@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("data", [X, HOLES], ids=["dense", "zeros"])
def test_values_and_gradients_are_pytorchs(name: str, axis: int, data: Any) -> None:
    function, oracle = ORACLES[name]
    weights = np.random.default_rng(1).normal(size=data.shape)
    x = torch.tensor(data, requires_grad=True)
    wanted = oracle(x, axis)
    (wanted * torch.tensor(weights)).sum().backward()
    assert x.grad is not None

    def value_and_gradient(tensor: Any, weight: Any) -> Any:
        result = function(tensor, axis=axis)
        return result, grad(sum_of(result * weight), tensor)

    value, gradient = run_both(value_and_gradient, data, weights)
    assert_close(value, wanted.detach().numpy(), rtol=1e-12)
    assert_close(gradient, x.grad.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ORACLES)
def test_reverse_is_the_flipped_scan(name: str) -> None:
    function, _ = ORACLES[name]
    weights = np.arange(60.0).reshape(X.shape)

    def gradient(tensor: Any, weight: Any, reverse: bool) -> Any:
        result = function(tensor, axis=1, reverse=reverse)
        return result, grad(sum_of(result * weight), tensor)

    back = run(lambda x, w: gradient(x, w, True), X, weights)
    flipped = run(lambda x, w: gradient(x, w, False), X[:, ::-1].copy(), weights[:, ::-1].copy())
    for one, other in zip(back, flipped, strict=True):
        assert_close(one, other[:, ::-1], rtol=1e-12)


def test_an_initial_element_is_put_in_front() -> None:
    row = np.array([2, 3, 4], np.int32)
    sums = run_both(lambda x: gd.cumulative_sum(x, include_initial=True), row)
    assert sums.tolist() == [0, 2, 5, 9]
    back = run_both(lambda x: gd.cumulative_prod(x, include_initial=True, reverse=True), row)
    assert back.tolist() == [24, 12, 4, 1]
    assert run(lambda x: gd.cumprod(x, axis=-1, include_initial=True), row[None]).shape == (1, 4)
    assert run(gd.cumsum, np.zeros((0,), np.float32)).shape == (0,)


def test_dtypes_and_errors() -> None:
    assert gd.cumulative_sum(placeholder("x", (2,), "uint8")).dtype.name == "uint64"
    assert gd.cummax(placeholder("x", (2,), "uint8")).dtype.name == "uint8"
    assert gd.cumlogsumexp(placeholder("x", (2,), "int32")).dtype.name == "float32"
    for function in (gd.cumulative_sum, gd.cumulative_prod, gd.cummax, gd.cummin, gd.cumlogsumexp):
        with pytest.raises(ArgumentError, match=r"an axis is needed for a 2-d.*\n  x  float32"):
            function(placeholder("x", (2, 3)))
        with pytest.raises(ArgumentError, match="axis 2 is out of range"):
            function(placeholder("x", (2, 3)), axis=2)
    with pytest.raises(DTypeError, match="cummax: got bool"):
        gd.cummax(placeholder("x", (2,), "bool"))


def test_compiled_scans_are_the_interpreters() -> None:
    def everything(x: Any) -> Any:
        results = [function(x, axis=1) for function, _ in ORACLES.values()]
        return [*results, *(grad(sum_of(result * result), x) for result in results)]

    assert_native(everything, X.astype(np.float32), rtol=2e-5)
    assert_native(everything, HOLES, rtol=1e-11)
