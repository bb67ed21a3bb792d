"""Convolutions against PyTorch: values, both gradients, second derivatives, compiled code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from graphdl.autodiff.reverse import grad, vjp
from graphdl.function import function
from graphdl.graph.nodes import Graph, Tensor
from graphdl.ops.functions import convolution as gd
from graphdl.ops.functions.creation import placeholder
from graphdl.ops.functions.reduction import sum as total
from tests.plugins.compare import assert_close

Array = np.ndarray[Any, Any]
_random = np.random.default_rng(3)
CONV = {1: gd.conv1d, 2: gd.conv2d, 3: gd.conv3d}
TRANSPOSE = {1: gd.conv_transpose1d, 2: gd.conv_transpose2d, 3: gd.conv_transpose3d}
TORCH = {1: torch.conv1d, 2: torch.conv2d, 3: torch.conv3d}
TORCH_TRANSPOSE = {
    1: torch.nn.functional.conv_transpose1d,
    2: torch.nn.functional.conv_transpose2d,
    3: torch.nn.functional.conv_transpose3d,
}


def drawn(*shape: int) -> Array:
    return _random.uniform(-1, 1, shape)


def first(x: Any) -> Any:
    """Channels-last to channels-first."""
    return x.movedim(-1, 1)


def to_torch(kernel: Any, rank: int) -> Any:
    """(window, in, out) to (out, in, window)."""
    return kernel.permute(rank + 1, rank, *range(rank))


CASES: list[tuple[int, tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    (1, (2, 9, 3), (4, 3, 5), {}),
    (1, (2, 9, 3), (3, 3, 2), {"stride": 2, "padding": 2}),
    (1, (3, 11, 4), (3, 2, 6), {"dilation": 2, "groups": 2}),
    (2, (2, 7, 6, 3), (3, 2, 3, 4), {}),
    (2, (2, 7, 6, 3), (3, 2, 3, 4), {"stride": (2, 3), "padding": (1, 2)}),
    (2, (2, 9, 8, 2), (3, 3, 2, 5), {"stride": 2, "dilation": (1, 2), "padding": 1}),
    (2, (1, 5, 5, 4), (3, 3, 2, 6), {"groups": 2}),
    (2, (2, 6, 5, 4), (3, 3, 1, 4), {"groups": 4, "padding": 1}),
    (2, (2, 6, 5, 4), (3, 2, 1, 8), {"groups": 4, "stride": 2}),
    (2, (2, 5, 5, 3), (1, 1, 3, 4), {"stride": 2}),
    (2, (2, 8, 8, 3), (4, 4, 3, 5), {"stride": 4}),
    (2, (0, 5, 5, 3), (3, 3, 3, 4), {}),
    (2, (1, 3, 3, 1), (3, 3, 1, 1), {}),
    (3, (2, 4, 5, 6, 2), (2, 3, 2, 2, 3), {"stride": (1, 2, 1), "padding": 1}),
]


def ops_of(outputs: list[Tensor]) -> set[str]:
    return {node.op.name for node in Graph((), tuple(outputs)).nodes()}


@pytest.mark.parametrize("is_transposed", [False, True], ids=["plain", "transposed"])
@pytest.mark.parametrize("number", range(len(CASES)))
def test_convolutions_and_their_derivatives_are_torchs(number: int, is_transposed: bool) -> None:
    rank, shape, kernel_shape, options = CASES[number]
    is_named = number % 2 == 1
    if is_transposed:
        shape = (*shape[:-1], kernel_shape[-1])
    build = (TRANSPOSE if is_transposed else CONV)[rank]
    reference = (TORCH_TRANSPOSE if is_transposed else TORCH)[rank]
    arrays = [drawn(*shape), drawn(*kernel_shape)]
    inputs = [
        placeholder("x", ("batch", *shape[1:]) if is_named else shape, "float64"),
        placeholder("kernel", kernel_shape, "float64"),
    ]
    tx, tk = given = [torch.from_numpy(a).requires_grad_() for a in arrays]
    y = build(*inputs, **options)
    ty = reference(first(tx), to_torch(tk, rank), **options).movedim(1, -1)
    weights = drawn(*ty.shape)
    weight = placeholder("weight", y.shape, "float64")
    gradients = vjp([y], inputs, [weight])
    wanted = torch.autograd.grad(ty, given, torch.from_numpy(weights), create_graph=True)
    directions = [drawn(*array.shape) for array in arrays]
    along = [placeholder(f"v{n}", t.shape, "float64") for n, t in enumerate(inputs)]
    second = vjp(list(gradients), inputs, along)
    second_wanted = torch.autograd.grad(
        wanted, given, [torch.from_numpy(a) for a in directions], materialize_grads=True
    )
    outputs = [y, *gradients, *second]
    found = function([*inputs, weight, *along], outputs)(*arrays, weights, *directions)
    for actual, target in zip(found, [ty, *wanted, *second_wanted], strict=True):
        assert_close(actual, target.detach().numpy(), rtol=1e-10, atol=1e-10)
    assert not {op for op in ops_of(outputs) if "scatter" in op}


def test_gradients_are_contractions() -> None:
    """Both gradients, and their derivatives, sum products: nothing is added up over windows."""
    for options in ({}, {"stride": 2, "padding": "same"}, {"groups": 2}, {"dilation": 2}):
        x = placeholder("x", ("batch", 9, 9, 4))
        kernel = placeholder("kernel", (3, 3, 4 // options.get("groups", 1), 6))
        y = gd.conv2d(x, kernel, **options)
        cost = total(y * y)
        gradients = grad(cost, [x, kernel])
        second = grad(total(gradients[0] * gradients[0]), [x, kernel])
        counts = ops_of([*gradients, *second])
        assert "diagonal" not in counts
        assert "dot_general" in counts
